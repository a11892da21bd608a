"""One measure of all layers against all layers, from moments that were taken in one pass.

Beside it each layer's share of variance in its first principal component: blocks of layers that are alike are often
those that one dominant component carries. Source: Nguyen, Raghu, Kornblith, ICLR 2021; docs/measures.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np
from scipy.linalg import eigh

from .._plotting import axes_for
from .._progress import tracked
from .._values import data_frame, plain
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.spans import Array
from .measure import value_or_nan

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
    """Return a measure of every two layers that were paired; pairs='all' gives all, within networks and between.

    Args: measure, a function of a pair; name, of the measure; itself, what it gives for a layer with itself; symmetric,
    whether it is the same both ways, and need not be computed twice.
    Layers that never vary are nan. Cost: of the measure, for every pair.
    """
    layers = list(moments.layers)
    values, share = np.full((len(layers), len(layers)), np.nan), np.full(len(layers), np.nan)
    np.fill_diagonal(values, itself)
    layout: dict[str, None] = {}
    for x, y in tracked(moments.pairs, name or "measuring"):
        pair, i, j = moments.pair(x, y), layers.index(x), layers.index(y)
        layout[pair.layout] = None
        for k, own in ((i, pair.xx), (j, pair.yy)):
            if np.isnan(share[k]):
                share[k] = _first_component(own)
        values[i, j] = values[j, i] = value_or_nan(measure, pair)
        if not symmetric:
            values[j, i] = value_or_nan(measure, pair.swapped)
    return LayerMatrix(name, tuple(layers), values, share, "; ".join(filter(None, layout)))


def _first_component(own: Array) -> float:
    total = float(np.trace(own))
    last = len(own) - 1
    return float(eigh(own, eigvals_only=True, subset_by_index=[last, last])[0] / total) if total > 0 else float("nan")
