"""Parquet: a column of numbers for each neuron, or a column of fixed-size lists for each layer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError, missing_extra
from .arrays import UNNAMED, StoredArray

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_AT_ONCE = 4096


def open_parquet(path: Path, stack: contextlib.ExitStack) -> list[StoredArray]:
    """Return the arrays of a .parquet file: its columns of lists, or all columns as one."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("PyArrow", "parquet", f"{path}") from error
    file = stack.enter_context(pq.ParquetFile(path, page_checksum_verification=True))
    schema, row_count = file.schema_arrow, file.metadata.num_rows
    lists = {column.name: column.type for column in schema if pa.types.is_fixed_size_list(column.type)}
    for column in schema:
        kind = lists[column.name].value_type if column.name in lists else column.type
        is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        if not is_number or (lists and column.name not in lists):
            raise SpanmatchError(
                f"column {column.name!r} is of type {column.type}; store a column of numbers for each neuron, "
                "or a column of fixed-size lists of numbers for each layer"
            )
    if lists:
        return [
            StoredArray(
                name,
                (row_count, kind.list_size),
                np.dtype(kind.value_type.to_pandas_dtype()),
                _ColumnReader(file, [name]).read,
            )
            for name, kind in lists.items()
        ]
    types = {np.dtype(column.type.to_pandas_dtype()) for column in schema}
    dtype = np.result_type(*types) if types else np.dtype(np.float64)
    return [StoredArray(UNNAMED, (row_count, len(schema)), dtype, _ColumnReader(file, schema.names).read)]


class _ColumnReader:
    """Rows of some columns: in order each is read once, elsewhere from the start of a row group."""

    def __init__(self, file: pq.ParquetFile, columns: Sequence[str]) -> None:
        self.file, self.columns = file, list(columns)
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
        columns = [batch.column(i) for i in range(batch.num_columns)]
        for name, column in zip(self.columns, columns, strict=True):
            if column.null_count or (hasattr(column, "flatten") and column.flatten().null_count):
                raise SpanmatchError(f"column {name!r} has missing values; store a number for every neuron")
        if len(columns) == 1 and hasattr(columns[0].type, "list_size"):
            values = columns[0].flatten().to_numpy(zero_copy_only=False)
            return np.asarray(values.reshape(-1, columns[0].type.list_size))
        return np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])
