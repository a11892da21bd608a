"""Parquet: a column of numbers for each neuron, or a column of lists for each layer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import missing_extra
from .arrays import UNNAMED, RowIds, StoredArray
from .columns import Columns, columns_of, ids_in, ids_of_index, number_type, values_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_AT_ONCE = 4096


def open_parquet(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of a .parquet file: its columns of lists, or all columns as one."""
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("PyArrow", "parquet", f"{path}") from error
    file = stack.enter_context(pq.ParquetFile(path, page_checksum_verification=True))
    schema, row_count = file.schema_arrow, file.metadata.num_rows
    columns = columns_of(schema, rows_by)
    ids = _ids_of(file, columns)
    if not columns.layers:
        names = list(columns.neurons)
        read = _ColumnReader(file, names, None).read
        return [StoredArray(UNNAMED, (row_count, len(names)), number_type(schema, names), read, ids=ids)]
    arrays = []
    for name in columns.layers:
        width = _width(file, name)
        shape, dtype = (row_count, width), number_type(schema, [name])
        arrays.append(StoredArray(name, shape, dtype, _ColumnReader(file, [name], width).read, ids=ids))
    return arrays


def _width(file: pq.ParquetFile, name: str) -> int:
    """Return the length of the lists in a column: by its type, or of the first one."""
    kind = file.schema_arrow.field(name).type
    if hasattr(kind, "list_size"):
        return int(kind.list_size)
    batch = next(file.iter_batches(1, columns=[name]), None)
    lengths = [] if batch is None else batch.column(0).value_lengths().to_pylist()
    return int(lengths[0] or 0) if lengths else 0


def _ids_of(file: pq.ParquetFile, columns: Columns) -> RowIds | None:
    """Return the ids of the rows, from a column or from the range that pandas has stored."""
    if columns.default_ids is not None:
        index = columns.default_ids
        return ids_of_index(lambda: np.arange(index.start, index.stop, index.step))
    if columns.ids is None:
        return None
    name = columns.ids
    return RowIds(f"column {name!r}", lambda: ids_in(file.read([name], use_pandas_metadata=False).column(name)))


class _ColumnReader:
    """Rows of some columns: in order each is read once, elsewhere from the start of a row group."""

    def __init__(self, file: pq.ParquetFile, columns: Sequence[str], width: int | None) -> None:
        self.file, self.columns, self.width = file, list(columns), width
        row_counts = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        self.group_starts = np.concatenate([[0], np.cumsum(row_counts)]).astype(int)
        self.next_row = -1
        self.batches: Iterator[pa.RecordBatch] = iter(())
        self.unread: NDArray[np.generic] | None = None

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Return rows start to stop."""
        if start != self.next_row:
            self._go_to(start)
        parts, missing = [], stop - start
        while missing > 0:
            if self.unread is None or not len(self.unread):
                self.unread = self._values_of(next(self.batches, None))
            parts.append(self.unread[:missing])
            self.unread = self.unread[missing:]
            missing -= len(parts[-1])
        self.next_row = stop
        return np.concatenate(parts)

    def _go_to(self, start: int) -> None:
        """Start again at the row group that a row is in, and read up to the row."""
        first_group = int(np.searchsorted(self.group_starts, start, side="right")) - 1
        groups = list(range(first_group, len(self.group_starts) - 1))
        self.batches = self.file.iter_batches(ROWS_AT_ONCE, row_groups=groups, columns=self.columns)
        self.unread, self.next_row = None, int(self.group_starts[first_group])
        while self.next_row < start:
            self.read(self.next_row, min(start, self.next_row + ROWS_AT_ONCE))

    def _values_of(self, batch: pa.RecordBatch | None) -> NDArray[np.generic]:
        """Return the rows of a record batch, of which no value may be missing."""
        if batch is None:
            raise EOFError("fewer rows than its footer claims")
        return values_of(batch, self.columns, self.width)
