"""Files of safetensors: named arrays, of which slices are read."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from ...errors import missing_extra
from .arrays import ReadRows, StoredArray, ids_of_array, is_ids, rows_of, with_ids

NUMPY_TYPES = {
    "BOOL": "?",
    "I8": "i1",
    "I16": "i2",
    "I32": "i4",
    "I64": "i8",
    "U8": "u1",
    "U16": "u2",
    "U32": "u4",
    "U64": "u8",
    "F16": "f2",
    "F32": "f4",
    "F64": "f8",
    "C64": "c8",
}
"""The names of number types in safetensors, and in NumPy."""
TORCH_TYPES = ("BF16", "F8_E4M3", "F8_E5M2")
"""Types that NumPy does not have: PyTorch reads them, as float32."""


def open_safetensors(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of a .safetensors file."""
    file = stack.enter_context(safe_open(path, framework="numpy"))
    arrays, ids = [], None
    for name in file.keys():  # noqa: SIM118
        tensor = file.get_slice(name)
        shape, kind = tuple(tensor.get_shape()), tensor.get_dtype()
        if is_ids(name, shape, rows_by):
            ids = ids_of_array(name, partial(file.get_tensor, name))
            continue
        if kind in TORCH_TYPES:
            array = StoredArray(name, shape, np.dtype(np.float32), _read_by_torch(path, name, stack))
        else:
            array = StoredArray(name, shape, np.dtype(NUMPY_TYPES[kind]), rows_of(tensor))
        arrays.append(array)
    return with_ids(arrays, ids)


def _read_by_torch(path: Path, name: str, stack: contextlib.ExitStack) -> ReadRows:
    """Return a reader of a type that NumPy does not have, by way of PyTorch."""
    try:
        import torch
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", f"{path}: array {name!r} of a type unknown to NumPy") from error
    tensor = stack.enter_context(safe_open(path, framework="pt")).get_slice(name)

    def read(start: int, stop: int) -> NDArray[np.generic]:
        rows: torch.Tensor = tensor[start:stop]
        return rows.to(torch.float32).numpy()

    return read
