"""Adding moments: checks that they fit, sums of both sets of rows, and sums moved to another shift.

Lifted rows (x, a) with a = ||x||^2 become (x + d, a + 2 d.x + d.d) when the shift moves by -d: a
linear map, and a shift by (d, d.d). Sums about one shift are so turned into those about another,
exactly but for rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError, among
from .joint_sums import stacked_factor
from .layer_records import LayerRecord
from .options import Layers, Options
from .packed import AT_ONCE, Packed
from .sums import Key, Sums

Array = NDArray[np.float64]


def check_options_fit(one: Options, other: Options) -> None:
    """Raise SpanmatchError if moments with these options cannot be added."""
    for name in ("folds", "null", "method", "top", "sample", "sample_rows", "seed"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine != theirs:
            raise SpanmatchError(f"moments with {name}={mine!r} and {name}={theirs!r} cannot be added")


def check_pairs_fit(pairs: Sequence[Layers], other_pairs: Sequence[Layers]) -> None:
    """Raise SpanmatchError if moments of these pairs of layers cannot be added."""
    if set(pairs) != set(other_pairs):
        raise SpanmatchError("moments of different pairs of layers cannot be added")


def check_edges_fit(layers: Mapping[str, LayerRecord], other_layers: Mapping[str, LayerRecord]) -> None:
    """Raise SpanmatchError if moments of layers with these edges of bins cannot be added."""
    edges, other_edges = edges_of(layers), edges_of(other_layers)
    same = edges.keys() == other_edges.keys() and all(np.array_equal(edges[k], other_edges[k]) for k in edges)
    if not same:
        raise SpanmatchError("moments with different bins cannot be added; make the others with bins=moments.edges")


def edges_of(layers: Mapping[str, LayerRecord]) -> dict[str, Array]:
    """Return the edges of bins by layer, of layers that have some."""
    return {layer: record.edges for layer, record in layers.items() if record.edges is not None}


def check_widths_fit(neurons: Mapping[str, int], new_neurons: Mapping[str, int]) -> None:
    """Raise SpanmatchError if layers or widths are not those of before."""
    for layer in [*new_neurons, *neurons]:
        if layer not in neurons:
            raise SpanmatchError(f"layer {layer!r} was not there before{among(layer, neurons)}")
        if layer not in new_neurons:
            raise SpanmatchError(f"layer {layer!r} is missing; every batch must hold all layers")
        if neurons[layer] != new_neurons[layer]:
            raise SpanmatchError(f"layer {layer!r}: {new_neurons[layer]} neurons, but {neurons[layer]} before")


def add_sums(total: Sums, other: Sums) -> None:
    """Add sums about the same shifts, both on the host."""
    for key in total.arrays:
        array, addend = total.writable(key), other.arrays[key]
        if key[0] == "factor":
            for factor, other_factor in zip(array, addend, strict=True):
                factor[:] = stacked_factor(factor, other_factor)
        else:
            array += addend


def about_shifts_of(
    layers: Mapping[str, LayerRecord], other_layers: Mapping[str, LayerRecord], other_sums: Sums
) -> Sums:
    """Return other sums, on the host, about the shifts of these layers, without a needless copy."""
    by = {layer: other_layers[layer].shift - record.shift for layer, record in layers.items()}
    if not any(shift.any() for shift in by.values()):
        return other_sums
    moved = other_sums.on_host()
    _move(moved.arrays, by, {layer: record.rows for layer, record in other_layers.items()})
    return moved


def _move(arrays: Mapping[Key, Array], by: Mapping[str, Array], rows: Mapping[str, NDArray[np.int64]]) -> None:
    """Change the shifts from c to c - by, in place: x - (c - by) = (x - c) + by."""
    before = {layer: arrays["sum", layer].copy() for layer in by}
    for key, array in arrays.items():
        kind, x, y = key[0], key[1], key[-1]
        if kind == "partners":
            _move_partners(array, by[x])
        elif kind == "null":
            # The pairing is a permutation of all rows; of batches without one the null is refused.
            s, t = before[x].sum(axis=0), before[y].sum(axis=0)
            _move_product(array, s, t, by[x], by[y], rows[x].sum())
        elif kind != "above":
            for fold, fold_sums in enumerate(array):
                _move_fold(kind, fold_sums, (before[x][fold], before[y][fold]), (by[x], by[y]), rows[x][fold])


def _move_fold(kind: str, total: Array, sums: tuple[Array, Array], by: tuple[Array, Array], rows: int) -> None:
    """Move the sums of one fold, given the sums of x and of y from before."""
    if kind == "sum":
        _move_sum(total, by[0], rows)
    elif kind == "factor":
        _move_factor(total, *by)
    elif kind == "cross":
        _move_product(total, *sums, *by, rows)
    else:
        packed = Packed(len(sums[0]))
        products = packed.dense(total)
        _move_product(products, *sums, *by, rows)
        total[:] = packed.stored(products)


def _move_sum(total: Array, d: Array, rows: int) -> None:
    total[-1] += 2 * d @ total[:-1] + rows * (d @ d)
    total[:-1] += rows * d


def _move_partners(total: Array, d: Array) -> None:
    # Sums over examples of |t|^2 and of products with the others of the batch, over m - 1, move alike.
    total[-4:-2] += 2 * d @ total[:-4] + total[-2] * (d @ d)
    total[:-4] += total[-2] * d


def _move_product(total: Array, s: Array, t: Array, d: Array, e: Array, rows: int) -> None:
    """Move a sum of x y^T, given the sums s of x and t of y from before."""
    total[-1] += 2 * d @ total[:-1]
    total[:, -1] += 2 * total[:, :-1] @ e
    s, t = s.copy(), t.copy()
    s[-1] += 2 * d @ s[:-1]
    t[-1] += 2 * e @ t[:-1]
    d, e = np.append(d, d @ d), np.append(e, e @ e)
    for start in range(0, len(total), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        total[part] += np.outer(s[part], e) + np.outer(d[part], t + rows * e)


def _move_factor(total: Array, d: Array, e: Array) -> None:
    """Move the columns [1 x y a b] of a triangular factor, which stays one."""
    p, q = len(d), len(e)
    total[:, -2] += 2 * total[:, 1 : 1 + p] @ d + total[:, 0] * (d @ d)
    total[:, -1] += 2 * total[:, 1 + p : 1 + p + q] @ e + total[:, 0] * (e @ e)
    total[:, 1 : 1 + p + q] += np.outer(total[:, 0], np.concatenate([d, e]))
