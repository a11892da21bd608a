"""The samples of all layers of moments, and what sources of activations say of their outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .._hashing import Hashes
from ..errors import SpanmatchError
from .backends import DeviceArray
from .batches import LayerBatch, checked
from .folds import Plan
from .options import Options
from .sample import Ids, Reduction, Sample, sample_of
from .sample_buffers import Groups, SampleBuffer, SampleState, hashes_of, smallest_of

NOT_REQUESTED = "no sample of rows was kept; make the moments with sample=1000, or another number of examples"


@dataclass(frozen=True, eq=False)
class ExampleOutputs:
    """What a source says of the outputs that the rows of a batch were made from."""

    reductions: Mapping[str, Reduction] = field(default_factory=dict)
    """What to make of an example's rows by default, by layer; "flat" for layers that are not listed."""
    complete: Mapping[str, tuple[DeviceArray, Ids]] = field(default_factory=dict)
    """Of layers of which only a sample of the positions are rows: all positions of the examples that
    could be sampled, (rows, neurons), one example after another, and these examples."""
    in_pieces: bool = True
    """Whether further rows of the same examples may come in other batches."""


ROWS_AS_GIVEN = ExampleOutputs()


class Samples:
    """The samples of all layers.

    Parameters
    ----------
    options
        Of the moments.
    reason
        Why there are no samples; empty if there are.
    """

    def __init__(self, options: Options, reason: str = "") -> None:
        self.options = options
        self.reason = reason or ("" if options.sample else NOT_REQUESTED)
        self._buffers: dict[str, SampleBuffer] = {}

    @classmethod
    def of(cls, states: Mapping[str, SampleState], options: Options, reason: str) -> Samples:
        """Begin with samples on the host, whose arrays are copied on write."""
        samples = cls(options, reason)
        if not samples.reason:
            samples._buffers = {
                layer: SampleBuffer.of(state, options.sample, options.seed) for layer, state in states.items()
            }
        return samples

    @property
    def nbytes(self) -> int:
        """The bytes that the rows take."""
        return sum(buffer.nbytes for buffer in self._buffers.values())

    def empty(self) -> Samples:
        """Return samples of no examples, of the same layers."""
        empty = Samples(self.options, self.reason)
        empty._buffers = {layer: buffer.empty() for layer, buffer in self._buffers.items()}
        return empty

    def bytes_of(self, layer_batches: Mapping[str, LayerBatch], outputs: ExampleOutputs) -> int:
        """Return how many bytes the rows of as many examples as requested will take, judged by a first
        batch.
        """
        if self.reason:
            return 0
        total = 0
        for layer, batch in layer_batches.items():
            neurons, reduction = batch.array.shape[1], self._reduction(layer, outputs)
            rows = _rows_per_example(*outputs.complete[layer]) if layer in outputs.complete else _longest(batch.plan)
            total += neurons * {"flat": 4 * rows, "mean": 8, "last": 4}[reduction]
        return total * self.options.sample

    def begin(self, layer_batches: Mapping[str, LayerBatch], outputs: ExampleOutputs) -> None:
        """Begin samples of no examples, of the layers of a first batch.  Raises SpanmatchError if the last
        of a feature map's positions is requested.
        """
        if self.options.sample_rows == "last" and not outputs.in_pieces:
            for layer, batch in layer_batches.items():
                if outputs.reductions.get(layer, "flat") == "flat" and _longest(batch.plan) > 1:
                    raise SpanmatchError(f"layer {layer!r}: positions have no last one; use sample_rows='mean'")
        if not self.reason:
            self._buffers = {
                layer: SampleBuffer(
                    layer,
                    self.options.sample,
                    self.options.seed,
                    self._reduction(layer, outputs),
                    batch.array.shape[1],
                )
                for layer, batch in layer_batches.items()
            }

    def drop(self, reason: str) -> None:
        """Keep no samples, for a reason."""
        self.reason, self._buffers = reason, {}

    def candidates(self, example_ids: Ids) -> NDArray[np.bool_]:
        """Return which examples could enter the samples."""
        if self.reason:
            return np.zeros(len(example_ids), dtype=np.bool_)
        first, hashes = next(iter(self._buffers.values()), None), hashes_of(example_ids, self.options.seed)
        return smallest_of(hashes, self.options.sample) if first is None else first.candidates(hashes)

    def add(self, layer_batches: Mapping[str, LayerBatch], outputs: ExampleOutputs) -> None:
        """Add the rows of a batch."""
        known: dict[int, Hashes] = {}
        for layer, buffer in self._buffers.items():
            if layer in outputs.complete:
                array, example_ids = outputs.complete[layer]
                if not len(example_ids):
                    continue
                engine, array = checked(layer, array)
                groups = _groups_of_complete(array, example_ids)
                buffer.add(engine, array, groups, hashes_of(groups[2], self.options.seed), in_pieces=outputs.in_pieces)
                continue
            batch = layer_batches[layer]
            groups = batch.plan.groups  # layers share it
            if id(groups) not in known:
                known[id(groups)] = hashes_of(groups[2], self.options.seed)
            buffer.add(batch.engine, batch.array, groups, known[id(groups)], in_pieces=outputs.in_pieces)

    def merge(self, states: Mapping[str, SampleState], reason: str) -> None:
        """Add the samples of another part of the data, of the same layers; there is none of a sum if
        there is none of a part.
        """
        if reason and not self.reason:
            self.drop(reason)
        for layer, buffer in self._buffers.items():
            buffer.merge(states[layer])

    def states(self) -> dict[str, SampleState]:
        """Return the samples as they are now, by layer, where the rows are."""
        return {layer: buffer.state() for layer, buffer in self._buffers.items()}

    def of_pair(self, x: str, y: str, n_examples: int) -> Callable[[], Sample] | None:
        """Return what makes the sample of two layers, as it is now, when it is read; None if there is none."""
        if self.reason:
            return None
        states = self._buffers[x].state(), self._buffers[y].state()
        return partial(_sample_of_states, *states, n_examples, self.options.seed)

    def _reduction(self, layer: str, outputs: ExampleOutputs) -> Reduction:
        return self.options.sample_rows or outputs.reductions.get(layer, "flat")


def _sample_of_states(x: SampleState, y: SampleState, n_examples: int, seed: int) -> Sample:
    """Return the sample of two layers on the host."""
    return sample_of(x.sample, y.sample, n_examples, seed)


def _longest(plan: Plan) -> int:
    """Return the largest number of rows of an example."""
    order, starts, _ = plan.groups
    return int(np.diff(starts, append=len(order)).max())


def _groups_of_complete(array: DeviceArray, example_ids: Ids) -> Groups:
    """Return the rows by their examples, which come one after another, with as many rows each."""
    rows, each = int(array.shape[0]), _rows_per_example(array, example_ids)
    if len(np.unique(example_ids)) < len(example_ids):
        return Plan(np.repeat(example_ids, each), 1).groups
    return np.arange(rows), np.arange(0, rows, each), example_ids


def _rows_per_example(array: DeviceArray, example_ids: Ids) -> int:
    """Return the number of rows of each example, of which all have as many."""
    return int(array.shape[0]) // max(1, len(example_ids))
