"""Rows of several arrays joined by their ids, so that each row is of the same example in all of them."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError, SpanmatchWarning
from .stored import RowIds, StoredArray

SHOWN = 3
"""Ids that a message names."""

ArrayKey = tuple[str, str]
"""A network and a layer of it."""
Order = NDArray[np.intp]
"""(rows,) the stored row that comes in each place."""


@dataclass(frozen=True, eq=False)
class JoinedArrays:
    """Arrays whose rows correspond."""

    arrays: dict[ArrayKey, StoredArray]
    orders: dict[ArrayKey, Order]
    """The order of the rows of those arrays that are stored in another one."""
    example_ids: NDArray[np.int64] | None = None
    """(rows,) the example of each row; None if each row is an example of its own."""

    @property
    def digest(self) -> str:
        """A short name of the orders and the examples; empty if rows are as they are stored."""
        if not self.orders and self.example_ids is None:
            return ""
        digest = hashlib.sha256()
        for key, order in self.orders.items():
            digest.update(repr(key).encode() + order.tobytes())
        digest.update(b"" if self.example_ids is None else self.example_ids.tobytes())
        return digest.hexdigest()[:16]


def joined(arrays: Mapping[ArrayKey, StoredArray]) -> JoinedArrays:
    """Return arrays with their rows in the order of the first one that has ids.

    Parameters
    ----------
    arrays
        By network and layer. Rows with the same id are rows of one example: they must follow one
        another, and be in the same order in all arrays. Default ids (0, 1, 2, ...) are used if the
        ids of another array are the same numbers in another order.

    Raises
    ------
    SpanmatchError
        If an array has ids that another one lacks, or ids occur several times and not in the same
        order in all arrays.

    Warns
    -----
    SpanmatchWarning
        If some arrays have ids and others have none: their rows are taken as they are stored.
    """
    row_ids = _ids_to_join(arrays)
    if not row_ids:
        return JoinedArrays(dict(arrays), {})
    without_ids = dict.fromkeys(name for name, layer in arrays if (name, layer) not in row_ids)
    if without_ids:
        (name, _), ids = next(iter(row_ids.items()))
        warnings.warn(
            f"the rows of {name} have ids ({ids.source}), those of {', '.join(without_ids)} have none: they are "
            "compared in the order in which they are stored",
            SpanmatchWarning,
            stacklevel=2,
        )
    for key, ids in row_ids.items():
        if len(ids.values) != arrays[key].shape[0]:
            raise SpanmatchError(
                f"{_name(key)}: {len(ids.values):,} ids ({ids.source}) of {arrays[key].shape[0]:,} rows; give one each"
            )
    (first, reference), *others = row_ids.items()
    orders = {key: order for key, ids in others if (order := _order(first, reference, key, ids)) is not None}
    return JoinedArrays(
        {key: _reordered(array, orders[key]) if key in orders else array for key, array in arrays.items()},
        orders,
        _example_ids(first, reference),
    )


def _ids_to_join(arrays: Mapping[ArrayKey, StoredArray]) -> dict[ArrayKey, RowIds]:
    """Return the ids of the arrays that have some; default ids only if others are a permutation of them."""
    row_ids = {key: array.ids for key, array in arrays.items() if array.ids is not None}
    given = [ids for ids in row_ids.values() if not ids.is_default]
    if not given:
        return {}
    numbers = given[0].values
    is_permutation = numbers.dtype.kind in "iu" and np.array_equal(np.sort(numbers), np.arange(len(numbers)))
    return {key: ids for key, ids in row_ids.items() if is_permutation or not ids.is_default}


def _order(first: ArrayKey, reference: RowIds, key: ArrayKey, ids: RowIds) -> Order | None:
    """Return the order that puts ids in that of the first array; None if they are in it."""
    if ids is reference or np.array_equal(ids.values, reference.values):
        return None
    wanted, stored = reference.values.tolist(), ids.values.tolist()
    places = {value: row for row, value in enumerate(stored)}
    known = set(wanted)
    missing_here = [value for value in dict.fromkeys(wanted) if value not in places]
    missing_there = [value for value in places if value not in known]
    if missing_here or missing_there:
        raise SpanmatchError(
            f"rows cannot be joined by their ids: {_missing(missing_here, known, first, key)}, and "
            f"{_missing(missing_there, places, key, first)}; keep the rows that both have"
        )
    if len(places) < len(stored) or len(known) < len(wanted):
        counts = Counter(wanted if len(known) < len(wanted) else stored)
        repeated = [value for value, count in counts.items() if count > 1]
        raise SpanmatchError(
            f"{_name(first)} and {_name(key)}: {len(repeated):,} ids occur several times ({_first_few(repeated)}), and "
            "not in the same order in both, so that it is ambiguous which rows correspond; give each row an id of "
            "its own, or store the rows of both in the same order"
        )
    return np.array([places[value] for value in wanted], dtype=np.intp)


def _example_ids(key: ArrayKey, ids: RowIds) -> NDArray[np.int64] | None:
    """Return the example of each row, 0, 1, 2, ... in order; None if no id occurs twice."""
    values = ids.values.tolist()
    count = len(set(values))
    if count == len(values):
        return None
    starts = [True, *(after != before for before, after in pairwise(values))]
    if sum(starts) != count:
        raise SpanmatchError(
            f"{_name(key)}: the rows of an example (rows with the same id, {ids.source}) do not follow one another; "
            "sort both sides by the ids, or give each row an id of its own"
        )
    return np.cumsum(starts, dtype=np.int64) - 1


def _reordered(array: StoredArray, order: Order) -> StoredArray:
    """Return an array with its rows in another order; if they cannot be read in any order, it is read at once."""
    taken = array.take
    contents: list[NDArray[np.generic]] = []

    def read(start: int, stop: int) -> NDArray[np.generic]:
        if taken is not None:
            return taken(order[start:stop])
        if not contents:
            contents.append(np.asarray(array.read(0, array.shape[0])))
        return contents[0][order[start:stop]]

    return replace(array, read=read, take=None, rows_per_block=1, random_access=True)


def _name(key: ArrayKey) -> str:
    """Return a network and its layer as messages call it."""
    return ":".join(key)


def _missing(values: list[object], total: Collection[object], there: ArrayKey, here: ArrayKey) -> str:
    """Say how many ids of one array are missing in another, and name the first few."""
    named = f" ({_first_few(values)})" if values else ""
    return f"{len(values):,} of the {len(total):,} ids of {_name(there)} are missing in {_name(here)}{named}"


def _first_few(values: list[object]) -> str:
    """Return the first few ids, and dots for the others."""
    return ", ".join([*map(repr, values[:SHOWN]), *(["..."] if len(values) > SHOWN else [])])
