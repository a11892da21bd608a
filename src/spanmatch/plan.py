"""The plan of a batch: the fold of each row, and the row of another example that it meets in the null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import SpanmatchError
from .ranges import Ranges, ranges_of

Index = NDArray[np.intp]
Examples = ArrayLike | Mapping[str, ArrayLike] | None
ROWS_AT_ONCE = 1024


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
    def pieces(self) -> list[tuple[int, Index]]:
        """Folds and the rows of theirs to add at once, few enough to bound memory."""
        fold = self.examples % self.folds
        pieces = []
        for f in range(self.folds):
            rows = np.flatnonzero(fold == f)
            pieces += [(f, rows[i : i + ROWS_AT_ONCE]) for i in range(0, len(rows), ROWS_AT_ONCE)]
        return pieces

    @cached_property
    def partner(self) -> Index | None:
        """(rows,) a permutation of the rows that leaves none in its own example; None if there is none.

        With the rows sorted by example, each meets the row that is as far on as the largest example is long: for
        examples of equal length, the same position of the next example.
        """
        order, starts, _ = self.groups
        longest = int(np.diff(starts, append=len(order)).max())
        if 2 * longest > len(order):
            return None
        partner = np.empty_like(order)
        partner[order] = np.roll(order, -longest)
        return partner


def plans(arrays: Mapping[str, Any], examples: Examples, seen: Mapping[str, int], folds: int) -> dict[str, Plan]:
    """Return each layer's plan; layers with the same examples share one.

    Args: `seen`, the rows of each layer before this batch, from which rows are numbered if no examples are given.
    Raises SpanmatchError if the examples are not whole numbers, one for each row.
    """
    made: dict[Any, Plan] = {}
    result = {}
    for layer, array in arrays.items():
        n, first = array.shape[0], seen.get(layer, 0)
        given = examples.get(layer) if isinstance(examples, Mapping) else examples
        if isinstance(examples, Mapping) and given is None:
            raise SpanmatchError(f"layer {layer!r}: no examples are given for it")
        key = (n, first) if given is None else (n, id(given))
        if key not in made:
            ids = np.arange(first, first + n) if given is None else _whole_numbers(layer, given, n)
            made[key] = Plan(ids, folds)
        result[layer] = made[key]
    return result


def _whole_numbers(layer: str, given: ArrayLike, rows: int) -> NDArray[np.int64]:
    ids = np.asarray(given)
    if ids.dtype.kind not in "iu" or ids.ndim != 1:
        raise SpanmatchError(
            f"layer {layer!r}: examples of type {ids.dtype} and shape {ids.shape}; give one whole number for each row"
        )
    if len(ids) != rows:
        raise SpanmatchError(
            f"layer {layer!r}: {len(ids)} examples for {rows} rows; give one for each row, "
            "or a mapping by layer where layers have different numbers of rows"
        )
    return ids.astype(np.int64)
