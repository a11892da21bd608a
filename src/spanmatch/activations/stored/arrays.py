"""What formats of stored activations share: what a format is, and the arrays that it gives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError

UNNAMED = "activations"
"""The name of the one array of a file that does not name it."""

ReadRows = Callable[[int, int], NDArray[np.generic]]
OpenArrays = Callable[[Path, contextlib.ExitStack], "Sequence[StoredArray]"]


class Sliceable(Protocol):
    """What gives rows when it is sliced."""

    def __getitem__(self, rows: slice, /) -> NDArray[np.generic]:
        """Return some rows."""


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
    """Returns the arrays, having read headers alone; the stack closes what stays open."""
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


def rows_of(array: Sliceable) -> ReadRows:
    """Return a reader of an array that can be sliced."""

    def read(start: int, stop: int) -> NDArray[np.generic]:
        return array[start:stop]

    return read
