"""Every measure of the sample in a form that is computed again fast when the examples of y are permuted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, SupportsFloat

from ..errors import SpanmatchError
from ..moments.pairs import Pair
from .distance_covariance import distance_correlation, distances_correlated
from .measure import Measure
from .neighbourhoods import (
    cknna,
    distances_shared_of,
    jaccard_of,
    knn_jaccard,
    mutual_knn,
    products_shared_of,
    rank_similarity,
    ranks_shared_of,
    second_order_cosine,
    shared_of,
)
from .permutable import Quadratic, Relabelled
from .representational_similarity import dissimilarities_compared, rsa
from .sampled_kernel_alignment import (
    debiased_kernel_cka,
    debiased_rbf_cka,
    kernel_cka,
    kernels_aligned,
    rbf_cka,
)

Statistic = Quadratic | Relabelled
STATISTICS: Mapping[Callable[..., SupportsFloat], Callable[..., Statistic]] = {
    kernel_cka: kernels_aligned,
    debiased_kernel_cka: partial(kernels_aligned, debiased=True),
    rbf_cka: partial(kernels_aligned, kernel="rbf"),
    debiased_rbf_cka: partial(kernels_aligned, kernel="rbf", debiased=True),
    rsa: dissimilarities_compared,
    distance_correlation: distances_correlated,
    mutual_knn: shared_of,
    cknna: products_shared_of,
    knn_jaccard: jaccard_of,
    second_order_cosine: distances_shared_of,
    rank_similarity: ranks_shared_of,
}
"""The form of each measure of the sample, by its function; both take the same arguments."""


OF_MOMENTS = {"dissimilarity": "sqeuclidean", "comparison": "pearson"}
"""The arguments with which `rsa` is a measure of the moments."""


def is_of_sample(measure: Callable[..., SupportsFloat]) -> bool:
    """Return whether `statistic_of` knows a measure.

    Parameters
    ----------
    measure : Measure or callable
        Any function of a pair.

    Returns
    -------
    bool
    """
    function, arguments = _parts_of(measure)
    return function in STATISTICS and not (function is rsa and arguments == OF_MOMENTS)


def statistic_of(measure: Callable[..., SupportsFloat], pair: Pair) -> Statistic:
    """Return a measure of the sample in a form for permuted examples.

    Parameters
    ----------
    measure : Measure or callable
        From `sm.measures()`, one of the public functions, or such a function with other arguments by
        `functools.partial`.
    pair : Pair
        The layers, with a sample.

    Returns
    -------
    Quadratic or Relabelled
        Its `.value()` is that of the measure, and its `.value(order)` that of a pair whose examples
        of y are in another order.

    Raises
    ------
    SpanmatchError
        If the measure is not one of the sample, or is not defined for the layers.
    """
    if not is_of_sample(measure):
        raise SpanmatchError(f"{getattr(measure, 'name', measure)!r}: not a measure of the sample")
    measure(pair)  # raises an error if it is not defined
    function, arguments = _parts_of(measure)
    return STATISTICS[function](pair, **arguments)


def _parts_of(measure: Callable[..., SupportsFloat]) -> tuple[Callable[..., SupportsFloat], Mapping[str, Any]]:
    """Return a measure's function and its arguments."""
    function = measure.function if isinstance(measure, Measure) else measure
    return (function.func, function.keywords) if isinstance(function, partial) else (function, {})
