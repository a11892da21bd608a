"""A dense matrix in a file, of which some columns at a time are in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from .feature_rows import Array, Index


class ColumnFile:
    """A matrix of float64 in a file, column after column.

    Parameters
    ----------
    path : path
        The file, which is overwritten.
    rows, columns : int
        The shape of the matrix, which is 0 at first.
    at_once : int
        How many columns may be in memory.

    Raises
    ------
    SpanmatchError
        If the file cannot be written.
    """

    def __init__(self, path: Path, rows: int, columns: int, at_once: int) -> None:
        self.shape, self._path, self._at_once = (rows, columns), path, max(1, at_once)
        try:
            with path.open("wb") as file:
                _reserve(file, 8 * rows * columns)
        except OSError as error:
            raise SpanmatchError(f"cannot write {path}: {error.strerror or error}") from error

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Yield blocks of columns, (rows, at most `at_once`) in Fortran order; changing them changes the file."""
        for start in range(0, self.shape[1], self._at_once):
            part = slice(start, min(start + self._at_once, self.shape[1]))
            yield part, self._mapped()[part].T

    def columns(self, index: Index) -> Array:
        """Return a copy of some columns, (rows, k) in Fortran order."""
        return np.asarray(self._mapped()[index]).T

    def keep(self, rows: Index, columns: Index) -> None:
        """Leave out all other rows and columns; both are in increasing order.

        A column moves towards the beginning of the file, over columns that have moved already.
        """
        if not len(rows) or not len(columns):
            self.shape = len(rows), len(columns)
            return
        for start in range(0, len(columns), self._at_once):
            part = columns[start : start + self._at_once]
            kept = self._mapped()[part][:, rows]
            self._flat()[start * len(rows) : start * len(rows) + kept.size] = kept.ravel()
        self.shape = len(rows), len(columns)
        with self._path.open("r+b") as file:
            file.truncate(8 * len(rows) * len(columns))

    def _mapped(self) -> NDArray[np.float64]:
        """Map the file, (columns, rows): pages that were read leave memory with the map."""
        rows, columns = self.shape
        return self._flat()[: rows * columns].reshape(columns, rows)

    def _flat(self) -> NDArray[np.float64]:
        if not self._path.stat().st_size:
            return np.empty(0)
        return np.asarray(np.memmap(self._path, np.float64, mode="r+"))


def _reserve(file: BufferedWriter, size: int) -> None:
    """Make a file of zeros of this size: on the disk, as a process is killed that writes to a map that is not."""
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)
