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
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

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
"""In a folder that results are written to: who writes, what is being written, and what is whole but not yet moved."""


@contextlib.contextmanager
def replacing(path: Path_) -> Iterator[Path]:
    """Give a temporary path in the same folder; on success rename it to `path`, on failure remove it.

    Temporary files of `path` that killed processes left behind are removed first.
    Raises SpanmatchError if the folder is missing or cannot be written.
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
    """Create a file, and hold it as long as it is being written; remove it at the end, if it is still there."""
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)  # less what the umask takes away
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
    """Remove temporary files of `path` that no process holds."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY}"):
        with contextlib.suppress(OSError):  # another process has removed it, or may not let this one
            handle = os.open(left, os.O_RDWR)
            try:
                if _try_lock(handle):
                    left.unlink()
            finally:
                os.close(handle)


@contextlib.contextmanager
def writing(folder: Path_) -> Iterator[Path]:
    """Give a new folder to write results to, inside `folder`, and on success move all of them to `folder` together.

    No other process can write there meanwhile. On failure the earlier results stand as they were, and a folder that
    was made for these is removed. What a killed process left behind is removed, or, if it had all been written, moved.
    Raises SpanmatchError if another process is writing there, or the folder cannot be made or written.
    """
    folder = Path(folder)
    made = _make_folder(folder)
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
                    written.replace(ready)
                    _move_all(ready, folder)
            finally:
                shutil.rmtree(written, ignore_errors=True)
    except BaseException:
        for path in made:
            with contextlib.suppress(OSError):  # something else is in it
                path.rmdir()
        raise


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder, and those that it is in; return those that were not there, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpanmatchError(f"cannot make folder {folder}: {error.strerror}") from error
    return missing


def _check_targets(source: Path, folder: Path) -> None:
    """Raise SpanmatchError if a folder stands where a file is to be moved to, or a file where a folder is."""
    for path in source.rglob("*"):
        target = folder / path.relative_to(source)
        if target.exists() and target.is_dir() != path.is_dir():
            there, wanted = ("folder", "file") if target.is_dir() else ("file", "folder")
            raise SpanmatchError(f"cannot write {target}: there is a {there} in the place of the {wanted}")


def _move_all(source: Path, folder: Path) -> None:
    """Move every file in a folder, and in those inside it, and remove it; nothing if it is not there."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    shutil.rmtree(source, ignore_errors=True)


@contextlib.contextmanager
def locked(file: Path, place: Path) -> Iterator[None]:
    """Hold a lock file while `place` is written, and remove it at the end; that of a killed process holds nothing.

    On a file system without locks every process gets it.
    Raises SpanmatchError if another process holds it, or if it cannot be made.
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
        with contextlib.suppress(OSError):  # Windows removes no open file; without a holder it does no harm
            file.unlink()
        os.close(handle)


def _lock_of(file: Path) -> int | None:
    """Return the handle of a file that no other process has locked, and now none can; None if one has."""
    while True:
        handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o666)
        if _try_lock(handle) is False:
            os.close(handle)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), file.stat()):
                return handle
        os.close(handle)  # the process that held it has removed it meanwhile


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
    """Turn the system's errors into one that names what could not be written, by the place that it is for."""
    try:
        yield
    except OSError as error:
        path = Path(*(part for part in path.parts if part != WRITTEN))
        raise SpanmatchError(f"cannot write {path}: {error.strerror or error}") from error


def write_text(path: Path_, text: str) -> None:
    """Write a text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_tensors(path: Path_, arrays: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file in one step, with a checksum of all that is in it.

    It is written here, not by the library, whose own temporary files would be left behind by a kill.
    Raises SpanmatchError if it cannot be written, or an array is of a type that such a file does not hold.
    """
    whole = {name: np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    ordered = dict(sorted(whole.items(), key=lambda item: (-item[1].itemsize, item[0])))  # each aligned to its size
    header: dict[str, Any] = {"__metadata__": {**metadata, CHECKSUM: _checksum(whole, metadata)}}
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
    """Return the arrays and the metadata of a safetensors file.

    Raises SpanmatchError if it is missing, cut short, damaged, or not a safetensors file.
    """
    if not Path(path).is_file():
        raise SpanmatchError(f"{path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, TypeError) as error:
        raise SpanmatchError(f"{path}: cut short, or not a safetensors file ({error})") from error
    checksum = metadata.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(arrays, metadata):
        raise SpanmatchError(f"{path}: damaged; its contents are not those that were written")
    return arrays, metadata


def _checksum(arrays: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]) -> str:
    about = [sorted(metadata.items()), [(name, array.dtype.str, array.shape) for name, array in sorted(arrays.items())]]
    total = zlib.crc32(json.dumps(about).encode())
    for _, array in sorted(arrays.items()):
        total = zlib.crc32(array.reshape(-1).view(np.uint8).data, total)
    return f"{total:08x}"


def parsed(path: Path_, wanted: str) -> Any:
    """Return what a JSON file holds, whatever it is.

    Args: wanted, what to give instead, for the message.
    Raises SpanmatchError if it is missing, cut short or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SpanmatchError(f"{path}: {error.strerror}; give {wanted}") from error
    except (ValueError, RecursionError) as error:
        raise SpanmatchError(f"{path}: cut short, or not JSON ({error})") from error


def read_json(path: Path_, kind: str, version: int, wanted: str) -> dict[str, Any]:
    """Return the results in a JSON file.

    Args: kind, what its "format" says; wanted, what to give instead, for the message.
    Raises SpanmatchError if it is missing, cut short, or of another kind or version.
    """
    found = parsed(path, wanted)
    if not isinstance(found, dict) or (found.get("format"), found.get("version")) != (kind, version):
        name = kind.rpartition(".")[2]
        raise SpanmatchError(f"{path}: not a {name} of version {version}, which this spanmatch reads")
    return found
