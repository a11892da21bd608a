"""The plan of a batch: the fold of each row, and its partner in the null pairing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._hashing import hashes
from ..errors import SpanmatchError
from .example_ranges import Ranges, checked_ids, ranges_of

Index = NDArray[np.intp]
ExampleIds = ArrayLike | Mapping[str, ArrayLike] | None
ROWS_AT_ONCE = 1024


LARGEST_BLOCK_BITS = 3
"""Blocks of consecutive examples have at most 2^3 examples."""


def folds_of(examples: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Return the fold of each example: blocks of consecutive examples take turns.

    Neighbours, such as frames of a film, are alike; in different folds, they would make folds look
    independent. A block has 2^s examples, where s grows with the id up to 3, so that few examples
    fill all folds. Each round of k blocks begins with a fold that a hash of its number chooses, so
    that ids at regular distances fill all folds, too.

    Parameters
    ----------
    examples : array of int, (n,)
        Ids.
    folds : int
        The number k of folds.

    Returns
    -------
    array of int, (n,)
        (b + hash(b // k)) mod k for the block b = id // 2^s.
    """
    bits = np.frexp(examples.astype(np.float64))[1]
    blocks = examples >> np.clip(bits - 1 - int(folds - 1).bit_length(), 0, LARGEST_BLOCK_BITS)
    first = (hashes(blocks // folds) % np.uint64(folds)).astype(np.int64)
    return np.asarray((blocks + first) % folds, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Piece:
    """Rows to add at once: of complete examples, in order, or a part of one long example."""

    fold: int
    rows: Index
    lengths: NDArray[np.intp]
    """(examples,) how many rows each has in the batch."""


@dataclass(frozen=True, eq=False)
class Plan:
    """How the rows of one batch of one layer are to be added."""

    examples: NDArray[np.int64]
    """(rows,) the example that each row is of."""
    folds: int

    @cached_property
    def rows_per_fold(self) -> NDArray[np.int64]:
        """(folds,)"""
        return np.bincount(folds_of(self.examples, self.folds), minlength=self.folds)

    @cached_property
    def examples_per_fold(self) -> NDArray[np.int64]:
        """(folds,)"""
        return np.bincount(folds_of(self.groups[2], self.folds), minlength=self.folds)

    @cached_property
    def count(self) -> int:
        """How many examples the rows are of."""
        return len(self.groups[2])

    @cached_property
    def numbers(self) -> Ranges:
        """The examples, as ranges."""
        return ranges_of(self.groups[2])

    @cached_property
    def groups(self) -> tuple[Index, NDArray[np.int64], NDArray[np.int64]]:
        """The rows in the order of their examples, where in it each example starts, and the
        examples, ascending.
        """
        order = np.argsort(self.examples, kind="stable")
        examples, starts = np.unique(self.examples[order], return_index=True)
        return order, starts, examples

    @cached_property
    def pieces(self) -> list[Piece]:
        """What to add at once, few enough rows to bound memory: less than twice ROWS_AT_ONCE."""
        order, starts, examples = self.groups
        lengths = np.diff(starts, append=len(order))
        fold_of_example, fold_of_row = (folds_of(ids, self.folds) for ids in (examples, self.examples[order]))
        pieces = []
        for fold in np.unique(fold_of_example):
            fold_lengths = lengths[fold_of_example == fold]
            cuts = _cuts(fold_lengths)
            parts = np.split(order[fold_of_row == fold], np.cumsum(fold_lengths)[cuts - 1])
            for rows, sizes in zip(parts, np.split(fold_lengths, cuts), strict=True):
                step = ROWS_AT_ONCE if len(sizes) == 1 else len(rows)
                pieces += [Piece(int(fold), rows[i : i + step], sizes) for i in range(0, len(rows), step)]
        return pieces

    @cached_property
    def partner(self) -> Index | None:
        """(rows,) a permutation that leaves no row in its own example, or None.

        Examples are in the order of the hashes of their ids, so that what is alike and has
        neighbouring ids, as the frames of a film, is not paired. Each row meets the row that is as
        far on as the longest example is long: for examples of equal length, the same position of
        the next example.
        """
        rows_by_example, starts, examples = self.groups
        lengths = np.diff(starts, append=len(self.examples))
        longest = int(lengths.max())
        if 2 * longest > len(self.examples):
            return None
        order = rows_by_example[_indices_of_groups(starts, lengths, np.argsort(hashes(examples)))]
        partner = np.empty_like(order)
        partner[order] = np.roll(order, -longest)
        return partner


def _indices_of_groups(starts: NDArray[np.int64], lengths: NDArray[np.intp], order: Index) -> Index:
    """Return the indices of consecutive groups, one group after another in another order."""
    ends = np.cumsum(lengths[order])
    offsets = np.repeat(starts[order] - (ends - lengths[order]), lengths[order])
    return np.asarray(np.arange(len(offsets)) + offsets)


def _cuts(lengths: NDArray[np.intp]) -> Index:
    """Return where to cut: about every ROWS_AT_ONCE rows, and around longer examples."""
    starts = np.cumsum(lengths) - lengths
    long = lengths > ROWS_AT_ONCE
    return np.flatnonzero((np.diff(starts // ROWS_AT_ONCE) > 0) | long[1:] | long[:-1]) + 1


def plans(
    lengths: Mapping[str, int], example_ids: ExampleIds, rows_before: Mapping[str, int], folds: int
) -> dict[str, Plan]:
    """Return each layer's plan; layers with the same examples share one.

    `lengths` are the rows of each layer in the batch. Where no ids are given, rows are numbered
    from `rows_before`, those of each layer before this batch. Raises SpanmatchError if ids are not
    whole numbers from 0 to `LARGEST`, one for each row.
    """
    plan_of_ids: dict[tuple[int, int], Plan] = {}
    layer_plans = {}
    for layer, n in lengths.items():
        first = rows_before.get(layer, 0)
        given = example_ids.get(layer) if isinstance(example_ids, Mapping) else example_ids
        if isinstance(example_ids, Mapping) and given is None:
            raise SpanmatchError(f"layer {layer!r}: example_ids has none for it")
        key = (n, first) if given is None else (n, id(given))
        if key not in plan_of_ids:
            ids = np.arange(first, first + n) if given is None else _ids_of_rows(layer, given, n)
            plan_of_ids[key] = _plan_of(ids, folds, plan_of_ids.values())
        layer_plans[layer] = plan_of_ids[key]
    return layer_plans


def _plan_of(ids: NDArray[np.int64], folds: int, known: Iterable[Plan]) -> Plan:
    """Return the known plan of the same examples, or else a new one."""
    same = (plan for plan in known if np.array_equal(plan.examples, ids))
    return next(same, None) or Plan(ids, folds)


def _ids_of_rows(layer: str, given: ArrayLike, rows: int) -> NDArray[np.int64]:
    ids = checked_ids(f"layer {layer!r}", given)
    if len(ids) != rows:
        raise SpanmatchError(
            f"layer {layer!r}: {len(ids)} examples for {rows} rows; give one for each row, "
            "or a mapping by layer where layers have different numbers of rows"
        )
    return ids
