"""One batch, checked: each layer's rows, the engine that sums them, and the plan by which they are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SpanmatchError
from .backends import Engine, check_finite, checked, number_type
from .folds import ExampleIds, Plan, plans
from .options import Layers


@dataclass(frozen=True, eq=False)
class LayerArray:
    """The rows of one layer in one batch, as its engine takes them."""

    array: Any
    """(rows, neurons)"""
    engine: Engine
    dtype: str
    """The number type in which they came."""


@dataclass(frozen=True, eq=False)
class LayerBatch(LayerArray):
    """The same with the plan by which the rows are added."""

    plan: Plan


def checked_arrays(batch: Mapping[str, Any], *, single: bool) -> dict[str, LayerArray]:
    """Return the rows of all layers.  Raises SpanmatchError for what is not a finite real matrix."""
    engines, arrays = {}, {}
    for layer, array in batch.items():
        engines[layer], arrays[layer] = checked(layer, array, single=single)
    check_finite(engines, arrays)
    return {layer: LayerArray(arrays[layer], engines[layer], number_type(array)) for layer, array in batch.items()}


def planned(
    arrays: Mapping[str, LayerArray],
    pairs: Sequence[Layers],
    example_ids: ExampleIds,
    rows_before: Mapping[str, int],
    folds: int,
) -> dict[str, LayerBatch]:
    """Return the rows of all layers with their plans.

    Raises SpanmatchError if paired layers have other numbers of rows, engines or examples, or ids make no sense.
    """
    for x, y in pairs:
        _check_rows_correspond(x, y, arrays[x], arrays[y])
    lengths = {layer: rows.array.shape[0] for layer, rows in arrays.items()}
    layer_plans = plans(lengths, example_ids, rows_before, folds)
    for x, y in pairs:
        if layer_plans[x] is not layer_plans[y]:
            raise SpanmatchError(f"layers {x!r} and {y!r}: their rows are not of the same examples")
    return {
        layer: LayerBatch(rows.array, rows.engine, rows.dtype, layer_plans[layer]) for layer, rows in arrays.items()
    }


def _check_rows_correspond(x: str, y: str, rows_x: LayerArray, rows_y: LayerArray) -> None:
    n, m = rows_x.array.shape[0], rows_y.array.shape[0]
    if n != m:
        raise SpanmatchError(
            f"layers {x!r} and {y!r}: {n} and {m} rows; rows of paired layers must correspond "
            "(layers of different spatial size do with pool='mean')"
        )
    if rows_x.engine != rows_y.engine:
        raise SpanmatchError(f"layers {x!r} and {y!r} are on different devices; move them to one")
