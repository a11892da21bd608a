"""Correlations of all features of two layers from co-activations, of which only the largest are kept.

The product of two dictionaries' rows has as many entries as there are pairs of features, and so many
do not fit in memory. It is taken feature by feature of x, from the rows in which that feature is
active; of its correlations, and of those of each feature of y, the k largest are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import daxpy
from scipy.sparse import csr_array

from .._progress import tracked
from .._threads import as_many_as_help
from .by_feature import ByFeature, cuts
from .feature_rows import Activity, Array, Index

Edges = tuple[Index, Index, Array]
"""Features of x, features of y, correlations."""
ROWS_AT_ONCE, VALUES_AT_ONCE = 1 << 15, 1 << 21
"""Rows of one feature, and about how many values of them, whose copies are multiplied at once."""
FIRST_ROUND, LARGEST_ROUND = 128, 2048
"""Features of x in a round: few at first, as no correlation is known to be too small yet."""
NEW_AT_ONCE = 1 << 20
"""Correlations that features of y get before they are sorted."""
MOST_VALUES, BYTES_OF_PRODUCTS = 1 << 23, 48
"""Values of pairs of features that are multiplied at once, and the bytes that each takes."""
NEGLIGIBLE = 2.0**-40
"""A correlation that is rounding: it counts as 0."""
GROUP = 64
"""Correlations of which the largest is taken first, to find a bound for the k-th largest of all."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of features with their correlations: the k largest of each feature, of those above 0."""

    i: Index
    j: Index
    r: Array
    """(m,) in order of i, then j; each pair once."""
    x_bound: Array
    """(p,) the correlation of no other pair of a feature of x is larger."""
    y_bound: Array
    """(q,) the same of y."""

    def with_more(self, other: Candidates, features: Index) -> Candidates:
        """Return these and the others, which are of these features of x."""
        x_bound = self.x_bound.copy()
        x_bound[features] = np.minimum(x_bound[features], other.x_bound[features])
        edges = _joined([(self.i, self.j, self.r), (other.i, other.j, other.r)])
        return Candidates(*_unique(edges, len(self.y_bound)), x_bound, self.y_bound)


@dataclass(frozen=True, eq=False)
class Coactivation:
    """What correlations of the features of x and of y are made from: rows, and which rows meet."""

    by_feature: ByFeature
    """For each feature of x, the rows in which it is active."""
    rows: csr_array
    """(rows of y, q)"""
    x: Activity
    y: Activity
    """Over the rows that count."""
    x_eligible: NDArray[np.bool_]
    y_eligible: NDArray[np.bool_]
    """Features that can have partners."""
    chosen: NDArray[np.bool_] | None = None
    """(rows of x,) the rows that count, if not all."""
    partner: Index | None = None
    """(rows of x,) the row of y that each meets, if not the same."""

    def correlations(self, feature: int) -> Array:
        """Return (q,) the positive correlations of a feature of x; 0 for all others."""
        block, places = self.by_feature.lookup(np.array([feature]))
        r = self._correlations(feature, block, int(places[0]))
        return np.clip(r, 0, 1, out=r)

    def _correlations(self, feature: int, block: csr_array, place: int) -> Array:
        """Return the correlations of a feature of x, which is a row of a block of features."""
        start, stop = block.indptr[place : place + 2]
        active, values = block.indices[start:stop], block.data[start:stop].astype(np.float64)
        if self.chosen is not None:
            kept = self.chosen[active]
            active, values = active[kept], values[kept]
        if self.partner is not None:
            active = self.partner[active]
        deviation = self.x.deviation[feature]
        values /= self.x.rows * deviation
        step = self._rows_at_once
        r = np.asarray(self.rows[active[:step]].T @ values[:step])
        for first in range(step, len(active), step):
            part = slice(first, first + step)
            r += self.rows[active[part]].T @ values[part]
        r *= self._y_scale
        return np.asarray(daxpy(self._y_level, r, a=-self.x.mean[feature] / deviation))  # r, changed in place

    @cached_property
    def _rows_at_once(self) -> int:
        """Rows of y that are copied at once."""
        per_row = self.rows.nnz / max(1, self.rows.shape[0])
        return int(max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE / max(1.0, per_row))))

    @cached_property
    def _y_scale(self) -> Array:
        """(q,) 1 / deviation, 0 for features that cannot have partners."""
        varies = self.y_eligible & (self.y.deviation > 0)
        return np.divide(1.0, self.y.deviation, out=np.zeros(len(varies)), where=varies)

    @cached_property
    def _y_level(self) -> Array:
        """(q,) mean / deviation, likewise."""
        return self._y_scale * self.y.mean

    def strongest(self, k: int, features: Index | None = None, *, told: str = "") -> Candidates:
        """Return the k largest correlations of each feature of x and of y.

        `features` are those of x to look at, by default all; those of y then get no candidates of
        their own. `told` is what a display of progress says.
        """
        p, q = len(self.x_eligible), len(self.y_eligible)
        looked_at = np.arange(p) if features is None else features
        looked_at = looked_at[self.x_eligible[looked_at] & (self.x.deviation[looked_at] > 0)]
        looked_at = np.random.default_rng(0).permutation(looked_at)  # so that y's bounds rise soon
        largest_of_y = None if features is not None else _LargestOfY(k, q)
        x_bound, edges = np.zeros(p), []
        rounds = [(block, part) for block in self.by_feature.blocks(looked_at) for part in _rounds(block)]
        shown, rows, places = None, csr_array((0, 0)), np.empty(0, dtype=np.intp)
        for block, part in tracked(rounds, told) if told else rounds:
            if block is not shown:
                shown, (rows, found) = block, self.by_feature.lookup(block)
                places = np.full(p, -1)
                places[block] = found
            threshold = None if largest_of_y is None else largest_of_y.threshold
            with as_many_as_help(0):
                found_in_part = self._find(part, rows, places, k, threshold)
            edges.append(found_in_part.of_x)
            x_bound[part] = found_in_part.bounds
            if largest_of_y is not None:
                largest_of_y.add(found_in_part.of_y)
        if largest_of_y is not None:
            edges.append(largest_of_y.edges())
        y_bound = np.ones(q) if largest_of_y is None else largest_of_y.bounds()
        return Candidates(*_unique(_joined(edges), q), x_bound, y_bound)

    def _find(self, features: Index, block: csr_array, places: Index, k: int, threshold: Array | None) -> _Part:
        """Find the k largest of some features of x, and what is above the thresholds of features of y."""
        bounds, own, of_y = np.zeros(len(features)), [], []
        for n, (feature, place) in enumerate(zip(features.tolist(), places[features].tolist(), strict=True)):
            r = self._correlations(feature, block, place)
            j, bounds[n] = _largest(r, k)
            own.append((np.full(len(j), feature), j, np.minimum(r[j], 1.0)))
            if threshold is not None:
                above = np.flatnonzero(r > threshold)
                of_y.append((np.full(len(above), feature), above, np.minimum(r[above], 1.0)))
        return _Part(np.minimum(bounds, 1.0), _joined(own), _joined(of_y))


@dataclass(frozen=True, eq=False)
class _Part:
    """What was found for some features of x."""

    bounds: Array
    of_x: Edges
    of_y: Edges


class _LargestOfY:
    """The k largest correlations of each feature of y so far; of many new ones at once, as they are sorted."""

    def __init__(self, k: int, features: int) -> None:
        self.k, self.threshold = k, np.full(features, NEGLIGIBLE)
        self._edges = _joined([])
        self._new: list[Edges] = []

    def add(self, edges: Edges) -> None:
        """Add correlations, and raise the thresholds now and then."""
        self._new.append(edges)
        if sum(len(r) for _, _, r in self._new) > max(NEW_AT_ONCE, len(self._edges[2])):
            self._keep_largest()

    def edges(self) -> Edges:
        """Return them; the thresholds are the k-th largest."""
        self._keep_largest()
        return self._edges

    def bounds(self) -> Array:
        """Return the k-th largest, 0 where there are fewer."""
        return np.where(self.threshold > NEGLIGIBLE, self.threshold, 0.0)

    def _keep_largest(self) -> None:
        i, j, r = _joined([self._edges, *self._new])
        above = np.flatnonzero(r >= self.threshold[j])
        order = above[np.argsort(-r[above], kind="stable")]
        order = order[grouped(j[order], len(self.threshold))]
        i, j, r = i[order], j[order], r[order]
        starts = np.flatnonzero(np.diff(j, prepend=-1))
        rank = np.arange(len(j)) - np.repeat(starts, np.diff(starts, append=len(j)))
        last, kept = rank == self.k - 1, rank < self.k
        self.threshold[j[last]] = r[last]
        self._edges, self._new = (i[kept], j[kept], r[kept]), []


def _joined(edges: Sequence[Edges]) -> Edges:
    """Return pairs of features with their correlations, joined."""
    none: Edges = (np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty(0))
    i, j, r = zip(none, *edges, strict=True)
    return np.concatenate(i), np.concatenate(j), np.concatenate(r)


def _rounds(features: Index) -> list[Index]:
    """Return the features in parts, of which the first ones are small."""
    rounds, start, size = [], 0, FIRST_ROUND
    while start < len(features):
        rounds.append(features[start : start + size])
        start, size = start + size, min(2 * size, LARGEST_ROUND)
    return rounds


def _largest(r: Array, k: int) -> tuple[Index, float]:
    """Return where the k largest values are that are not negligible, and a bound for all others."""
    bound = 0.0
    columns = len(r) // GROUP
    if columns >= 2 * k:  # k groups have a value of at least the k-th largest of the groups' maxima
        maxima = r[: columns * GROUP].reshape(GROUP, columns).max(axis=0)
        bound = float(np.partition(maxima, columns - k)[columns - k])
    places = np.flatnonzero(r >= bound if bound > NEGLIGIBLE else r > NEGLIGIBLE)
    if len(places) <= k:
        return places, 0.0 if len(places) < k else float(r[places].min())
    places = places[np.lexsort((places, -r[places]))[:k]]
    return places, float(r[places[-1]])


def _unique(edges: Edges, q: int) -> Edges:
    """Return pairs of features once each, in order."""
    i, j, r = edges
    keys, places = np.unique(i.astype(np.int64) * q + j, return_index=True)
    return (keys // q).astype(np.intp), (keys % q).astype(np.intp), r[places]


def grouped(group: Index, groups: int) -> Index:
    """Return the order that puts members of each group together and leaves their order: as a stable argsort, faster."""
    members = np.arange(len(group))
    return np.asarray(csr_array((members, (group, members)), shape=(groups, len(group))).data)


def products_of_pairs(
    x: ByFeature, y: ByFeature, i: Index, j: Index, group: NDArray[np.intp], most_bytes: float
) -> tuple[Array, Array]:
    """Return sums of products of some pairs of features, and the rows in which both are active.

    `group` is the group of each row, (rows,). Both results are (pairs, groups). Pairs are taken some
    at a time, as the bytes permit.
    """
    groups = int(group.max(initial=0)) + 1
    sums, counts = np.zeros((len(i), groups)), np.zeros((len(i), groups))
    most = min(MOST_VALUES, most_bytes / BYTES_OF_PRODUCTS)
    for pairs in np.split(np.arange(len(i)), cuts(x.counts[i] + y.counts[j], most)):
        products = x.of(i[pairs]).astype(np.float64).multiply(y.of(j[pairs]).astype(np.float64)).tocsr()
        place = np.repeat(np.arange(len(pairs)), np.diff(products.indptr)) * groups + group[products.indices]
        size = len(pairs) * groups
        sums[pairs] = np.bincount(place, weights=products.data, minlength=size).reshape(-1, groups)
        counts[pairs] = np.bincount(place, minlength=size).reshape(-1, groups)
    return sums, counts
