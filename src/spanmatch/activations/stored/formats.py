"""The table of formats of stored activations, and opening a path of any of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from ...errors import BadArgument, SpanmatchError
from .arrays import Format, StoredArray, refuse_weights
from .csv_files import DELIMITERS, open_csv
from .hdf5 import open_hdf5
from .npy import open_npy
from .npz import open_npz
from .parquet import open_parquet
from .safetensors import open_safetensors
from .shards import open_shards
from .torch_files import open_torch
from .zarr import is_zarr, open_zarr


def suffixed(*suffixes: str) -> Callable[[Path], bool]:
    """Return what recognises files by their suffix."""
    return lambda path: path.suffix in suffixes and not path.is_dir()


def open_folder(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of a folder of shards, of the formats below."""
    return open_shards(path, stack, rows_by, FORMATS, open_arrays)


FORMATS = (
    Format("a .npy file", suffixed(".npy"), open_npy),
    Format("a .npz file", suffixed(".npz"), open_npz, as_shards=False),
    Format("a .safetensors file", suffixed(".safetensors"), open_safetensors, names_layers=True),
    Format("a .parquet file", suffixed(".parquet"), open_parquet),
    Format("a .pt or .pth file of tensors", suffixed(".pt", ".pth"), open_torch),
    Format("an HDF5 file (.h5, .hdf5)", suffixed(".h5", ".hdf5", ".hdf"), open_hdf5, as_shards=False),
    Format("a .csv or .tsv file", suffixed(*DELIMITERS), open_csv),
    Format("a Zarr group", is_zarr, open_zarr, as_shards=False),
    Format("a folder of shards", Path.is_dir, open_folder, as_shards=False),
)
"""The first that recognises a path opens it."""


def open_arrays(path: Path, stack: contextlib.ExitStack, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays that a file or a folder of stored activations holds.

    Parameters
    ----------
    path
        A file or a folder of one of `FORMATS`.
    stack
        Closes what stays open for reading.
    rows_by
        The name of the array or column of row ids; None for "ids".

    Raises
    ------
    BadArgument
        If there is none, or it is of no known type.
    SpanmatchError
        If it is damaged, or holds no arrays, or something that is not a real number.
    """
    if not path.exists():
        raise BadArgument(f"{path}: no such file")
    file_format = next((known for known in FORMATS if known.recognises(path)), None)
    if file_format is None:
        *names, last = (known.name for known in FORMATS)
        raise BadArgument(f"{path}: unknown file type {path.suffix!r}; give {', '.join(names)} or {last}")
    with contextlib.ExitStack() as opened:
        try:
            arrays = list(file_format.open(path, opened, rows_by))
        except BadArgument:
            raise
        except SpanmatchError as error:
            message = str(error)
            raise SpanmatchError(message if message.startswith(str(path)) else f"{path}: {message}") from error
        except Exception as error:  # whatever a damaged file makes its library raise
            raise SpanmatchError(f"{path}: cut short, or not {file_format.name} ({error})") from error
        if not arrays:
            raise SpanmatchError(f"{path}: holds no arrays")
        refuse_weights(path, (array.name for array in arrays))
        stack.push(opened.pop_all())
    return arrays
