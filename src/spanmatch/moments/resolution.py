"""What distances the products of a first batch will resolve, said before much is summed."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchWarning
from .joint_sums import Joint
from .layer_records import LayerRecord
from .number_types import NUMBER_TYPES
from .packed import Packed
from .pairs import RESOLVED, Pair
from .sums import Sums

Array = NDArray[np.float64]


def warn_unless_resolved(layer: str, record: LayerRecord, sums: Sums, stacklevel: int) -> None:
    """Warn if a layer's products will not resolve small distances, given rows enough to tell."""
    rows = int(record.rows.sum())
    if rows < 2 * record.neurons:
        return
    gram, total = (sums.engine.host(sums.arrays[kind, layer]).sum(axis=0) for kind in ("gram", "sum"))
    resolution = _pair_with_silence(layer, record, gram, total).resolution()
    if resolution > RESOLVED:
        warnings.warn(
            f"layer {layer!r}: neurons are so nearly combinations of others that method='gram' resolves "
            f"distances to {resolution:.2g} only, going by the first {rows:,} rows: matches at larger eps are not "
            "affected; for smaller ones give method='qr' (--method qr)",
            SpanmatchWarning,
            stacklevel=stacklevel + 1,
        )


def _pair_with_silence(layer: str, record: LayerRecord, gram: Array, total: Array) -> Pair:
    """Return the pair of a layer with a silent neuron, given the layer's sums over all folds."""
    shift, nothing = (record.shift, np.zeros(1)), np.zeros(Packed(2).length)
    count = int(record.rows.sum()), int(record.examples.sum())
    joint = Joint(*count, shift, (total, np.zeros(2)), ((gram,), (nothing,)), (np.zeros((len(total), 2)),), None)
    return Pair.of((layer, ""), [joint], dtypes=(record.dtype, NUMBER_TYPES[0]))
