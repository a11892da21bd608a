"""Sums: the accumulators behind Moments, about fixed shifts, additive, on one engine.

Rows are lifted: a layer's columns are x - c and, as one more, the squared norm ||x - c||^2, so that the same products
hold the fourth moments that unbiased measures need. A flat dictionary of float64 arrays, so that copying, adding and
saving are one line each, with P = p + 1 and Q = q + 1:

    ("sum", x)         (folds, P)              sum of lifted x
    ("gram", x)        (folds, P, P)           sum of x x^T, lower triangle                   method "gram"
    ("cross", x, y)    (folds, P, Q)           sum of x y^T                                   method "gram"
    ("factor", x, y)   (folds, 1+P+Q, 1+P+Q)   triangular factor of [1 x y ||x||^2 ||y||^2]   method "qr"
    ("null", x, y)     (P, Q)                  sum of x y'^T, y' of another example
    ("partners", x)    (p + 4,)                how alike the examples of one batch are: see `Partners`
    ("above", x, y)    (p bins, q bins)        rows in which a neuron of x is above one edge and one of y above another,
                                               the edges being the bins' lower ends, the first -inf
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends import Engine, NumpyEngine, Room
from .folds import Plan
from .pairs import Joint, stacked_factor
from .spans import UNIT

Array = NDArray[np.float64]
Key = tuple[str, ...]
SHARED = 0.01
"""What examples of one batch may share of their variance."""
DEVIATIONS = 8
"""Standard deviations of what shuffled examples share, if that is more."""


@dataclass(frozen=True)
class Partners:
    """How alike the examples are that the null may pair: those of one batch.

    With t_e the mean over the rows of example e, less the mean of all n examples, and batches B of m examples,

        similarity = sum over B of sum over e != f in B of t_e . t_f / (m - 1),   over sum of |t_e|^2:

    the share of the examples' variance that an example has in common with another one of its batch, as the intraclass
    correlation. Means over rows, because rows at one position are alike whichever examples they are of.
    """

    similarity: float
    """nan if the examples do not vary."""
    limit: float
    """The most that shuffled examples would give."""

    @property
    def alike(self) -> bool:
        """Whether the examples of one batch are more alike than shuffled ones would be."""
        return self.similarity > self.limit

    @classmethod
    def of(cls, sums: Array) -> Partners:
        """Return it from [sum of t_e, sum of |t_e|^2, the sum over batches, n, sum over B of 2 m / (m - 1)].

        Of exchangeable examples that vary in one direction the similarity has this variance, the last sum over n^2,
        whatever they are distributed as; in more directions it has less.
        """
        total, (square, shared, n, variance) = sums[:-4], sums[-4:]
        common = float(total @ total) / n if n else 0.0
        spread = square - common
        if not spread > n * UNIT * common:
            return cls(float("nan"), SHARED)
        return cls((shared - common) / spread, max(SHARED, DEVIATIONS * float(np.sqrt(variance)) / n))


class Means:
    """The sum over the examples of a batch of their lifted means, from pieces of the batch."""

    def __init__(self, engine: Engine, neurons: int) -> None:
        self.engine, self.total = engine, engine.zeros(neurons + 1)
        self.part, self.rows_of_part = engine.zeros(neurons + 1), 0

    def add(self, rows: Any, lengths: NDArray[np.intp]) -> None:
        """Add the lifted rows of examples of these lengths, or a part of the rows of one."""
        if len(lengths) > 1 or rows.shape[0] == lengths[0]:
            self.engine.add_sum(self.total, self.engine.means(rows, lengths))
            return
        self.engine.add_sum(self.part, rows)
        self.rows_of_part += rows.shape[0]
        if self.rows_of_part == lengths[0]:
            mean = self.part[:-1] / int(lengths[0])
            self.total[:-1] += mean
            self.total[-1] += mean @ mean
            self.part, self.rows_of_part = self.part * 0, 0


@dataclass
class Sums:
    """Accumulators by key, and the engine of the device that they are on."""

    engine: Engine
    arrays: dict[Key, Any]

    @classmethod
    def zeros(cls, engine: Engine, shapes: Mapping[Key, tuple[int, ...]]) -> Sums:
        """Return empty sums."""
        return cls(engine, {key: engine.zeros(*shape) for key, shape in shapes.items()})

    def add(
        self,
        engine: Engine,
        pair: Key,
        batch: Mapping[str, Any],
        shift: Mapping[str, Any],
        edges: Mapping[str, Any],
        plan: Plan,
        fresh: set[str],
    ) -> None:
        """Add the rows of a pair of layers, or of one alone; of their own moments only those of `fresh` layers."""
        arrays = self.arrays
        rooms: list[Room] = [{}, {}, {}]
        null = plan.partner if ("null", *pair) in arrays else None
        paired = plan.partner is not None
        means = {
            layer: Means(engine, batch[layer].shape[1])
            for layer in pair
            if layer in fresh and ("partners", layer) in arrays and paired
        }
        for piece in plan.pieces:
            fold, index = piece.fold, piece.rows
            rows = {k: engine.lifted(batch[k], index, shift[k], room) for k, room in zip(pair, rooms, strict=False)}
            for layer in pair:
                if layer in fresh:
                    self._add_own(engine, layer, fold, rows[layer])
                if layer in means:
                    means[layer].add(rows[layer], piece.lengths)
            if ("cross", *pair) in arrays:
                engine.add_product(arrays["cross", *pair][fold, ...], *rows.values())
            if ("factor", *pair) in arrays:
                engine.add_factor(arrays["factor", *pair][fold, ...], *rows.values())
            if ("above", *pair) in arrays:
                # Of the activations themselves: about a shift, an edge of zero would not be met exactly.
                A, B = (engine.rows(batch[layer], index, 0.0) for layer in pair)
                engine.add_above(arrays["above", *pair], A, B, (edges[pair[0]], edges[pair[1]]))
            if null is not None:
                x, y = pair
                engine.add_product(
                    arrays["null", x, y], rows[x], engine.lifted(batch[y], null[index], shift[y], rooms[2])
                )
        for layer, found in means.items():
            self._add_partners(layer, found.total, plan.count)

    def _add_own(self, engine: Engine, layer: str, fold: int, rows: Any) -> None:
        engine.add_sum(self.arrays["sum", layer][fold, ...], rows)
        if ("gram", layer) in self.arrays:
            engine.add_gram(self.arrays["gram", layer][fold, ...], rows)

    def _add_partners(self, layer: str, total: Any, m: int) -> None:
        """Add how alike the m examples of a batch are, given the sum of their lifted means."""
        partners = self.arrays["partners", layer]
        partners[:-3] += total
        partners[-3] += (total[:-1] @ total[:-1] - total[-1]) / (m - 1)
        partners[-2] += m
        partners[-1] += 2 * m / (m - 1)

    def host(self) -> Sums:
        """Return a copy on the host."""
        if self.engine == NumpyEngine():
            return Sums(self.engine, {key: array.copy() for key, array in self.arrays.items()})
        return Sums(NumpyEngine(), {key: _lower(key, self.engine.host(a).copy()) for key, a in self.arrays.items()})

    def joint(self, x: str, y: str, fold: int, count: tuple[int, int], shift: tuple[Array, Array]) -> Joint:
        """Return one fold's sums of a pair, in either order, without copying where that can be.

        Args: count, the rows and the examples in the fold.
        """
        if ("cross", y, x) in self.arrays or ("factor", y, x) in self.arrays:
            return self.joint(y, x, fold, count, shift[::-1]).swapped()
        sums = (self.arrays["sum", x][fold], self.arrays["sum", y][fold])
        if ("factor", x, y) in self.arrays:
            return Joint(*count, shift, sums, None, None, self.arrays["factor", x, y][fold])
        own = (self.arrays["gram", x][fold], self.arrays["gram", y][fold])
        return Joint(*count, shift, sums, own, self.arrays["cross", x, y][fold], None)

    def null(self, x: str, y: str) -> Array:
        """Return the product of the null pairing."""
        arrays = self.arrays
        return np.asarray(arrays["null", x, y] if ("null", x, y) in arrays else arrays["null", y, x].T)

    def partners(self, x: str) -> Partners:
        """Return how alike the examples of one batch are at a layer."""
        return Partners.of(self.arrays["partners", x])

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

    def move(self, by: Mapping[str, Array], rows: Mapping[str, NDArray[np.int64]]) -> None:
        """Change the shifts from c to c - by, on the host: x - (c - by) = (x - c) + by."""
        old = {key: a.copy() for key, a in self.arrays.items() if key[0] == "sum"}
        for key, array in self.arrays.items():
            kind, x, y = key[0], key[1], key[-1]
            n, d, e = rows[x], by[x], by[y]
            if kind == "sum":
                for f, total in enumerate(array):
                    _move_sum(total, d, n[f])
            elif kind == "partners":
                _move_partners(array, d)
            elif kind == "factor":
                for total in array:
                    _move_factor(total, d, e)
            elif kind == "null":
                # The pairing is a permutation of all rows; of batches without one the null is refused.
                s, t = (old["sum", layer].sum(axis=0) for layer in (x, y))
                _move_product(array, s, t, d, e, n.sum())
            elif kind == "cross":
                for f, total in enumerate(array):
                    _move_product(total, old["sum", x][f], old["sum", y][f], d, e, n[f])
            elif kind == "gram":
                for f, total in enumerate(array):
                    whole = total + np.tril(total, -1).T
                    _move_product(whole, old["sum", x][f], old["sum", x][f], d, d, n[f])
                    total[:] = np.tril(whole)


# Lifted rows (x, a) with a = ||x||^2 become (x + d, a + 2 d.x + d.d): a linear map, and a shift by (d, d.d).


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
    total += np.outer(s, e) + np.outer(d, t + rows * e)


def _move_factor(total: Array, d: Array, e: Array) -> None:
    """Move the columns [1 x y a b] of a triangular factor, which stays one."""
    p, q = len(d), len(e)
    total[:, -2] += 2 * total[:, 1 : 1 + p] @ d + total[:, 0] * (d @ d)
    total[:, -1] += 2 * total[:, 1 + p : 1 + p + q] @ e + total[:, 0] * (e @ e)
    total[:, 1 : 1 + p + q] += np.outer(total[:, 0], np.concatenate([d, e]))


def _lower(key: Key, array: Array) -> Array:
    """Return sums of squares with nothing above the diagonal, whatever the engine left there."""
    return np.tril(array) if key[0] == "gram" else array
