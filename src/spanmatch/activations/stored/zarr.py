"""Zarr: the arrays of a group, by their paths in it, or one array."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError, missing_extra
from .arrays import UNNAMED, StoredArray, ids_of_array, is_ids, rows_of, with_ids

if TYPE_CHECKING:
    import zarr

METADATA_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata")
CHUNK_BYTES_MAX = 1 << 30
"""The most that a chunk may hold, as a chunk is decoded at once."""


def is_zarr(path: Path) -> bool:
    """Tell a folder that is a group or an array of Zarr."""
    return any((path / name).is_file() for name in METADATA_FILES)


def open_zarr(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of a group of Zarr, or the one array."""
    try:
        import zarr
    except ImportError as error:
        raise missing_extra("Zarr", "zarr", f"{path}") from error
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return [_open_array(path, UNNAMED, node)]
    members = {name: member for name, member in sorted(node.members(max_depth=None)) if isinstance(member, zarr.Array)}
    of_ids = next((name for name, member in members.items() if is_ids(name, member.shape, rows_by)), None)
    ids = None
    if of_ids is not None:
        ids = ids_of_array(of_ids, _reader_of_ids(path / of_ids, of_ids, members.pop(of_ids)))
    return with_ids([_open_array(path / name, name, member) for name, member in members.items()], ids)


def _reader_of_ids(folder: Path, name: str, array: zarr.Array) -> Callable[[], NDArray[np.generic]]:
    """Return what reads an array of ids, of which no chunk may be missing."""
    _check_safe(name, array)
    _check_chunks(folder, name, array)
    return lambda: np.asarray(array[:])


def _open_array(folder: Path, name: str, array: zarr.Array) -> StoredArray:
    """Return an array whose chunks are all there, are not pickled, and can be decoded in memory."""
    _check_safe(name, array)
    shape = tuple(int(size) for size in array.shape)
    stored = StoredArray(name, shape, np.dtype(array.dtype), rows_of(array), rows_per_block=int(array.chunks[0]))
    _check_chunks(folder, name, array)
    return stored


def _check_safe(name: str, array: zarr.Array) -> None:
    """Raise SpanmatchError if chunks are pickled, or too large to decode."""
    if "pickle" in str(array.metadata.to_dict()).lower():
        raise SpanmatchError(f"array {name!r} is stored with pickle, which would run what is in it; store numbers")
    if math.prod(array.chunks) * array.dtype.itemsize > CHUNK_BYTES_MAX:
        raise SpanmatchError(
            f"array {name!r} has chunks of {array.chunks}, over {CHUNK_BYTES_MAX >> 30} GB each; store smaller chunks"
        )


def _check_chunks(folder: Path, name: str, array: zarr.Array) -> None:
    """Raise SpanmatchError if chunks are missing: Zarr would read them as the fill value."""
    chunk_shape = array.shards or array.chunks
    grid = [-(-size // step) for size, step in zip(array.shape, chunk_shape, strict=True)]
    chunk_count = math.prod(grid)
    # A header may claim any number of chunks: look for each only where there are as many files.
    stored_count = sum(file.is_file() and file.name not in METADATA_FILES for file in folder.rglob("*"))
    if stored_count >= chunk_count:
        keys = (array.metadata.encode_chunk_key(place) for place in np.ndindex(*grid))
        stored_count = sum((folder / key).is_file() for key in keys)
    if stored_count != chunk_count:
        raise SpanmatchError(
            f"array {name!r}: {chunk_count - stored_count:,} of {chunk_count:,} chunks are missing, and Zarr would "
            f"read them as {array.fill_value}; if they were left out because they hold nothing else, store the array "
            "with write_empty_chunks"
        )
