"""What the first batch decides for all others: each layer's shift, and the edges of its bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .batches import LayerBatch
from .folds import ROWS_AT_ONCE
from .histograms import edges_for_layer
from .layer_records import LayerRecord
from .options import Layers, Options
from .sparse_rows import is_sparse

FAR = 100.0
"""The ratio of mean and standard deviation from which products about no shift would lose digits; neurons that are
seldom active are far below it."""


def first_records(
    layer_batches: Mapping[str, LayerBatch], pairs: Sequence[Layers], options: Options
) -> dict[str, LayerRecord]:
    """Return records of no rows, with the shifts and the edges of bins that a first batch gives.

    Raises SpanmatchError if edges were given, but none for a layer, or for another number of
    neurons.
    """
    paired = {layer for pair in pairs for layer in pair}
    return {layer: _first_record(layer, rows, options, layer in paired) for layer, rows in layer_batches.items()}


def _first_record(layer: str, rows: LayerBatch, options: Options, paired: bool) -> LayerRecord:
    edges = None
    if options.bins is not None and paired:
        edges = edges_for_layer(layer, rows.engine, rows.array, options.bins)
    index = np.arange(min(ROWS_AT_ONCE, rows.array.shape[0]))
    first_rows = rows.engine.host(rows.engine.rows(rows.array, index, 0.0))
    shift = first_rows.mean(axis=0)
    if is_sparse(rows.array) and not np.any(np.abs(shift) > FAR * first_rows.std(axis=0)):
        shift = np.zeros_like(shift)  # about any other they would be dense
    return LayerRecord.of_no_rows(shift, options.folds, edges, options.top)
