"""The maximum match of two layers, at one eps and at every eps.

A set of neurons A of X and B of Y is an eps-match when every neuron of each is within distance eps of the span
of the other: dist(v, S) = min over u in span(S) of ||z_v - u|| / ||z_v||. There is one largest,
the maximum match; its share of all neurons is the similarity s(eps) = (|A| + |B|) / (|X| + |Y|).
Source: Wang et al., NeurIPS 2018; docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from .._plotting import axes_for
from .._threads import few_threads
from .._values import data_frame, plain
from ..errors import SpanmatchError
from ..moments.pairs import RESOLVED, Pair, checked_pair
from ..moments.provenance import Method, Result
from ..moments.remembered import remembered
from ..moments.spans import Array, Index, Span
from .least_squares import Coefficients, coefficients, distances
from .peeling import Peeling

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ROWS_PER_NEURON = 5
"""Fewer rows than this for each neuron of the wider layer, and chance alone brings distances below 0.9."""

ADVICE: dict[Method, str] = {
    "single": "use method='gram' or 'qr'",
    "gram": "use method='qr'",
    "qr": "leave out neurons that nearly repeat others",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class MatchResult(Result):
    """What is common to all results about matches."""

    x_silent: tuple[int, ...]
    """Neurons of x that never vary from 0: in no match, but counted in the similarity's denominator."""
    y_silent: tuple[int, ...]
    chance_distance: float
    """The distance of independent Gaussian layers of as many dimensions, over as many independent rows."""
    warnings: tuple[str, ...]

    @property
    def resolution(self) -> float:
        """The distance below which nothing can be told from 0.

        Smaller distances count as 0 if it is at most 1e-3, and are unresolved otherwise.
        """
        assert self.provenance.resolution is not None
        return self.provenance.resolution

    def shared(self) -> dict[str, Any]:
        """Return the fields that all results about matches of the same pair share."""
        return {name: getattr(self, name) for name in MatchResult.__dataclass_fields__}

    def _plain(self) -> dict[str, Any]:
        silent = {"x_silent": list(self.x_silent), "y_silent": list(self.y_silent)}
        rest = {"chance_distance": self.chance_distance, "warnings": list(self.warnings)}
        return self.provenance.to_dict() | silent | rest


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Match(MatchResult):
    """A match at one eps: neurons x of one layer and y of the other, each within eps of the span of the others."""

    eps: float
    x: Index
    """Sorted indices of the matched neurons of x."""
    y: Index
    """Sorted indices of the matched neurons of y."""

    @property
    def similarity(self) -> float:
        """(|x| + |y|) / all neurons of both layers."""
        return (len(self.x) + len(self.y)) / sum(self.provenance.neurons)

    def coefficients(self, pair: Pair) -> Coefficients:
        """Return the least-squares maps both ways between the two groups, in units of activations."""
        return coefficients(pair, self.x, self.y, centred=self.provenance.centred)

    def verify(self, pair: Pair) -> bool:
        """Tell, by least squares that share no code with the search, whether every distance is within eps."""
        eps = threshold_of(self) * (1 + 1e-9)
        return all((side <= eps).all() for side in distances(pair, self.x, self.y, centred=self.provenance.centred))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        found = {"eps": self.eps, "similarity": self.similarity, "x": self.x.tolist(), "y": self.y.tolist()}
        return found | self._plain()

    def __repr__(self) -> str:
        return (
            f"<Match at eps={self.eps:g}: {len(self.x)} of {self.provenance.x_neurons} neurons of {self.x_layer} "
            f"and {len(self.y)} of {self.provenance.y_neurons} of {self.y_layer}, similarity {self.similarity:.3f}>"
        )


@dataclass(frozen=True)
class Stability:
    """The interval [low, high) of eps over which the maximum match is the same as at eps."""

    eps: float
    low: float
    high: float
    leaving: tuple[tuple[str, int], ...]
    """Who leaves first as eps falls below low: ("x", index) or ("y", index)."""
    entering: tuple[tuple[str, int], ...]
    """Who enters first as eps reaches high."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MatchProfile(MatchResult):
    """The maximum match at every eps, as the level of each neuron: the smallest eps at which it is in."""

    x_levels: Array
    """(p,) nan where silent."""
    y_levels: Array
    """(q,)"""

    @overload
    def similarity(self, eps: float) -> float: ...
    @overload
    def similarity(self, eps: ArrayLike) -> Array: ...
    def similarity(self, eps: ArrayLike) -> float | Array:
        """Return s(eps), the share of all neurons that are in the maximum match at eps.

        nan where neurons are nearer than the resolution and eps is smaller: how many are within eps cannot be told.
        At eps = 0 they count as exact, if the resolution is at most 1e-3.
        Args: eps in [0, 1), a number or an array. Raises SpanmatchError for others.
        """
        asked = checked_eps(eps)
        levels = np.sort(np.concatenate([self.x_levels, self.y_levels]))  # nan comes last
        share = np.searchsorted(levels, asked, side="right") / len(levels)
        if levels[0] <= self.resolution:
            resolved = (asked >= self.resolution) | ((asked == 0) & (self.resolution <= RESOLVED))
            share = np.where(resolved, share, np.nan)
        return float(share) if share.ndim == 0 else share

    @property
    def unresolved(self) -> tuple[Index, Index]:
        """Neurons of x and of y whose level is at most the resolution, which is too coarse to call it 0."""
        x, y = (
            np.flatnonzero((levels <= self.resolution) & (self.resolution > RESOLVED))
            for levels in (self.x_levels, self.y_levels)
        )
        return x, y

    def at(self, eps: float) -> Match:
        """Return the maximum match at eps.

        Raises SpanmatchError if eps is not in [0, 1), or where `similarity` is nan.
        """
        value = self._resolved(eps)
        x, y = (np.flatnonzero(levels <= value) for levels in (self.x_levels, self.y_levels))
        return Match(eps=value, x=x, y=y, **self.shared())

    def stability(self, eps: float) -> Stability:
        """Return how far eps can move before the maximum match changes, and who would enter and leave.

        The match is the same on [low, high): below low the neurons of that level leave, at high others enter.
        Raises SpanmatchError as `at` does.
        """
        value = self._resolved(eps)
        levels = np.concatenate([self.x_levels, self.y_levels])
        low = float(levels[levels <= value].max(initial=0.0))
        high = float(levels[levels > value].min(initial=1.0))

        def at(level: float) -> tuple[tuple[str, int], ...]:
            return tuple(
                (side, int(i))
                for side, own in (("x", self.x_levels), ("y", self.y_levels))
                for i in np.flatnonzero(own == level)
            )

        return Stability(value, low, high, leaving=at(low), entering=at(high))

    def _resolved(self, eps: float) -> float:
        """Return eps as a number.  Raises SpanmatchError where s(eps) is nan."""
        value = float(checked_eps(eps))
        if np.isnan(self.similarity(value)):
            raise _unresolved(self, value)
        return value

    def gaps(self, count: int = 5) -> list[tuple[float, float]]:
        """Return the widest intervals of eps, widest first, over which a match that is not empty stays the same.

        Their insides are natural choices of eps.
        """
        levels = np.concatenate([self.x_levels, self.y_levels])
        ends = np.unique(np.append(levels[levels < 1], 1.0))
        widest = np.argsort(-np.diff(ends), kind="stable")[:count]
        return [(float(ends[i]), float(ends[i + 1])) for i in widest]

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw s(eps) and return the axes; `line` goes to matplotlib's `step`."""
        ax = axes_for("profile.plot", ax)
        levels = np.concatenate([self.x_levels, self.y_levels])
        eps = np.unique(np.append(levels[levels < 1], 0.0))
        share = self.similarity(eps)
        label = f"{self.x_layer} and {self.y_layer}"
        ax.step(np.append(eps, 1.0), np.append(share, share[-1]), **{"where": "post", "label": label} | line)
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="eps", ylabel="maximum matching similarity")
        return ax

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values; a silent neuron's level is None."""
        return {"x_levels": plain(self.x_levels), "y_levels": plain(self.y_levels)} | self._plain()

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row for each neuron: layer, neuron, level, silent."""
        return data_frame("profile.to_frame", self.neurons(), columns=["layer", "neuron", "level", "silent"])

    def neurons(self) -> Iterator[tuple[str, int, float, bool]]:
        """Yield layer, neuron, level, silent for every neuron of x, then of y."""
        for layer, levels in ((self.x_layer, self.x_levels), (self.y_layer, self.y_levels)):
            for neuron, level in enumerate(levels.tolist()):
                yield layer, neuron, level, bool(np.isnan(level))

    def __repr__(self) -> str:
        shares = ", ".join(f"s({eps:g})={self.similarity(eps):.3f}" for eps in (0.15, 0.3, 0.5))
        p, q = self.provenance.neurons
        lines = [f"<MatchProfile of {self.x_layer} ({p}) and {self.y_layer} ({q}): {shares}"]
        lines.append(f"  from {self.provenance.rows:,} rows, distances resolved to {self.resolution:.1g}")
        return "\n".join([*lines, *(f"  warning: {warning}" for warning in self.warnings)]) + ">"


@few_threads
def maximum_match(pair: Pair, eps: float, *, centred: bool = False) -> Match:
    """Return the maximum match at eps: start from all neurons, drop those farther than eps, until none is.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    eps : float
        In [0, 1). 0 asks for exact matches, up to the resolution that the result names.
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    Match
        The neurons of both layers that are in the maximum match.

    Raises
    ------
    SpanmatchError
        If eps is outside [0, 1), or below the resolution while neurons are nearer than that to the other layer.

    Notes
    -----
    Cost: 5 (p^3 + q^3) / 3 operations, and up to 4 p^3 + 4 q^3 + 4 p q (p + q) more for the neurons that drop.
    """
    checked_pair(pair)
    value = float(checked_eps(eps))
    neurons, resolution, dimensions = list(pair.active(centred=centred)), 0.0, 0
    for peeling in _sharpened(pair, neurons, centred, enough=value):
        dimensions = max(dimensions, peeling.dimensions)
        peeling.fall(max(value, peeling.resolution) ** 2)
        resolution = peeling.resolution
    match = Match(eps=value, x=neurons[0], y=neurons[1], **_about(pair, centred, resolution, dimensions))
    exact = value == 0 and resolution <= RESOLVED
    if value < resolution and not exact and (len(match.x) or len(match.y)):
        raise _unresolved(match, value)
    return match


@remembered
@few_threads
def match_profile(pair: Pair, *, centred: bool = False) -> MatchProfile:
    """Return the level of every neuron, and with them the maximum match at every eps.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    MatchProfile
        The level of every neuron: the smallest eps at which it is in the maximum match.

    Notes
    -----
    level(v) = min {eps : v is in M(eps)}, so that M(eps) = {v : level(v) <= eps}, by peeling (see `peeling`).
    Every level is right to the resolution of the result; a level that is at most the resolution is 0 if the
    resolution is at most 1e-3, otherwise it is unresolved.
    Cost: about 6 (p^3 + q^3) + 4 p q (p + q) operations as matrix products; no pass over the rows.
    """
    checked_pair(pair)
    neurons, dimensions = list(pair.active(centred=centred)), 0
    resolution = wrong_by = 0.0
    levels = (np.full(pair.neurons[0], np.nan), np.full(pair.neurons[1], np.nan))
    threshold = np.inf
    for peeling in _sharpened(pair, neurons, centred):
        dimensions = max(dimensions, peeling.dimensions)
        before, threshold = threshold, peeling.peel(levels, threshold)
        # What is left is a match at the threshold, however little of it is resolved.
        resolution = min(peeling.resolution, float(np.sqrt(min(threshold, 1.0))))
        if threshold < before:
            wrong_by = max(wrong_by, peeling.wrong_by(float(np.sqrt(threshold))))
    resolution = max(resolution if len(neurons[0]) or len(neurons[1]) else 0.0, wrong_by)
    for side, left in zip(levels, neurons, strict=True):
        side[left] = 0.0
        side[:] = np.sqrt(side)
        side[side <= resolution] = 0.0 if resolution <= RESOLVED else resolution
    about = _about(pair, centred, resolution, dimensions)
    return MatchProfile(x_levels=levels[0], y_levels=levels[1], **about)


def threshold_of(match: Match) -> float:
    """Return the distance up to which neurons count as within the eps of a match: the resolution, if eps is below."""
    return max(match.eps, match.resolution)


def _unresolved(result: MatchResult, eps: float) -> SpanmatchError:
    """Return the error that eps is below the resolution, and neurons are nearer than that to the other layer."""
    exact = ", eps=0 for what is exact up to the resolution," if result.resolution <= RESOLVED else ""
    return SpanmatchError(
        f"layers {result.x_layer!r} and {result.y_layer!r}: eps={eps:g} is below {result.resolution:.2g}, and "
        "distances below that are rounding, as neurons of a layer are nearly combinations of others; "
        f"give a larger eps{exact} or {ADVICE[result.provenance.method]}"
    )


def check_match(pair: Pair, match: Match) -> None:
    """Raise SpanmatchError if a match is of other layers than a pair."""
    if (match.x_layer, match.y_layer) != (pair.x_layer, pair.y_layer):
        raise SpanmatchError(
            f"a match of {match.x_layer!r} and {match.y_layer!r}, but a pair of {pair.x_layer!r} and {pair.y_layer!r}"
        )


def checked_eps(eps: ArrayLike) -> Array:
    """Return eps as an array.  Raises SpanmatchError if a value is not in [0, 1)."""
    try:
        values = np.asarray(eps, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpanmatchError(f"eps={eps!r}: give numbers in [0, 1)") from error
    wrong = values[~((values >= 0) & (values < 1))]
    if wrong.size:
        raise SpanmatchError(f"eps={wrong.flat[0]:g}: give a number in [0, 1); a distance is a sine")
    return values


def _sharpened(pair: Pair, neurons: list[Index], centred: bool, enough: float = 0.0) -> Iterator[Peeling]:
    """Yield the two layers ready for peeling, until the resolution is enough or the best.

    Once distances reach the resolution, what is left is factored again: without the neurons that have gone it
    is better conditioned, and more is resolved. So it is when a peeling has become stale.
    Args: neurons, what is left, kept up to date.
    """
    resolution, stale = np.inf, False
    while len(neurons[0]) or len(neurons[1]):
        peeling = Peeling(_spans(pair, neurons, centred), list(neurons))
        if peeling.resolution > resolution / 2 and not stale:
            return
        resolution = peeling.resolution
        yield peeling
        neurons[:] = [np.sort(side) for side in peeling.neurons]
        stale = peeling.stale
        if resolution <= enough and not stale:
            return


def _spans(pair: Pair, neurons: list[Index], centred: bool) -> tuple[Span, Span]:
    """Return the spans of some neurons, in memory of their own."""
    if all(len(some) == len(active) for some, active in zip(neurons, pair.active(centred=centred), strict=True)):
        of_x, of_y = pair.all_spans(centred=centred)
        return of_x.copy(), of_y.copy()
    return pair.spans(neurons[0], neurons[1], centred=centred)


def _about(pair: Pair, centred: bool, resolution: float, dimensions: int) -> dict[str, Any]:
    """Return the fields of `MatchResult`; dimensions are those of the larger span, as many as independent neurons."""
    silent = [np.flatnonzero(pair.energy(side, centred=centred) == 0).tolist() for side in ("x", "y")]
    chance = float(np.sqrt(max(0.0, 1 - dimensions / pair.rows)))
    warnings = []
    if pair.rows < ROWS_PER_NEURON * dimensions:
        warnings.append(
            f"{pair.rows:,} rows for {dimensions:,} independent neurons: unrelated layers would be at a distance of "
            f"{chance:.2f} by chance; use at least {2 * ROWS_PER_NEURON * dimensions:,} rows, or fewer neurons"
        )
    if resolution > RESOLVED:
        warnings.append(
            f"neurons of a layer are so nearly combinations of others that distances below {resolution:.2g} "
            f"are rounding, and s(eps) is nan for smaller eps; {ADVICE[pair.method]}"
        )
    return {
        "provenance": replace(pair.provenance, centred=centred, resolution=resolution),
        "x_silent": tuple(silent[0]),
        "y_silent": tuple(silent[1]),
        "chance_distance": chance,
        "warnings": tuple(warnings),
    }
