"""The maximum match of two layers, at one eps and at every eps.

A set of neurons A of X and B of Y is an eps-match when every neuron of each is within distance eps of the span
of the other: dist(v, S) = min over u in span(S) of ||z_v - u|| / ||z_v||. There is one largest,
the maximum match; its share of all neurons is the similarity s(eps) = (|A| + |B|) / (|X| + |Y|).
Source: Wang et al., NeurIPS 2018; docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from ..drawing import axes_for
from ..errors import SpanmatchError
from ..factor import Array, Index
from ..joint import NOISE, Method, Pair, checked_pair
from ..plain import data_frame, plain
from .direct import Coefficients, coefficients, distances
from .peeling import Peeling

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ROWS_PER_NEURON = 5
"""Fewer rows than this for each neuron of the wider layer, and chance alone brings distances below 0.9."""

COARSEST = 0.1
"""A resolution above this is not used to call distances 0, but warned of."""
ADVICE: dict[Method, str] = {
    "single": "use method='gram'",
    "gram": "use method='qr'",
    "qr": "leave out neurons that nearly repeat others",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What every result of a match says of where it comes from, and how far it can be trusted."""

    x_layer: str
    y_layer: str
    x_neurons: int
    y_neurons: int
    x_silent: tuple[int, ...]
    """Neurons of x that never vary from 0: in no match, but counted in the similarity's denominator."""
    y_silent: tuple[int, ...]
    rows: int
    layout: str
    """How the rows were made, in words."""
    centred: bool
    method: Method
    resolution: float
    """Distances below this cannot be told from 0, and count as 0."""
    chance_distance: float
    """Where independent Gaussian layers of these widths would be, over so many independent rows."""
    warnings: tuple[str, ...]

    def provenance(self) -> dict[str, Any]:
        """Return what this result shares with others made from the same pair."""
        return {name: getattr(self, name) for name in Result.__dataclass_fields__}

    def _plain(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self.provenance().items()}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Match(Result):
    """A match at one eps: neurons x of one layer and y of the other, each within eps of the span of the others."""

    eps: float
    x: Index
    """Sorted indices of the matched neurons of x."""
    y: Index
    """Sorted indices of the matched neurons of y."""

    @property
    def similarity(self) -> float:
        """(|x| + |y|) / all neurons of both layers."""
        return (len(self.x) + len(self.y)) / (self.x_neurons + self.y_neurons)

    def coefficients(self, pair: Pair) -> Coefficients:
        """Return the least-squares maps both ways between the two groups, in units of activations."""
        return coefficients(pair, self.x, self.y, centred=self.centred)

    def verify(self, pair: Pair) -> bool:
        """Tell, by least squares that share no code with the search, whether every distance is within eps."""
        eps = max(self.eps, floor_of(self.resolution)) * (1 + 1e-9)
        return all((side <= eps).all() for side in distances(pair, self.x, self.y, centred=self.centred))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        found = {"eps": self.eps, "similarity": self.similarity, "x": self.x.tolist(), "y": self.y.tolist()}
        return found | self._plain()

    def __repr__(self) -> str:
        return (
            f"<Match at eps={self.eps:g}: {len(self.x)} of {self.x_neurons} neurons of {self.x_layer} and "
            f"{len(self.y)} of {self.y_neurons} of {self.y_layer}, similarity {self.similarity:.3f}>"
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
class MatchProfile(Result):
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

        Args: eps in [0, 1), a number or an array. Raises SpanmatchError for others.
        """
        asked = checked_eps(eps)
        levels = np.sort(np.concatenate([self.x_levels, self.y_levels]))  # nan comes last
        share = np.searchsorted(levels, asked, side="right") / len(levels)
        return float(share) if share.ndim == 0 else share

    def at(self, eps: float) -> Match:
        """Return the maximum match at eps.  Raises SpanmatchError if eps is not in [0, 1)."""
        value = float(checked_eps(eps))
        x, y = (np.flatnonzero(levels <= value) for levels in (self.x_levels, self.y_levels))
        return Match(eps=value, x=x, y=y, **self.provenance())

    def stability(self, eps: float) -> Stability:
        """Return how far eps can move before the maximum match changes, and who would enter and leave.

        The match is the same on [low, high): below low the neurons of that level leave, at high others enter.
        """
        value = float(checked_eps(eps))
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
        lines = [f"<MatchProfile of {self.x_layer} ({self.x_neurons}) and {self.y_layer} ({self.y_neurons}): {shares}"]
        lines.append(f"  from {self.rows:,} rows, distances resolved to {self.resolution:.1g}")
        return "\n".join([*lines, *(f"  warning: {warning}" for warning in self.warnings)]) + ">"


def maximum_match(pair: Pair, eps: float, *, centred: bool = False) -> Match:
    """Return the maximum match at eps: start from all neurons, drop those farther than eps, until none is.

    Args: eps in [0, 1); 0 asks for exact matches, up to the resolution that the result names. `centred` takes each
    neuron's mean out first. Raises SpanmatchError for another eps.
    Cost: 5 (p^3 + q^3) / 3 operations, and up to 4 p^3 + 4 q^3 + 4 p q (p + q) more for the neurons that drop.
    """
    checked_pair(pair)
    value = float(checked_eps(eps))
    neurons, resolution = list(pair.active(centred=centred)), np.inf
    for peeling, resolution in _sharpening(pair, neurons, centred, enough=value):
        peeling.fall(max(value, floor_of(resolution)) ** 2)
    x, y = neurons
    return Match(eps=value, x=x, y=y, **_about(pair, centred, resolution))


def match_profile(pair: Pair, *, centred: bool = False) -> MatchProfile:
    """Return the level of every neuron, and with them the maximum match at every eps.

    level(v) = min {eps : v is in M(eps)}, so that M(eps) = {v : level(v) <= eps}, by peeling (see `peeling`).
    Args: `centred` takes each neuron's mean out first.
    Cost: about 6 (p^3 + q^3) + 4 p q (p + q) operations as matrix products; no pass over the rows.
    """
    checked_pair(pair)
    neurons, resolution = list(pair.active(centred=centred)), np.inf
    x, y = levels = (np.full(pair.neurons[0], np.nan), np.full(pair.neurons[1], np.nan))
    threshold = np.inf
    for peeling, resolution in _sharpening(pair, neurons, centred):
        threshold = peeling.peel(levels, threshold, floor_of(resolution) ** 2)
    for side, left in zip(levels, neurons, strict=True):
        side[left] = 0.0
        side[:] = np.sqrt(side)
        side[side <= floor_of(resolution)] = 0.0
    return MatchProfile(x_levels=x, y_levels=y, **_about(pair, centred, resolution))


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


def _sharpening(
    pair: Pair, neurons: list[Index], centred: bool, enough: float = 0.0
) -> Iterator[tuple[Peeling, float]]:
    """Yield the two layers ready for peeling, and the distance that is resolved, until that is enough or the best.

    Once distances reach the resolution, what is left is factored anew: without the neurons that have gone it
    is better conditioned, and more is resolved. `neurons` are what is left, kept up to date.
    """
    resolution = np.inf
    while True:
        spans = pair.spans(neurons[0], neurons[1], centred=centred)
        condition = max(1.0, *(span.condition for span in spans))
        if NOISE[pair.method] * condition > resolution / 2:
            return
        resolution = min(1.0, NOISE[pair.method] * condition)
        peeling = Peeling(spans, list(neurons))
        yield peeling, resolution
        neurons[:] = [np.sort(side) for side in peeling.neurons]
        if resolution <= enough or not (len(neurons[0]) or len(neurons[1])):
            return


def floor_of(resolution: float) -> float:
    """Return the distance up to which distances count as 0."""
    return min(resolution, COARSEST)


def _about(pair: Pair, centred: bool, resolution: float) -> dict[str, Any]:
    p, q = pair.neurons
    silent = [np.flatnonzero(pair.energy(side, centred=centred) == 0).tolist() for side in ("x", "y")]
    wide = max(p - len(silent[0]), q - len(silent[1]))
    chance = float(np.sqrt(max(0.0, 1 - wide / pair.rows)))
    warnings = []
    if pair.rows < ROWS_PER_NEURON * wide:
        warnings.append(
            f"{pair.rows:,} rows for {wide:,} neurons: independent layers would be at a distance of {chance:.2f} by "
            f"chance; use at least {2 * ROWS_PER_NEURON * wide:,} rows, or fewer neurons"
        )
    if resolution > COARSEST:
        advice = ADVICE[pair.method]
        warnings.append(
            f"neurons of a layer are so nearly combinations of others that distances below {resolution:.2g} "
            f"are rounding; {advice}"
        )
    return {
        "x_layer": pair.x_layer,
        "y_layer": pair.y_layer,
        "x_neurons": p,
        "y_neurons": q,
        "x_silent": tuple(silent[0]),
        "y_silent": tuple(silent[1]),
        "rows": pair.rows,
        "layout": pair.layout,
        "centred": centred,
        "method": pair.method,
        "resolution": resolution,
        "chance_distance": chance,
        "warnings": tuple(warnings),
    }
