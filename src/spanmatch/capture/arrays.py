"""Stored activations: .npy, .npz and .safetensors files, read in chunks, with nothing in them run.

A file holds one array for each layer, examples or rows first, in the shapes that `layout` knows.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Unpack

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ..errors import BadArgument, SpanmatchError, missing_extra
from ..files import Path_
from ..moments import Moments, MomentsOptions, Pairs
from ..progress import tracked
from .layout import Channels, Layout, Pool, Units
from .patterns import Patterns, chosen, patterns_of

VALUES_AT_ONCE = 1 << 22
NUMPY_LACKS = ("BF16", "F8_E4M3", "F8_E5M2")
KINDS = (".npy", ".npz", ".safetensors")

Read = Callable[[int, int], NDArray[Any]]
"""read(start, stop) gives those rows; calls go through the array from its start, without gaps."""


class Stored:
    """The arrays of one file, or of a mapping: shapes at once, values in chunks from the first row to the last."""

    def __init__(self, source: Path_ | Mapping[str, Any]) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._stack = contextlib.ExitStack()
        self._reads: dict[str, Read] = {}
        if isinstance(source, Mapping):
            self.name = "activations"
            for layer, array in source.items():
                self._add(layer, tuple(np.shape(array)), None, _slicing(array))
        else:
            self.name = str(source)
            self._open(Path(source))
        if not self.shapes:
            raise SpanmatchError(f"{self.name}: holds no arrays")

    def _open(self, path: Path) -> None:
        self.path = path
        if self.path.suffix not in KINDS:
            raise BadArgument(f"{path}: unknown file type {self.path.suffix!r}; give one of {', '.join(KINDS)}")
        if not self.path.is_file():
            raise BadArgument(f"{path}: no such file")
        open_ = {".npy": self._open_npy, ".npz": self._open_npz, ".safetensors": self._open_safetensors}
        try:
            open_[self.path.suffix]()
        except (OSError, ValueError, EOFError, SafetensorError, zipfile.BadZipFile) as error:
            self._stack.close()
            if isinstance(error, SpanmatchError):
                raise
            raise SpanmatchError(f"{path}: cut short, or not a {self.path.suffix} file ({error})") from error

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, layer: str, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop of a layer."""
        try:
            chunk = self._reads[layer](start, stop)
        except (OSError, ValueError, EOFError, SafetensorError, zipfile.BadZipFile) as error:
            raise SpanmatchError(f"{self.name}: array {layer!r} is cut short or damaged ({error})") from error
        return chunk

    def _add(self, layer: str, shape: tuple[int, ...], dtype: np.dtype[Any] | None, read: Read) -> None:
        if dtype is not None and dtype.hasobject:
            raise SpanmatchError(f"{self.name}: array {layer!r} holds pickled objects; store numbers")
        if len(shape) < 2 or 0 in shape:
            raise SpanmatchError(f"{self.name}: array {layer!r} has shape {shape}; give rows x neurons")
        self.shapes[layer] = shape
        self._reads[layer] = read

    def _open_npy(self) -> None:
        with self.path.open("rb") as file:
            shape, _, dtype = _header(file)
        if dtype.hasobject:
            self._add("activations", shape, dtype, _slicing(None))
        array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        self._add("activations", array.shape, array.dtype, _slicing(array))

    def _open_npz(self) -> None:
        archive = self._stack.enter_context(zipfile.ZipFile(self.path))
        for member in archive.namelist():
            if not member.endswith(".npy"):
                raise SpanmatchError(f"{self.path}: {member!r} in it is not an array")
            stream = self._stack.enter_context(archive.open(member))
            shape, fortran, dtype = _header(stream)
            self._add(member.removesuffix(".npy"), shape, dtype, _streaming(stream, shape, fortran, dtype))

    def _open_safetensors(self) -> None:
        file = self._stack.enter_context(safe_open(self.path, framework="numpy"))
        for name in file.keys():  # noqa: SIM118
            part = file.get_slice(name)
            shape, dtype = tuple(part.get_shape()), part.get_dtype()
            if dtype in NUMPY_LACKS:
                self._add(name, shape, None, self._widened(name))
            else:
                self._add(name, shape, None, _slicing(part))

    def _widened(self, name: str) -> Read:
        """Return a reader of a type that NumPy does not have, by way of PyTorch."""
        try:
            import torch
        except ImportError as error:
            raise missing_extra(
                "PyTorch", "torch", f"{self.name}: array {name!r} of a type unknown to NumPy"
            ) from error
        part = self._stack.enter_context(safe_open(self.path, framework="pt")).get_slice(name)
        return lambda start, stop: part[start:stop].to(torch.float32).numpy()


def capture_stored(
    networks: Mapping[str, Path_ | Mapping[str, Any]],
    *,
    layers: Patterns = None,
    units: Units = "channel",
    positions: int | None = None,
    seed: int = 0,
    channels: Channels = "auto",
    pool: Pool = None,
    **options: Unpack[MomentsOptions],
) -> Moments:
    """Return the moments of stored activations, in chunks.

    Args:
        networks: {name: file}, or {name: {layer: array}}; examples or rows first in every array.
        layers: names or shell patterns of arrays, by default all. The others are as in `capture`. Layers that only
            one network has are left out, unless `pairs` asks for them.
    Raises SpanmatchError if a file cannot be read whole, a pattern matches nothing, or no layer is in two networks.
    """
    moments = Moments(**options)
    layout = Layout(units, positions, seed, channels, pool)
    with contextlib.ExitStack() as stack:
        stored = {name: stack.enter_context(Stored(source)) for name, source in networks.items()}
        for name, file in stored.items():
            patterns = patterns_of(layers, name)
            if patterns is not None:
                file.shapes = {key: file.shapes[key] for key in chosen(patterns, file.shapes, file.name)}
        shapes = _common(stored, options.get("pairs", "matching"))
        widest = max(int(np.prod(shape)) for shape in shapes.values())
        shortest = min(shape[0] for shape in shapes.values())
        count = max(1, min(shortest // 2, -(-widest // VALUES_AT_ONCE)))
        for k in tracked(range(count), "reading"):
            rows, examples = {}, {}
            for (name, layer), shape in shapes.items():
                start, stop = shape[0] * k // count, shape[0] * (k + 1) // count
                chunk = stored[name].read(layer, start, stop)
                key = f"{name}:{layer}"
                rows[key], examples[key], how = layout.rows(key, chunk, start, channels_first=chunk.ndim >= 4)
                moments.describe({key: how})
            moments.update(rows, examples)
    return moments


def _common(stored: Mapping[str, Stored], pairs: Pairs) -> dict[tuple[str, str], tuple[int, ...]]:
    """Return the shapes of the arrays to read, by network and layer."""
    shapes = {(name, layer): shape for name, file in stored.items() for layer, shape in file.shapes.items()}
    if pairs != "matching":
        return shapes
    often = Counter(layer for _, layer in shapes)
    common = {key: shape for key, shape in shapes.items() if often[key[1]] > 1}
    if not common:
        listed = "; ".join(f"{file.name}: {', '.join(list(file.shapes)[:8])}" for file in stored.values())
        raise SpanmatchError(f"no layer has the same name in two of them ({listed})")
    for layer in often:
        lengths = {name: shape[0] for (name, other), shape in common.items() if other == layer}
        if len(set(lengths.values())) > 1:
            listed = " and ".join(str(length) for length in lengths.values())
            raise SpanmatchError(f"array {layer!r} has {listed} rows; rows of the same layer must correspond")
    return common


def _slicing(array: Any) -> Read:
    return lambda start, stop: array[start:stop]


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

    def read(start: int, stop: int) -> NDArray[Any]:
        values = (stop - start) * int(np.prod(shape[1:]))
        return _exactly(stream, values, dtype).reshape(stop - start, *shape[1:])

    return read


def _exactly(stream: IO[bytes], values: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    data = stream.read(values * dtype.itemsize)
    if len(data) != values * dtype.itemsize:
        raise EOFError(f"{len(data)} bytes where {values * dtype.itemsize} should be")
    return np.frombuffer(data, dtype=dtype)
