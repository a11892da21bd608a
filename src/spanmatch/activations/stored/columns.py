"""What tables have in common: which columns are neurons or layers, and which holds the ids of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError, among
from .arrays import IDS, RowIds

if TYPE_CHECKING:
    import pyarrow as pa

NAMES_OF_IDS = ("id", "index", "row_id", "example_id", "sample_id")
"""Names of columns that are hardly those of neurons."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table, by what they hold."""

    neurons: tuple[str, ...]
    """Columns of numbers: the neurons of one layer."""
    layers: tuple[str, ...]
    """Columns of lists: the layers."""
    ids: str | None
    """The column of the ids."""
    default_ids: range | None
    """The index of a frame that was not stored as a column: a range."""


def how_to_store() -> str:
    """Return what a table must hold, for messages."""
    return (
        "store a column of numbers for each neuron, or a column of lists of numbers, all of one length, for each "
        "layer; name the column of the ids with rows_by= (--rows-by)"
    )


def check_has_ids(rows_by: str | None, names: Sequence[str]) -> None:
    """Raise SpanmatchError if a table has no column of the name of the ids."""
    if rows_by is not None and rows_by not in names:
        raise SpanmatchError(f"no column {rows_by!r} of row ids{among(rows_by, names)}")


def refuse_if_ids(name: str) -> None:
    """Raise SpanmatchError for a column that would count as a neuron, but is named as ids are."""
    if name.lower() in NAMES_OF_IDS:
        raise SpanmatchError(
            f"column {name!r}: ids, or a neuron? give rows_by={name!r} (--rows-by {name}) to join the rows by it, "
            "or rename or drop it"
        )


def ids_of_index(read: Callable[[], NDArray[np.generic]]) -> RowIds:
    """Return the index of a frame as ids; one that numbers the rows 0, 1, 2, ... is a default."""
    ids = read()
    is_default = ids.dtype.kind in "iu" and np.array_equal(ids, np.arange(len(ids)))
    return RowIds("the index", lambda: ids, is_default=bool(is_default))


def columns_of(schema: pa.Schema, rows_by: str | None) -> Columns:
    """Return the columns of a table of Arrow.  Raises SpanmatchError for one that is none of numbers or lists."""
    import pyarrow as pa

    index, default_ids = _index_of_pandas(schema.pandas_metadata)
    names = schema.names
    check_has_ids(rows_by, names)
    ids = rows_by or (IDS if IDS in names else index)
    kinds = {column.name: column.type for column in schema if column.name not in (ids, index)}
    if len(kinds) + len({ids, index} - {None}) != len(names):
        raise SpanmatchError("two columns have the same name; rename one")
    layers = [name for name, kind in kinds.items() if _is_list(kind)]
    for name, kind in kinds.items():
        value = kind.value_type if name in layers else kind
        is_number = pa.types.is_floating(value) or pa.types.is_integer(value) or pa.types.is_boolean(value)
        if not is_number or (layers and name not in layers):
            raise SpanmatchError(f"column {name!r} is of type {kind}; {how_to_store()}")
        if name not in layers:
            refuse_if_ids(name)
    return Columns(() if layers else tuple(kinds), tuple(layers), ids, None if ids is not None else default_ids)


def _is_list(kind: pa.DataType) -> bool:
    """Tell whether a column holds lists, of whatever length."""
    import pyarrow as pa

    return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _index_of_pandas(metadata: Mapping[str, object] | None) -> tuple[str | None, range | None]:
    """Return the column of the index of a frame that was stored by pandas, or its range."""
    index = (metadata or {}).get("index_columns")
    if not isinstance(index, list) or len(index) != 1:
        return None, None
    if isinstance(index[0], str):
        return index[0], None
    try:
        return None, range(int(index[0]["start"]), int(index[0]["stop"]), int(index[0]["step"]))
    except (KeyError, TypeError, ValueError):
        return None, None


def number_type(schema: pa.Schema, columns: Sequence[str]) -> np.dtype[np.generic]:
    """Return the number type of some columns together."""
    types = [schema.field(name).type for name in columns]
    values = [np.dtype((kind.value_type if _is_list(kind) else kind).to_pandas_dtype()) for kind in types]
    return np.result_type(*values) if values else np.dtype(np.float64)


def values_of(batch: pa.RecordBatch | pa.Table, columns: Sequence[str], width: int | None) -> NDArray[np.generic]:
    """Return columns of numbers side by side, or the lists of one column as rows of a width.

    Raises SpanmatchError for a missing value, and for a list of another length.
    """
    arrays = [_one_array(batch.column(name)) for name in columns]
    for name, column in zip(columns, arrays, strict=True):
        if column.null_count or (width is not None and column.flatten().null_count):
            raise SpanmatchError(f"column {name!r} has missing values; store a number for every neuron")
    if width is None:
        return np.column_stack([column.to_numpy(zero_copy_only=False) for column in arrays])
    (column,) = arrays
    lengths = set(column.value_lengths().to_pylist()) if len(column) else set()
    if not lengths <= {width}:
        other = min(lengths - {width})
        raise SpanmatchError(f"column {columns[0]!r} has lists of {width} and of {other} numbers; give all one length")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width))


def ids_in(column: pa.Array | pa.ChunkedArray) -> NDArray[np.generic]:
    """Return the ids in a column."""
    array = _one_array(column)
    if array.null_count:
        return np.array(array.to_pylist(), dtype=object)
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    import pyarrow as pa

    if not isinstance(column, pa.ChunkedArray):
        return column
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
