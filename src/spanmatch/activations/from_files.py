"""Capture of stored activations: files read in parts, here or by Dask's workers."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Unpack

import numpy as np
from numpy.typing import NDArray

from .._files import Path_
from .._progress import tracked
from .._values import Json
from ..errors import SpanmatchError
from ..moments.dask import delayed_tasks, summed
from ..moments.example_ranges import checked_ids
from ..moments.folds import ExampleIds
from ..moments.moments import Moments
from ..moments.options import MomentsOptions, Pairs, SeededOptions
from ..moments.samples import ExampleOutputs
from .checkpoints import CHECKPOINT_SECONDS, Checkpoint, checkpointed, made_from, moments_with
from .layouts import BatchRows, Channels, Layout, Pool, Units
from .patterns import OTHER_PAIRS, Patterns, chosen, nearest, patterns_of
from .row_ids import ArrayKey, joined
from .stored import ActivationSource, StoredActivations, StoredArray

if TYPE_CHECKING:
    from distributed import Client

    from .layouts import Array

VALUES_AT_ONCE = 1 << 22
ROWS_A_TASK = 1 << 14
"""Fewer would spend more on adding moments up than they gain."""

RowRanges = dict[ArrayKey, tuple[int, int]]
"""Of each array, the rows (start, stop) to read at once: they are of the same examples."""


def capture_stored(
    networks: Mapping[str, ActivationSource],
    *,
    rows_by: str | None = None,
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
    """Read stored activations in parts and return the moments of their layers, "network:layer".

    Parameters
    ----------
    networks : mapping
        {name: file or folder}, {name: array}, or {name: {layer: array}}; every array has rows or
        examples first, (rows, neurons), (examples, tokens, neurons) or (examples, channels, space
        ...). The formats are those of `stored.formats`; an array may be a frame of pandas, a table
        of Arrow or a sparse matrix of SciPy.
    rows_by : str, optional
        The name of the column or array of row ids, by which rows are joined. By default "ids", and
        a frame's index, where there are such. Rows with the same id are rows of one example.
    layers : str, sequence of str or mapping, optional
        Names or shell patterns of arrays, or {network: names or patterns}; by default all. Layers
        that only one network has are left out, unless `pairs` asks for them.
    units, positions, seed, channels, pool
        As of `capture`.
    scheduler : str, int or distributed.Client, optional
        Where to read, with Dask: the address of a scheduler, whose workers see the same paths; how
        many processes to start here; or a client. By default this process reads. A task reads some
        ten thousand rows, in parts.
    checkpoint, checkpoint_seconds
        As of `capture`; of work in this process.
    **options
        Of `Moments`.

    Returns
    -------
    Moments
        Of all layers that are read, and of the pairs asked for.

    Raises
    ------
    SpanmatchError
        If a file is damaged, or holds values that are not finite; a pattern matches nothing; no
        layer has the same name in two networks and `pairs` asks for such; arrays of a layer differ
        in length; ids of rows are missing on one side, or ambiguous; or both `scheduler` and `checkpoint` are given.

    See Also
    --------
    capture : the same of networks that are run.

    Notes
    -----
    Memory: the moments, and some four million values of each array, or a block of the file where
    that is larger. An array in a file whose rows are in another order than those of the first
    network is read at once, unless it is a .npy or .pt file.

    Examples
    --------
    >>> import numpy as np
    >>> from spanmatch.activations import capture_stored
    >>> X, Y = np.random.default_rng(0).standard_normal((2, 100, 4))
    >>> moments = capture_stored({"a": {"relu1": X}, "b": {"relu1": Y}})
    >>> moments.pair("a:relu1", "b:relu1").rows
    100
    """
    layout = Layout(units, positions, seed, channels, pool)
    seeded: SeededOptions = {**options, "seed": seed}
    with contextlib.ExitStack() as stack:
        stored = {name: stack.enter_context(StoredActivations(source, rows_by)) for name, source in networks.items()}
        for name, activations in stored.items():
            patterns = patterns_of(layers, name)
            if patterns is not None:
                names = chosen(patterns, activations.arrays, activations.name)
                activations.arrays = {layer: activations.arrays[layer] for layer in names}
            _check_neurons(activations)
        arrays_to_read = _arrays_to_read(stored, options.get("pairs", "matching"))
        left_out = [f"{name}:{layer}" for name, layer in _arrays_of(stored) if (name, layer) not in arrays_to_read]
        joined_arrays = joined(arrays_to_read)
        arrays = joined_arrays.arrays
        _check_lengths(arrays, options.get("pairs", "matching"))
        parts = _parts_of(arrays, joined_arrays.example_ids)
        if scheduler is None:
            for (name, layer), array in arrays.items():
                stored[name].arrays[layer] = array
            source = made_from(_identity(arrays, networks, joined_arrays.digest), layout, options)
            pass_checkpoint = stack.enter_context(checkpointed(checkpoint, checkpoint_seconds, seeded, source))
            pass_checkpoint.moments.describe(left_out=left_out)
            return _read_here(_Sources(stored, joined_arrays.example_ids), parts, layout, pass_checkpoint)
    if checkpoint is not None:
        raise SpanmatchError("checkpoint and scheduler: give one of them; workers keep what they have done")
    if joined_arrays.digest:
        raise SpanmatchError(
            "scheduler: workers read rows as they are stored, but these are in different orders, or several rows have "
            "the same id; store them in one order, with one id each, or leave out scheduler"
        )
    moments = _read_on_workers(networks, arrays, parts, layout, seeded, scheduler, rows_by)
    moments.describe(left_out=left_out)
    return moments


def add_sources(
    moments: Moments, arrays: Mapping[str, ActivationSource], rows_by: str | None, example_ids: ExampleIds
) -> None:
    """Read stored activations with one array each, and add their rows to moments, by their names.

    Parameters
    ----------
    moments
        To which the rows are added, in parts.
    arrays
        {layer: a file, or what is in memory}.
    rows_by
        As of `capture_stored`.
    example_ids
        The example of each row, in the order of the first array; by default its row ids.

    Raises
    ------
    SpanmatchError
        As `capture_stored` does, or if there are several arrays in a file.
    """
    with contextlib.ExitStack() as stack:
        stored = {name: stack.enter_context(StoredActivations(source, rows_by)) for name, source in arrays.items()}
        for activations in stored.values():
            if len(activations.arrays) > 1:
                names = ", ".join(activations.arrays)
                raise SpanmatchError(f"{activations.name}: several arrays ({names}); compare them with sm.compare")
        joined_arrays = joined({(name, layer): a for name, each in stored.items() for layer, a in each.arrays.items()})
        lengths = {":".join(key): array.shape[0] for key, array in joined_arrays.arrays.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            raise SpanmatchError(f"arrays of different length ({told}); rows must correspond")
        for (name, layer), array in joined_arrays.arrays.items():
            stored[name].arrays[layer] = array
        row_examples = joined_arrays.example_ids
        if example_ids is not None:
            if isinstance(example_ids, Mapping):
                raise SpanmatchError("example_ids: give one id for each row, (rows,)")
            row_examples = checked_ids("example_ids", example_ids)
            if len(row_examples) != max(lengths.values()):
                raise SpanmatchError(
                    f"example_ids: {len(row_examples)}; give one for each of {max(lengths.values())} rows"
                )
        sources = _Sources(stored, row_examples)
        if example_ids is None:
            parts = _parts_of(joined_arrays.arrays, row_examples)
        else:  # whose rows may be anywhere
            parts = [{key: (0, array.shape[0]) for key, array in joined_arrays.arrays.items()}]
        for part in parts:
            with _values_of(sources, part) as values:
                ids = sources.ids_of(next(iter(part.values())))
                moments._add_batch({name: array for (name, _), array in values.items()}, ids)


@dataclass(frozen=True)
class _Sources:
    """The stored activations of all networks, and the example of each row if rows are not examples."""

    stored: Mapping[str, StoredActivations]
    example_ids: NDArray[np.int64] | None = None

    def ids_of(self, rows: tuple[int, int]) -> NDArray[np.int64]:
        """Return the example of each of some rows (start, stop)."""
        return np.arange(*rows) if self.example_ids is None else self.example_ids[slice(*rows)]


def _check_neurons(activations: StoredActivations) -> None:
    """Raise SpanmatchError unless all arrays have neurons."""
    for name, shape in activations.shapes.items():
        if len(shape) < 2:
            raise SpanmatchError(
                f"{activations.name}: array {name!r} has shape {shape}; store rows x neurons, at least one of each"
            )


def _read_here(
    sources: _Sources,
    parts: Sequence[RowRanges],
    layout: Layout,
    pass_checkpoint: Checkpoint,
) -> Moments:
    """Return the moments of all parts, without those that the checkpoint holds."""
    for part in tracked(parts, "reading"):
        if not pass_checkpoint.holds(_example_ids_of(sources, part)):
            _add(pass_checkpoint.moments, sources, part, layout)
            pass_checkpoint.write_if_due()
    pass_checkpoint.write()
    return pass_checkpoint.moments


def _example_ids_of(sources: _Sources, part: RowRanges) -> NDArray[np.int64]:
    """Return the examples of the longest array's rows."""
    return np.unique(sources.ids_of(max(part.values(), key=lambda rows: rows[1])))


def _read_on_workers(
    networks: Mapping[str, ActivationSource],
    arrays: Mapping[ArrayKey, StoredArray],
    parts: Sequence[RowRanges],
    layout: Layout,
    options: SeededOptions,
    scheduler: str | int | Client | None,
    rows_by: str | None,
) -> Moments:
    """Return the moments of all parts, read by Dask's workers."""
    for (name, layer), array in arrays.items():
        if not array.random_access:
            raise SpanmatchError(
                f"{networks[name]}: array {layer!r} can only be read from its start, so that workers cannot share it; "
                "store it as .npy, .safetensors, Parquet or Zarr"
            )
    paths = {name: _absolute_path(name, source) for name, source in networks.items()}
    # The shift and the edges of bins are those of the first part, as in one process.
    (empty,) = delayed_tasks(_empty_moments, [(paths, rows_by, parts[0], layout, options)])
    parts_per_task = -(-ROWS_A_TASK // max(stop - start for start, stop in parts[0].values()))
    tasks = [
        (paths, rows_by, parts[i : i + parts_per_task], layout, empty) for i in range(0, len(parts), parts_per_task)
    ]
    total: Moments = summed(delayed_tasks(_moments_of_parts, tasks), scheduler)
    return total


def _absolute_path(name: str, source: ActivationSource) -> str:
    """Return a path that workers in other folders find; refuse arrays in memory."""
    if not isinstance(source, str | PathLike):
        raise SpanmatchError(f"network {name!r}: arrays in memory are not on the workers; use sm.Moments.from_dask")
    return str(Path(source).resolve())


def _empty_moments(
    paths: Mapping[str, str], rows_by: str | None, part: RowRanges, layout: Layout, options: SeededOptions
) -> Moments:
    """Return moments of no rows, which take their shift and their bins from the first part."""
    moments = moments_with(options)
    with contextlib.ExitStack() as stack:
        stored = {name: stack.enter_context(StoredActivations(path, rows_by)) for name, path in paths.items()}
        sources = _Sources(stored)
        with _values_of(sources, part) as values:
            moments._begin(*_rows_of(moments, sources, values, part, layout))
    return moments


def _moments_of_parts(
    paths: Mapping[str, str], rows_by: str | None, parts: Sequence[RowRanges], layout: Layout, empty: Moments
) -> Moments:
    """Return the moments of some parts, read one after another: what a worker does."""
    moments = empty._alike()
    with contextlib.ExitStack() as stack:
        stored = {name: stack.enter_context(StoredActivations(path, rows_by)) for name, path in paths.items()}
        for part in parts:
            _add(moments, _Sources(stored), part, layout)
    return moments


def _add(moments: Moments, sources: _Sources, part: RowRanges, layout: Layout) -> None:
    """Read a part and add it to moments."""
    with _values_of(sources, part) as values:
        moments._update(*_rows_of(moments, sources, values, part, layout))


@contextlib.contextmanager
def _values_of(sources: _Sources, part: RowRanges) -> Iterator[dict[ArrayKey, NDArray[np.generic]]]:
    """Give the values of a part; of one that is refused as not finite, say where it is."""
    stored = sources.stored
    values = {(name, layer): stored[name].read(layer, *rows) for (name, layer), rows in part.items()}
    try:
        yield values
    except SpanmatchError:
        for (name, layer), array in values.items():
            _check_finite(f"{stored[name].name}: array {layer!r}", np.asarray(array), part[name, layer][0])
        raise


def _check_finite(name: str, values: NDArray[np.generic], first_row: int) -> None:
    """Raise SpanmatchError, with the place, if a value of an array is not finite."""
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, *neuron = wrong[0].tolist()
        raise SpanmatchError(
            f"{name}: {values[tuple(wrong[0])]} in row {first_row + row}, neuron {', '.join(map(str, neuron))}; "
            "activations must be finite"
        )


def _rows_of(
    moments: Moments,
    sources: _Sources,
    values: Mapping[ArrayKey, NDArray[np.generic]],
    part: RowRanges,
    layout: Layout,
) -> tuple[dict[str, Array], dict[str, NDArray[np.int64]], ExampleOutputs]:
    """Return rows, the example of each, and the outputs, by layer, and tell the moments how rows were made."""
    batches = {}
    for row_range in set(part.values()):
        ids = sources.ids_of(row_range)
        batches[row_range] = BatchRows(layout, ids, moments._candidates(ids))
    rows, row_ids, reductions, complete = {}, {}, {}, {}
    for (name, layer), array in values.items():
        key = f"{name}:{layer}"
        layer_rows = batches[part[name, layer]].rows(key, array, channels_first=array.ndim >= 4)
        rows[key], row_ids[key] = layer_rows.values, layer_rows.example_ids
        reductions[key] = layer_rows.reduction
        if layer_rows.complete is not None:
            complete[key] = layer_rows.complete
        moments.describe({key: layer_rows.layout})
    return rows, row_ids, ExampleOutputs(reductions, complete, in_pieces=False)


def _parts_of(arrays: Mapping[ArrayKey, StoredArray], example_ids: NDArray[np.int64] | None = None) -> list[RowRanges]:
    """Return which rows to read at once: complete blocks, where all arrays are as long, and complete examples."""
    lengths = {key: array.shape[0] for key, array in arrays.items()}
    longest, shortest = max(lengths.values()), min(lengths.values())
    most_values = max(math.prod(array.shape) for array in arrays.values())
    step = -(-longest // max(1, min(shortest // 2, -(-most_values // VALUES_AT_ONCE))))
    if longest == shortest:
        block = max(array.rows_per_block for array in arrays.values())
        step = max(block, step // block * block)
    starts = list(range(0, longest, step))
    if len(starts) > 1 and (longest - starts[-1]) * shortest < 2 * longest:  # no part of a single row: it has no null
        starts.pop()
    if example_ids is not None:
        first_rows = np.searchsorted(example_ids, example_ids[starts])
        starts = np.unique(first_rows).tolist()
    stops = [*starts[1:], longest]
    return [
        {key: (start * length // longest, stop * length // longest) for key, length in lengths.items()}
        for start, stop in zip(starts, stops, strict=True)
    ]


def _arrays_to_read(stored: Mapping[str, StoredActivations], pairs: Pairs) -> dict[ArrayKey, StoredArray]:
    """Return the arrays that pairs need, by network and layer.

    Raises SpanmatchError if layers of the same name are to be paired, and there are none.
    """
    arrays = _arrays_of(stored)
    if pairs != "matching":
        return arrays
    network_counts = Counter(layer for _, layer in arrays)
    common = {key: array for key, array in arrays.items() if network_counts[key[1]] > 1}
    if not common:
        _refuse_names(list(stored.values()))
    return common


def _arrays_of(stored: Mapping[str, StoredActivations]) -> dict[ArrayKey, StoredArray]:
    """Return all arrays by network and layer."""
    return {(name, layer): array for name, activations in stored.items() for layer, array in activations.arrays.items()}


def _check_lengths(arrays: Mapping[ArrayKey, StoredArray], pairs: Pairs) -> None:
    """Raise SpanmatchError if layers of the same name are to be paired, and differ in length."""
    if pairs != "matching":
        return
    lengths_by_layer: dict[str, list[int]] = {}
    for (_, layer), array in arrays.items():
        lengths_by_layer.setdefault(layer, []).append(array.shape[0])
    for layer, lengths in lengths_by_layer.items():
        if len(set(lengths)) > 1:
            listed = " and ".join(map(str, lengths))
            raise SpanmatchError(f"array {layer!r} has {listed} rows; rows of the same layer must correspond")


def _refuse_names(stored: Sequence[StoredActivations]) -> NoReturn:
    """Raise SpanmatchError: no layer is in two networks."""
    listed = "; ".join(f"{activations.name}: {', '.join(list(activations.arrays)[:8])}" for activations in stored)
    alike = nearest(stored[0].arrays, stored[1].arrays) if len(stored) > 1 else ""
    raise SpanmatchError(f"no layer has the same name in two of them ({listed}){alike}; {OTHER_PAIRS}")


def _identity(
    arrays: Mapping[ArrayKey, StoredArray], networks: Mapping[str, ActivationSource], row_digest: str
) -> list[Json]:
    """Return what tells these arrays from others: their files, names and shapes, and how rows were joined."""
    files = {name: str(source) for name, source in networks.items() if isinstance(source, str | PathLike)}
    return [files, [[*key, *array.shape] for key, array in arrays.items()], row_digest]
