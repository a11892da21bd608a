"""What a measure declares of itself, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, SupportsFloat

import numpy as np

from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Array, Span

WRONG_BY = 1e-3
"""The most that a share of variance may be wrong by."""
Invariance = Literal[
    "orthogonal", "invertible linear", "isotropic scaling", "neuron scaling", "translation", "permutation"
]


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured(Result):
    """The value of a measure, and where it comes from."""

    name: str
    value: float
    warnings: tuple[str, ...] = ()

    def __float__(self) -> float:
        """Return the value."""
        return self.value


@dataclass(frozen=True)
class Measure:
    """A measure as data: what it is, and what it does not see.

    An invariance holds if both layers are transformed so, each by a transformation of its own: orthogonal or
    invertible linear maps of the neurons, one positive factor for a layer or one for each neuron, a constant added to
    each neuron, another order.
    """

    name: str
    function: Callable[[Pair], Measured] = field(repr=False)
    invariances: frozenset[Invariance]
    range: tuple[float, float] = (0.0, 1.0)
    itself: float = 1.0
    """The value of a layer with itself."""
    kind: Literal["similarity", "distance"] = "similarity"
    symmetric: bool = True
    """Whether the layers can be exchanged."""

    def __call__(self, pair: Pair) -> Measured:
        """Return the measure of a pair."""
        return self.function(pair)


def energies(pair: Pair) -> tuple[Array, Array]:
    """Return the centred squared norms of the neurons of x and of y; 0 where a neuron is constant."""
    return pair.energy("x", centred=True), pair.energy("y", centred=True)


def cross_of_unit_layers(pair: Pair) -> Array:
    """Return Sxy (p, q) with both centred layers scaled to unit Frobenius norm."""
    return np.asarray(pair.xy / np.sqrt(np.trace(pair.xx)) / np.sqrt(np.trace(pair.yy)))


def measured_fields(pair: Pair, name: str, at_least: int = 2) -> dict[str, Any]:
    """Return the fields of `Measured` that come from the pair.

    Raises SpanmatchError if a layer never varies, or there are fewer rows than the measure needs.
    """
    checked_pair(pair)
    for energy, layer in zip(energies(pair), (pair.x_layer, pair.y_layer), strict=True):
        if not energy.any():
            raise SpanmatchError(f"{name}: layer {layer!r} never varies, so that there is nothing to compare")
    if pair.rows < at_least:
        raise SpanmatchError(f"{name}: {pair.rows} rows of {pair.x_layer!r} and {pair.y_layer!r}; it needs {at_least}")
    return {"name": name, "provenance": replace(pair.provenance, centred=True)}


def resolved_spans(pair: Pair, name: str) -> tuple[Span, Span]:
    """Return the spans of the neurons of the centred layers that vary.

    Raises SpanmatchError if shares of variance, squares of distances, could be wrong by more than 1e-3.
    """
    spans = pair.all_spans(centred=True)
    for span, layer in zip(spans, (pair.x_layer, pair.y_layer), strict=True):
        if span.resolution**2 > WRONG_BY:
            raise SpanmatchError(
                f"{name}: neurons of layer {layer!r} are so nearly combinations of others that rounding decides the "
                f"value; use method='qr', or leave out neurons that nearly repeat others"
            )
    return spans


def few_rows(pair: Pair, dimensions: Iterable[int], chance: float) -> tuple[str, ...]:
    """Return the warning for a measure that independent layers would bring to `chance` by themselves."""
    if chance <= 0.2:
        return ()
    p, q = dimensions
    return (f"{pair.rows:,} rows for {p} and {q} dimensions: independent layers would have about {min(chance, 1):.2f}",)


def value_or_nan(measure: Callable[[Pair], SupportsFloat], pair: Pair) -> float:
    """Return the value of a measure; nan for layers that it refuses, as those that never vary."""
    try:
        return float(measure(pair))
    except SpanmatchError:
        return float("nan")
