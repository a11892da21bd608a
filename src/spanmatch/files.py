"""Files: written beside their place and renamed into it, read without running anything in them."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .errors import SpanmatchError

Path_ = str | PathLike[str]
CHECKSUM = "crc32"


@contextlib.contextmanager
def replacing(path: Path_) -> Iterator[Path]:
    """Give a temporary path in the same folder; on success rename it to `path`, on failure remove it.

    Raises SpanmatchError if the folder is missing or cannot be written.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise SpanmatchError(f"cannot write {path}: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise SpanmatchError(f"cannot write {path}: {error.strerror or error}") from error
        raise


def write_text(path: Path_, text: str) -> None:
    """Write a text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_tensors(path: Path_, arrays: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file in one step, with a checksum of all that is in it."""
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with replacing(path) as temporary:
        try:
            save_file(whole, temporary, {**metadata, CHECKSUM: _checksum(whole, metadata)})
        except SafetensorError as error:
            raise OSError(str(error)) from error


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
