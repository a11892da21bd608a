"""The sparse rows of one layer, to which batches are appended: in memory, or in files that are memory-mapped."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

CHECKED_AT_ONCE = 1 << 24
"""Bytes of a file that are read at once for its checksum."""


Mark = tuple[int, int]


class Column(Protocol):
    """An array to which others are appended."""

    def append(self, part: NDArray[np.generic]) -> None:
        """Append values."""

    def array(self) -> NDArray[np.generic]:
        """Return all values, not to be changed."""

    def mark(self) -> Mark:
        """Return where the values end now."""

    def back_to(self, mark: Mark) -> None:
        """Forget what was appended after a mark; the values must not have been read since."""


class ColumnInMemory:
    """An array in memory: parts, joined when it is read."""

    def __init__(self, dtype: str) -> None:
        self._parts = [np.empty(0, dtype)]

    def append(self, part: NDArray[np.generic]) -> None:
        """Keep a copy."""
        self._parts.append(part.astype(self._parts[0].dtype))

    def array(self) -> NDArray[np.generic]:
        """Join the parts, once."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def mark(self) -> Mark:
        """Return the number of parts."""
        return len(self._parts), 0

    def back_to(self, mark: Mark) -> None:
        """Leave out later parts."""
        del self._parts[mark[0] :]


@dataclass
class ColumnInFile:
    """An array in a file of its plain values: the first `length` of them, with their checksum.

    What is in the file beyond these was written by a process that was stopped, and is overwritten.
    """

    path: Path
    dtype: str
    length: int = 0
    checksum: int = 0
    _checked: bool = field(default=False, init=False, repr=False)

    def append(self, part: NDArray[np.generic]) -> None:
        """Write behind the values; the state of the store says afterwards that they are there."""
        values = np.ascontiguousarray(part, dtype=self.dtype)
        try:
            there = self.path.stat().st_size if self.path.exists() else 0
            if there < self.length * values.itemsize:
                raise SpanmatchError(f"{self.path}: missing or cut short, {there:,} bytes; start a new folder")
            with self.path.open("r+b" if self.path.exists() else "wb") as file:
                file.truncate(self.length * values.itemsize)
                file.seek(0, 2)
                file.write(values.data)
        except OSError as error:
            raise SpanmatchError(f"cannot write {self.path}: {error.strerror or error}") from error
        self.checksum = zlib.crc32(values.data, self.checksum)
        self.length += len(values)

    def array(self) -> NDArray[np.generic]:
        """Map the file, whose checksum is verified the first time."""
        if not self.length:
            return np.empty(0, self.dtype)
        try:
            values = np.memmap(self.path, self.dtype, mode="r", shape=(self.length,))
        except (OSError, ValueError) as error:
            raise SpanmatchError(f"{self.path}: missing or cut short ({error}); start a new folder") from error
        if not self._checked:
            step, checksum = CHECKED_AT_ONCE // values.itemsize, 0
            for start in range(0, self.length, step):
                checksum = zlib.crc32(np.ascontiguousarray(values[start : start + step]).data, checksum)
            if checksum != self.checksum:
                raise SpanmatchError(f"{self.path}: its checksum is wrong, it was changed or damaged")
            self._checked = True
        return values

    def mark(self) -> Mark:
        """Return the length and the checksum."""
        return self.length, self.checksum

    def back_to(self, mark: Mark) -> None:
        """Have this length again; what is behind it is overwritten."""
        self.length, self.checksum = mark

    def state(self) -> dict[str, int]:
        """Return what has to be known to open it again."""
        return {"length": self.length, "checksum": self.checksum}


@dataclass
class RowStore:
    """The sparse rows of one layer: values as float32, columns, and how many each row has."""

    features: int
    values: Column
    columns: Column
    lengths: Column

    @classmethod
    def in_memory(cls, features: int) -> RowStore:
        """Return an empty store in memory."""
        return cls(features, *(ColumnInMemory(dtype) for dtype in DTYPES.values()))

    @classmethod
    def in_files(cls, folder: Path, number: int, features: int, state: Mapping[str, Mapping[str, int]]) -> RowStore:
        """Return the store of the layer of this number in a folder; of an empty state, an empty one."""
        columns = (
            ColumnInFile(folder / f"{number}.{name}", dtype, **dict(state.get(name, {})))
            for name, dtype in DTYPES.items()
        )
        return cls(features, *columns)

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """All arrays of the layer."""
        return self.values, self.columns, self.lengths

    def append(self, rows: csr_array) -> None:
        """Append rows."""
        self.values.append(rows.data)
        self.columns.append(rows.indices)
        self.lengths.append(np.diff(rows.indptr))

    def rows(self) -> csr_array:
        """Return all rows, (rows, features), not to be changed."""
        from scipy.sparse import csr_array

        ends = np.concatenate([[0], np.cumsum(self.lengths.array(), dtype=np.int64)])
        shape = (len(ends) - 1, self.features)
        return csr_array((self.values.array(), self.columns.array(), ends), shape=shape)

    def state(self) -> dict[str, dict[str, int]]:
        """Return what has to be known to open files again."""
        columns = {"values": self.values, "columns": self.columns, "lengths": self.lengths}
        return {name: column.state() for name, column in columns.items() if isinstance(column, ColumnInFile)}


DTYPES = {"values": "<f4", "columns": "<i4", "lengths": "<i4"}
"""The files of a layer."""
