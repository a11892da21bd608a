"""One measure of all layers against all layers, from moments that were taken in one pass.

Beside it each layer's share of variance in its first principal component: blocks of layers that are alike are often
those that one dominant component carries. Source: Nguyen, Raghu, Kornblith, ICLR 2021; docs/measures.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np
from scipy.linalg import eigh

from .._plotting import axes_for
from .._progress import tracked
from .._values import data_frame, plain
from ..errors import SpanmatchError
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.spans import Array
from .measure import Measure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class LayerMatrix:
    """A measure of every two layers that were paired."""

    name: str
    layers: tuple[str, ...]
    values: Array = field(repr=False)
    """(layers, layers); row is x, column is y; nan where the moments were not kept."""
    first_component: Array = field(repr=False)
    """(layers,) share of each layer's variance in its first principal component."""
    layout: str
    """How the rows were made, in words."""
    refusals: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)
    """Why the measure of two layers cannot be had; their values are nan."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the matrix as a heat map."""
        ax = axes_for("matrix.plot", ax)
        image = ax.imshow(self.values, cmap="magma", vmin=0, vmax=1, interpolation="nearest")
        ax.figure.colorbar(image, ax=ax)
        ticks = range(len(self.layers))
        ax.set(xticks=ticks, yticks=ticks, yticklabels=self.layers, title=self.name)
        ax.set_xticklabels(self.layers, rotation=90)
        return ax

    def to_frame(self) -> pd.DataFrame:
        """Return the matrix as a table with the layers as index and columns."""
        return data_frame("matrix.to_frame", self.values, index=list(self.layers), columns=list(self.layers))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values; nan as None."""
        return {
            "name": self.name,
            "layers": list(self.layers),
            "values": plain(self.values),
            "first_component": plain(self.first_component),
            "layout": self.layout,
        }


def layer_matrix(
    moments: Moments,
    measure: Callable[[Pair], SupportsFloat],
    *,
    name: str = "",
    itself: float = 1.0,
    symmetric: bool = False,
) -> LayerMatrix:
    """Return a measure of every two layers that were paired; pairs="all" gives all, within networks and between.

    Parameters
    ----------
    moments : Moments
    measure : callable
        A function of a `Pair` that returns a number.
    name : str
        Of the measure.
    itself : float
        The value of a layer with itself.
    symmetric : bool
        Whether the value is the same both ways, and need not be computed twice.

    Returns
    -------
    LayerMatrix
        Layers that never vary are nan, with the reason in `.refusals`.

    Raises
    ------
    SpanmatchError
        If the measure cannot be had of any two layers, as one of histograms that were not kept.

    Notes
    -----
    Cost: of the measure, for every pair.
    """
    (matrix,) = layer_matrices(moments, [_Asked(name, measure, itself, symmetric)])
    return matrix


def matrices_of(moments: Moments, measures: Sequence[Measure]) -> tuple[LayerMatrix, ...]:
    """Return one matrix for each measure, from one visit of every pair: see `layer_matrix`."""
    return layer_matrices(moments, [_Asked(m.name, m, m.itself, m.symmetric) for m in measures])


@dataclass(frozen=True)
class _Asked:
    """A measure to be computed for every pair of layers."""

    name: str
    measure: Callable[[Pair], SupportsFloat]
    itself: float
    symmetric: bool


def layer_matrices(moments: Moments, asked: Sequence[_Asked]) -> tuple[LayerMatrix, ...]:
    """Visit every pair of layers once, and return a matrix for each measure."""
    layers = list(moments.layers)
    values = np.full((len(asked), len(layers), len(layers)), np.nan)
    share = np.full(len(layers), np.nan)
    refusals: list[dict[tuple[str, str], str]] = [{} for _ in asked]
    layouts: dict[str, None] = {}
    for x, y in tracked(moments.pairs, ", ".join(one.name for one in asked) or "measuring"):
        pair, i, j = moments.pair(x, y), layers.index(x), layers.index(y)
        layouts[pair.layout] = None
        for layer, moments_of_layer in ((i, pair.xx), (j, pair.yy)):
            if np.isnan(share[layer]):
                share[layer] = _first_component(moments_of_layer)
        for k, one in enumerate(asked):
            values[k, i, j] = values[k, j, i] = _value(one.measure, pair, refusals[k])
            if not one.symmetric:
                values[k, j, i] = _value(one.measure, pair.swapped, refusals[k])
    layout = "; ".join(filter(None, layouts))
    return tuple(
        _matrix(one, layers, values[k], share, layout, refusals[k], len(moments.pairs)) for k, one in enumerate(asked)
    )


def _matrix(
    asked: _Asked,
    layers: list[str],
    values: Array,
    share: Array,
    layout: str,
    refusals: dict[tuple[str, str], str],
    pairs: int,
) -> LayerMatrix:
    unordered = {frozenset(layers) for layers in refusals}
    if pairs and len(unordered) == pairs:
        raise SpanmatchError(f"{asked.name}: cannot be had of any two layers: {next(iter(refusals.values()))}")
    np.fill_diagonal(values, asked.itself)
    return LayerMatrix(asked.name, tuple(layers), values, share, layout, refusals)


def _value(measure: Callable[[Pair], SupportsFloat], pair: Pair, refusals: dict[tuple[str, str], str]) -> float:
    """Return the value of a measure; nan where it is refused, with the reason in `refusals`."""
    try:
        return float(measure(pair))
    except SpanmatchError as error:
        refusals[pair.x_layer, pair.y_layer] = str(error)
        return float("nan")


def _first_component(own: Array) -> float:
    total = float(np.trace(own))
    last = len(own) - 1
    return float(eigh(own, eigvals_only=True, subset_by_index=[last, last])[0] / total) if total > 0 else float("nan")
