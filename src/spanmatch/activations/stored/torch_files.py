"""PyTorch's .pt and .pth: a tensor, or tensors by name; nothing is unpickled, and tensors are mapped into memory."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError, missing_extra
from .arrays import UNNAMED, StoredArray, ids_of_array, is_ids, refuse_weights, with_ids

if TYPE_CHECKING:
    import torch


def open_torch(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the tensors of a .pt or .pth file."""
    try:
        import torch
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", f"{path}") from error
    arrays, ids = [], None
    contents = _loaded(path)
    refuse_weights(path, _names(contents))
    for name, tensor in _named(contents, ""):
        values = tensor.detach()
        if values.is_complex() or values.layout != torch.strided or values.is_quantized:
            raise SpanmatchError(
                f"array {name!r} is {values.dtype}, {values.layout}; store a dense tensor of real numbers"
            )
        shape = tuple(values.shape)
        if is_ids(name, shape, rows_by):
            ids = ids_of_array(name, values.numpy)
        else:
            arrays.append(_stored(name, shape, values))
    return with_ids(arrays, ids)


def _stored(name: str, shape: tuple[int, ...], values: torch.Tensor) -> StoredArray:
    """Return a tensor as an array; types that NumPy does not have are read as float32."""
    import torch

    is_of_numpy = values.dtype in (torch.float64, torch.float32, torch.float16) or not values.dtype.is_floating_point

    def numbers(rows: torch.Tensor) -> NDArray[np.generic]:
        return (rows if is_of_numpy else rows.to(torch.float32)).numpy()

    def read(start: int, stop: int) -> NDArray[np.generic]:
        return numbers(values[start:stop])

    def take(rows: NDArray[np.intp]) -> NDArray[np.generic]:
        return numbers(values[torch.from_numpy(rows)])

    return StoredArray(name, shape, numbers(values[:0]).dtype if shape else np.dtype(np.float32), read, take=take)


def _loaded(path: Path) -> object:
    """Return the contents of a file, read as tensors alone."""
    import torch

    try:
        # Only archives can be mapped into memory; files of PyTorch before 1.6 are none.
        contents: object = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch.load refuses pickled code with an exception of pickle's
        reason = str(error).partition("\n")[0]
        raise SpanmatchError(
            f"{path}: not a file of tensors alone, or cut short ({reason}); save a tensor, or a dict of tensors, "
            "with torch.save"
        ) from error
    return contents


def _names(contents: object, name: str = "") -> Iterator[str]:
    """Yield the names of everything in dicts inside dicts."""
    if isinstance(contents, Mapping):
        for key, value in contents.items():
            yield from _names(value, f"{name}.{key}" if name else str(key))
    else:
        yield name


def _named(contents: object, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors with their names; those in dicts inside dicts have names with dots."""
    import torch

    if isinstance(contents, torch.Tensor):
        yield name or UNNAMED, contents
    elif isinstance(contents, Mapping):
        for key, value in contents.items():
            yield from _named(value, f"{name}.{key}" if name else str(key))
    else:
        where = f"entry {name!r} is" if name else "it holds"
        raise SpanmatchError(f"{where} a {type(contents).__name__}; store a tensor, or a dict of tensors by layer")
