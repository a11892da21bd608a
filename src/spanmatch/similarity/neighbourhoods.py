"""Measures of shared neighbours: are the same examples near each other in both layers?

All are of the sample, with the rule for ties of `sampled_neighbours`. Neighbours are the nearest by
cosine; those of CKNNA have the largest inner products.
Sources: Huh et al., ICML 2024; Klabunde et al., ICLR 2025; docs/measures.md.
"""

from __future__ import annotations

import numpy as np

from ..errors import SpanmatchError
from ..moments.pairs import Pair
from .measure import Measured, MeasuredFields, measured_fields_of_sample
from .permutable import Relabelled
from .sampled_kernels import angular_distances, check_rows, inner_products, threads_of_sample
from .sampled_neighbours import Neighbours, check_k, neighbours_of
from .shared_neighbours import DistancesShared, Jaccard, ProductsShared, RanksShared, Shared, own_hsic


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
    return Shared(*_by_cosine(pair, k))


def jaccard_of(pair: Pair, k: int = 10) -> Relabelled:
    """Return the Jaccard index of neighbourhoods for permuted examples."""
    return Jaccard(*_by_cosine(pair, k))


def ranks_shared_of(pair: Pair, k: int = 10) -> Relabelled:
    """Return rank similarity for permuted examples."""
    return RanksShared(*_by_cosine(pair, k))


def distances_shared_of(pair: Pair, k: int = 10) -> Relabelled:
    """Return the second-order cosine for permuted examples."""
    sample = pair.sample
    distances = (angular_distances(layer, "cosine") for layer in (sample.x, sample.y))
    return DistancesShared(*_by_cosine(pair, k), *distances)


def products_shared_of(pair: Pair, k: int = 10) -> Relabelled:
    """Return CKNNA for permuted examples."""
    layers = (pair.sample.x, pair.sample.y)
    x, y = (neighbours_of(layer, k, "inner product") for layer in layers)
    K, L = (
        inner_products(layer, near.rows, near.columns) * near.shares for layer, near in zip(layers, (x, y), strict=True)
    )
    own = tuple(own_hsic(near, values) for near, values in ((x, K), (y, L)))
    for layer, hsic in zip(layers, own, strict=True):
        if not hsic > 0:
            raise SpanmatchError(
                f"cknna: layer {layer.layer!r}: the unbiased estimate of its alignment with itself is not positive; "
                "use a larger sample or another k"
            )
    return ProductsShared(x, y, K, L, float(np.sqrt(own[0] * own[1])))


def _checked(pair: Pair, name: str, k: int, fewest: int = 0) -> MeasuredFields:
    """Return the fields of a measure of neighbours.  Raises SpanmatchError if it is not defined."""
    fields = measured_fields_of_sample(pair, name, max(fewest, check_k(k, name) + 2), centred=False)
    check_rows(pair, name)
    return fields


def _by_cosine(pair: Pair, k: int) -> tuple[Neighbours, Neighbours]:
    """Return the nearest neighbours of both layers."""
    return neighbours_of(pair.sample.x, k, "cosine"), neighbours_of(pair.sample.y, k, "cosine")
