"""HDF5: the data sets of a file, by their paths in it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError, missing_extra
from .arrays import StoredArray, ids_of_array, is_ids, rows_of, with_ids

if TYPE_CHECKING:
    import h5py

CHUNK_BYTES_MAX = 1 << 30
"""The most that a chunk may hold, as a chunk is decoded at once."""


def open_hdf5(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the data sets of a file of HDF5; links to other files are not followed."""
    try:
        import h5py
    except ImportError as error:
        raise missing_extra("h5py", "hdf5", f"{path}") from error
    file = stack.enter_context(h5py.File(path, mode="r"))
    arrays, ids = [], None
    for name, data_set in _data_sets(file).items():
        _check_safe(name, data_set)
        if is_ids(name, data_set.shape or (), rows_by):
            ids = ids_of_array(name, _reader_of_ids(data_set))
            continue
        block = int(data_set.chunks[0]) if data_set.chunks else 1
        shape = tuple(int(size) for size in data_set.shape or ())
        arrays.append(StoredArray(name, shape, np.dtype(data_set.dtype), rows_of(data_set), rows_per_block=block))
    return with_ids(arrays, ids)


def _data_sets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return the data sets of a file by their paths."""
    import h5py

    data_sets: dict[str, h5py.Dataset] = {}

    def add(name: str, member: object) -> None:
        if isinstance(member, h5py.Dataset):
            data_sets[name] = member

    file.visititems(add)
    return data_sets


def _check_safe(name: str, data_set: h5py.Dataset) -> None:
    """Raise SpanmatchError if values are in other files or missing, or chunks too large to decode."""
    if data_set.external or data_set.is_virtual:
        raise SpanmatchError(f"array {name!r} has its values in other files; store them in this one")
    if data_set.chunks is None:
        chunk_count, stored_count = 1, int(data_set.id.get_storage_size() > 0 or data_set.size == 0)
    else:
        if math.prod(data_set.chunks) * data_set.dtype.itemsize > CHUNK_BYTES_MAX:
            limit = CHUNK_BYTES_MAX >> 30
            raise SpanmatchError(
                f"array {name!r} has chunks of {data_set.chunks}, over {limit} GB each; store smaller chunks"
            )
        grid = [-(-size // step) for size, step in zip(data_set.shape, data_set.chunks, strict=True)]
        chunk_count, stored_count = math.prod(grid), data_set.id.get_num_chunks()
    if stored_count < chunk_count:
        raise SpanmatchError(
            f"array {name!r}: {chunk_count - stored_count:,} of {chunk_count:,} chunks were never written, and HDF5 "
            f"would read them as {data_set.fillvalue}; write all of them"
        )


def _reader_of_ids(data_set: h5py.Dataset) -> Callable[[], NDArray[np.generic]]:
    """Return what reads a data set of ids, texts as texts."""
    import h5py

    is_text = h5py.check_string_dtype(data_set.dtype) is not None
    return lambda: np.asarray(data_set.asstr()[:] if is_text else data_set[:])
