"""Measures of shared neighbours: are the same examples near each other in both layers?

All are of the sample, with the rule for ties of `sampled_neighbours`. Neighbours are the nearest by
cosine; those of CKNNA have the largest inner products.
Sources: Huh et al., ICML 2024; Klabunde et al., ICLR 2025; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from ..moments.pairs import Pair
from ..moments.spans import Array, Index
from .measure import Measured, MeasuredFields, measured_fields_of_sample
from .permutable import Relabelled
from .sampled_kernels import angular_distances, check_rows, inner_products, threads_of_sample
from .sampled_neighbours import Neighbours, check_k, neighbours_of, sums_at

EXACT = 1e-12
"""Ratios of sums of shares that are nearer to 1 are 1."""


@threads_of_sample
def mutual_knn(pair: Pair, k: int = 10) -> Measured:
    """Return the share of neighbours that two layers have in common, in [0, 1].

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of m examples.
    k : int
        The number of neighbours of an example.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If there is no sample, it has fewer than k + 2 examples, or a layer is constant.

    Notes
    -----
    With N(i) the k nearest other examples by cosine:

        mean over i of |N_x(i) & N_y(i)| / k

    Unrelated layers have about k / (m - 1). Examples that are equally near share their places:
    docs/measures.md. A row of zeros has the cosine 0 with all others. Cost: m^2 p operations once
    for each layer, then about m k.

    References
    ----------
    Huh et al., ICML 2024.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.mutual_knn(sm.pair(X, 2 * X)).value
    1.0
    """
    fields = _checked(pair, "mutual knn", k)
    return Measured(value=shared_of(pair, k).value(), **fields)


@threads_of_sample
def knn_jaccard(pair: Pair, k: int = 10) -> Measured:
    """Return the Jaccard index of the neighbourhoods of two layers, in [0, 1].

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of m examples.
    k : int
        The number of neighbours of an example.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If there is no sample, it has fewer than k + 2 examples, or a layer is constant.

    Notes
    -----
    With N(i) the k nearest other examples by cosine:

        mean over i of |N_x(i) & N_y(i)| / |N_x(i) | N_y(i)|

    Ties, rows of zeros and cost are those of `mutual_knn`.

    References
    ----------
    Wang et al., "Towards understanding the instability of network embedding", IEEE TKDE 2022;
    Klabunde et al., ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.knn_jaccard(sm.pair(X, 2 * X)).value
    1.0
    """
    fields = _checked(pair, "knn jaccard", k)
    return Measured(value=jaccard_of(pair, k).value(), **fields)


@threads_of_sample
def rank_similarity(pair: Pair, k: int = 10) -> Measured:
    """Return how similar the ranks of common neighbours are, in [0, 1].

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of m examples.
    k : int
        The number of neighbours of an example.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If there is no sample, it has fewer than k + 2 examples, or a layer is constant.

    Notes
    -----
    With r_j and s_j the ranks of a common neighbour j of an example among its neighbours in x and in
    y, and c common neighbours:

        mean over examples of sum_j 2 / ((1 + |r_j - s_j|) (r_j + s_j)) / sum_{t <= c} 1 / t

    and 0 where there are none. With ties, 1 / t becomes 1 over the rank of the t-th place, in the
    layer where the sum is larger. Ties, rows of zeros and cost are those of `mutual_knn`.

    References
    ----------
    Wang et al., "Towards understanding the instability of network embedding", IEEE TKDE 2022;
    Klabunde et al., ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.rank_similarity(sm.pair(X, 2 * X)).value
    1.0
    """
    fields = _checked(pair, "rank similarity", k)
    return Measured(value=ranks_shared_of(pair, k).value(), **fields)


@threads_of_sample
def second_order_cosine(pair: Pair, k: int = 10) -> Measured:
    """Return how similar the distances to neighbours are, in [0, 1].

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of m examples.
    k : int
        The number of neighbours of an example.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If there is no sample, it has fewer than k + 2 examples, or a layer is constant.

    Notes
    -----
    The mean over examples i of the cosine between two vectors: the cosine distances of i to the
    examples of N_x(i) | N_y(i), in x and in y. Each is weighted by the larger share of a place that it
    takes: 1 but for ties. The cosine is 1 if all distances are 0 in both layers, and 0 if they are so
    in one. Ties, rows of zeros and cost are those of `mutual_knn`.

    References
    ----------
    Hamilton et al., EMNLP 2016; Klabunde et al., ICLR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.second_order_cosine(sm.pair(X, 2 * X)).value
    1.0
    """
    fields = _checked(pair, "second order cosine", k)
    return Measured(value=distances_shared_of(pair, k).value(), **fields)


@threads_of_sample
def cknna(pair: Pair, k: int = 10) -> Measured:
    """Return the centred kernel alignment of nearest neighbours (CKNNA), 1 for a layer with itself.

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of m examples.
    k : int
        The number of neighbours of an example.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If there is no sample, it has fewer than k + 2 examples or fewer than 4, a layer is constant,
        or the estimate of a layer's own alignment is not positive.

    Notes
    -----
    With K and L the inner products of rows, M_K and M_L 1 for the k largest others in a row, M = M_K M_L,
    products by entries, and HSIC the unbiased estimate (see `cka`):

        HSIC(M K, M L) / sqrt(HSIC(M_K K, M_K K) HSIC(M_L L, M_L L))

    The masked matrices are not symmetric, so that exchanging the layers changes the value a little.
    Ties and cost are those of `mutual_knn`.

    References
    ----------
    Huh et al., ICML 2024.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.cknna(sm.pair(X, 2 * X)).value
    1.0
    """
    fields = _checked(pair, "cknna", k, fewest=4)
    return Measured(value=products_shared_of(pair, k).value(), **fields)


def shared_of(pair: Pair, k: int = 10) -> Relabelled:
    """Return mutual k-NN for permuted examples."""
    return _Shared(*_by_cosine(pair, k))


def jaccard_of(pair: Pair, k: int = 10) -> Relabelled:
    """Return the Jaccard index of neighbourhoods for permuted examples."""
    return _Jaccard(*_by_cosine(pair, k))


def ranks_shared_of(pair: Pair, k: int = 10) -> Relabelled:
    """Return rank similarity for permuted examples."""
    return _RanksShared(*_by_cosine(pair, k))


def distances_shared_of(pair: Pair, k: int = 10) -> Relabelled:
    """Return the second-order cosine for permuted examples."""
    sample = pair.sample
    distances = (angular_distances(layer, "cosine") for layer in (sample.x, sample.y))
    return _DistancesShared(*_by_cosine(pair, k), *distances)


def products_shared_of(pair: Pair, k: int = 10) -> Relabelled:
    """Return CKNNA for permuted examples."""
    layers = (pair.sample.x, pair.sample.y)
    x, y = (neighbours_of(layer, k, "inner product") for layer in layers)
    K, L = (
        inner_products(layer, near.rows, near.columns) * near.shares for layer, near in zip(layers, (x, y), strict=True)
    )
    own = tuple(_unbiased_hsic(near, values, values) for near, values in ((x, K), (y, L)))
    for layer, hsic in zip(layers, own, strict=True):
        if not hsic > 0:
            raise SpanmatchError(
                f"cknna: layer {layer.layer!r}: the unbiased estimate of its alignment with itself is not positive; "
                "use a larger sample or another k"
            )
    return _ProductsShared(x, y, K, L, float(np.sqrt(own[0] * own[1])))


def _checked(pair: Pair, name: str, k: int, fewest: int = 0) -> MeasuredFields:
    """Return the fields of a measure of neighbours.  Raises SpanmatchError if it is not defined."""
    fields = measured_fields_of_sample(pair, name, max(fewest, check_k(k, name) + 2), centred=False)
    check_rows(pair, name)
    return fields


def _by_cosine(pair: Pair, k: int) -> tuple[Neighbours, Neighbours]:
    """Return the nearest neighbours of both layers."""
    return neighbours_of(pair.sample.x, k, "cosine"), neighbours_of(pair.sample.y, k, "cosine")


def _exactly_one(ratios: Array) -> Array:
    """Return ratios of sums of shares with 1 where they are so but for rounding."""
    return np.where(np.abs(ratios - 1) < EXACT, 1.0, ratios)


@dataclass(frozen=True, eq=False)
class _OfNeighbours(Relabelled):
    """A measure of the neighbours of two layers."""

    x: Neighbours
    y: Neighbours

    def keys(self, order: Index | None) -> Index:
        """Return where the entries of x are in a table of y's examples, row by row."""
        rows, columns = self.x.rows, self.x.columns
        return rows * self.x.size + columns if order is None else order[rows] * self.x.size + order[columns]

    def common(self, order: Index | None) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return the entry of y for each entry of x, and whether there is one."""
        places = self.y.positions[self.keys(order)]
        return places, places >= 0

    def smaller_shares(self, places: NDArray[np.int32], is_common: NDArray[np.bool_]) -> Array:
        """Return the shares of the entries of x in the intersection."""
        return np.where(is_common, np.minimum(self.x.shares, self.y.shares[places]), 0.0)

    def intersections(self, order: Index | None) -> Array:
        """Return the number of common neighbours of each example (m,)."""
        return self.x.sums(self.smaller_shares(*self.common(order)))


class _Shared(_OfNeighbours):
    """Mutual k-NN."""

    def value(self, order: Index | None = None) -> float:
        return float(np.mean(_exactly_one(self.intersections(order) / self.x.k)))


class _Jaccard(_OfNeighbours):
    """The Jaccard index of neighbourhoods."""

    def value(self, order: Index | None = None) -> float:
        intersections = self.intersections(order)
        return float(np.mean(_exactly_one(intersections / (2 * self.x.k - intersections))))


class _RanksShared(_OfNeighbours):
    """Rank similarity."""

    def value(self, order: Index | None = None) -> float:
        places, is_common = self.common(order)
        shares, r, s = self.smaller_shares(places, is_common), self.x.ranks, self.y.ranks[places]
        agreement = self.x.sums(shares * 2 / ((1 + np.abs(r - s)) * (r + s)))
        examples, counts = np.arange(self.x.size), np.minimum(self.x.sums(shares), self.x.k)
        of_x = self.x.largest_sums(examples, counts)
        of_y = self.y.largest_sums(examples if order is None else order, counts)
        largest = np.maximum(of_x, of_y)
        return float(
            np.mean(_exactly_one(np.divide(agreement, largest, where=largest > 0, out=np.zeros_like(largest))))
        )


@dataclass(frozen=True, eq=False)
class _DistancesShared(_OfNeighbours):
    """The second-order cosine."""

    D: Array
    """(m, m) the cosine distances of x."""
    E: Array
    """(m, m) those of y."""

    def value(self, order: Index | None = None) -> float:
        x, y, m = self.x, self.y, self.x.size
        keys, (places, is_common) = self.keys(order), self.common(order)
        weights = np.where(is_common, np.maximum(x.shares, y.shares[places]), x.shares)
        inverse = np.arange(m) if order is None else np.argsort(order)
        rows, columns = inverse[y.rows], inverse[y.columns]
        keys_of_y = rows * m + columns
        alone = np.flatnonzero(x.positions[keys_of_y] < 0)
        d = np.concatenate([self.D[x.rows, x.columns], self.D.take(keys_of_y[alone])])
        e = np.concatenate([self.E.take(keys), self.E[y.rows[alone], y.columns[alone]]])
        weights, rows = np.concatenate([weights, y.shares[alone]]), np.concatenate([x.rows, rows[alone]])
        de, dd, ee = (sums_at(rows, weights * f * g, m) for f, g in ((d, e), (d, d), (e, e)))
        size = np.sqrt(dd * ee)
        cosines = np.divide(de, size, where=size > 0, out=np.where((dd == 0) & (ee == 0), 1.0, 0.0))
        return float(np.mean(np.minimum(cosines, 1.0)))


@dataclass(frozen=True, eq=False)
class _ProductsShared(_OfNeighbours):
    """CKNNA."""

    K: Array
    """The inner products of the entries of x, times their shares."""
    L: Array
    """Those of y."""
    size: float
    """The root of the product of the layers' own HSIC."""

    def value(self, order: Index | None = None) -> float:
        places, is_common = self.common(order)
        shares = self.smaller_shares(places, is_common)
        K = self.K * shares / self.x.shares
        L = np.where(is_common, self.L[places] * shares / self.y.shares[places], 0.0)
        return _unbiased_hsic(self.x, K, L) / self.size


def _unbiased_hsic(entries: Neighbours, K: Array, L: Array) -> float:
    """Return the unbiased HSIC of two matrices that have the same entries, times n (n - 3)."""
    n, back = entries.size, entries.reversed
    both = back >= 0
    trace = float(np.sum(K[both] * L[back[both]]))
    columns = sums_at(entries.columns, K, n)
    through = float(columns @ entries.sums(L))
    return trace + float(K.sum() * L.sum()) / ((n - 1) * (n - 2)) - 2 * through / (n - 2)
