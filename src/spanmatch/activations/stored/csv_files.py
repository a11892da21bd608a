"""CSV and TSV: a column of numbers for each neuron; lines are parsed when their rows are read."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError
from .arrays import IDS, UNNAMED, RowIds, StoredArray
from .columns import check_has_ids, how_to_store, ids_of_index, refuse_if_ids

DELIMITERS = {".csv": ",", ".tsv": "\t"}
LINES_PER_MARK = 1024
"""Lines between two places in the file that are remembered, so that reads can start there."""
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|\s*[+-]?(nan|inf|infinity)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class _Table:
    """A file of lines, whose first one may name the columns."""

    path: Path
    names: tuple[str, ...]
    row_count: int
    marks: tuple[int, ...]
    """Where every `LINES_PER_MARK`-th row begins, in bytes."""

    @property
    def delimiter(self) -> str:
        """What is between the cells of a line."""
        return DELIMITERS[self.path.suffix]


def open_csv(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the array of a .csv or .tsv file."""
    file = stack.enter_context(path.open("rb"))
    table, first_row = _scanned(path, file)
    ids_column = _ids_column(table, first_row, rows_by)
    numbers = [i for i in range(len(table.names)) if i != ids_column]
    for i in numbers:
        if not NUMBER.fullmatch(first_row[i]):
            raise SpanmatchError(f"column {table.names[i]!r} holds {first_row[i][:40]!r}; {how_to_store()}")
        refuse_if_ids(table.names[i])

    def read(start: int, stop: int) -> NDArray[np.generic]:
        return _numbers(table, file, numbers, start, stop)

    ids = None if ids_column is None else _ids_of(table, ids_column)
    return [StoredArray(UNNAMED, (table.row_count, len(numbers)), np.dtype(np.float64), read, ids=ids)]


def _scanned(path: Path, file: IO[bytes]) -> tuple[_Table, list[str]]:
    """Return where rows begin and how many there are, and the cells of the first one."""
    delimiter = DELIMITERS[path.suffix]
    first_line = file.readline()
    cells = _cells(first_line, delimiter)
    numbers_columns = len(cells) > 1 and cells == [str(i) for i in range(len(cells))]  # as frames without names do
    has_names = numbers_columns or not all(NUMBER.fullmatch(cell) for cell in cells)
    if has_names:
        names, start = cells, file.tell()
    else:
        names, start = [f"column {i}" for i in range(len(cells))], 0
        if first_line.startswith(b"\xef\xbb\xbf"):
            start = 3
    file.seek(start)
    marks, row_count, place = [], 0, start
    for line in file:
        if line.strip():
            if row_count % LINES_PER_MARK == 0:
                marks.append(place)
            row_count += 1
        elif file.read().strip():
            raise SpanmatchError(f"an empty line after row {row_count - 1}; every line must be a row")
        place += len(line)
    file.seek(start)
    first_row = _cells(file.readline(), delimiter)
    if len(first_row) != len(names):
        raise SpanmatchError(f"{len(first_row)} cells in row 0 under {len(names)} names of columns")
    return _Table(path, tuple(names), row_count, tuple(marks)), first_row


def _cells(line: bytes, delimiter: str) -> list[str]:
    """Return the cells of a line."""
    return next(csv.reader([line.decode("utf-8-sig")], delimiter=delimiter), [])


def _ids_column(table: _Table, first_row: Sequence[str], rows_by: str | None) -> int | None:
    """Return the column of ids: the one with their name, or a first one without a name, as pandas writes its index."""
    check_has_ids(rows_by, table.names)
    name = rows_by or IDS
    if name in table.names:
        return table.names.index(name)
    return 0 if table.names[0] == "" and len(first_row) > 1 else None


def _ids_of(table: _Table, column: int) -> RowIds:
    """Return the ids in a column: whole numbers if all of them are, or texts."""

    def read() -> NDArray[np.generic]:
        with table.path.open(newline="", encoding="utf-8-sig") as file:
            file.seek(table.marks[0])
            rows = islice(csv.reader(file, delimiter=table.delimiter), table.row_count)
            texts = [row[column] if column < len(row) else "" for row in rows]
        if len(texts) != table.row_count:
            raise SpanmatchError(f"ids of {len(texts)} rows, of {table.row_count}; ids must not contain line breaks")
        if all(text.isdecimal() and str(int(text)) == text for text in texts):
            return np.array([int(text) for text in texts])
        return np.array([text or None for text in texts], dtype=object)

    name = table.names[column]
    return RowIds(f"column {name!r}", read) if name else ids_of_index(read)


def _numbers(table: _Table, file: IO[bytes], columns: Sequence[int], start: int, stop: int) -> NDArray[np.float64]:
    """Return the numbers of some rows, (stop - start, columns)."""
    mark = start // LINES_PER_MARK
    file.seek(table.marks[mark])
    lines = islice(file, start - mark * LINES_PER_MARK, stop - mark * LINES_PER_MARK)
    try:
        values = np.loadtxt(
            lines,
            delimiter=table.delimiter,
            usecols=columns,
            ndmin=2,
            quotechar='"',
            comments=None,
            encoding="utf-8",
        )
    except ValueError as error:
        raise SpanmatchError(f"rows {start} to {stop - 1}: {error}; store a number for every neuron") from error
    if len(values) != stop - start:
        raise EOFError(f"{len(values)} rows where {stop - start} should be")
    return values
