"""A folder of shards: LAYER.npy, LAYER-00001-of-00005.npy, LAYER_0.npy, LAYER_1.npy ..., or LAYER/ with numbered files.

Files of a format that names its arrays, in the folder itself, are shards of all their layers. A file ids.npy in the
folder holds the ids of the rows of all layers.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError, SpanmatchWarning
from .arrays import IDS, Format, OpenArrays, ReadRows, RowIds, StoredArray, with_ids

SHARD_NAME = re.compile(r"(?P<layer>.+)-(?P<number>\d+)-of-(?P<count>\d+)")
NUMBERED = re.compile(r"(?P<layer>.*\D)[_.-](?P<number>\d+)")
LAST_NUMBER = re.compile(r"(\d+)\D*$")
WORDS_FOR_LAYERS = re.compile(
    r"(^|[^a-z])(layers?|blocks?|stages?|hidden|hidden_states?|relu|gelu|conv|conv2d|fc|linear|mlp|attention|attn|h|"
    r"bn|pool|depth|level)$",
    re.IGNORECASE,
)
"""Ends of names after which a number counts layers, not the shards of one."""


def open_shards(
    folder: Path,
    stack: contextlib.ExitStack,
    rows_by: str | None,
    formats: Sequence[Format],
    open_file: OpenArrays,
) -> list[StoredArray]:
    """Return the arrays that the files of a folder hold together, of formats of shards."""
    ids_file = folder / f"{rows_by or IDS}.npy"
    files: dict[Path, Format] = {}
    for file in sorted(file for file in folder.rglob("[!.]*") if file.is_file() and file != ids_file):
        shard_format = next((known for known in formats if known.as_shards and known.recognises(file)), None)
        if shard_format is not None:
            files[file] = shard_format
    joined = _numbered_shards(folder, [file for file, shard_format in files.items() if not shard_format.names_layers])
    files_of_layer: dict[str, list[Path]] = {}
    for file, shard_format in files.items():
        layer = joined.get(file) or _layer_of(file.relative_to(folder), shard_format.names_layers)
        files_of_layer.setdefault(layer, []).append(file)
    arrays: dict[str, StoredArray] = {}
    for layer, shards in files_of_layer.items():
        ordered = _in_order(folder, layer, shards)
        layer_arrays = _open_layer(layer, ordered, stack, rows_by, open_file)
        if shards[0] in joined:
            _say_joined(folder, layer, ordered, layer_arrays[0].shape[0])
        for array in layer_arrays:
            if array.name in arrays:
                raise SpanmatchError(f"{folder}: two arrays are called {array.name!r}; rename one")
            arrays[array.name] = array
    return with_ids(list(arrays.values()), _ids_in(ids_file) if ids_file.is_file() else None)


def _ids_in(file: Path) -> RowIds:
    """Return the ids in a file beside the layers."""
    return RowIds(file.name, lambda: np.asarray(np.load(file, allow_pickle=False)))


def _numbered_shards(folder: Path, files: Sequence[Path]) -> dict[Path, str]:
    """Return the layer of files such as x_0.npy and x_1.npy, unless their names say that each is a layer."""
    members: dict[str, list[Path]] = {}
    for file in files:
        match = NUMBERED.fullmatch(file.stem)
        if file.parent == folder and match and not SHARD_NAME.fullmatch(file.stem):
            members.setdefault(match["layer"], []).append(file)
    return {
        file: layer
        for layer, numbered in members.items()
        if len(numbered) > 1 and not WORDS_FOR_LAYERS.search(layer)
        for file in numbered
    }


def _say_joined(folder: Path, layer: str, files: Sequence[Path], row_count: int) -> None:
    """Warn that files were taken for the shards of one layer, which their names do not say."""
    warnings.warn(
        f"{folder}: {files[0].name} to {files[-1].name} are joined, in the order of their numbers, to one layer "
        f"{layer!r} of {row_count:,} rows; if they are {len(files)} layers, put each into a folder of its own",
        SpanmatchWarning,
        stacklevel=2,
    )


def _layer_of(file: Path, names_layers: bool) -> str:
    """Return the layer that a file of a folder is of; none if the file names its layers."""
    if file.parent != Path():
        return file.parent.as_posix()
    if names_layers:
        return ""
    match = SHARD_NAME.fullmatch(file.stem)
    return match["layer"] if match else file.stem


def _in_order(folder: Path, layer: str, files: list[Path]) -> list[Path]:
    """Return the shards of a layer by number.  Raises SpanmatchError if one is missing."""
    if len(files) == 1 and not SHARD_NAME.fullmatch(files[0].stem):
        return files
    what = f"layer {layer!r}" if layer else "its layers"
    file_of_number: dict[int, Path] = {}
    for file in files:
        number = _number_of(file)
        if number is None:
            raise SpanmatchError(f"{folder}: {file.name!r} of {what} has no number; number the shards of a layer")
        if number in file_of_number:
            raise SpanmatchError(
                f"{folder}: two shards of {what} have the number {number}, "
                f"{file_of_number[number].name} and {file.name}; keep one"
            )
        file_of_number[number] = file
    missing = [number for number in _expected_numbers(files, file_of_number) if number not in file_of_number]
    if missing:
        raise SpanmatchError(
            f"{folder}: shard {missing[0]} of {what} is missing; there are {len(files)}, {files[0].name} to "
            f"{files[-1].name}"
        )
    return [file_of_number[number] for number in sorted(file_of_number)]


def _number_of(file: Path) -> int | None:
    """Return the number of a shard, the last one in its name; None without one."""
    match = SHARD_NAME.fullmatch(file.stem)
    if match:
        return int(match["number"])
    last_number = LAST_NUMBER.search(file.stem)
    return int(last_number[1]) if last_number else None


def _expected_numbers(files: Sequence[Path], numbers: dict[int, Path]) -> range:
    """Return the numbers that shards should have: as their names say, or up to the largest."""
    counts = [int(match["count"]) for file in files if (match := SHARD_NAME.fullmatch(file.stem))]
    if not counts:
        first = 0 if 0 in numbers else min(numbers)
        return range(first, max(numbers) + 1)
    first = 0 if 0 in numbers else 1
    return range(first, first + max(counts))


def _open_layer(
    layer: str, files: Sequence[Path], stack: contextlib.ExitStack, rows_by: str | None, open_file: OpenArrays
) -> list[StoredArray]:
    """Return the arrays that the shards of a layer hold together."""
    shards_by_name = _shards_by_name(files, rows_by, open_file)
    reader = _ShardReader(files, rows_by, open_file)
    stack.callback(reader.close)
    arrays = []
    for name, shards in shards_by_name.items():
        ends = np.cumsum([shard.shape[0] for shard in shards])
        first = shards[0]
        if not layer:
            full_name = name
        elif len(shards_by_name) == 1:
            full_name = layer
        else:
            full_name = f"{layer}/{name}"
        shape = (int(ends[-1]), *first.shape[1:])
        rows = reader.rows_of(name, ends)
        ids = reader.ids_of(name, shards)
        arrays.append(StoredArray(full_name, shape, first.dtype, rows, rows_per_block=first.rows_per_block, ids=ids))
    return arrays


def _shards_by_name(files: Sequence[Path], rows_by: str | None, open_file: OpenArrays) -> dict[str, list[StoredArray]]:
    """Return the shards of each array, checked to fit together: their files are closed."""
    shards_by_name: dict[str, list[StoredArray]] = {}
    for file in files:
        with contextlib.ExitStack() as stack:
            arrays = {array.name: array for array in open_file(file, stack, rows_by)}
        if shards_by_name and arrays.keys() != shards_by_name.keys():
            odd = min(arrays.keys() ^ shards_by_name.keys())
            raise SpanmatchError(f"{file}: array {odd!r} is in some shards and not in others")
        for name, array in arrays.items():
            shards = shards_by_name.setdefault(name, [])
            shards.append(array)
            if array.shape[1:] != shards[0].shape[1:]:
                raise SpanmatchError(
                    f"{file}: rows of shape {array.shape[1:]}, but {shards[0].shape[1:]} in {files[0].name}"
                )
    return shards_by_name


class _ShardReader:
    """Files one after another, of which one is open at a time."""

    def __init__(self, files: Sequence[Path], rows_by: str | None, open_file: OpenArrays) -> None:
        self.files, self.rows_by, self.open_file = files, rows_by, open_file
        self.stack = contextlib.ExitStack()
        self.open_index: int | None = None
        self.arrays: dict[str, StoredArray] = {}

    def rows_of(self, name: str, ends: NDArray[np.int64]) -> ReadRows:
        """Return a reader of an array, given the row before which each of its shards ends."""
        starts = np.concatenate([[0], ends[:-1]])

        def read(start: int, stop: int) -> NDArray[np.generic]:
            first, last = (int(np.searchsorted(ends, row, side="right")) for row in (start, stop - 1))
            parts = []
            for index in range(first, last + 1):
                offset = int(starts[index])
                part = max(start, offset) - offset, min(stop, int(ends[index])) - offset
                parts.append(self._arrays_of(index)[name].read(*part))
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

        return read

    def ids_of(self, name: str, shards: Sequence[StoredArray]) -> RowIds | None:
        """Return the ids of the rows of all shards, if each of them has some that are not a default."""
        sources = [shard.ids.source if shard.ids and not shard.ids.is_default else None for shard in shards]
        first = sources[0]
        if first is None or None in sources:
            if any(sources):
                without = self.files[sources.index(None)].name
                raise SpanmatchError(f"{without}: no row ids, which other shards have; store them in all or in none")
            return None

        def read() -> NDArray[np.generic]:
            arrays = (self._arrays_of(index)[name] for index in range(len(self.files)))
            return np.concatenate([array.ids.values for array in arrays if array.ids is not None])

        return RowIds(first, read)

    def close(self) -> None:
        """Close the file that is open."""
        self.stack.close()
        self.open_index = None

    def _arrays_of(self, index: int) -> dict[str, StoredArray]:
        """Return the arrays of a file; it stays open until another one is asked for."""
        if self.open_index != index:
            self.close()
            self.arrays = {array.name: array for array in self.open_file(self.files[index], self.stack, self.rows_by)}
            self.open_index = index
        return self.arrays
