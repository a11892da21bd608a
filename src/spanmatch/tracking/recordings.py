"""Recordings: the rows of a reference's layers, batch by batch, for joint moments with a network in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..activations.layouts import BatchRows, Layout
from ..activations.patterns import chosen
from ..activations.stored import ActivationSource, StoredActivations
from ..errors import SpanmatchError
from ..moments.provenance import network_and_layer

if TYPE_CHECKING:
    from ..activations.layouts import Array
    from ..activations.outputs import BatchActivations

REFERENCE, CURRENT = "reference", "current"
"""What the two sides are called in names of layers, "network:layer", and in messages."""


@dataclass(frozen=True)
class RecordedBatch:
    """The rows of all layers for one batch, by layer."""

    rows: dict[str, Array]
    """(rows, neurons), in main memory."""
    row_ids: dict[str, NDArray[np.int64]]
    """(rows,) the example of each row."""
    layouts: dict[str, str]
    """How the rows were made, in words."""

    @property
    def nbytes(self) -> int:
        """The bytes of the rows, and of the ids, which layers share."""
        ids = {id(values): values.nbytes for values in self.row_ids.values()}
        return sum(rows.nbytes for rows in self.rows.values()) + sum(ids.values())

    def put_beside(self, activations: BatchActivations) -> None:
        """Put the rows of the layers that a network has too beside those of the network.

        Layers that only one side has are left out.

        Raises
        ------
        SpanmatchError
            If no layer is in both.
        """
        current = {network_and_layer(name)[1]: name for name in activations.rows}
        common = [layer for layer in self.rows if layer in current]
        if not common:
            raise SpanmatchError(
                f"no layer has the same name in the network ({', '.join(list(current)[:8])}) and in the reference "
                f"({', '.join(list(self.rows)[:8])}); choose layers that both have, or name arrays like layers"
            )
        both = [(f"{REFERENCE}:{layer}", layer, current[layer]) for layer in common]
        for name, layer, beside in both:
            ids = activations.row_ids[beside]
            is_same = np.array_equal(self.row_ids[layer], ids)
            activations.row_ids[name] = ids if is_same else self.row_ids[layer]  # shared, so that it is used once
        activations.layouts |= {name: self.layouts[layer] for name, layer, _ in both}
        activations.rows = {
            name: _where(activations.rows[beside], self.rows[layer]) for name, layer, beside in both
        } | {beside: activations.rows[beside] for _, _, beside in both}


class Recording:
    """The rows of all layers of a reference on every batch of a probe.

    Parameters
    ----------
    n_examples
        How many examples the probe has.
    limit
        The most bytes that the recording may take.
    """

    def __init__(self, n_examples: int, limit: float) -> None:
        self.n_examples, self.limit = n_examples, limit
        self.batches: list[RecordedBatch] = []
        self.nbytes = self._examples_so_far = 0

    @property
    def layers(self) -> list[str]:
        """The names of the layers."""
        return list(self.batches[0].rows)

    def record(self, activations: BatchActivations) -> RecordedBatch:
        """Copy the rows of a batch to main memory, and return them.

        Raises
        ------
        SpanmatchError
            If the recording would take more memory than it may.
        """
        by_layer = {network_and_layer(name)[1]: name for name in activations.rows}
        batch = RecordedBatch(
            {layer: _on_host(activations.rows[name]) for layer, name in by_layer.items()},
            {layer: activations.row_ids[name] for layer, name in by_layer.items()},
            {layer: activations.layouts[name] for layer, name in by_layer.items()},
        )
        self.add(batch, len(activations.example_ids))
        return batch

    def add(self, batch: RecordedBatch, n_examples: int) -> None:
        """Add the rows of the next batch, of so many examples.  Raises SpanmatchError as `record`."""
        self.batches.append(batch)
        self.nbytes += batch.nbytes
        self._examples_so_far += n_examples
        needed = self.nbytes * self.n_examples / max(self._examples_so_far, 1)
        if needed > self.limit:
            raise SpanmatchError(
                f"the reference's activations, {len(batch.rows)} layers on {self.n_examples:,} examples, would take "
                f"{needed / 1e9:.3g} GB, over the limit of {self.limit / 1e9:.3g}; choose fewer layers or examples, "
                "positions= or pool=, or a higher max_memory_gb="
            )


def recording_of_stored(
    source: ActivationSource,
    batch_ids: Sequence[NDArray[np.int64]],
    layout: Layout,
    patterns: Sequence[str] | None,
    limit: float,
) -> Recording:
    """Return the rows of stored activations, batch by batch.

    Parameters
    ----------
    source
        A file, a folder, an array, or {layer: array}, examples first, in the order of the probe.
    batch_ids
        The example ids of each batch of the probe.
    layout
        How arrays become rows.
    patterns
        Names or shell patterns of the arrays to read; None for all.
    limit
        The most bytes that they may take.

    Raises
    ------
    SpanmatchError
        If an array cannot be read, has another number of examples than the probe, or has row ids;
        or if the rows take too much memory.
    """
    n_examples = sum(map(len, batch_ids))
    recording = Recording(n_examples, limit)
    with StoredActivations(source) as stored:
        layers = list(stored.arrays) if patterns is None else chosen(patterns, stored.arrays, stored.name)
        for layer in layers:
            _check_fits_probe(stored, layer, n_examples)
        start = 0
        for ids in batch_ids:
            batch_rows, stop = BatchRows(layout, ids), start + len(ids)
            batch = RecordedBatch({}, {}, {})
            for layer in layers:
                values = stored.read(layer, start, stop)
                rows = batch_rows.rows(f"{REFERENCE}:{layer}", values, channels_first=values.ndim >= 4)
                batch.rows[layer] = np.array(rows.values)  # in memory of its own
                batch.row_ids[layer], batch.layouts[layer] = rows.example_ids, rows.layout
            recording.add(batch, len(ids))
            start = stop
    return recording


def _check_fits_probe(stored: StoredActivations, layer: str, n_examples: int) -> None:
    """Raise SpanmatchError unless an array has the probe's examples, in the probe's order as far as is known."""
    array = stored.arrays[layer]
    if len(array.shape) < 2 or array.shape[0] != n_examples:
        raise SpanmatchError(
            f"{stored.name}: array {layer!r} has shape {array.shape}; the probe has {n_examples:,} examples, and they "
            "come first: give (examples, neurons), (examples, tokens, neurons) or (examples, channels, space ...)"
        )
    if array.ids is not None and not array.ids.is_default:
        raise SpanmatchError(
            f"{stored.name}: the rows of array {layer!r} have ids ({array.ids.source}), the examples of the probe have "
            "none; give arrays in the order of the probe, without ids"
        )


def _on_host(rows: Array) -> Array:
    """Return rows in main memory."""
    return rows if isinstance(rows, np.ndarray) else rows.cpu()


def _where(current: Array, recorded: Array) -> Array:
    """Return recorded rows on the device of a network's rows, where that is not the CPU."""
    if isinstance(current, np.ndarray) or current.device.type == "cpu":
        return recorded
    import torch

    return torch.as_tensor(recorded).to(current.device)
