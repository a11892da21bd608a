"""Tables in memory: frames of pandas, and tables of Arrow and of what exports Arrow's stream, such as Polars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError, missing_extra
from .arrays import IDS, UNNAMED, ReadRows, RowIds, StoredArray, TakeRows
from .columns import (
    check_has_ids,
    columns_of,
    how_to_store,
    ids_in,
    ids_of_index,
    number_type,
    refuse_if_ids,
    values_of,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pandas.api.extensions import ExtensionDtype


def is_frame(source: object) -> TypeGuard[pd.DataFrame]:
    """Tell whether something is a frame of pandas."""
    return (
        type(source).__module__.partition(".")[0] == "pandas" and hasattr(source, "iloc") and hasattr(source, "columns")
    )


def is_table(source: object) -> bool:
    """Tell whether something is a table of Arrow, or exports one."""
    return hasattr(source, "__arrow_c_stream__") and hasattr(source, "columns")


def frame_arrays(frame: pd.DataFrame, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of a frame: its columns of lists, or all columns of numbers as one."""
    ids, numbers, lists = _frame_ids(frame, rows_by), [], []
    for i, name in enumerate(frame.columns):
        if isinstance(ids, int) and i == ids:
            continue
        column = frame.iloc[:, i]
        if _is_numeric(column.dtype):
            numbers.append(i)
        elif len(column) and isinstance(column.iloc[0], list | tuple | np.ndarray):
            lists.append(i)
        else:
            raise SpanmatchError(f"column {name!r} is of type {column.dtype}; {how_to_store()}")
    row_ids = _frame_row_ids(frame, ids)
    if lists and numbers:
        raise SpanmatchError(f"column {frame.columns[numbers[0]]!r} holds no lists, as others do; {how_to_store()}")
    if lists:
        return [_list_array(frame, i, row_ids) for i in lists]
    for i in numbers:
        refuse_if_ids(str(frame.columns[i]))
    selected = frame.iloc[:, numbers]

    def values(rows: pd.DataFrame) -> NDArray[np.generic]:
        plain = all(isinstance(kind, np.dtype) for kind in rows.dtypes)
        return rows.to_numpy() if plain else rows.to_numpy(dtype=np.float64, na_value=np.nan)

    def read(start: int, stop: int) -> NDArray[np.generic]:
        return values(selected.iloc[start:stop])

    def take(rows: NDArray[np.intp]) -> NDArray[np.generic]:
        return values(selected.iloc[rows])

    return [StoredArray(UNNAMED, selected.shape, values(selected.iloc[:1]).dtype, read, take=take, ids=row_ids)]


def _is_numeric(dtype: np.dtype[np.generic] | ExtensionDtype) -> bool:
    """Tell whether a column of a frame of this type holds real numbers or truth values."""
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    return (is_numeric_dtype(dtype) and not is_complex_dtype(dtype)) or is_bool_dtype(dtype)


def _frame_ids(frame: pd.DataFrame, rows_by: str | None) -> int | None:
    """Return the number of the column of ids; None for the index."""
    names = [str(name) for name in frame.columns]
    if rows_by is not None and rows_by == frame.index.name:
        return None
    check_has_ids(rows_by, names)
    name = rows_by or IDS
    return names.index(name) if name in names else None


def _frame_row_ids(frame: pd.DataFrame, column: int | None) -> RowIds:
    """Return the ids in a column, or in the index."""
    if column is None:
        return ids_of_index(frame.index.to_numpy)
    return RowIds(f"column {frame.columns[column]!r}", frame.iloc[:, column].to_numpy)


def _list_array(frame: pd.DataFrame, column: int, ids: RowIds) -> StoredArray:
    """Return a column of lists of numbers as a layer."""
    name, lists = str(frame.columns[column]), frame.iloc[:, column].to_numpy()
    len(lists[0])

    def values(rows: Sequence[object] | NDArray[np.generic]) -> NDArray[np.generic]:
        try:
            return np.stack([np.asarray(row) for row in rows])
        except ValueError as error:
            raise SpanmatchError(f"column {name!r} has lists of several lengths; give all one length") from error

    def read(start: int, stop: int) -> NDArray[np.generic]:
        return values(lists[start:stop])

    def take(rows: NDArray[np.intp]) -> NDArray[np.generic]:
        return values(lists[rows])

    first = values(lists[:1])
    return StoredArray(name, (len(lists), *first.shape[1:]), first.dtype, read, take=take, ids=ids)


def table_arrays(source: object, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of a table of Arrow: its columns of lists, or all columns as one."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise missing_extra("PyArrow", "parquet", "a table of Arrow") from error
    table = source if isinstance(source, pa.Table) else pa.table(source)
    columns = columns_of(table.schema, rows_by)
    ids = None
    if columns.ids is not None:
        column = table.column(columns.ids)
        ids = RowIds(f"column {columns.ids!r}", lambda: ids_in(column))
    elif columns.default_ids is not None:
        index = np.asarray(columns.default_ids)
        ids = ids_of_index(lambda: index) if len(index) == table.num_rows else None
    if not columns.layers:
        names = list(columns.neurons)
        dtype, shape = number_type(table.schema, names), (table.num_rows, len(names))
        read, take = _table_readers(table, names, None)
        return [StoredArray(UNNAMED, shape, dtype, read, take=take, ids=ids)]
    arrays = []
    for name in columns.layers:
        lengths = table.column(name).slice(0, 1).combine_chunks().value_lengths().to_pylist() if table.num_rows else []
        width = int(lengths[0] or 0) if lengths else 0
        read, take = _table_readers(table, [name], width)
        dtype = number_type(table.schema, [name])
        arrays.append(StoredArray(name, (table.num_rows, width), dtype, read, take=take, ids=ids))
    return arrays


def _table_readers(table: pa.Table, names: list[str], width: int | None) -> tuple[ReadRows, TakeRows]:
    """Return what reads rows of some columns, in order and in any order."""
    selected = table.select(names)

    def read(start: int, stop: int) -> NDArray[np.generic]:
        return values_of(selected.slice(start, stop - start), names, width)

    def take(rows: NDArray[np.intp]) -> NDArray[np.generic]:
        return values_of(selected.take(rows), names, width)

    return read, take
