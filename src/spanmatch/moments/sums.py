"""Sums: the accumulators behind Moments, about fixed shifts, additive, on one engine.

Rows are lifted: a layer's columns are x - c and, as one more, the squared norm ||x - c||^2, so that
the same products hold the fourth moments that unbiased measures need. A flat dictionary of float64
arrays, so that copying, adding and saving are one line each, with P = p + 1 and Q = q + 1:

    ("sum", x)         (folds, P)              sum of lifted x
    ("gram", x)        (folds, about P P / 2)  sum of x x^T, stored as `Packed` says          method "gram"
    ("cross", x, y)    (folds, P, Q)           sum of x y^T                                   method "gram"
    ("factor", x, y)   (folds, 1+P+Q, 1+P+Q)   triangular factor of [1 x y ||x||^2 ||y||^2]   method "qr"
    ("null", x, y)     (P, Q)                  sum of x y'^T, y' of another example
    ("partners", x)    (p + 4,)                how alike the examples of one batch are: see `PartnerSimilarity`
    ("above", x, y)    (p bins, q bins)        rows in which a neuron of x is above one edge and one of y above another,
                                               the edges being the bins' lower ends, the first -inf
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .backends import DeviceArray, Engine, NumpyEngine, Room
from .folds import Index, Piece, Plan
from .joint_sums import Joint
from .layer_records import LayerRecord
from .options import Layers, Options
from .packed import Packed
from .partner_similarity import ExampleMeans, PartnerSimilarity

Array = NDArray[np.float64]
Key = tuple[str, ...]
DeviceArrays = Mapping[str, DeviceArray]
"""By layer."""
Shapes = dict[Key, tuple[int, ...]]


def shapes_of_sums(
    options: Options, widths: Mapping[str, int], pairs: Sequence[Layers], edges: Mapping[str, Array]
) -> Shapes:
    """Return the shape of each accumulator for layers of these widths."""
    k, factored = options.folds, options.method == "qr"
    shapes: Shapes = {}
    for layer, width in widths.items():
        shapes["sum", layer] = (k, width + 1)
        if not factored:
            shapes["gram", layer] = (k, Packed(width + 1).length)
        if options.null:
            shapes["partners", layer] = (width + 4,)
    for x, y in pairs:
        p, q = widths[x] + 1, widths[y] + 1
        if factored:
            shapes["factor", x, y] = (k, 1 + p + q, 1 + p + q)
        else:
            shapes["cross", x, y] = (k, p, q)
        if options.null:
            shapes["null", x, y] = (p, q)
        if edges:
            bins_x, bins_y = (edges[layer].size + len(edges[layer]) for layer in (x, y))
            shapes["above", x, y] = (bins_x, bins_y)
    return shapes


def bytes_of(shapes: Shapes) -> int:
    """Return the bytes that accumulators of these shapes take."""
    return 8 * sum(int(np.prod(shape)) for shape in shapes.values())


@dataclass
class Sums:
    """Accumulators by key, and the engine of the device that they are on.

    Copy on write: an accumulator that was handed to a reader is copied before more is added, so
    that readers may keep it without a copy of their own and never see it change.
    """

    engine: Engine
    arrays: dict[Key, DeviceArray]
    shared: set[Key] = field(default_factory=set)
    """The accumulators that readers hold."""
    constants: dict[str, tuple[DeviceArray, DeviceArray]] = field(default_factory=dict)
    """Each layer's shift and its bins' lower ends, on the device."""

    @classmethod
    def zeros(cls, engine: Engine, shapes: Shapes) -> Sums:
        """Return empty sums."""
        return cls(engine, {key: engine.zeros(*shape) for key, shape in shapes.items()})

    def on_host(self) -> Sums:
        """Return a copy on the host."""
        host = NumpyEngine(self.engine.single)
        if self.engine == host:
            return Sums(host, {key: array.copy() for key, array in self.arrays.items()})
        arrays = {key: self.engine.host(array).copy() for key, array in self.arrays.items()}
        for (kind, *layers), array in arrays.items():
            if kind == "gram":
                _clear(array, arrays["sum", *layers].shape[1])
        return Sums(host, arrays)

    def writable(self, key: Key) -> DeviceArray:
        """Return an accumulator to add to, which no reader holds."""
        if key in self.shared:
            self.arrays[key] = self.arrays[key].copy()
            self.shared.discard(key)
        return self.arrays[key]

    def read(self, key: Key) -> DeviceArray:
        """Return an accumulator that will not change any more; what is added later goes to a copy."""
        self.shared.add(key)
        return self.arrays[key]

    def add(self, batch: DeviceArrays, pairs: Sequence[Layers], plan: Plan, layers: Mapping[str, LayerRecord]) -> None:
        """Add the rows of some layers, which share a plan, and their products in pairs.

        Every layer is lifted once per piece of the plan, and once more where it is the second of a
        null pairing.
        """
        for layer in batch:
            if layer not in self.constants:
                self.constants[layer] = _constants(self.engine, layers[layer])
        means = self._means(batch, plan)
        partner = plan.partner if any(("null", *pair) in self.arrays for pair in pairs) else None
        partners = {y: batch[y] for _, y in pairs} if partner is not None else {}
        rooms: list[dict[str, Room]] = [{layer: {} for layer in batch} for _ in range(2)]
        for piece in plan.pieces:
            rows = self._lifted(batch, piece.rows, rooms[0])
            self._add_layers(rows, piece, means)
            self._add_products(rows, pairs, piece.fold)
            if partner is not None:
                self._add_null(rows, self._lifted(partners, partner[piece.rows], rooms[1]), pairs)
            self._add_counts(batch, pairs, piece.rows)
        for layer, layer_means in means.items():
            layer_means.add_to(self.writable(("partners", layer)), plan.count)

    def _means(self, batch: DeviceArrays, plan: Plan) -> dict[str, ExampleMeans]:
        """Return empty means of each layer's examples, if a null pairing is kept and exists."""
        if plan.partner is None:
            return {}
        return {
            layer: ExampleMeans(self.engine, array.shape[1])
            for layer, array in batch.items()
            if ("partners", layer) in self.arrays
        }

    def _lifted(self, batch: DeviceArrays, index: Index, rooms: Mapping[str, Room]) -> dict[str, DeviceArray]:
        return {
            layer: self.engine.lifted(array, index, self.constants[layer][0], rooms[layer])
            for layer, array in batch.items()
        }

    def _add_layers(self, rows: DeviceArrays, piece: Piece, means: Mapping[str, ExampleMeans]) -> None:
        for layer, layer_rows in rows.items():
            self.engine.add_sum(self.writable(("sum", layer))[piece.fold, ...], layer_rows)
            if ("gram", layer) in self.arrays:
                self.engine.add_gram(self.writable(("gram", layer))[piece.fold, ...], layer_rows)
            if layer in means:
                means[layer].add(layer_rows, piece.lengths)

    def _add_products(self, rows: DeviceArrays, pairs: Sequence[Layers], fold: int) -> None:
        for x, y in pairs:
            if ("cross", x, y) in self.arrays:
                self.engine.add_product(self.writable(("cross", x, y))[fold, ...], rows[x], rows[y])
            else:
                self.engine.add_factor(self.writable(("factor", x, y))[fold, ...], rows[x], rows[y])

    def _add_null(self, rows: DeviceArrays, partners: DeviceArrays, pairs: Sequence[Layers]) -> None:
        for x, y in pairs:
            self.engine.add_product(self.writable(("null", x, y)), rows[x], partners[y])

    def _add_counts(self, batch: DeviceArrays, pairs: Sequence[Layers], index: Index) -> None:
        counted = [pair for pair in pairs if ("above", *pair) in self.arrays]
        # Of the activations themselves: about a shift, an edge of zero would not be met exactly.
        above = {
            layer: self.engine.above(self.engine.rows(batch[layer], index, 0.0), self.constants[layer][1])
            for layer in dict.fromkeys(layer for pair in counted for layer in pair)
        }
        for x, y in counted:
            self.engine.add_counts(self.writable(("above", x, y)), above[x], above[y])

    def joint(self, x: str, y: str, fold: int, count: tuple[int, int], shift: tuple[Array, Array]) -> Joint:
        """Return one fold's sums of a pair, in either order, without copying where that can be.

        `count` is the numbers of rows and of examples in the fold.
        """
        if ("cross", y, x) in self.arrays or ("factor", y, x) in self.arrays:
            return self.joint(y, x, fold, count, shift[::-1]).swapped()
        sums = (self.read(("sum", x))[fold], self.read(("sum", y))[fold])
        if ("factor", x, y) in self.arrays:
            return Joint(*count, shift, sums, None, None, self.read(("factor", x, y))[fold])
        within = ((self.read(("gram", x))[fold],), (self.read(("gram", y))[fold],))
        return Joint(*count, shift, sums, within, (self.read(("cross", x, y))[fold],), None)

    def null(self, x: str, y: str) -> Array:
        """Return the product of the null pairing, without copying it."""
        if ("null", x, y) in self.arrays:
            return np.asarray(self.read(("null", x, y)))
        return np.asarray(self.read(("null", y, x)).T)

    def partner_similarity(self, x: str) -> PartnerSimilarity:
        """Return how alike the examples of one batch are at a layer."""
        return PartnerSimilarity.of(self.arrays["partners", x])

    def counts(self, x: str, y: str, bins: tuple[int, int]) -> Array | None:
        """Return the numbers of rows in each bin of x and each bin of y, if they were counted."""
        if ("above", y, x) in self.arrays:
            transposed = self.counts(y, x, bins[::-1])
            return None if transposed is None else transposed.transpose(2, 3, 0, 1)
        if ("above", x, y) not in self.arrays:
            return None
        above = self.arrays["above", x, y]
        table = above.reshape(-1, bins[0], above.shape[1] // bins[1], bins[1]).copy()
        table[:, :-1] -= table[:, 1:].copy()
        table[..., :-1] -= table[..., 1:].copy()
        return np.asarray(table)


def _constants(engine: Engine, record: LayerRecord) -> tuple[DeviceArray, DeviceArray]:
    """Return a layer's shift and its bins' lower ends, if it has bins, on the device."""
    if record.edges is None:
        return engine.constant(record.shift), None
    lower_ends = np.hstack([np.full((record.neurons, 1), -np.inf), record.edges])
    return engine.constant(record.shift), engine.constant(lower_ends)


def _clear(folds: Array, width: int) -> None:
    """Set to 0, in place, what an engine may have left above the diagonals of sums of squares."""
    for total in folds:
        Packed(width).clear(total)
