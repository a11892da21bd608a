"""What formats of stored activations share: what a format is, and the arrays that it gives."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError

UNNAMED = "activations"
"""The name of the one array of a file that does not name it."""

IDS = "ids"
"""The name of the array of row ids, where no other is given."""
SHOWN = 20
"""Names that a message lists."""

ReadRows = Callable[[int, int], NDArray[np.generic]]
TakeRows = Callable[[NDArray[np.intp]], NDArray[np.generic]]
OpenArrays = Callable[[Path, contextlib.ExitStack, str | None], "Sequence[StoredArray]"]


class Sliceable(Protocol):
    """What gives rows when it is sliced."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """Return some rows."""


@dataclass(frozen=True, eq=False)
class RowIds:
    """The ids of rows, by which they are joined with the rows of other arrays.

    Parameters
    ----------
    source
        Where they come from, as messages call it: "column 'id'".
    read
        Returns the ids, (rows,).
    is_default
        Whether they number the rows 0, 1, 2, ... because nobody has named them.
    """

    source: str
    read: Callable[[], NDArray[np.generic]] = field(repr=False)
    is_default: bool = False

    @cached_property
    def values(self) -> NDArray[np.generic]:
        """The ids, (rows,).  Raises SpanmatchError if some are missing."""
        ids = self.read()
        if ids.ndim != 1:
            raise SpanmatchError(f"{self.source} has shape {ids.shape}; give one id for each row")
        missing = np.flatnonzero(_is_missing(ids))
        if len(missing):
            raise SpanmatchError(f"{self.source} has {len(missing):,} missing ids, the first in row {missing[0]}")
        return ids


def _is_missing(ids: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return which ids are missing: None, nan or NaT."""
    if ids.dtype.kind == "O":
        return np.array([value is None or _is_nan(value) for value in ids], dtype=bool)
    if ids.dtype.kind in "mM":
        return np.asarray(np.isnat(ids), dtype=bool)
    if ids.dtype.kind == "f":
        return np.asarray(np.isnan(ids), dtype=bool)
    return np.zeros(len(ids), dtype=bool)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


@dataclass(frozen=True)
class StoredArray:
    """One array of a file, rows or examples first.

    Parameters
    ----------
    name
        Its name in the file, which is that of the layer.
    shape
        (rows, ...), none of the axes empty; labels beside inputs have one axis.
    dtype
        Its number type: a real one.
    read
        ``read(start, stop)`` returns those rows, (stop - start, ...).
    rows_per_block
        Rows that are decoded together: reads that start and stop at multiples of it decode nothing
        twice.
    random_access
        Whether reads may start anywhere; if not, rows can be read once, in order.
    take
        ``take(rows)`` returns rows in any order, if that needs no more memory than they take.
    ids
        The ids of the rows, if there are any.

    Raises
    ------
    SpanmatchError
        If it does not hold real numbers, or has no axis, or an empty one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    read: ReadRows = field(repr=False)
    rows_per_block: int = 1
    random_access: bool = True
    take: TakeRows | None = field(default=None, repr=False)
    ids: RowIds | None = None

    def __post_init__(self) -> None:
        check_array(self.name, self.shape, self.dtype)


@dataclass(frozen=True)
class Format:
    """A format of stored activations."""

    name: str
    """As messages call it: "a .npy file"."""
    recognises: Callable[[Path], bool]
    """Whether a file or a folder is of this format, by its name or by what is in it."""
    open: OpenArrays
    """Returns the arrays, having read headers alone; the stack closes what stays open. The last
    argument is the name of the ids, None for `IDS`."""
    as_shards: bool = True
    """Whether such files can be shards: it needs rows that can be read anywhere."""
    names_layers: bool = False
    """Whether such files name their layers, so that as shards their own names do not."""


def check_array(name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    """Raise SpanmatchError unless an array holds real numbers, of one or more rows."""
    if dtype.hasobject:
        raise SpanmatchError(f"array {name!r} holds pickled objects, of shape {shape}; store an array of numbers")
    if dtype.kind not in "biuf":
        raise SpanmatchError(f"array {name!r} holds {dtype.str}, of shape {shape}; store real numbers")
    if not shape or 0 in shape:
        raise SpanmatchError(f"array {name!r} has shape {shape}; store rows x neurons, at least one of each")


def refuse_weights(path: Path, names: Iterable[str]) -> None:
    """Raise SpanmatchError if names are those of weights, which have rows and columns too, but are no activations."""
    weight = next((name for name in names if name.endswith(".weight")), None)
    if weight is not None:
        raise SpanmatchError(
            f"{path}: holds weights (as {weight!r}), not activations; to compare networks, name the function or class "
            f"that makes them, and give inputs: file.py:function@{path} --data inputs.npy; in Python, build the "
            "network, call its load_state_dict, and give it with batches"
        )


def rows_of(array: Sliceable) -> ReadRows:
    """Return a reader of an array that can be sliced."""

    def read(start: int, stop: int) -> NDArray[np.generic]:
        return array[start:stop]

    return read


def is_ids(name: str, shape: tuple[int, ...], rows_by: str | None) -> bool:
    """Tell whether an array of a file that names its arrays is that of the row ids."""
    return len(shape) == 1 and name == (rows_by or IDS)


def with_ids(arrays: Sequence[StoredArray], ids: RowIds | None) -> list[StoredArray]:
    """Return arrays whose rows have ids."""
    return [replace(array, ids=array.ids or ids) for array in arrays]


def ids_of_array(name: str, read: Callable[[], NDArray[np.generic]]) -> RowIds:
    """Return the ids that an array holds."""
    return RowIds(f"array {name!r}", read)


def listed(names: Sequence[str]) -> str:
    """Return names for a message, not more than fit."""
    return ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
