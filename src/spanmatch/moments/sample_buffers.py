"""The sample while data come: the rows of the examples whose ids have the smallest hashes so far.

The union of two samples, cut to the m smallest hashes, is the sample of both parts of the data. So
any order and any partition keep the same examples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .._hashing import Hashes, hashes
from ..errors import SpanmatchError
from .backends import DeviceArray, Engine, NumpyEngine
from .folds import Index
from .sample import Ids, LayerSample, Reduction
from .spans import Array

Number = TypeVar("Number", np.float32, np.int64)
Groups = tuple[Index, Ids, Ids]
"""The rows of a batch in the order of their examples, where each example starts, and the examples."""
HASH_KEY = 0x5A3B1E
"""Makes the hashes of the sample independent of those of folds and of the null pairing."""
SMALLEST = 1e-30
"""The largest absolute value of a layer below which float32 would lose digits."""


@dataclass(frozen=True, eq=False)
class SampleRows:
    """One row for each of some examples, on one device, in any order."""

    example_ids: Ids
    """(k,)"""
    hashes: Hashes
    """(k,) of the ids."""
    counts: NDArray[np.int64]
    """(k,) how many rows of the layer each is made of."""
    values: DeviceArray
    """(k, features) float32; with "mean" float64 sums over rows."""
    is_ambiguous: NDArray[np.bool_]
    """(k,) whether an example came again with other values, so that its row is not known."""
    is_complete: NDArray[np.bool_]
    """(k,) whether it is known that no other rows of an example come."""


@dataclass(frozen=True, eq=False)
class SampleState:
    """What is known of a layer's sample at one time."""

    layer: str
    reduction: Reduction
    rows: SampleRows
    engine: Engine
    neurons: int
    refusal: str
    """Why the rows make no sample; empty if they do."""

    def on_host(self) -> SampleState:
        """Return the same on the host, in arrays of its own if it is on a device."""
        if isinstance(self.engine, NumpyEngine):
            return self
        rows = SampleRows(
            self.rows.example_ids.copy(),
            self.rows.hashes.copy(),
            self.rows.counts.copy(),
            self.engine.host(self.rows.values).copy(),
            self.rows.is_ambiguous.copy(),
            self.rows.is_complete.copy(),
        )
        return replace(self, rows=rows, engine=NumpyEngine())

    @cached_property
    def sample(self) -> LayerSample:
        """The sample on the host.  Raises SpanmatchError if there is none."""
        if not isinstance(self.engine, NumpyEngine):
            return self.on_host().sample
        rows, layer = self.rows, self.layer
        if self.refusal:
            raise SpanmatchError(f"layer {layer!r}: no sample: {self.refusal}")
        if rows.is_ambiguous.any():
            example = int(rows.example_ids[np.argmax(rows.is_ambiguous)])
            raise SpanmatchError(
                f"layer {layer!r}: no sample: example {example} came in several batches; give all rows of an example "
                "in one batch, and example_ids that tell examples apart (rows of tokens or positions also with "
                "sample_rows='mean')"
            )
        order = np.argsort(rows.example_ids)
        values: Array = rows.values
        # In place, so that the rows are in memory once: nothing depends on their order.
        for array in (rows.example_ids, rows.hashes, rows.counts, values, rows.is_complete):
            array[:] = array[order]
        if self.reduction == "mean":
            values = values / rows.counts[:, None]
        with np.errstate(over="ignore", under="ignore"):
            single = values.astype(np.float32, copy=False)
        _check_range(layer, single)
        return LayerSample(layer, _read_only(single), _read_only(rows.example_ids), self.neurons, self.reduction)


def _read_only(values: NDArray[Number]) -> NDArray[Number]:
    """Return a view that cannot be written to."""
    view = values.view()
    view.flags.writeable = False
    return view


def _check_range(layer: str, values: NDArray[np.float32]) -> None:
    """Raise SpanmatchError if float32 cannot hold a layer's values."""
    largest = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(largest):
        raise SpanmatchError(f"layer {layer!r}: no sample: activations are not finite in float32; scale the layer down")
    if 0 < largest < SMALLEST:
        raise SpanmatchError(f"layer {layer!r}: no sample: activations underflow float32; scale the layer up")


class SampleBuffer:
    """The sample of one layer while data come.

    Parameters
    ----------
    layer
        Its name.
    size
        The number m of examples.
    seed
        Of the sample.
    reduction
        What is made of an example's rows.
    neurons
        Of the layer.
    """

    BOOKKEEPING = ("_ids", "_hashes", "_counts", "_ambiguous", "_complete")

    def __init__(self, layer: str, size: int, seed: int, reduction: Reduction, neurons: int) -> None:
        self.layer, self.size, self.seed, self.reduction, self.neurons = layer, size, seed, reduction, neurons
        self.refusal = ""
        self.rows_per_example = 0
        self._engine: Engine = NumpyEngine()
        self._filled = 0
        self._ids = np.empty(0, dtype=np.int64)
        self._hashes = np.empty(0, dtype=np.uint64)
        self._counts = np.empty(0, dtype=np.int64)
        self._ambiguous, self._complete = np.empty((2, 0), dtype=np.bool_)
        self._values: DeviceArray = None
        self._state: SampleState | None = None

    @classmethod
    def of(cls, state: SampleState, size: int, seed: int) -> SampleBuffer:
        """Begin with a sample on the host, whose arrays are copied on write."""
        buffer = cls(state.layer, size, seed, state.reduction, state.neurons)
        buffer.refusal, buffer._state, rows = state.refusal, state, state.rows
        if len(rows.example_ids):
            buffer._filled, buffer._ids, buffer._counts = len(rows.example_ids), rows.example_ids, rows.counts
            buffer._ambiguous, buffer._values, buffer._hashes = rows.is_ambiguous, rows.values, rows.hashes
            buffer._complete = rows.is_complete
            buffer.rows_per_example = int(rows.counts[0])
        return buffer

    def empty(self) -> SampleBuffer:
        """Return a sample of no examples with the same options."""
        return SampleBuffer(self.layer, self.size, self.seed, self.reduction, self.neurons)

    @property
    def nbytes(self) -> int:
        """The bytes that the rows take."""
        return 0 if self._values is None else int(np.prod(self._values.shape)) * (8 if self.reduction == "mean" else 4)

    def candidates(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Return which examples could enter the sample, by the hashes of their ids."""
        is_candidate = smallest_of(hashes, self.size)
        if self._filled == self.size:
            is_candidate &= hashes <= self._hashes.max()
        return is_candidate

    def add(self, engine: Engine, array: DeviceArray, groups: Groups, hashes: Hashes, *, in_pieces: bool) -> None:
        """Add the rows of a batch.

        Parameters
        ----------
        engine
            Of the array.
        array : (rows, neurons)
            The rows.
        groups
            The rows by their examples.
        hashes
            Of the ids of the examples, see `hashes_of`.
        in_pieces
            Whether other rows of these examples may come in other batches.
        """
        order, starts, examples = groups
        lengths = np.diff(starts, append=len(order))
        if self.reduction == "flat":
            self._check_lengths(lengths)
        if self.refusal:
            return
        chosen = np.flatnonzero(self.candidates(hashes))
        if not len(chosen):
            return
        values = self._reduced(engine, array, order, starts[chosen], lengths[chosen])
        if self._values is None:
            self._engine = engine
        elif engine != self._engine:
            values = self._engine.constant(engine.host(values))
        none, complete = np.zeros(len(chosen), dtype=np.bool_), np.full(len(chosen), not in_pieces)
        self._insert(SampleRows(examples[chosen], hashes[chosen], lengths[chosen], values, none, complete))

    def merge(self, other: SampleState) -> None:
        """Add the sample of another part of the data.  Raises SpanmatchError if it is of other rows."""
        if (other.reduction, other.neurons) != (self.reduction, self.neurons):
            raise SpanmatchError(
                f"layer {self.layer!r}: samples with sample_rows={self.reduction!r} and {other.reduction!r} cannot be "
                "added"
            )
        if other.refusal and not self.refusal:
            self._refuse(other.refusal)
        if self.refusal or not len(other.rows.example_ids):
            return
        if self.reduction == "flat":
            self._check_lengths(other.rows.counts)
            if self.refusal:
                return
        rows = other.rows
        if self._values is None:
            self._engine = other.engine
        elif other.engine != self._engine:
            rows = replace(rows, values=self._engine.constant(other.engine.host(rows.values)))
        self._insert(rows)

    def state(self) -> SampleState:
        """Return the sample as it is now, which later batches do not change."""
        if self._state is None:
            filled = slice(0, self._filled)
            values = np.empty((0, self.neurons), np.float32) if self._values is None else self._values[filled, ...]
            rows = SampleRows(
                self._ids[filled],
                self._hashes[filled],
                self._counts[filled],
                values,
                self._ambiguous[filled],
                self._complete[filled],
            )
            self._state = SampleState(self.layer, self.reduction, rows, self._engine, self.neurons, self.refusal)
        return self._state

    def _refuse(self, reason: str) -> None:
        """Give up the sample, for a reason that does not depend on the order of the data."""
        self.refusal, self._values, self._filled, self._state = reason, None, 0, None

    def _check_lengths(self, lengths: NDArray[np.int64]) -> None:
        """Refuse examples of different numbers of rows, which cannot be flattened."""
        shortest, longest = int(lengths.min()), int(lengths.max())
        self.rows_per_example = self.rows_per_example or shortest
        if {shortest, longest} != {self.rows_per_example} and not self.refusal:
            self._refuse(
                "examples have different numbers of rows, so that they cannot be flattened; give sample_rows='mean'"
            )

    def _reduced(
        self, engine: Engine, array: DeviceArray, order: Index, starts: Ids, lengths: NDArray[np.int64]
    ) -> DeviceArray:
        """Return one row for each example."""
        if self.reduction == "last":
            return engine.narrow(array, order[starts + lengths - 1], len(lengths))
        offsets = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
        index = order[np.arange(lengths.sum()) + offsets]
        if self.reduction == "mean":
            return engine.group_sums(array, index, lengths)
        return engine.narrow(array, index, len(lengths))

    def _insert(self, rows: SampleRows) -> None:
        """Add one row for each of some examples, and drop those whose hashes are no longer among the
        smallest.
        """
        self._state, shared = None, self._state is not None
        if shared:  # copied on write
            for name in self.BOOKKEEPING:
                setattr(self, name, getattr(self, name).copy())
            self._values = None if self._values is None else self._engine.copied(self._values)
        is_known = np.isin(rows.example_ids, self._ids[: self._filled])
        if is_known.any():
            self._add_again(_chosen(rows, np.flatnonzero(is_known), self._engine))
        new = np.flatnonzero(~is_known)
        kept_hashes, new_hashes = self._hashes[: self._filled], rows.hashes[new]
        free = np.empty(0, dtype=np.intp)
        if len(kept_hashes) + len(new_hashes) > self.size:
            last = np.partition(np.concatenate([kept_hashes, new_hashes]), self.size - 1)[self.size - 1]
            free, new = np.flatnonzero(kept_hashes > last), new[new_hashes <= last]
        slots = np.concatenate([free, np.arange(self._filled, self._filled + len(new) - len(free))])
        self._reserve(self._filled + len(new) - len(free), rows.values)
        self._filled += len(new) - len(free)
        self._put(slots, _chosen(rows, new, self._engine))

    def _put(self, slots: Index, rows: SampleRows) -> None:
        self._ids[slots], self._hashes[slots] = rows.example_ids, rows.hashes
        self._counts[slots], self._ambiguous[slots] = rows.counts, rows.is_ambiguous
        self._complete[slots] = rows.is_complete
        self._engine.put(self._values, slots, rows.values)

    def _add_again(self, rows: SampleRows) -> None:
        """Add rows of examples that are there: other pieces of them, or the same rows once more."""
        complete = rows.is_complete | self._complete[self._slots_of(rows.example_ids)]
        in_pieces = np.full(len(complete), self.reduction == "mean") & ~complete
        self._add_pieces(_chosen(rows, np.flatnonzero(in_pieces), self._engine))
        self._compare(_chosen(rows, np.flatnonzero(~in_pieces), self._engine))

    def _slots_of(self, example_ids: Ids) -> Index:
        """Return where the rows of examples are that are there."""
        order = np.argsort(self._ids[: self._filled])
        return np.asarray(order[np.searchsorted(self._ids[: self._filled], example_ids, sorter=order)])

    def _add_pieces(self, rows: SampleRows) -> None:
        """Add other pieces of examples that are there."""
        slots = self._slots_of(rows.example_ids)
        values = self._engine.taken(self._values, slots) + rows.values
        counts, ambiguous = self._counts[slots] + rows.counts, self._ambiguous[slots] | rows.is_ambiguous
        self._put(slots, replace(rows, counts=counts, values=values, is_ambiguous=ambiguous))

    def _compare(self, rows: SampleRows) -> None:
        """Note which complete examples came again with other rows."""
        slots = self._slots_of(rows.example_ids)
        same = self._engine.host(self._engine.taken(self._values, slots) == rows.values).all(axis=1)
        same &= self._counts[slots] == rows.counts
        self._complete[slots] |= rows.is_complete
        self._ambiguous[slots] |= rows.is_ambiguous | ~np.asarray(same, dtype=np.bool_)

    def _reserve(self, count: int, like: DeviceArray) -> None:
        """Make room for so many examples, or for twice as many as before."""
        capacity = len(self._ids)
        if count <= capacity:
            return
        capacity = min(self.size, max(count, 2 * capacity))
        for name in self.BOOKKEEPING:
            old = getattr(self, name)
            larger = np.zeros(capacity, dtype=old.dtype)
            larger[: len(old)] = old
            setattr(self, name, larger)
        values = self._engine.room((capacity, int(like.shape[1])), single=self.reduction != "mean")
        if self._values is not None:
            values[: self._filled, ...] = self._values[: self._filled, ...]
        self._values = values


def _chosen(rows: SampleRows, chosen: Index, engine: Engine) -> SampleRows:
    """Return some of the rows."""
    if len(chosen) == len(rows.example_ids):
        return rows
    return SampleRows(
        rows.example_ids[chosen],
        rows.hashes[chosen],
        rows.counts[chosen],
        engine.taken(rows.values, chosen),
        rows.is_ambiguous[chosen],
        rows.is_complete[chosen],
    )


def smallest_of(hashes: Hashes, count: int) -> NDArray[np.bool_]:
    """Return which hashes are among the smallest ones; equal ones together."""
    if len(hashes) <= count:
        return np.ones(len(hashes), dtype=np.bool_)
    return np.asarray(hashes <= np.partition(hashes, count - 1)[count - 1])


def hashes_of(example_ids: Ids, seed: int) -> Hashes:
    """Return the hashes of ids by which examples are sampled."""
    return hashes(example_ids, (HASH_KEY, seed))
