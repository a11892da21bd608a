"""Formats of stored activations: what each file holds at once, its rows when they are asked for, nothing in it run.

One function a format gives {layer: Rows}. A file of one array without a name calls it "activations".
"""

from __future__ import annotations

import contextlib
import math
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from safetensors import safe_open

from ..errors import BadArgument, SpanmatchError, missing_extra

ONE = "activations"
NUMPY_LACKS = ("BF16", "F8_E4M3", "F8_E5M2")
BLOCK_BYTES = 1 << 30
"""The most that a chunk of a file may hold, as it is decoded whole."""
SKIPPED_AT_ONCE = 4096
"""Rows of a stream that are read and thrown away together."""
ZARR = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata")
SHARD = re.compile(r"(?P<layer>.+)-(?P<number>\d+)-of-(?P<of>\d+)")
LAST_NUMBER = re.compile(r"(\d+)\D*$")

Read = Callable[[int, int], NDArray[Any]]
Open = Callable[[Path, contextlib.ExitStack], "dict[str, Rows]"]


@dataclass(frozen=True)
class Rows:
    """One array of a file."""

    shape: tuple[int, ...]
    dtype: str
    read: Read = field(repr=False)
    """read(start, stop) gives those rows."""
    block: int = 1
    """Rows that are decoded together: reading from and to multiples of it decodes nothing twice."""
    anywhere: bool = True
    """Whether reads may start anywhere, or go through the array in order, once."""

    def __post_init__(self) -> None:
        if np.dtype(self.dtype).hasobject:
            raise SpanmatchError(f"holds pickled objects, of shape {self.shape}; store numbers")
        if np.dtype(self.dtype).kind not in "biuf":
            raise SpanmatchError(f"holds {self.dtype}, of shape {self.shape}; store real numbers")
        if len(self.shape) < 2 or 0 in self.shape:
            raise SpanmatchError(f"has shape {self.shape}; give rows x neurons")


def of_mapping(arrays: Mapping[str, Any]) -> dict[str, Rows]:
    """Return arrays in memory as what a file holds."""
    return {layer: _named(layer, np.shape(array), "f8", _slicing(array)) for layer, array in arrays.items()}


def opened(path: Path, stack: contextlib.ExitStack) -> dict[str, Rows]:
    """Return what a file or a folder of stored activations holds.

    Raises BadArgument if there is none, or of no known type; SpanmatchError if it cannot be read whole.
    """
    if not path.exists():
        raise BadArgument(f"{path}: no such file")
    if path.is_dir():
        reader: Open | None = of_zarr if _is_zarr(path) else of_shards
    else:
        reader = FILES.get(path.suffix)
    if reader is None:
        raise BadArgument(
            f"{path}: unknown file type {path.suffix!r}; give one of {', '.join(FILES)}, a Zarr group or a folder of "
            "shards"
        )
    try:
        found = reader(path, stack)
    except Exception as error:  # whatever a damaged file makes its library raise
        stack.close()
        if isinstance(error, BadArgument):
            raise
        if isinstance(error, SpanmatchError):
            named = str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
            raise SpanmatchError(named) from error
        raise SpanmatchError(f"{path}: cut short, or not a {path.suffix or 'Zarr'} file ({error})") from error
    if not found:
        raise SpanmatchError(f"{path}: holds no arrays")
    return found


def of_npy(path: Path, stack: contextlib.ExitStack) -> dict[str, Rows]:
    """One array, mapped into memory."""
    with path.open("rb") as file:
        shape, _, dtype = _header(file)
        if dtype.hasobject:
            return {ONE: _named(ONE, shape, dtype.str, _slicing(None))}
        _check_bytes(shape, dtype, path.stat().st_size - file.tell())
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return {ONE: _named(ONE, array.shape, dtype.str, _slicing(array))}


def of_npz(path: Path, stack: contextlib.ExitStack) -> dict[str, Rows]:
    """Members of an archive, each a stream."""
    archive = stack.enter_context(zipfile.ZipFile(path))
    found = {}
    for member in archive.namelist():
        if not member.endswith(".npy"):
            raise SpanmatchError(f"{member!r} in it is not an array")
        stream = stack.enter_context(archive.open(member))
        shape, fortran, dtype = _header(stream)
        layer = member.removesuffix(".npy")
        rows = _named(layer, shape, dtype.str, _streaming(stream, shape, fortran, dtype), anywhere=False)
        try:
            _check_bytes(shape, dtype, archive.getinfo(member).file_size - stream.tell())
        except EOFError as error:
            raise SpanmatchError(f"{path}: array {layer!r} is cut short ({error})") from error
        found[layer] = rows
    return found


def of_safetensors(path: Path, stack: contextlib.ExitStack) -> dict[str, Rows]:
    """Named arrays, of which slices are read."""
    file = stack.enter_context(safe_open(path, framework="numpy"))
    found = {}
    for name in file.keys():  # noqa: SIM118
        part = file.get_slice(name)
        narrow = part.get_dtype() in NUMPY_LACKS
        read = _widened(path, name, stack) if narrow else _slicing(part)
        found[name] = _named(name, tuple(part.get_shape()), "f4" if narrow else _NUMPY_NAMES[part.get_dtype()], read)
    return found


def of_parquet(path: Path, stack: contextlib.ExitStack) -> dict[str, Rows]:
    """A column for each neuron, or columns of fixed-size lists, each a layer."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("PyArrow", "parquet", f"{path}") from error
    file = stack.enter_context(pq.ParquetFile(path, page_checksum_verification=True))
    schema, count = file.schema_arrow, file.metadata.num_rows
    lists = {f.name: f.type for f in schema if pa.types.is_fixed_size_list(f.type)}
    for column in schema:
        kind = lists[column.name].value_type if column.name in lists else column.type
        number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        if not number or (lists and column.name not in lists):
            raise SpanmatchError(
                f"column {column.name!r} is of type {column.type}; give a column of numbers for each neuron, "
                "or a column of fixed-size lists of numbers for each layer"
            )
    if not lists:
        types = {np.dtype(f.type.to_pandas_dtype()) for f in schema}
        dtype = np.result_type(*types).str if types else "f8"
        return {ONE: _named(ONE, (count, len(schema)), dtype, _Parquet(file, schema.names).read)}
    return {
        name: _named(name, (count, kind.list_size), kind.value_type.to_pandas_dtype(), _Parquet(file, [name]).read)
        for name, kind in lists.items()
    }


class _Parquet:
    """Rows of some columns, from first to last without reading any twice; a read elsewhere starts at its row group."""

    AT_ONCE = 4096

    def __init__(self, file: Any, columns: Sequence[str]) -> None:
        self.file, self.columns = file, list(columns)
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        self.at = -1
        self.batches: Iterator[Any] = iter(())
        self.rest: NDArray[Any] | None = None

    def read(self, start: int, stop: int) -> NDArray[Any]:
        if start != self.at:
            self._go_to(start)
        parts, missing = [], stop - start
        while missing > 0:
            if self.rest is None or not len(self.rest):
                self.rest = self._values(next(self.batches, None))
            parts.append(self.rest[:missing])
            self.rest = self.rest[missing:]
            missing -= len(parts[-1])
        self.at = stop
        return np.concatenate(parts)

    def _go_to(self, start: int) -> None:
        group = int(np.searchsorted(self.starts, start, side="right")) - 1
        groups = list(range(group, len(self.starts) - 1))
        self.batches = self.file.iter_batches(self.AT_ONCE, row_groups=groups, columns=self.columns)
        self.rest, self.at = None, int(self.starts[group])
        while self.at < start:
            self.read(self.at, min(start, self.at + self.AT_ONCE))

    def _values(self, batch: Any) -> NDArray[Any]:
        if batch is None:
            raise EOFError("fewer rows than its footer says")
        columns = [batch.column(i) for i in range(batch.num_columns)]
        for name, column in zip(self.columns, columns, strict=True):
            if column.null_count or (hasattr(column, "flatten") and column.flatten().null_count):
                raise SpanmatchError(f"column {name!r} has missing values; store a number for every neuron")
        if len(columns) == 1 and hasattr(columns[0].type, "list_size"):
            flat = columns[0].flatten().to_numpy(zero_copy_only=False)
            return np.asarray(flat.reshape(-1, columns[0].type.list_size))
        return np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])


def of_zarr(path: Path, stack: contextlib.ExitStack) -> dict[str, Rows]:
    """All arrays of a group, by their paths in it, or one array."""
    try:
        import zarr
    except ImportError as error:
        raise missing_extra("Zarr", "zarr", f"{path}") from error
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return {ONE: _of_zarr_array(path, ONE, node)}
    members = sorted(node.members(max_depth=None))
    return {name: _of_zarr_array(path / name, name, a) for name, a in members if isinstance(a, zarr.Array)}


def _of_zarr_array(folder: Path, name: str, array: Any) -> Rows:
    if "pickle" in str(array.metadata.to_dict()).lower():
        raise SpanmatchError(f"array {name!r} is stored with pickle, which would run what is in it; store numbers")
    if math.prod(array.chunks) * array.dtype.itemsize > BLOCK_BYTES:
        raise SpanmatchError(
            f"array {name!r} has chunks of {array.chunks}, over {BLOCK_BYTES >> 30} GB each; store smaller chunks"
        )
    rows = _named(name, array.shape, array.dtype.str, _slicing(array), block=int(array.chunks[0]))
    stored = array.shards or array.chunks
    grid = [-(-n // size) for n, size in zip(array.shape, stored, strict=True)]
    wanted = math.prod(grid)
    # A header may claim any number of chunks: look for each only where there are as many files.
    there = sum(file.is_file() and file.name not in ZARR for file in folder.rglob("*"))
    if there >= wanted:
        there = sum((folder / array.metadata.encode_chunk_key(place)).is_file() for place in np.ndindex(*grid))
    if there != wanted:
        raise SpanmatchError(
            f"array {name!r}: {wanted - there:,} of {wanted:,} chunks are missing, and Zarr would read them as "
            f"{array.fill_value}; if they were left out for holding nothing else, store with write_empty_chunks"
        )
    return rows


def of_shards(path: Path, stack: contextlib.ExitStack) -> dict[str, Rows]:
    """A folder: LAYER.npy, LAYER-00001-of-00005.npy, or LAYER/ with its files in the order of their numbers."""
    kinds = set(FILES) - {".npz"}
    files = sorted(f for f in path.rglob("[!.]*") if f.suffix in kinds and f.is_file())
    shards: dict[str, list[Path]] = {}
    for file in files:
        shards.setdefault(_layer_of(file.relative_to(path)), []).append(file)
    found: dict[str, Rows] = {}
    for layer, own in shards.items():
        joined = _joined(_in_order(path, layer, own))
        for name, rows in joined.items():
            # Files that hold several arrays name them themselves.
            called = layer if layer and len(joined) == 1 else "/".join(part for part in (layer, name) if part)
            if called in found:
                raise SpanmatchError(f"{path}: two arrays are called {called!r}")
            found[called] = rows
    return found


def _layer_of(file: Path) -> str:
    """Return the layer that a file of a folder is of; none for files that name layers themselves."""
    if file.parent != Path():
        return file.parent.as_posix()
    if file.suffix == ".safetensors":
        return ""
    match = SHARD.fullmatch(file.stem)
    return match["layer"] if match else file.stem


def _in_order(path: Path, layer: str, files: list[Path]) -> list[Path]:
    """Return the shards of a layer by number.  Raises SpanmatchError if one is missing."""
    if len(files) == 1 and not SHARD.fullmatch(files[0].stem):
        return files
    numbers = [LAST_NUMBER.search(SHARD.sub(r"\g<layer>-\g<number>", file.stem)) for file in files]
    named = layer or "its files"
    if not all(numbers):
        odd = next(file.name for file, number in zip(files, numbers, strict=True) if not number)
        raise SpanmatchError(f"{path}: {odd!r} of {named} has no number; number the shards of a layer")
    order = {int(number[1]): file for number, file in zip(numbers, files, strict=True) if number}
    of = [int(match["of"]) for file in files if (match := SHARD.fullmatch(file.stem))]
    first = 0 if 0 in order else 1 if of else min(order)
    wanted = range(first, first + max(of)) if of else range(first, max(order) + 1)
    missing = [number for number in wanted if number not in order]
    if missing or len(order) != len(files):
        what = f"shard {missing[0]} is missing" if missing else "two shards have the same number"
        raise SpanmatchError(f"{path}: {what} of {named} ({len(files)} files, {files[0].name} to {files[-1].name})")
    return [order[number] for number in sorted(order)]


def _joined(files: Sequence[Path]) -> dict[str, Rows]:
    """Return the arrays that files hold one after another.  Raises SpanmatchError if they do not fit together."""
    parts: dict[str, list[Rows]] = {}
    for file in files:
        with contextlib.ExitStack() as stack:
            found = opened(file, stack)
        if parts and found.keys() != parts.keys():
            odd = sorted(found.keys() ^ parts.keys())[0]
            raise SpanmatchError(f"{file}: array {odd!r} is in some shards and not in others")
        for name, rows in found.items():
            parts.setdefault(name, []).append(rows)
            if rows.shape[1:] != parts[name][0].shape[1:]:
                raise SpanmatchError(
                    f"{file}: rows of shape {rows.shape[1:]}, but {parts[name][0].shape[1:]} in {files[0].name}"
                )
    reader = _Shards(files)
    joined = {}
    for name, own in parts.items():
        ends = np.cumsum([rows.shape[0] for rows in own])
        shape = (int(ends[-1]), *own[0].shape[1:])
        joined[name] = _named(name, shape, own[0].dtype, reader.of(name, ends), block=own[0].block)
    return joined


class _Shards:
    """Files one after another, of which one is open at a time."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.open: tuple[int, dict[str, Rows], contextlib.ExitStack] | None = None

    def of(self, name: str, ends: NDArray[np.int64]) -> Read:
        starts = np.concatenate([[0], ends[:-1]])

        def read(start: int, stop: int) -> NDArray[Any]:
            first, last = (int(np.searchsorted(ends, row, side="right")) for row in (start, stop - 1))
            parts = []
            for k in range(first, last + 1):
                a, b = max(start, int(starts[k])), min(stop, int(ends[k]))
                parts.append(np.asarray(self._at(k)[name].read(a - int(starts[k]), b - int(starts[k]))))
            return np.concatenate(parts)

        return read

    def _at(self, k: int) -> dict[str, Rows]:
        if self.open is None or self.open[0] != k:
            if self.open is not None:
                self.open[2].close()
            stack = contextlib.ExitStack()
            self.open = k, opened(self.files[k], stack), stack
        return self.open[1]


FILES: dict[str, Open] = {
    ".npy": of_npy,
    ".npz": of_npz,
    ".safetensors": of_safetensors,
    ".parquet": of_parquet,
}
_NUMPY_NAMES = {
    "BOOL": "?",
    "C64": "c8",
    **{f"I{bits}": f"i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"f{bits // 8}" for bits in (16, 32, 64)},
}


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ZARR)


def _named(name: str, shape: Sequence[int], dtype: Any, read: Read, **options: Any) -> Rows:
    try:
        return Rows(tuple(int(n) for n in shape), np.dtype(dtype).str, read, **options)
    except SpanmatchError as error:
        raise SpanmatchError(f"array {name!r} {error}") from None


def _slicing(array: Any) -> Read:
    return lambda start, stop: array[start:stop]


def _check_bytes(shape: tuple[int, ...], dtype: np.dtype[Any], there: int) -> None:
    needed = dtype.itemsize * math.prod(shape)  # Python's whole numbers: no header overflows them
    if needed != there:
        raise EOFError(f"{there:,} bytes where {needed:,} should be, for shape {shape}")


def _widened(path: Path, name: str, stack: contextlib.ExitStack) -> Read:
    """Return a reader of a type that NumPy does not have, by way of PyTorch."""
    try:
        import torch
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", f"{path}: array {name!r} of a type unknown to NumPy") from error
    part = stack.enter_context(safe_open(path, framework="pt")).get_slice(name)
    return lambda start, stop: part[start:stop].to(torch.float32).numpy()


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, fortran, dtype


def _streaming(stream: IO[bytes], shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> Read:
    """Return a reader of rows in order from a compressed or plain member of an archive."""
    if fortran and len(shape) > 1:
        whole: list[NDArray[Any]] = []

        def read_whole(start: int, stop: int) -> NDArray[Any]:
            if not whole:
                size = int(np.prod(shape))
                whole.append(_exactly(stream, size, dtype).reshape(shape[::-1]).T)
            return whole[0][start:stop]

        return read_whole

    at, width = 0, int(np.prod(shape[1:]))

    def read(start: int, stop: int) -> NDArray[Any]:
        nonlocal at
        if start < at:
            raise EOFError(f"rows {start} to {stop} are asked for after row {at}; it can be read once, in order")
        while at < start:  # rows that a checkpoint holds
            skipped = min(start - at, SKIPPED_AT_ONCE)
            _exactly(stream, skipped * width, dtype)
            at += skipped
        rows = _exactly(stream, (stop - start) * width, dtype).reshape(stop - start, *shape[1:])
        at = stop
        return rows

    return read


def _exactly(stream: IO[bytes], values: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    data = stream.read(values * dtype.itemsize)
    if len(data) != values * dtype.itemsize:
        raise EOFError(f"{len(data)} bytes where {values * dtype.itemsize} should be")
    return np.frombuffer(data, dtype=dtype)
