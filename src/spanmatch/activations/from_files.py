"""Stored activations, read in chunks, with nothing in them run.

A file, or a folder, holds an array for each layer, examples or rows first, in the shapes that `layout` knows.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from .._files import Path_
from .._progress import tracked
from ..errors import SpanmatchError
from ..moments.dask import delayed_tasks, summed
from ..moments.moments import Moments
from ..moments.options import MomentsOptions, Pairs
from .checkpoints import CHECKPOINT_SECONDS, Checkpoint, checkpointed, made_from
from .formats import Rows, of_mapping, opened
from .layouts import Channels, Layout, Pool, Units
from .patterns import Patterns, chosen, nearest, patterns_of

if TYPE_CHECKING:
    from distributed import Client

VALUES_AT_ONCE = 1 << 22
ROWS_A_TASK = 1 << 14
"""Fewer would spend more on adding moments up than they gain."""

Source = Path_ | Mapping[str, Any]
Key = tuple[str, str]
Cut = dict[Key, tuple[int, int]]


class Stored:
    """The arrays of one file or folder, or of a mapping: shapes at once, values in chunks."""

    def __init__(self, source: Source) -> None:
        self._stack = contextlib.ExitStack()
        if isinstance(source, Mapping):
            self.name = "activations"
            self.rows = of_mapping(source)
            if not self.rows:
                raise SpanmatchError(f"{self.name}: holds no arrays")
        else:
            self.name = str(source)
            self.rows = opened(Path(source), self._stack)

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the arrays."""
        return {name: rows.shape for name, rows in self.rows.items()}

    def read(self, layer: str, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop of a layer.  Raises SpanmatchError if they cannot be read."""
        try:
            return self.rows[layer].read(start, stop)
        except SpanmatchError as error:
            raise SpanmatchError(f"{self.name}: array {layer!r}: {error}") from error
        except Exception as error:  # whatever a damaged file makes its library raise
            raise SpanmatchError(f"{self.name}: array {layer!r} is cut short or damaged ({error})") from error


def capture_stored(
    networks: Mapping[str, Source],
    *,
    layers: Patterns = None,
    units: Units = "channel",
    positions: int | None = None,
    seed: int = 0,
    channels: Channels = "auto",
    pool: Pool = None,
    scheduler: str | int | Client | None = None,
    checkpoint: Path_ | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    **options: Unpack[MomentsOptions],
) -> Moments:
    """Return the moments of stored activations, in chunks.

    Args:
        networks: {name: file or folder}, or {name: {layer: array}}; examples or rows first in every array.
        layers: names or shell patterns of arrays, by default all. The others are as in `capture`. Layers that only
            one network has are left out, unless `pairs` asks for them.
        scheduler: where to read, with Dask: the address of a scheduler, whose workers see the same paths, a
            `distributed.Client`, or how many processes to start here; by default this process. A task reads a chunk of
            some ten thousand rows, in pieces.
        checkpoint, checkpoint_seconds: as in `capture`; of work in this process.
    Raises SpanmatchError if a file cannot be read whole, a pattern matches nothing, or no layer is in two networks.
    """
    layout = Layout(units, positions, seed, channels, pool)
    with contextlib.ExitStack() as stack:
        stored = {name: stack.enter_context(Stored(source)) for name, source in networks.items()}
        for name, file in stored.items():
            patterns = patterns_of(layers, name)
            if patterns is not None:
                file.rows = {key: file.rows[key] for key in chosen(patterns, file.rows, file.name)}
        wanted = _common(stored, options.get("pairs", "matching"))
        cuts = _cuts(wanted)
        if scheduler is None:
            source = made_from(_told_apart(wanted, networks), layout, options)
            kept = stack.enter_context(checkpointed(checkpoint, checkpoint_seconds, options, source))
            return _read_here(stored, cuts, layout, kept)
    if checkpoint is not None:
        raise SpanmatchError("checkpoint and scheduler: give one of them; workers keep what they have done")
    return _read_there(networks, wanted, cuts, layout, options, scheduler)


def _read_here(stored: Mapping[str, Stored], cuts: Sequence[Cut], layout: Layout, kept: Checkpoint) -> Moments:
    for cut in tracked(cuts, "reading"):
        if not kept.holds(_examples_of(cut)):
            _add(kept.moments, stored, cut, layout)
            kept.write_if_due()
    kept.write()
    return kept.moments


def _examples_of(cut: Cut) -> NDArray[np.int64]:
    """Return the examples of the longest array's part."""
    start, stop = max(cut.values(), key=lambda part: part[1])
    return np.arange(start, stop)


def _read_there(
    networks: Mapping[str, Source],
    wanted: Mapping[Key, Rows],
    cuts: Sequence[Cut],
    layout: Layout,
    options: MomentsOptions,
    scheduler: Any,
) -> Moments:
    for (name, layer), rows in wanted.items():
        if not rows.anywhere:
            raise SpanmatchError(
                f"{networks[name]}: array {layer!r} can only be read from its start, so that workers cannot share it; "
                "store it as .npy, .safetensors, Parquet or Zarr"
            )
    sources = {name: _everywhere(name, source) for name, source in networks.items()}
    # The shift and the edges of bins are those of the first chunk, as in one process.
    (first,) = delayed_tasks(_first, [(sources, cuts[0], layout, options)])
    together = -(-ROWS_A_TASK // max(stop - start for start, stop in cuts[0].values()))
    tasks = [(sources, cuts[i : i + together], layout, first) for i in range(0, len(cuts), together)]
    total: Moments = summed(delayed_tasks(_part, tasks), scheduler)
    return total


def _everywhere(name: str, source: Source) -> str:
    """Return a path that workers in other folders find."""
    if not isinstance(source, str | PathLike):
        raise SpanmatchError(f"network {name!r}: arrays in memory are not on the workers; use sm.Moments.from_dask")
    return str(Path(source).resolve())


def _first(sources: Mapping[str, str], cut: Cut, layout: Layout, options: MomentsOptions) -> Moments:
    """Return moments of no rows, which go by the first chunk."""
    moments = Moments(**options)
    with contextlib.ExitStack() as stack:
        stored = {name: stack.enter_context(Stored(source)) for name, source in sources.items()}
        with _read(stored, cut) as chunks:
            moments._begin(*_rows(moments, chunks, cut, layout))
    return moments


def _part(sources: Mapping[str, str], cuts: Sequence[Cut], layout: Layout, first: Moments) -> Moments:
    """Return the moments of a chunk, read in pieces: what a worker does."""
    moments = first._alike()
    with contextlib.ExitStack() as stack:
        stored = {name: stack.enter_context(Stored(source)) for name, source in sources.items()}
        for cut in cuts:
            _add(moments, stored, cut, layout)
    return moments


def _add(moments: Moments, stored: Mapping[str, Stored], cut: Cut, layout: Layout) -> None:
    with _read(stored, cut) as chunks:
        moments.update(*_rows(moments, chunks, cut, layout))


@contextlib.contextmanager
def _read(stored: Mapping[str, Stored], cut: Cut) -> Iterator[dict[Key, NDArray[Any]]]:
    """Give the values of a cut; where they are refused for not being finite, the error names file, array and row."""
    chunks = {(name, layer): stored[name].read(layer, *part) for (name, layer), part in cut.items()}
    try:
        yield chunks
    except SpanmatchError:
        for (name, layer), chunk in chunks.items():
            _check_finite(f"{stored[name].name}: array {layer!r}", np.asarray(chunk), cut[name, layer][0])
        raise


def _check_finite(array: str, chunk: NDArray[Any], start: int) -> None:
    wrong = np.argwhere(~np.isfinite(chunk))
    if len(wrong):
        row, *place = wrong[0].tolist()
        raise SpanmatchError(
            f"{array}: {chunk[tuple(wrong[0])]} in row {start + row}, neuron {', '.join(map(str, place))}; activations "
            "must be finite"
        )


def _rows(
    moments: Moments, chunks: Mapping[Key, NDArray[Any]], cut: Cut, layout: Layout
) -> tuple[dict[str, Any], dict[str, NDArray[np.int64]]]:
    """Return rows and examples by layer, and tell the moments how they were made."""
    rows, examples = {}, {}
    for (name, layer), chunk in chunks.items():
        key = f"{name}:{layer}"
        numbers = np.arange(*cut[name, layer])
        rows[key], examples[key], how = layout.rows(key, chunk, numbers, channels_first=chunk.ndim >= 4)
        moments.describe({key: how})
    return rows, examples


def _cuts(wanted: Mapping[Key, Rows]) -> list[Cut]:
    """Return which rows to read at once, of every array: whole blocks of the files where all arrays are as long."""
    lengths = {key: rows.shape[0] for key, rows in wanted.items()}
    longest, shortest = max(lengths.values()), min(lengths.values())
    values = max(math.prod(rows.shape) for rows in wanted.values())
    step = -(-longest // max(1, min(shortest // 2, -(-values // VALUES_AT_ONCE))))
    if longest == shortest:
        block = max(rows.block for rows in wanted.values())
        step = max(block, step // block * block)
    starts = list(range(0, longest, step))
    if len(starts) > 1 and (longest - starts[-1]) * shortest < 2 * longest:  # no part of a single row: it has no null
        starts.pop()
    stops = [*starts[1:], longest]
    return [
        {key: (start * n // longest, stop * n // longest) for key, n in lengths.items()}
        for start, stop in zip(starts, stops, strict=True)
    ]


def _common(stored: Mapping[str, Stored], pairs: Pairs) -> dict[Key, Rows]:
    """Return the arrays to read, by network and layer."""
    arrays = {(name, layer): rows for name, file in stored.items() for layer, rows in file.rows.items()}
    if pairs != "matching":
        return arrays
    often = Counter(layer for _, layer in arrays)
    common = {key: rows for key, rows in arrays.items() if often[key[1]] > 1}
    if not common:
        listed = "; ".join(f"{file.name}: {', '.join(list(file.rows)[:8])}" for file in stored.values())
        first, *others = (file.rows for file in stored.values())
        alike = nearest(first, others[0]) if others else ""
        raise SpanmatchError(f"no layer has the same name in two of them ({listed}){alike}")
    for layer in often:
        lengths = {name: rows.shape[0] for (name, other), rows in common.items() if other == layer}
        if len(set(lengths.values())) > 1:
            listed = " and ".join(str(length) for length in lengths.values())
            raise SpanmatchError(f"array {layer!r} has {listed} rows; rows of the same layer must correspond")
    return common


def _told_apart(wanted: Mapping[Key, Rows], networks: Mapping[str, Source]) -> list[Any]:
    """Return the files, and the names and shapes of the arrays in them."""
    files = {name: str(source) for name, source in networks.items() if isinstance(source, str | PathLike)}
    return [files, [[*key, *rows.shape] for key, rows in wanted.items()]]
