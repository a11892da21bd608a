"""The evidence for a match profile over eps: its null, its interval, and held-out rows.

Source: docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._plotting import NULL, axes_for, label, legend
from .._threads import few_threads
from ..errors import SpanmatchError
from ..match import MatchProfile, match_profile
from ..match.maximum import checked_eps
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Array
from .held_out_distances import held_out
from .intervals import check_level, pseudo_value_statistics, reach_of, values_without_folds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID = tuple(np.round(np.arange(0.02, 1.0, 0.02), 2).tolist())
"""Default values of eps."""
LARGEST_SHARE = 0.75
"""The largest s(eps) with an interval: above, coverage falls short for fewer than 20 rows per neuron."""
SMALLEST_LEVEL = 1e-9
"""Levels count as at least this large in the interval, which is of logarithms."""
HELD_OUT_AT = 8
"""Number of values of eps at which the held-out share is computed."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ProfileEvidence(Result):
    """s(eps) with its interval, its value under the null, and the held-out share.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> evidence = sm.profile_evidence(pair, eps=[0.6, 0.8])
    >>> evidence.similarity.tolist(), evidence.null.tolist()
    ([0.0, 1.0], [0.0, 0.0])
    """

    eps: Array
    """(m,) values of eps."""
    similarity: Array
    """(m,) s(eps) in sample, of the maximum match."""
    corrected: Array
    """(m,) s(eps) of corrected levels, an estimate for the population; nan if there are too few rows.
    """
    low: Array
    """(m,) lower end of the interval of the corrected s(eps) over examples; nan where it would not be
    reliable, above a share of 0.75."""
    high: Array
    """(m,) upper end of the interval."""
    level: float
    """Level of the interval."""
    null: Array
    """(m,) s(eps) of the null pairing; nan if none was kept, or it is refused."""
    held_out_eps: Array
    """(k,) values of eps at which the held-out share was computed."""
    held_out: Array
    """(k,) share of all neurons that are in the match at eps and within eps of it on held-out rows.
    """
    reason: str
    """Why there is no corrected s(eps); empty if there is."""

    def _summary(self) -> str:
        i = int(np.argmax(self.similarity >= self.similarity[-1] / 2))
        return (
            f"of {self.x_layer} and {self.y_layer} at {len(self.eps)} eps: s({self.eps[i]:.3g}) = "
            f"{self.similarity[i]:.3f} in sample, {self.corrected[i]:.3f} corrected, {self.null[i]:.3f} by chance"
        )

    def held_out_at(self, eps: float) -> float:
        """Return the held-out share at one of `held_out_eps`.

        Parameters
        ----------
        eps : float
            One of `held_out_eps`. The share jumps between them, so it is not interpolated.

        Returns
        -------
        float

        Raises
        ------
        SpanmatchError
            If the held-out share was not computed at `eps`.
        """
        (positions,) = np.nonzero(self.held_out_eps == eps)
        if not len(positions):
            raise SpanmatchError(
                f"eps {eps:g}: the held-out share was computed at {', '.join(f'{e:g}' for e in self.held_out_eps)}"
            )
        return float(self.held_out[positions[0]])

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw s(eps), corrected with its interval and in sample (dashed), the null (dotted) and the
        held-out share (dots).

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        **line
            Keyword arguments of matplotlib's `plot`.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("evidence.plot", ax)
        (drawn,) = ax.plot(self.eps, self.corrected, **{"label": f"{self.x_layer} and {self.y_layer}"} | line)
        ax.plot(self.eps, self.similarity, "--", color=drawn.get_color(), label="in sample")
        ax.fill_between(self.eps, self.low, self.high, alpha=0.2, color=drawn.get_color(), linewidth=0)
        ax.plot(self.held_out_eps, self.held_out, "o", markersize=4, color=drawn.get_color(), label="held out")
        ax.plot(self.eps, self.null, ":", color=NULL, label="under the null")
        ax.set(xlim=(0, 1), ylim=(0, 1.02))
        label(ax, "eps", "s(eps), share of neurons in the match")
        legend(ax)
        return ax


@few_threads
def profile_evidence(
    pair: Pair,
    profile: MatchProfile | None = None,
    *,
    eps: ArrayLike = GRID,
    held: ArrayLike = (),
    level: float = 0.95,
    centred: bool = False,
) -> ProfileEvidence:
    """Return s(eps) in sample and corrected, its interval over examples, its null, and its held-out
    share.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q), with folds.
    profile : MatchProfile, optional
        Of that pair; computed if not given.
    eps : array_like
        Values of eps, in [0, 1).
    held : array_like
        Values of eps at which to compute the held-out share, in addition to eight of `eps`.
    level : float
        Level of the interval, in (0, 1).
    centred : bool
        Whether to centre the activations if `profile` is not given.

    Returns
    -------
    ProfileEvidence

    Raises
    ------
    SpanmatchError
        If an eps or the level is out of range, or no folds were kept.

    Notes
    -----
    s(eps) is a step function, for which the jackknife fails. The interval is that of its inverse: the
    j-th smallest corrected level has an interval by the delete-a-group jackknife of its logarithm,
    and the interval of s(eps) counts the lower and the upper ends up to eps. It is conservative.

    Cost: a corrected match profile for each fold, two profiles more, and the held-out matches.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> evidence = sm.profile_evidence(pair, eps=[0.6, 0.8])
    >>> evidence.similarity.tolist(), evidence.null.tolist()
    ([0.0, 1.0], [0.0, 0.0])
    """
    checked_pair(pair)
    check_level(level)
    grid = np.atleast_1d(checked_eps(eps))
    profile = match_profile(pair, centred=centred) if profile is None else profile
    check_in_sample(profile)
    centred = profile.provenance.centred
    corrected, low, high, reason = _corrected(pair, grid, level, centred)
    held_out_eps = np.union1d(grid[np.linspace(0, len(grid) - 1, HELD_OUT_AT).round().astype(int)], checked_eps(held))
    return ProfileEvidence(
        provenance=profile.provenance,
        eps=grid,
        similarity=profile.similarity(grid),
        corrected=corrected,
        low=low,
        high=high,
        level=level,
        null=_null(pair, grid, centred),
        held_out_eps=held_out_eps,
        held_out=np.array([_held_out(pair, profile, value) for value in held_out_eps.tolist()]),
        reason=reason,
    )


def check_in_sample(profile: MatchProfile) -> None:
    """Raise SpanmatchError if a profile is corrected, where that of the rows is expected."""
    if profile.sample_size is not None:
        raise SpanmatchError(
            f"the profile of {profile.x_layer!r} and {profile.y_layer!r} is corrected; give match_profile(pair), in "
            "sample: the corrected one is computed as well"
        )


def _corrected(pair: Pair, eps: Array, level: float, centred: bool) -> tuple[Array, Array, Array, str]:
    """Return the corrected s(eps), the ends of its interval, and why there is none."""
    nothing = np.full(len(eps), np.nan)
    try:
        profile = match_profile(pair, centred=centred, corrected=True)
    except SpanmatchError as error:
        return nothing, nothing, nothing, str(error)
    similarity = profile.similarity(eps)
    try:
        low, high = _band(pair, profile, eps, level, centred)
    except SpanmatchError as error:  # Without a fold there are too few rows.
        return similarity, nothing, nothing, str(error)
    reliable = similarity <= LARGEST_SHARE
    return similarity, np.where(reliable, low, np.nan), np.where(reliable, high, np.nan), ""


def _band(pair: Pair, profile: MatchProfile, eps: Array, level: float, centred: bool) -> tuple[Array, Array]:
    """Return the ends of the interval of s(eps), from those of the sorted levels."""
    floor = max(profile.resolution, SMALLEST_LEVEL)

    def log_levels(profile: MatchProfile) -> Array:
        """Return the logarithms of the levels, ascending; 0 for silent neurons, which are in no match."""
        levels = np.concatenate([profile.x_levels, profile.y_levels])
        return np.asarray(np.log(np.sort(np.clip(np.nan_to_num(levels, nan=1.0), floor, 1.0))))

    middle = log_levels(profile)
    without, sizes = values_without_folds(
        pair, lambda rest: log_levels(match_profile(rest, centred=centred, corrected=True))
    )
    _, error = pseudo_value_statistics(middle, without, sizes)
    reach = reach_of(level, pair.n_folds) * error
    ends = (np.sort(np.exp(middle + sign * reach)) for sign in (1, -1))
    low, high = (np.searchsorted(end, eps, side="right") / len(middle) for end in ends)
    return low, high


def _null(pair: Pair, eps: Array, centred: bool) -> Array:
    """Return s(eps) of the null pairing; nan without one."""
    null_pair, _ = pair.null_or_reason()
    return np.full(len(eps), np.nan) if null_pair is None else match_profile(null_pair, centred=centred).similarity(eps)


def _held_out(pair: Pair, profile: MatchProfile, eps: float) -> float:
    """Return the held-out share of all neurons at one eps; nan below the resolution."""
    if np.isnan(profile.similarity(eps)):  # below the resolution
        return float("nan")
    match = profile.at(eps)
    if not (len(match.x) and len(match.y)):
        return 0.0
    return held_out(pair, match).share * match.similarity
