"""One batch, checked: the rows of each layer, the engine that sums them, and their plan."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from .backends import ArrayEngine, DeviceArray, Engine, NumpyEngine, TorchEngine
from .folds import ExampleIds, Plan, plans
from .number_types import number_type
from .options import Layers
from .sparse_rows import checked_csr, is_sparse, is_sparse_tensor

CHECKED_AT_ONCE = 1 << 18
"""Elements; bounds the memory that a check for NaN takes."""


@dataclass(frozen=True, eq=False)
class LayerArray:
    """The rows of one layer in one batch, as its engine takes them."""

    array: DeviceArray
    """(rows, neurons)"""
    engine: Engine
    dtype: str
    """The number type in which they came."""


@dataclass(frozen=True, eq=False)
class LayerBatch(LayerArray):
    """The same with the plan by which the rows are added."""

    plan: Plan


def checked_arrays(batch: Mapping[str, DeviceArray], *, single: bool) -> dict[str, LayerArray]:
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

    Raises SpanmatchError if paired layers have other numbers of rows, engines or examples, or ids
    make no sense.
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
            "(layers of different spatial size do with units='location', --units location: each example is a row and "
            "each place of each channel a neuron; or with pool='mean', --pool mean, which averages the places away)"
        )
    if rows_x.engine != rows_y.engine:
        raise SpanmatchError(f"layers {x!r} and {y!r} are on different devices; move them to one")


def checked(layer: str, array: DeviceArray, *, single: bool = False) -> tuple[Engine, DeviceArray]:
    """Return the engine for an array of activations, and the array as that engine takes it: sparse
    ones by rows, on the host.

    Raises SpanmatchError for what is not a non-empty, real matrix, naming the layer.
    """
    torch = sys.modules.get("torch")
    engine: Engine = NumpyEngine(single)
    if is_sparse(array) or is_sparse_tensor(array):
        array = checked_csr(f"layer {layer!r}", array)
    elif torch is not None and isinstance(array, torch.Tensor):
        array = array.detach()
        if array.is_complex():
            raise SpanmatchError(f"layer {layer!r}: complex activations ({array.dtype}); give real numbers")
        if array.device.type == "cuda":
            engine = TorchEngine(array.device, single)
        else:  # other devices have no float64
            array = array.cpu()
            array = (array.float() if array.dtype == torch.bfloat16 else array).numpy()
    elif isinstance(array, np.ndarray) or (xp := _standard(layer, array)) is None:
        array = _numpy(layer, array)
    else:
        if not xp.isdtype(array.dtype, ("bool", "integral", "real floating")):
            raise SpanmatchError(f"layer {layer!r}: activations of type {array.dtype}; give real numbers")
        engine = ArrayEngine(xp, array.device, single)
    _check_shape(layer, tuple(array.shape))
    return engine, array


def _standard(layer: str, array: DeviceArray) -> ModuleType | None:
    """Return the array API namespace of an array on which sums can be kept; None for others.

    JAX's arrays cannot be added to in place, and have no float64 unless that is asked for: they are
    read by NumPy.
    """
    import array_api_compat as standard

    if standard.is_dask_array(array):
        raise SpanmatchError(f"layer {layer!r} is a Dask array; use sm.Moments.from_dask")
    if not standard.is_array_api_obj(array) or standard.is_jax_array(array) or standard.is_torch_array(array):
        return None
    namespace: ModuleType = standard.array_namespace(array)
    return namespace


def refuse_masked(where: str, array: object) -> None:
    """Raise SpanmatchError for an array of NumPy in which values are masked: without the mask they would be numbers."""
    if isinstance(array, np.ma.MaskedArray) and np.any(array.mask):
        raise SpanmatchError(
            f"{where}: {np.count_nonzero(array.mask):,} values are masked; leave out their rows in all layers, or fill "
            "them (array.filled)"
        )


def _numpy(layer: str, array: DeviceArray) -> NDArray[np.generic]:
    refuse_masked(f"layer {layer!r}", array)
    try:
        values: NDArray[np.generic] = np.asarray(array)
    except ValueError as error:
        raise SpanmatchError(f"layer {layer!r}: not an array ({error})") from error
    if values.dtype.kind not in "biuf":
        raise SpanmatchError(
            f"layer {layer!r}: activations of type {values.dtype}; give real numbers (floats or integers)"
        )
    return values


def _check_shape(layer: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise SpanmatchError(
            f"layer {layer!r}: shape {shape} has {len(shape)} dimensions; give rows x neurons, "
            "for a convolution with positions as rows and channels as neurons"
        )
    if 0 in shape:
        raise SpanmatchError(f"layer {layer!r}: shape {shape} is empty; give at least one row and one neuron")


def check_finite(engines: Mapping[str, Engine], arrays: Mapping[str, DeviceArray]) -> None:
    """Raise SpanmatchError for a value that is not finite, naming the layer and the place.

    All arrays of an engine are summed first, so that a device is waited for once a batch.
    """
    layers_of: dict[Engine, list[str]] = {}
    for layer, engine in engines.items():
        layers_of.setdefault(engine, []).append(layer)
    for engine, layers in layers_of.items():
        if not np.isfinite(engine.sum_of([arrays[layer] for layer in layers])):
            for layer in layers:
                _check_finite(layer, engine, arrays[layer])


def _check_finite(layer: str, engine: Engine, array: DeviceArray) -> None:
    rows = array.shape[0]
    step = max(1, CHECKED_AT_ONCE // array.shape[1])
    for start in range(0, rows, step):
        values = engine.host(engine.rows(array, np.arange(start, min(start + step, rows)), 0.0))
        finite = np.isfinite(values)
        if not finite.all():
            _refuse_value(layer, values, start, finite)


def _refuse_value(layer: str, values: NDArray[np.float64], start: int, finite: NDArray[np.bool_]) -> None:
    row, neuron = (int(i[0]) for i in np.nonzero(~finite))
    value = float(values[row, neuron])
    raise SpanmatchError(
        f"layer {layer!r}: {value} in neuron {neuron}, row {start + row} of this batch; activations must be finite"
    )
