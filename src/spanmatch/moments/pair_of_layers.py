"""From the sums of two layers to the pair that every question is asked of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from .layer_records import LayerRecord
from .options import Layers, Options
from .pairs import Counts, Pair
from .partner_similarity import PartnerSimilarity
from .sample import Sample
from .sums import Sums

Array = NDArray[np.float64]


def pair_of_layers(
    layers: Layers,
    records: tuple[LayerRecord, LayerRecord],
    sums: Sums,
    options: Options,
    layout: str,
    sample: Callable[[], Sample] | None,
    no_sample: str,
) -> Pair:
    """Return the pair of two layers, given their records and the sums on the host."""
    shift = records[0].shift, records[1].shift
    counted = np.stack([records[0].rows, records[0].examples], axis=1).tolist()
    parts = [sums.joint(*layers, fold, (rows, n), shift) for fold, (rows, n) in enumerate(counted) if rows]
    null, similarity = None, float("nan")
    if options.null:
        partners = {layer: sums.partner_similarity(layer) for layer in layers}
        similarity = float(np.fmax(partners[layers[0]].similarity, partners[layers[1]].similarity))
        null = partial(_null_product, sums.null(*layers), partners, records[0])
    return Pair.of(
        layers,
        parts,
        null,
        _counts(layers, records, sums),
        layout,
        similarity,
        options.method == "single",
        (records[0].dtype, records[1].dtype),
        sample,
        no_sample,
    )


def _counts(layers: Layers, records: tuple[LayerRecord, LayerRecord], sums: Sums) -> Counts | None:
    """Return the joint histograms, if rows were counted."""
    edges_x, edges_y = (record.edges for record in records)
    if edges_x is None or edges_y is None:
        return None
    table = sums.counts(*layers, (edges_x.shape[1] + 1, edges_y.shape[1] + 1))
    return None if table is None else Counts(table, (edges_x, edges_y))


def _null_product(product: Array, partners: Mapping[str, PartnerSimilarity], record: LayerRecord) -> Array:
    """Return the product of the null pairing.  Raises SpanmatchError if it cannot serve as a null."""
    x, y = partners
    rows, without = int(record.rows.sum()), int(record.rows.sum()) - record.null_rows
    if without > 0:
        raise SpanmatchError(
            f"layers {x!r} and {y!r}: {without} of {rows} rows have no partner for the null, as their batches "
            "were of one example, or mostly of one; give batches of several examples"
        )
    layer = max(partners, key=lambda layer: partners[layer].similarity if partners[layer].alike else -np.inf)
    if partners[layer].alike:
        raise SpanmatchError(
            f"layers {x!r} and {y!r}: the null pairs examples of one batch, and at layer {layer!r} those are alike "
            f"(similarity {partners[layer].similarity:.2g}; shuffled, at most {partners[layer].limit:.2g}): shuffle "
            "the examples, or give all of them in one batch; where several rows are of one example, give example_ids="
        )
    return product
