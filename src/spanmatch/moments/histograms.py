"""The bins of a neuron's activations: one for zero, and quantiles above it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import SpanmatchError
from .backends import DeviceArray, Engine

Array = NDArray[np.float64]
Bins = int | Mapping[str, ArrayLike] | None
"""How many, or {layer: (neurons, bins - 1) edges}, or none."""


def bin_edges(values: Array, bins: int) -> Array:
    """Return the edges (neurons, bins - 1) of bins of about equally many rows.

    A neuron that is never negative gets a bin for zero, and quantile bins of what is above it;
    another gets quantile bins of all values. `values` are (rows, neurons).
    Cost: a sort of each neuron's values.
    """
    return np.array([_edges(column, bins) for column in values.T])


def _edges(column: Array, bins: int) -> Array:
    if column.min() < 0:
        return np.asarray(np.quantile(column, np.arange(1, bins) / bins))
    above = column[column > 0]
    if not len(above):
        return np.zeros(bins - 1)
    return np.append(0.0, np.quantile(above, np.arange(1, bins - 1) / (bins - 1)))


def checked_bins(bins: object) -> int | dict[str, Array] | None:
    """Return a number of bins, edges by layer, or None.  Raises SpanmatchError for all else."""
    if bins is None:
        return None
    if isinstance(bins, Mapping):
        return {str(layer): checked_edges(str(layer), edges) for layer, edges in bins.items()}
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 2:
        raise SpanmatchError(f"bins={bins!r}: give a whole number, 2 or more, or the edges of each layer")
    return int(bins)


def checked_edges(layer: str, edges: ArrayLike) -> Array:
    """Return edges as (neurons, bins - 1) float64.  Raises SpanmatchError if they are not, or do
    not ascend.
    """
    values = np.asarray(edges, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape or not np.isfinite(values).all():
        raise SpanmatchError(
            f"layer {layer!r}: bin edges of shape {values.shape}; give neurons x (bins - 1) finite numbers"
        )
    falling = (np.diff(values, axis=1) < 0).any(axis=1)
    if falling.any():
        raise SpanmatchError(f"layer {layer!r}: the bin edges of neuron {int(np.argmax(falling))} do not ascend")
    return values


def edges_for_layer(layer: str, engine: Engine, array: DeviceArray, bins: int | Mapping[str, Array]) -> Array:
    """Return a layer's edges: of so many bins of the rows of a first batch, or those given for it.

    Raises SpanmatchError if none are given, or for another number of neurons.
    """
    if isinstance(bins, int):
        return bin_edges(engine.host(engine.rows(array, np.arange(array.shape[0]), 0.0)), bins)
    edges = bins.get(layer)
    if edges is None or len(edges) != array.shape[1]:
        given = "none" if edges is None else f"those of {len(edges)} neurons"
        raise SpanmatchError(f"layer {layer!r}: bin edges for {array.shape[1]} neurons are needed; given: {given}")
    return edges
