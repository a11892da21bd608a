"""The evidence for a match profile over eps: its null, its interval, and held-out rows.

Source: docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._plotting import axes_for
from .._threads import few_threads
from ..errors import SpanmatchError
from ..match import MatchProfile, match_profile
from ..match.maximum import checked_eps
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Array
from .held_out_distances import held_out
from .intervals import check_level, pseudo_value_statistics, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID = tuple(np.round(np.arange(0.02, 1.0, 0.02), 2).tolist())
"""Default values of eps."""
HELD_OUT_AT = 8
"""Number of values of eps at which the held-out share is computed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ProfileEvidence(Result):
    """s(eps) with its interval, its value under the null, and the held-out share."""

    eps: Array
    """(m,) values of eps."""
    similarity: Array
    """(m,) s(eps)."""
    low: Array
    """(m,) lower end of the interval over examples."""
    high: Array
    """(m,) upper end of the interval over examples."""
    level: float
    """Level of the interval."""
    null: Array
    """(m,) s(eps) of the null pairing; nan if none was kept, or it is refused."""
    held_out_eps: Array
    """(k,) values of eps at which the held-out share was computed."""
    held_out: Array
    """(k,) share of all neurons that are in the match at eps and within eps of it on held-out rows.
    """

    def __repr__(self) -> str:
        i = int(np.argmax(self.similarity >= self.similarity[-1] / 2))
        return (
            f"<ProfileEvidence of {self.x_layer} and {self.y_layer} at {len(self.eps)} eps: s({self.eps[i]:.3g}) = "
            f"{self.similarity[i]:.3f} ({self.low[i]:.3f} to {self.high[i]:.3f}), under the null {self.null[i]:.3f}>"
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
        """Draw s(eps) with its interval, the null (dotted) and the held-out share (dots).

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
        (drawn,) = ax.plot(self.eps, self.similarity, **{"label": f"{self.x_layer} and {self.y_layer}"} | line)
        ax.fill_between(self.eps, self.low, self.high, alpha=0.2, color=drawn.get_color(), linewidth=0)
        ax.plot(self.held_out_eps, self.held_out, "o", color=drawn.get_color(), label="held out")
        ax.plot(self.eps, self.null, ":", color="0.5", label="under the null")
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="eps", ylabel="maximum matching similarity")
        ax.legend()
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
    """Return s(eps) with its interval over examples, its null, and its held-out share.

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
    The interval is that of the delete-a-group jackknife, limited to [0, 1]. Because s(eps) is a
    step function, its coverage is less reliable than for smooth measures.

    Cost: one match profile for each fold and one for the null, and the held-out matches.
    """
    checked_pair(pair)
    check_level(level)
    grid = np.atleast_1d(checked_eps(eps))
    profile = match_profile(pair, centred=centred) if profile is None else profile
    centred = profile.provenance.centred
    similarity = profile.similarity(grid)
    _, error = pseudo_value_statistics(
        pair, similarity, lambda rest: match_profile(rest, centred=centred).similarity(grid)
    )
    reach = reach_of(level, pair.n_folds) * error
    held_out_eps = np.union1d(grid[np.linspace(0, len(grid) - 1, HELD_OUT_AT).round().astype(int)], checked_eps(held))
    return ProfileEvidence(
        provenance=profile.provenance,
        eps=grid,
        similarity=similarity,
        low=np.clip(similarity - reach, 0, 1),
        high=np.clip(similarity + reach, 0, 1),
        level=level,
        null=_null(pair, grid, centred),
        held_out_eps=held_out_eps,
        held_out=np.array([_held_out(pair, profile, value) for value in held_out_eps.tolist()]),
    )


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
