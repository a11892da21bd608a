"""Sums: the accumulators behind Moments, about fixed shifts, additive, on one engine.

A flat dictionary of float64 arrays, so that copying, adding and saving are one line each:

    ("sum", x)         (folds, p)              sum of x - c
    ("gram", x)        (folds, p, p)           sum of (x - c)(x - c)^T, lower triangle      method "gram"
    ("cross", x, y)    (folds, p, q)           sum of (x - c)(y - d)^T                      method "gram"
    ("factor", x, y)   (folds, 1+p+q, 1+p+q)   triangular factor of [1, X - c, Y - d]       method "qr"
    ("null", x, y)     (p, q)                  sum of (x - c)(y' - d)^T, y' of another example
    ("null sum", x)    (p,)                    sum of x - c over the rows that have a partner
    ("above", x, y)    (p bins, q bins)        rows in which a neuron of x is above one edge and one of y above another,
                                               the edges being the bins' lower ends, the first -inf
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engine import Engine, NumpyEngine
from .joint import Joint, stacked_factor
from .plan import Plan

Array = NDArray[np.float64]
Key = tuple[str, ...]


@dataclass
class Sums:
    """Accumulators by key, and the engine that adds to them."""

    engine: Engine
    arrays: dict[Key, Any]

    @classmethod
    def zeros(cls, engine: Engine, shapes: Mapping[Key, tuple[int, ...]]) -> Sums:
        """Return empty sums."""
        return cls(engine, {key: engine.zeros(*shape) for key, shape in shapes.items()})

    def add(
        self,
        pair: Key,
        batch: Mapping[str, Any],
        shift: Mapping[str, Any],
        edges: Mapping[str, Any],
        plan: Plan,
        fresh: set[str],
    ) -> None:
        """Add the rows of a pair of layers, or of one alone; of their own moments only those of `fresh` layers."""
        engine, arrays = self.engine, self.arrays
        null = plan.partner if ("null", *pair) in arrays else None
        for fold, index in plan.pieces:
            rows = {layer: engine.rows(batch[layer], index, shift[layer]) for layer in pair}
            for layer in pair:
                if layer in fresh:
                    self._add_own(layer, fold, rows[layer], plan)
            if ("cross", *pair) in arrays:
                engine.add_product(arrays["cross", *pair][fold], *rows.values())
            if ("factor", *pair) in arrays:
                engine.add_factor(arrays["factor", *pair][fold], *rows.values())
            if ("above", *pair) in arrays:
                # Of the activations themselves: about a shift, an edge of zero would not be met exactly.
                A, B = (engine.rows(batch[layer], index, 0.0) for layer in pair)
                engine.add_above(arrays["above", *pair], A, B, (edges[pair[0]], edges[pair[1]]))
            if null is not None:
                x, y = pair
                engine.add_product(arrays["null", x, y], rows[x], engine.rows(batch[y], null[index], shift[y]))

    def _add_own(self, layer: str, fold: int, rows: Any, plan: Plan) -> None:
        self.engine.add_sum(self.arrays["sum", layer][fold], rows)
        if ("gram", layer) in self.arrays:
            self.engine.add_gram(self.arrays["gram", layer][fold], rows)
        if ("null sum", layer) in self.arrays and plan.partner is not None:
            self.engine.add_sum(self.arrays["null sum", layer], rows)

    def host(self) -> Sums:
        """Return a copy on the host."""
        return Sums(NumpyEngine(), {key: _lower(key, self.engine.host(a).copy()) for key, a in self.arrays.items()})

    def joint(self, x: str, y: str, fold: int, rows: int, shift: tuple[Array, Array]) -> Joint:
        """Return one fold's sums of a pair, in either order, without copying where that can be."""
        sums = (self.arrays["sum", x][fold], self.arrays["sum", y][fold])
        if ("gram", x) in self.arrays:
            own = (self.arrays["gram", x][fold], self.arrays["gram", y][fold])
            swap = ("cross", x, y) not in self.arrays
            cross = self.arrays["cross", y, x][fold].T if swap else self.arrays["cross", x, y][fold]
            return Joint(rows, shift, sums, own, cross, None)
        if ("factor", x, y) in self.arrays:
            return Joint(rows, shift, sums, None, None, self.arrays["factor", x, y][fold])
        return Joint(rows, shift[::-1], sums[::-1], None, None, self.arrays["factor", y, x][fold]).swapped()

    def null(self, x: str, y: str) -> Array:
        """Return the product of the null pairing."""
        arrays = self.arrays
        return np.asarray(arrays["null", x, y] if ("null", x, y) in arrays else arrays["null", y, x].T)

    def counts(self, x: str, y: str, bins: tuple[int, int]) -> Array | None:
        """Return the rows in each bin of each neuron of x and each bin of each of y, if they were counted."""
        if ("above", y, x) in self.arrays:
            turned = self.counts(y, x, bins[::-1])
            return None if turned is None else turned.transpose(2, 3, 0, 1)
        if ("above", x, y) not in self.arrays:
            return None
        above = self.arrays["above", x, y]
        table = above.reshape(-1, bins[0], above.shape[1] // bins[1], bins[1]).copy()
        table[:, :-1] -= table[:, 1:].copy()
        table[..., :-1] -= table[..., 1:].copy()
        return np.asarray(table)

    def merge(self, other: Sums) -> None:
        """Add sums about the same shifts, both on the host."""
        for key, array in self.arrays.items():
            if key[0] == "factor":
                for mine, theirs in zip(array, other.arrays[key], strict=True):
                    mine[:] = stacked_factor(mine, theirs)
            else:
                array += other.arrays[key]

    def move(
        self, by: Mapping[str, Array], rows: Mapping[str, NDArray[np.int64]], null_rows: Mapping[str, int]
    ) -> None:
        """Change the shifts from c to c - by, on the host: x - (c - by) = (x - c) + by."""
        old = {key: a.copy() for key, a in self.arrays.items() if key[0] in ("sum", "null sum")}
        for key, array in self.arrays.items():
            kind, x, y = key[0], key[1], key[-1]
            n, d, e = rows[x], by[x], by[y]
            if kind == "above":
                continue
            if kind == "sum":
                array += np.outer(n, d)
            elif kind == "null sum":
                array += null_rows[x] * d
            elif kind == "factor":
                array[:, :, 1:] += array[:, :, :1] * np.concatenate([d, e])
            elif kind == "null":
                array += np.outer(old["null sum", x], e) + np.outer(d, old["null sum", y] + null_rows[x] * e)
            else:
                for f, total in enumerate(array):
                    moved = np.outer(old["sum", x][f], e) + np.outer(d, old["sum", y][f] + n[f] * e)
                    total += np.tril(moved) if kind == "gram" else moved


def _lower(key: Key, array: Array) -> Array:
    """Return sums of squares with nothing above the diagonal, whatever the engine left there."""
    return np.tril(array) if key[0] == "gram" else array
