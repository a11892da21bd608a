"""The plan of a batch: the fold of each row, and the row of another example that it meets in the null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._hashing import hashes
from ..errors import SpanmatchError
from .example_ranges import Ranges, checked_ids, ranges_of

Index = NDArray[np.intp]
ExampleIds = ArrayLike | Mapping[str, ArrayLike] | None
ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Piece:
    """Rows to add at once: of whole examples, one after another, or a part of one long example."""

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

    @property
    def rows_per_fold(self) -> NDArray[np.int64]:
        """(folds,)"""
        return np.bincount(self.examples % self.folds, minlength=self.folds)

    @property
    def examples_per_fold(self) -> NDArray[np.int64]:
        """(folds,)"""
        return np.bincount(self.groups[2] % self.folds, minlength=self.folds)

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
        """The rows in the order of their examples, where in it each example starts, and the examples, ascending."""
        order = np.argsort(self.examples, kind="stable")
        examples, starts = np.unique(self.examples[order], return_index=True)
        return order, starts, examples

    @cached_property
    def pieces(self) -> list[Piece]:
        """What to add at once, few enough rows to bound memory: less than twice ROWS_AT_ONCE."""
        order, starts, examples = self.groups
        lengths = np.diff(starts, append=len(order))
        fold_of_example, fold_of_row = examples % self.folds, self.examples[order] % self.folds
        pieces = []
        for fold in np.unique(fold_of_example):
            own = lengths[fold_of_example == fold]
            cuts = _cuts(own)
            parts = np.split(order[fold_of_row == fold], np.cumsum(own)[cuts - 1])
            for rows, sizes in zip(parts, np.split(own, cuts), strict=True):
                step = ROWS_AT_ONCE if len(sizes) == 1 else len(rows)
                pieces += [Piece(int(fold), rows[i : i + step], sizes) for i in range(0, len(rows), step)]
        return pieces

    @cached_property
    def partner(self) -> Index | None:
        """(rows,) a permutation of the rows that leaves none in its own example; None if there is none.

        ExampleIds are in the order of the hashes of their ids, so that what is alike and has neighbouring ids, as the
        frames of a film, is not paired. Each row meets the row that is as far on as the longest example is long: for
        examples of equal length, the same position of the next example.
        """
        longest = int(np.diff(self.groups[1], append=len(self.examples)).max())
        if 2 * longest > len(self.examples):
            return None
        order = np.argsort(hashes(self.examples), kind="stable")
        partner = np.empty_like(order)
        partner[order] = np.roll(order, -longest)
        return partner


def _cuts(lengths: NDArray[np.intp]) -> Index:
    """Return where to cut examples apart: about every ROWS_AT_ONCE rows, and around each that is longer."""
    starts = np.cumsum(lengths) - lengths
    long = lengths > ROWS_AT_ONCE
    return np.flatnonzero((np.diff(starts // ROWS_AT_ONCE) > 0) | long[1:] | long[:-1]) + 1


def plans(arrays: Mapping[str, Any], example_ids: ExampleIds, seen: Mapping[str, int], folds: int) -> dict[str, Plan]:
    """Return each layer's plan; layers with the same examples share one.

    Args: `seen`, the rows of each layer before this batch, from which rows are numbered if no examples are given.
    Raises SpanmatchError if the examples are not whole numbers from 0 to `LARGEST`, one for each row.
    """
    made: dict[Any, Plan] = {}
    result = {}
    for layer, array in arrays.items():
        n, first = array.shape[0], seen.get(layer, 0)
        given = example_ids.get(layer) if isinstance(example_ids, Mapping) else example_ids
        if isinstance(example_ids, Mapping) and given is None:
            raise SpanmatchError(f"layer {layer!r}: example_ids has none for it")
        key = (n, first) if given is None else (n, id(given))
        if key not in made:
            ids = np.arange(first, first + n) if given is None else _ids_of_rows(layer, given, n)
            made[key] = Plan(ids, folds)
        result[layer] = made[key]
    return result


def _ids_of_rows(layer: str, given: ArrayLike, rows: int) -> NDArray[np.int64]:
    ids = checked_ids(f"layer {layer!r}", given)
    if len(ids) != rows:
        raise SpanmatchError(
            f"layer {layer!r}: {len(ids)} examples for {rows} rows; give one for each row, "
            "or a mapping by layer where layers have different numbers of rows"
        )
    return ids
