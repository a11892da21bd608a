"""Files of moments: what they hold, how it is written, and the checks with which it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._files import Path_, read_tensors, write_tensors
from ..errors import SpanmatchError
from .backends import NumpyEngine
from .example_ranges import Ranges, checked_ranges
from .histograms import checked_edges
from .layer_records import LayerRecord
from .number_types import NUMBER_TYPES
from .options import Layers, Options, checked_options
from .sample import REDUCTIONS
from .sample_buffers import SampleRows, SampleState, hashes_of
from .sums import Key, shapes_of_sums
from .top_inputs import TopInputs
from .torch_ranks import Description, State, StateArray

Array = NDArray[np.float64]
Arrays = Mapping[str, StateArray]
FORMAT, VERSION = "spanmatch.moments", 8


@dataclass(frozen=True, eq=False)
class Contents:
    """Everything that moments are, on the host."""

    options: Options
    pairs: list[Layers]
    layers: dict[str, LayerRecord]
    layout: dict[str, str]
    """In words, how the rows of each layer were made."""
    source: str
    """In words, what the rows are of."""
    left_out: tuple[str, ...]
    """Names of layers that were not read."""
    example_ids: Ranges
    sums: Mapping[Key, Array]
    """Empty if there are no layers."""
    samples: Mapping[str, SampleState]
    """On the host, by layer; empty if there are none."""
    no_sample: str
    """Why there are none."""


def write_moments(path: Path_, contents: Contents) -> None:
    """Write moments to a safetensors file, in one step.  Raises SpanmatchError if it cannot be
    written.
    """
    description, arrays = state_of(contents)
    metadata = {"format": FORMAT, "version": str(VERSION), "about": json.dumps(description)}
    write_tensors(path, arrays, metadata)


def read_moments(path: Path_) -> Contents:
    """Read moments from a file.

    Raises SpanmatchError if it is missing, corrupt, not of moments, of another version, or
    inconsistent.
    """
    arrays, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise SpanmatchError(f"{path}: a safetensors file, but not of spanmatch moments")
    if metadata.get("version") != str(VERSION):
        raise SpanmatchError(
            f"{path}: moments of version {metadata.get('version')}; this spanmatch reads version {VERSION}"
        )
    try:
        return contents_of((json.loads(metadata["about"]), arrays))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpanmatchError(f"{path}: its contents do not fit together ({error})") from error


def state_of(contents: Contents) -> State:
    """Return moments as what JSON can hold and arrays."""
    options, layers = contents.options, list(contents.layers)
    description = {
        "layers": layers,
        "pairs": contents.pairs,
        "asked": options.pairs,
        "folds": options.folds,
        "null": options.null,
        "method": options.method,
        "top": options.top,
        "sample": options.sample,
        "sample_rows": options.sample_rows,
        "seed": options.seed,
        "no_sample": contents.no_sample,
        "reductions": {layer: state.reduction for layer, state in contents.samples.items()},
        "sample_refusals": {layer: state.refusal for layer, state in contents.samples.items()},
        "bins": options.bins if isinstance(options.bins, int) else None,
        "null_rows": {layer: record.null_rows for layer, record in contents.layers.items()},
        "dtypes": {layer: record.dtype for layer, record in contents.layers.items()},
        "layout": contents.layout,
        "source": contents.source,
        "left_out": list(contents.left_out),
    }
    arrays: dict[str, StateArray] = {"seen": contents.example_ids}
    for layer, record in contents.layers.items():
        arrays |= {_array_name(layers, (kind, layer)): array for kind, array in _arrays_of(record).items()}
    for layer, state in contents.samples.items():
        arrays |= {_array_name(layers, (f"sample {kind}", layer)): array for kind, array in _rows_of(state).items()}
    arrays |= {_array_name(layers, key): array for key, array in contents.sums.items()}
    return description, arrays


def contents_of(state: State) -> Contents:
    """Return the moments that a state describes.

    Raises KeyError, TypeError, ValueError, AttributeError or SpanmatchError if it is inconsistent.
    """
    description, arrays = state
    layers: list[str] = description["layers"]
    edges = _edges(layers, arrays)
    bins = description["bins"] or edges or None
    options = checked_options(
        description["asked"],
        description["folds"],
        description["null"],
        bins,
        description["method"],
        description["top"],
        description["sample"],
        description["sample_rows"],
        description["seed"],
    )
    records = {layer: _record(layer, description, arrays, options, edges.get(layer)) for layer in layers}
    pairs = [(x, y) for x, y in description["pairs"]]
    shapes = shapes_of_sums(options, {layer: record.neurons for layer, record in records.items()}, pairs, edges)
    return Contents(
        options=options,
        pairs=pairs,
        layers=records,
        layout={layer: str(words) for layer, words in description["layout"].items()},
        source=str(description["source"]),
        left_out=tuple(map(str, description["left_out"])),
        example_ids=checked_ranges(arrays["seen"]),
        sums={key: _checked_sums(key, arrays[_array_name(layers, key)], shape) for key, shape in shapes.items()},
        samples=_samples(description, arrays, records),
        no_sample=str(description["no_sample"]),
    )


def _array_name(layers: list[str], key: Key) -> str:
    """Return the name of an array in a file; layers by number, as their names may hold anything."""
    return " ".join([key[0], *(str(layers.index(layer)) for layer in key[1:])])


def _arrays_of(record: LayerRecord) -> dict[str, StateArray]:
    """Return the arrays of a layer's record by kind."""
    arrays: dict[str, StateArray] = {"shift": record.shift, "rows": record.rows, "examples": record.examples}
    if record.edges is not None:
        arrays["edges"] = record.edges
    if record.top is not None:
        arrays |= {f"top {name}": array for name, array in vars(record.top).items()}
    return arrays


def _edges(layers: list[str], arrays: Arrays) -> dict[str, Array]:
    names = {layer: _array_name(layers, ("edges", layer)) for layer in layers}
    return {layer: checked_edges(layer, arrays[name]) for layer, name in names.items() if name in arrays}


def _record(layer: str, description: Description, arrays: Arrays, options: Options, edges: Array | None) -> LayerRecord:
    """Return the record of a layer.  Raises ValueError or KeyError if its parts do not fit
    together.
    """
    layers = description["layers"]
    shift, rows, examples = (arrays[_array_name(layers, (kind, layer))] for kind in ("shift", "rows", "examples"))
    if shift.ndim != 1 or shift.dtype != np.float64 or not np.isfinite(shift).all():
        raise ValueError(f"the shift of {layer} is {shift.dtype} {shift.shape}")
    dtype = description["dtypes"][layer]
    if dtype not in NUMBER_TYPES:
        raise ValueError(f"the number type of {layer} is {dtype!r}")
    return LayerRecord(
        shift=shift,
        rows=_checked_counts("rows", layer, rows, options.folds),
        examples=_checked_counts("examples", layer, examples, options.folds),
        null_rows=int(description["null_rows"][layer]),
        dtype=dtype,
        edges=edges,
        top=_checked_top(layers, layer, arrays, (len(shift), options.top)) if options.top else None,
    )


def _rows_of(state: SampleState) -> dict[str, StateArray]:
    """Return the arrays of a layer's sample by kind."""
    rows = state.rows
    return {
        "ids": rows.example_ids,
        "counts": rows.counts,
        "ambiguous": rows.is_ambiguous.astype(np.uint8),
        "complete": rows.is_complete.astype(np.uint8),
        "values": rows.values,
    }


def _samples(description: Description, arrays: Arrays, records: Mapping[str, LayerRecord]) -> dict[str, SampleState]:
    """Return the samples of all layers, or of none.  Raises ValueError or KeyError if their parts do not
    fit together.
    """
    sampled = list(description["reductions"])
    if set(sampled) != (set(records) if description["sample"] and not description["no_sample"] else set()):
        raise ValueError(f"a sample of {len(sampled)} of {len(records)} layers")
    return {layer: _sample(layer, description, arrays, records[layer].neurons) for layer in sampled}


def _sample(layer: str, description: Description, arrays: Arrays, neurons: int) -> SampleState:
    """Return a layer's sample.  Raises ValueError or KeyError if its parts do not fit together."""
    layers, reduction = description["layers"], description["reductions"][layer]
    ids, counts, ambiguous, complete, values = (
        arrays[_array_name(layers, (f"sample {kind}", layer))]
        for kind in ("ids", "counts", "ambiguous", "complete", "values")
    )
    if reduction not in REDUCTIONS:
        raise ValueError(f"sample_rows of {layer} is {reduction!r}")
    kinds = [array.dtype.name for array in (ids, counts, ambiguous, complete, values)]
    expected = ["int64", "int64", "uint8", "uint8", "float64" if reduction == "mean" else "float32"]
    k, rows_of_first = ids.size, int(counts.flat[0]) if reduction == "flat" and counts.size else 1
    shapes = [array.shape for array in (ids, counts, ambiguous, complete, values)]
    fit = kinds == expected and shapes == [(k,)] * 4 + [(k, neurons * rows_of_first)]
    if not fit or k > description["sample"] or len(np.unique(ids)) != k:
        raise ValueError(f"the sample of {layer} is {', '.join(kinds)} of {k} examples, {shapes}")
    if k and (ids.min() < 0 or counts.min() < 1):
        raise ValueError(f"the sample of {layer} has examples {ids.min()}, or of no rows")
    ambiguous, complete = ambiguous.astype(np.bool_), complete.astype(np.bool_)
    rows = SampleRows(ids, hashes_of(ids, description["seed"]), counts, values, ambiguous, complete)
    refusal = str(description["sample_refusals"][layer])
    return SampleState(layer, reduction, rows, NumpyEngine(), neurons, refusal)


def _checked_counts(kind: str, layer: str, counts: StateArray, folds: int) -> NDArray[np.int64]:
    if counts.shape != (folds,) or counts.dtype != np.int64 or counts.min() < 0:
        raise ValueError(f"{kind} of {layer} are {counts.tolist()}")
    return counts


def _checked_top(layers: list[str], layer: str, arrays: Arrays, shape: tuple[int, int]) -> TopInputs:
    top = TopInputs(*(arrays[_array_name(layers, (f"top {name}", layer))] for name in ("values", "examples", "places")))
    kinds = [(array.shape, array.dtype.kind) for array in (top.values, top.examples, top.places)]
    if kinds != [(shape, "f"), (shape, "i"), (shape, "i")] or np.isnan(top.values).any():
        raise ValueError(f"the top inputs of {layer} are {kinds}, not of {shape}")
    return top


def _checked_sums(key: Key, array: StateArray, shape: tuple[int, ...]) -> Array:
    if array.shape != shape or array.dtype != np.float64:
        raise ValueError(f"{' '.join(key)} is {array.dtype} {array.shape}, not float64 {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{' '.join(key)} is not finite")
    return array
