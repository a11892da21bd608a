"""NumPy's .npz: an archive of .npy files, each read as a stream, from its first row to its last."""

from __future__ import annotations

import contextlib
import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ...errors import SpanmatchError
from .arrays import IDS, ReadRows, RowIds, StoredArray, ids_of_array, with_ids
from .npy import check_size, read_header
from .sparse import MEMBERS_OF_SPARSE, open_sparse

ROWS_SKIPPED_AT_ONCE = 4096


def open_npz(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of an archive, or the sparse matrix that SciPy has stored in it."""
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = archive.namelist()
    if set(members) >= MEMBERS_OF_SPARSE:
        return [open_sparse(path)]
    name_of_ids = f"{rows_by or IDS}.npy"
    is_of_ids = name_of_ids in members and len(_header(archive, name_of_ids)[0]) == 1
    layers = [member for member in members if not (is_of_ids and member == name_of_ids)]
    arrays = [_open_member(path, archive, member, stack) for member in layers if not _is_number(archive, member)]
    return with_ids(arrays, _ids_of(archive, name_of_ids) if is_of_ids else None)


def numbers_of_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return the numbers without axes in an archive, by name.

    Raises
    ------
    SpanmatchError
        If one is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.namelist() if _is_number(archive, member)]
            return {member.removesuffix(".npy"): _read_number(archive, member) for member in members}
    except Exception as error:  # whatever a damaged archive makes its readers raise
        raise SpanmatchError(f"{path}: a number in it is cut short or damaged ({error})") from error


def _is_number(archive: zipfile.ZipFile, member: str) -> bool:
    """Tell whether a member is a number without axes: it has no rows, so that it is no layer."""
    if not member.endswith(".npy"):
        return False
    with archive.open(member) as stream:
        shape, _, dtype = read_header(stream)
    return shape == () and dtype.kind in "biuf"


def _read_number(archive: zipfile.ZipFile, member: str) -> NDArray[np.generic]:
    """Return a number without axes."""
    with archive.open(member) as stream:
        return np.asarray(npy_format.read_array(stream, allow_pickle=False))


def _header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Return the shape and type of a member, of which as many bytes are there as it claims."""
    with archive.open(member) as stream:
        shape, _, dtype = read_header(stream)
        if not dtype.hasobject:
            check_size(shape, dtype, archive.getinfo(member).file_size - stream.tell())
    return shape, dtype


def _ids_of(archive: zipfile.ZipFile, member: str) -> RowIds:
    """Return the ids that a member holds."""

    def read() -> NDArray[np.generic]:
        _, dtype = _header(archive, member)
        if dtype.hasobject:
            raise SpanmatchError(f"array {member!r} holds pickled objects; store ids as numbers or texts (dtype str)")
        with archive.open(member) as stream:
            return np.asarray(npy_format.read_array(stream, allow_pickle=False))

    return ids_of_array(member.removesuffix(".npy"), read)


def _open_member(path: Path, archive: zipfile.ZipFile, member: str, stack: contextlib.ExitStack) -> StoredArray:
    if not member.endswith(".npy"):
        raise SpanmatchError(f"it holds {member!r}, which is not an array (.npy)")
    stream = stack.enter_context(archive.open(member))
    shape, fortran_order, dtype = read_header(stream)
    name = member.removesuffix(".npy")
    if fortran_order and len(shape) > 1:
        read = _read_from_whole(stream, shape, dtype)
    else:
        read = _read_in_order(stream, shape, dtype)
    stored = StoredArray(name, shape, dtype, read, random_access=False)
    try:
        check_size(shape, dtype, archive.getinfo(member).file_size - stream.tell())
    except EOFError as error:
        raise SpanmatchError(f"{path}: array {name!r} is cut short ({error})") from error
    return stored


def _read_from_whole(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> ReadRows:
    """Return a reader of an array in Fortran's order, which is read all at once."""
    array: NDArray[np.generic] | None = None

    def read(start: int, stop: int) -> NDArray[np.generic]:
        nonlocal array
        if array is None:
            array = _read_values(stream, math.prod(shape), dtype).reshape(shape[::-1]).T
        return array[start:stop]

    return read


def _read_in_order(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> ReadRows:
    """Return a reader of rows, one after another, that passes over those that are not asked for."""
    next_row, values_per_row = 0, math.prod(shape[1:])

    def read(start: int, stop: int) -> NDArray[np.generic]:
        nonlocal next_row
        if start < next_row:
            raise EOFError(f"rows {start} to {stop} were asked for after row {next_row}; rows are read once, in order")
        while next_row < start:  # rows that a checkpoint holds
            skipped = min(start - next_row, ROWS_SKIPPED_AT_ONCE)
            _read_values(stream, skipped * values_per_row, dtype)
            next_row += skipped
        values = _read_values(stream, (stop - start) * values_per_row, dtype)
        next_row = stop
        return values.reshape(stop - start, *shape[1:])

    return read


def _read_values(stream: IO[bytes], count: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """Return the next values of a stream.  Raises EOFError if there are fewer."""
    content = stream.read(count * dtype.itemsize)
    if len(content) != count * dtype.itemsize:
        raise EOFError(f"{len(content):,} bytes where {count * dtype.itemsize:,} should be")
    return np.frombuffer(content, dtype=dtype)
