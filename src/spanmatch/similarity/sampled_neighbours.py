"""The nearest neighbours of each sampled example of a layer, with a rule for ties, and how two layers share
them.

Neighbours that are equally near share their places: if t examples are equally near and s others are
nearer, each of the t takes (k - s) / t of a neighbour's place, or 1 if all find one, and the mean of the
ranks of these places. The intersection of two neighbourhoods takes the smaller share of each example,
their union the larger one. So values depend neither on the order of the examples nor on that of the
neurons, and identical layers have the same neighbours. Without ties, these are the ordinary sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from ..moments.sample import LayerSample
from ..moments.spans import Array, Index
from .sampled_kernels import SAME, angular_distances, products, row_sums

Nearness = Literal["cosine", "inner product"]
BLOCK = 256
"""The number of rows whose neighbours are looked for at a time."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The neighbours of all m examples of a layer: entries sorted by example, then from the nearest."""

    k: int
    size: int
    """The number m of examples."""
    rows: Index
    """The example of each entry."""
    columns: Index
    """The neighbour of each entry."""
    shares: Array
    """The share of a neighbour's place that it takes; 1 but for ties."""
    ranks: Array
    """Its rank from 1; ties share the mean of their places' ranks."""
    reciprocals: Array
    """(m, k + 1) sums of 1 / rank over an example's first places."""

    @cached_property
    def positions(self) -> NDArray[np.int32]:
        """The entry of every two examples, row by row (m * m,); -1 where there is none."""
        table = np.full(self.size * self.size, -1, dtype=np.int32)
        table[self.rows * self.size + self.columns] = np.arange(len(self.rows), dtype=np.int32)
        return table

    @cached_property
    def reversed(self) -> Index:
        """The entry of each entry's neighbour and example, the other way round; -1 where there is none."""
        return np.asarray(self.positions[self.columns * self.size + self.rows], dtype=np.intp)

    @cached_property
    def _starts(self) -> Index:
        """The first entry of each example."""
        return np.searchsorted(self.rows, np.arange(self.size))

    def keys(self, orders: Index) -> Index:
        """Return where the entries are in a table (m * m,) of examples in other orders (K, m), (K, entries)."""
        keys = orders.take(self.rows, axis=1)
        keys *= self.size
        keys += orders.take(self.columns, axis=1)
        return keys

    @cached_property
    def is_without_ties(self) -> bool:
        """Whether each example has k neighbours, each with a place of its own."""
        return bool((self.shares == 1).all())

    def sums_of_products(self, f: Array, g: Array) -> Array:
        """Return the weighted sums of products of the entries' values (..., entries) for each example (..., m)."""
        if self.is_without_ties:
            f, g = (values.reshape(*values.shape[:-1], self.size, self.k) for values in (f, g))
            return np.asarray(np.einsum("...mk,...mk->...m", f, g))
        return np.asarray(np.add.reduceat(self.shares * f * g, self._starts, axis=-1))

    def largest_sums(self, examples: Index, places: Array) -> Array:
        """Return the sums of 1 / rank over the first places of examples, a number with a fraction each."""
        first = np.floor(places).astype(np.intp)
        below, above = self.reciprocals[examples, first], self.reciprocals[examples, np.minimum(first + 1, self.k)]
        return np.asarray(below + (places - first) * (above - below))


def neighbours_of(sample: LayerSample, k: int, nearness: Nearness) -> Neighbours:
    """Return the k nearest neighbours of each example; cached by the layer."""
    key = ("neighbours", nearness, k)
    result = sample.results.get(key)
    if not isinstance(result, Neighbours):
        result = _nearest(len(sample.rows), k, _by_cosine(sample) if nearness == "cosine" else _by_products(sample))
        sample.results[key] = result
    return result


def check_k(k: int, name: str) -> int:
    """Return the number of neighbours as an integer.  Raises SpanmatchError if it is none."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise SpanmatchError(f"{name}: k={k!r}: give the number of neighbours, at least 1")
    return int(k)


def _by_cosine(sample: LayerSample) -> Callable[[int, int], tuple[Array, Array]]:
    """Return a function that gives the cosine distances of some examples to all, and up to which difference
    two of them are equal.
    """
    matrix, squares = angular_distances(sample, "cosine"), np.diagonal(products(sample))
    norms = row_sums(sample).norms
    typical = np.where(norms > 0, norms, 1.0) * np.sqrt(np.mean(norms**2))
    roundings = SAME * np.minimum(1.0, (squares + squares.mean()) / typical)

    def of(start: int, stop: int) -> tuple[Array, Array]:
        return matrix[start:stop].copy(), roundings[start:stop]

    return of


def _by_products(sample: LayerSample) -> Callable[[int, int], tuple[Array, Array]]:
    """Return the same function of inner products, less what all of an example's have in common, times -1."""
    matrix, v = products(sample), row_sums(sample).along_mean
    squares = np.diagonal(matrix)

    def of(start: int, stop: int) -> tuple[Array, Array]:
        rounding = SAME * (np.sqrt(squares[start:stop] * squares.max()) + np.abs(v).max())
        return -(matrix[start:stop] + v), rounding

    return of


def _nearest(m: int, k: int, distances: Callable[[int, int], tuple[Array, Array]]) -> Neighbours:
    """Return the neighbours by distances."""
    blocks = list(_entries(m, k, distances))
    rows, columns, shares, ranks = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    starts = np.searchsorted(rows, np.arange(m))
    places = ranks[starts[:, None] + np.arange(k)]
    reciprocals = np.zeros((m, k + 1))
    np.cumsum(1 / places, axis=1, out=reciprocals[:, 1:])
    return Neighbours(k, m, rows, columns, shares, ranks, reciprocals)


def _entries(
    m: int, k: int, distances: Callable[[int, int], tuple[Array, Array]]
) -> Iterator[tuple[Index, Index, Array, Array]]:
    """Return rows, columns, shares and ranks of the neighbours of blocks of examples."""
    for start in range(0, m, BLOCK):
        stop = min(m, start + BLOCK)
        block, rounding = distances(start, stop)
        block[np.arange(stop - start), np.arange(start, stop)] = np.inf
        farthest = np.partition(block, k - 1, axis=1)[:, k - 1] + rounding
        rows, columns = np.nonzero(block <= farthest[:, None])
        values = block[rows, columns]
        order = np.lexsort((columns, values, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        is_first = np.diff(rows, prepend=-1) > 0
        is_farther = is_first | (np.diff(values, prepend=-np.inf) > rounding[rows])
        within = np.arange(len(rows)) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
        group = np.cumsum(is_farther) - 1
        nearer, tied = within[is_farther][group], np.bincount(group)[group]
        last = np.minimum(nearer + tied, k)
        yield rows + start, columns, (last - nearer) / tied, (nearer + 1 + last) / 2
