"""Measures of shared neighbours when the examples of y are permuted, for many orders at once.

Of unrelated layers, few neighbours are common: what sums over common neighbours need is found for all orders
by one look into a table, and the rest is of their number. A sum over the union of two neighbourhoods is the
sum over both, less that over their intersection.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..moments.spans import Array, Index
from .permutable import Relabelled
from .sampled_neighbours import Neighbours

EXACT = 1e-12
"""Ratios of sums of shares that are nearer to 1 are 1."""


@dataclass(frozen=True, eq=False)
class Common:
    """The neighbours that two layers have in common for some orders, sorted by order and then by entry of x."""

    orders: Index
    """(K, m)"""
    keys: Index
    """(K, entries of x) where the entries of x are in a table of examples of y."""
    which: Index
    """The order that each belongs to."""
    entries: Index
    """The entry of x."""
    places: NDArray[np.int32]
    """The entry of y."""

    def sums(self, values: Array, examples: Index) -> Array:
        """Return the sums of values over the common neighbours with an example, for each order (K, m)."""
        count, m = self.orders.shape
        sums = np.bincount(self.which * m + examples, weights=values, minlength=count * m)
        return np.asarray(sums.reshape(count, m), dtype=np.float64)

    def totals(self, values: Array) -> Array:
        """Return the sums of values for each order (K,)."""
        return np.asarray(np.bincount(self.which, weights=values, minlength=len(self.orders)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class OfNeighbours(Relabelled):
    """A measure of the neighbours of two layers."""

    x: Neighbours
    y: Neighbours

    def value(self, order: Index | None = None) -> float:
        """Return the measure with y's examples in another order."""
        return float(self.values((np.arange(self.x.size) if order is None else order)[None])[0])

    def values(self, orders: Index, shared: dict[Hashable, Any] | None = None) -> Array:
        """Return the measure with y's examples in other orders (K, m), (K,)."""
        key, shared = (id(self.x), id(self.y)), {} if shared is None else shared
        if key not in shared:
            shared[key] = self._common(orders)
        return self._values(shared[key])

    @abstractmethod
    def _values(self, common: Common) -> Array:
        """Return the measure for every order (K,)."""

    def _common(self, orders: Index) -> Common:
        """Return the common neighbours."""
        keys = self.x.keys(orders)
        found = np.flatnonzero(self.y.positions.take(keys) >= 0)
        which, entries = np.divmod(found, len(self.x.rows))
        return Common(orders, keys, which, entries, self.y.positions[keys.ravel()[found]])

    def _smaller_shares(self, common: Common) -> Array:
        """Return the shares of the common neighbours in the intersection."""
        return np.minimum(self.x.shares[common.entries], self.y.shares[common.places])

    def _intersections(self, common: Common) -> Array:
        """Return the number of common neighbours of each example (K, m)."""
        return common.sums(self._smaller_shares(common), self.x.rows[common.entries])


class Shared(OfNeighbours):
    """Mutual k-NN."""

    def _values(self, common: Common) -> Array:
        return np.asarray(np.mean(_exactly_one(self._intersections(common) / self.x.k), axis=1))


class Jaccard(OfNeighbours):
    """The Jaccard index of neighbourhoods."""

    def _values(self, common: Common) -> Array:
        intersections = self._intersections(common)
        return np.asarray(np.mean(_exactly_one(intersections / (2 * self.x.k - intersections)), axis=1))


class RanksShared(OfNeighbours):
    """Rank similarity."""

    def _values(self, common: Common) -> Array:
        shares, rows = self._smaller_shares(common), self.x.rows[common.entries]
        r, s = self.x.ranks[common.entries], self.y.ranks[common.places]
        agreement = common.sums(shares * 2 / ((1 + np.abs(r - s)) * (r + s)), rows)
        intersections = common.sums(shares, rows)
        some = np.nonzero(intersections)  # examples without common neighbours agree by 0
        counts = np.minimum(intersections[some], self.x.k)
        largest = np.maximum(self.x.largest_sums(some[1], counts), self.y.largest_sums(common.orders[some], counts))
        agreement[some] = _exactly_one(agreement[some] / largest)
        return np.asarray(np.mean(agreement, axis=1))


@dataclass(frozen=True, eq=False)
class DistancesShared(OfNeighbours):
    """The second-order cosine."""

    D: Array
    """(m, m) the cosine distances of x."""
    E: Array
    """(m, m) those of y."""

    def _values(self, common: Common) -> Array:
        x, y = self.x, self.y
        # Distances of the neighbours in x, in both layers; of those in y; and of those that are counted twice.
        of_x = _weighted(self.D[x.rows, x.columns][None], self.E.take(common.keys), x)
        inverse = np.argsort(common.orders, axis=1)
        of_y = _weighted(self.D.take(y.keys(inverse)), self.E[y.rows, y.columns][None], y)
        twice, rows = self._smaller_shares(common), x.rows[common.entries]
        d = self.D[rows, x.columns[common.entries]]
        e = self.E[y.rows[common.places], y.columns[common.places]]
        products = zip(of_x, of_y, ((d, e), (d, d), (e, e)), strict=True)
        dot, of_d, of_e = (
            a + np.take_along_axis(b, common.orders, axis=1) - common.sums(twice * f * g, rows)
            for a, b, (f, g) in products
        )
        size = np.sqrt(of_d * of_e)
        cosines = np.divide(dot, size, where=size > 0, out=np.where((of_d == 0) & (of_e == 0), 1.0, 0.0))
        return np.asarray(np.mean(np.minimum(cosines, 1.0), axis=1))


@dataclass(frozen=True, eq=False)
class ProductsShared(OfNeighbours):
    """CKNNA."""

    K: Array
    """The inner products of the entries of x, times their shares."""
    L: Array
    """Those of y."""
    size: float
    """The root of the product of the layers' own HSIC."""

    def _values(self, common: Common) -> Array:
        shares = self._smaller_shares(common)
        K = self.K[common.entries] * shares / self.x.shares[common.entries]
        L = self.L[common.places] * shares / self.y.shares[common.places]
        return _unbiased_hsic(self.x, common, K, L) / self.size


def own_hsic(entries: Neighbours, K: Array) -> float:
    """Return the unbiased HSIC of a matrix with itself that has these entries, times n (n - 3)."""
    all_entries, identity = np.arange(len(entries.rows)), np.arange(entries.size)[None]
    itself = Common(
        identity, entries.keys(identity), np.zeros_like(all_entries), all_entries, all_entries.astype(np.int32)
    )
    return float(_unbiased_hsic(entries, itself, K, K)[0])


def _unbiased_hsic(entries: Neighbours, common: Common, K: Array, L: Array) -> Array:
    """Return the unbiased HSIC, times n (n - 3), of two matrices that have the same entries, for each order (K,)."""
    n, width = entries.size, len(entries.rows)
    L_of_all = np.zeros(len(common.orders) * width)
    L_of_all[common.which * width + common.entries] = L
    back = entries.reversed[common.entries]
    trace = common.totals(np.where(back >= 0, K * L_of_all[common.which * width + back], 0.0))
    columns = common.sums(K, entries.columns[common.entries])
    through = np.einsum("ki,ki->k", columns, common.sums(L, entries.rows[common.entries]))
    sums = common.totals(K) * common.totals(L)
    return np.asarray(trace + sums / ((n - 1) * (n - 2)) - 2 * through / (n - 2))


def _weighted(d: Array, e: Array, entries: Neighbours) -> tuple[Array, Array, Array]:
    """Return the weighted sums of d e, d d and e e over the neighbours of each example."""
    de, dd, ee = (entries.sums_of_products(f, g) for f, g in ((d, e), (d, d), (e, e)))
    return de, dd, ee


def _exactly_one(ratios: Array) -> Array:
    """Return ratios of sums of shares with 1 where they are so but for rounding."""
    return np.where(np.abs(ratios - 1) < EXACT, 1.0, ratios)
