"""Files: written beside their place and renamed into it, read without running anything in them."""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import secrets
import shutil
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ._values import Json
from .errors import SpanmatchError

Path_ = str | PathLike[str]
CHECKSUM = "crc32"
TYPES = {
    "<f8": "F64",
    "<f4": "F32",
    "<f2": "F16",
    "<i8": "I64",
    "<i4": "I32",
    "<i2": "I16",
    "|i1": "I8",
    "<u8": "U64",
    "<u4": "U32",
    "<u2": "U16",
    "|u1": "U8",
    "|b1": "BOOL",
}
"""What safetensors calls NumPy's types."""
TEMPORARY = ".tmp"
LOCK, WRITTEN, READY = ".spanmatch-lock", ".spanmatch-written", ".spanmatch-ready"
"""In a folder of results: the lock, results that are being written, and complete ones that are not yet moved."""


@contextlib.contextmanager
def replacing(path: Path_) -> Iterator[Path]:
    """Give a temporary file in the same folder; on success rename it to `path`, on failure remove it.

    The file has the permissions that the user's umask says. Temporary files of `path` that killed processes left behind
    are removed first.

    Parameters
    ----------
    path : path
        The file to write or replace.

    Yields
    ------
    Path
        The temporary file, empty.

    Raises
    ------
    SpanmatchError
        If the folder is missing or cannot be written.
    """
    path = Path(path)
    with _errors_name(path):
        _remove_leftovers(path)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
        with _created(temporary):
            yield temporary
            temporary.replace(path)


@contextlib.contextmanager
def _created(temporary: Path) -> Iterator[None]:
    """Create a file, and lock it while it is written; remove it at the end, if it is still there."""
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)  # the system applies the umask
    try:
        if sys.platform == "win32":  # where an open file can be neither renamed nor locked for others alone
            os.close(handle)
            handle = -1
        else:
            _try_lock(handle)
        yield
    finally:
        temporary.unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` that no process has locked."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY}"):
        with contextlib.suppress(OSError):  # another process has removed it, or may not let this one
            handle = os.open(leftover, os.O_RDWR)
            try:
                if _try_lock(handle):
                    leftover.unlink()
            finally:
                os.close(handle)


@contextlib.contextmanager
def writing(folder: Path_, replaces: Sequence[str] = ()) -> Iterator[Path]:
    """Give a new folder to write results to, inside `folder`, and on success move all of them to `folder` together.

    No other process can write there meanwhile. On failure earlier results stay as they were, and a folder that was
    made for the new ones is removed. Results that a killed process left behind are removed if they are incomplete, and
    moved if they are complete.

    Parameters
    ----------
    folder : path
        The folder of the results; it is made if it is missing.
    replaces : sequence of str
        Names of files of results: those there that are not written anew are of earlier results, and
        are removed.

    Yields
    ------
    Path
        The folder to write to, empty.

    Raises
    ------
    SpanmatchError
        If another process is writing there, or the folder cannot be made or written.
    """
    folder = Path(folder)
    new_folders = _make_folder(folder)
    written, ready = folder / WRITTEN, folder / READY
    try:
        with locked(folder / LOCK, folder):
            with _errors_name(folder):
                _move_all(ready, folder)
                shutil.rmtree(written, ignore_errors=True)
                written.mkdir()
            try:
                yield written
                with _errors_name(folder):
                    _check_targets(written, folder)
                    earlier = [folder / name for name in replaces if not (written / name).exists()]
                    written.replace(ready)
                    for path in earlier:
                        path.unlink(missing_ok=True)
                    _move_all(ready, folder)
            finally:
                shutil.rmtree(written, ignore_errors=True)
    except BaseException:
        for path in new_folders:
            with contextlib.suppress(OSError):  # something else is in it
                path.rmdir()
        raise


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and its parents; return those that were missing, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpanmatchError(f"cannot make folder {folder}: {error.strerror}") from error
    return missing


def _check_targets(source: Path, folder: Path) -> None:
    """Raise SpanmatchError if a folder is where a file is to be moved to, or a file where a folder is."""
    for path in source.rglob("*"):
        target = folder / path.relative_to(source)
        if target.exists() and target.is_dir() != path.is_dir():
            present, needed = ("folder", "file") if target.is_dir() else ("file", "folder")
            raise SpanmatchError(f"cannot write {target}: there is a {present} in the place of the {needed}")


def _move_all(source: Path, folder: Path) -> None:
    """Move every file in a folder and its subfolders, and remove the folder; do nothing if it is missing."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    shutil.rmtree(source, ignore_errors=True)


@contextlib.contextmanager
def locked(file: Path, place: Path) -> Iterator[None]:
    """Lock a file while the block runs, and remove it at the end; a killed process holds no lock.

    On a file system without locks every process gets it.

    Parameters
    ----------
    file : Path
        The lock file; it is made if it is missing.
    place : Path
        What the lock protects, for error messages.

    Raises
    ------
    SpanmatchError
        If another process holds the lock, or the file cannot be made.
    """
    with _errors_name(place):
        handle = _lock_of(file)
    if handle is None:
        raise SpanmatchError(
            f"{place}: another process is writing there; wait until it has ended, or choose another place"
        )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file; one that is not locked does no harm
            file.unlink()
        os.close(handle)


def _lock_of(file: Path) -> int | None:
    """Return the handle of a file that this process has locked; None if another process has."""
    while True:
        handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o666)
        if _try_lock(handle) is False:
            os.close(handle)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), file.stat()):
                return handle
        os.close(handle)  # the process that held the lock has removed the file meanwhile


def _try_lock(handle: int) -> bool | None:
    """Lock an open file until it is closed or the process ends; False if it is locked, None if it cannot be."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


@contextlib.contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Turn the system's errors into a SpanmatchError that names the path that could not be written."""
    try:
        yield
    except OSError as error:
        path = Path(*(part for part in path.parts if part != WRITTEN))
        raise SpanmatchError(f"cannot write {path}: {error.strerror or error}") from error


def write_text(path: Path_, text: str) -> None:
    """Write a text file, in UTF-8, in one step; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_tensors(path: Path_, arrays: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file in one step, with a checksum of its contents.

    Parameters
    ----------
    path : path
        The file.
    arrays : mapping of str to numpy.ndarray
        The arrays, of any shape.
    metadata : mapping of str to str
        What else the file is to hold.

    Raises
    ------
    SpanmatchError
        If the file cannot be written, or an array is of a type that safetensors files do not hold.

    Notes
    -----
    The safetensors library is not used to write: a kill would leave its temporary files behind.
    """
    stored = {name: np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    ordered = dict(sorted(stored.items(), key=lambda item: (-item[1].itemsize, item[0])))  # each aligned to its size
    header: dict[str, Json] = {"__metadata__": {**metadata, CHECKSUM: _checksum(stored, metadata)}}
    stop = 0
    for name, array in ordered.items():
        if array.dtype.str not in TYPES:
            raise SpanmatchError(f"cannot write {path}: {name!r} is of {array.dtype}; give one of {', '.join(TYPES)}")
        start, stop = stop, stop + array.nbytes
        header[name] = {"dtype": TYPES[array.dtype.str], "shape": array.shape, "data_offsets": [start, stop]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in ordered.values():
            file.write(array.reshape(-1).view(np.uint8).data)


def read_tensors(path: Path_) -> tuple[dict[str, NDArray[np.generic]], dict[str, str]]:
    """Return the contents of a safetensors file.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    arrays : dict of str to numpy.ndarray
        The arrays.
    metadata : dict of str to str
        The rest, without the checksum.

    Raises
    ------
    SpanmatchError
        If the file is missing, truncated, corrupt, or not a safetensors file.
    """
    if not Path(path).is_file():
        raise SpanmatchError(f"{path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:  # checks the header
            metadata = file.metadata() or {}
        arrays = _arrays_in(Path(path))
    except (SafetensorError, OSError, TypeError) as error:
        raise SpanmatchError(f"{path}: cut short, or not a safetensors file ({error})") from error
    checksum = metadata.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(arrays, metadata):
        raise SpanmatchError(f"{path}: damaged; its contents are not those that were written")
    return arrays, metadata


def _arrays_in(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of a safetensors file whose header is right.

    The safetensors library maps the file, and memory of the process would be twice that of the arrays.
    """
    types, arrays = {name: dtype for dtype, name in TYPES.items()}, {}
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(start - 8))
        header.pop("__metadata__", None)
        for name, entry in header.items():
            if entry["dtype"] not in types:
                raise TypeError(f"{name!r} is of type {entry['dtype']}")
            arrays[name] = np.empty(entry["shape"], types[entry["dtype"]])
            file.seek(start + entry["data_offsets"][0])
            if file.readinto(arrays[name].reshape(-1).view(np.uint8).data) != arrays[name].nbytes:
                raise OSError(f"{name!r} ends early")
    return arrays


def _checksum(arrays: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]) -> str:
    """Return the CRC-32 of arrays, their names, types and shapes, and the metadata."""
    about = [sorted(metadata.items()), [(name, array.dtype.str, array.shape) for name, array in sorted(arrays.items())]]
    total = zlib.crc32(json.dumps(about).encode())
    for _, array in sorted(arrays.items()):
        total = zlib.crc32(array.reshape(-1).view(np.uint8).data, total)
    return f"{total:08x}"


def parsed(path: Path_, expected: str) -> Json:
    """Return the value in a JSON file.

    Parameters
    ----------
    path : path
        The file.
    expected : str
        What to give instead, for the error message.

    Raises
    ------
    SpanmatchError
        If the file is missing, truncated or not JSON.
    """
    try:
        value: Json = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SpanmatchError(f"{path}: {error.strerror}; give {expected}") from error
    except (ValueError, RecursionError) as error:
        raise SpanmatchError(f"{path}: cut short, or not JSON ({error})") from error
    return value


def read_json(path: Path_, kind: str, version: int, expected: str) -> dict[str, Json]:
    """Return the results in a JSON file.

    Parameters
    ----------
    path : path
        The file.
    kind : str
        What its field "format" must hold.
    version : int
        What its field "version" must hold.
    expected : str
        What to give instead, for the error message.

    Raises
    ------
    SpanmatchError
        If the file is missing, truncated, or of another kind or version.
    """
    results = parsed(path, expected)
    if not isinstance(results, dict) or (results.get("format"), results.get("version")) != (kind, version):
        name = kind.rpartition(".")[2]
        raise SpanmatchError(f"{path}: not a {name} of version {version}, which this spanmatch reads")
    return results
