"""Activations in memory: an array, a table or a sparse matrix, or several of these by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike

import numpy as np

from ...errors import SpanmatchError
from ...moments.backends import DeviceArray
from ...moments.batches import refuse_masked
from ...moments.sparse_rows import is_sparse
from .arrays import UNNAMED, RowIds, StoredArray, ids_of_array, is_ids, rows_of, with_ids
from .sparse import sparse_array
from .tables import frame_arrays, is_frame, is_table, table_arrays


def is_in_memory(source: object) -> bool:
    """Tell whether something is an array, a table or a sparse matrix."""
    return (hasattr(source, "shape") and hasattr(source, "dtype")) or is_frame(source) or is_table(source)


def needs_reading(source: object) -> bool:
    """Tell whether something is not a matrix of numbers yet: a path, a table."""
    return isinstance(source, str | PathLike) or is_frame(source) or is_table(source)


def arrays_in_memory(source: DeviceArray, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of what is in memory.

    Parameters
    ----------
    source
        An array of any library, a frame of pandas, a table of Arrow, a sparse matrix of SciPy; or
        {layer: one of these}.
    rows_by
        The name of the column of ids, or of the array of ids in a mapping; by default "ids".

    Raises
    ------
    SpanmatchError
        If it is none of these, or does not hold real numbers.
    """
    if not isinstance(source, Mapping):
        return _arrays_of(source, rows_by)
    arrays: list[StoredArray] = []
    ids: RowIds | None = None
    for layer, value in source.items():
        if not is_frame(value) and not is_table(value) and is_ids(str(layer), tuple(np.shape(value)), rows_by):
            values = np.asarray(value)
            ids = ids_of_array(str(layer), values.view)
            continue
        parts = _arrays_of(value, rows_by)
        arrays += [replace(part, name=layer if len(parts) == 1 else f"{layer}/{part.name}") for part in parts]
    return with_ids(arrays, ids)


def _arrays_of(source: DeviceArray, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of a frame or a table, or the one array."""
    if is_frame(source):
        return frame_arrays(source, rows_by)
    if is_table(source):
        return table_arrays(source, rows_by)
    if is_sparse(source):
        return [sparse_array(UNNAMED, source)]
    if isinstance(source, np.ndarray) and source.dtype.kind not in "biuf":
        raise SpanmatchError(f"an array of {source.dtype}; give real numbers")
    refuse_masked("an array", source)
    # The type of arrays of other libraries is checked where their rows are added.
    shape, read = tuple(np.shape(source)), rows_of(source)
    return [StoredArray(UNNAMED, shape, np.dtype(np.float64), read, take=source.__getitem__)]
