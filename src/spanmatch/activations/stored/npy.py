"""NumPy's .npy: one array, mapped into memory."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from .arrays import UNNAMED, StoredArray, check_array, rows_of


def open_npy(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the array of a .npy file."""
    with path.open("rb") as file:
        shape, _, dtype = read_header(file)
        check_array(UNNAMED, shape, dtype)  # before its size: pickled objects have none
        check_size(shape, dtype, path.stat().st_size - file.tell())
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return [StoredArray(UNNAMED, shape, dtype, rows_of(array), take=array.__getitem__)]


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Return the shape of an array, whether it is in Fortran's order, and its type."""
    version = npy_format.read_magic(file)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, fortran_order, dtype = read(file)
    return shape, fortran_order, dtype


def check_size(shape: tuple[int, ...], dtype: np.dtype[np.generic], available: int) -> None:
    """Raise EOFError unless as many bytes are there as a header claims."""
    needed = dtype.itemsize * math.prod(shape)  # of Python's integers, which do not overflow
    if needed != available:
        raise EOFError(f"{available:,} bytes where {needed:,} should be, for shape {shape}")
