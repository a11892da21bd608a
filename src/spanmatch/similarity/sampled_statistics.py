"""Every measure of the sample in a form that is computed again fast when the examples of y are permuted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from ..errors import SpanmatchError
from ..moments.pairs import Pair
from .distance_covariance import distance_correlation, distances_correlated
from .measure import Measure, Measured
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
STATISTICS: Mapping[Callable[..., Measured], Callable[..., Statistic]] = {
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


def statistic_of(measure: Measure | Callable[..., Measured], pair: Pair) -> Statistic:
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
    function = measure.function if isinstance(measure, Measure) else measure
    arguments = function.keywords if isinstance(function, partial) else {}
    form = STATISTICS.get(function.func if isinstance(function, partial) else function)
    if form is None:
        raise SpanmatchError(f"{getattr(measure, 'name', measure)!r}: not a measure of the sample")
    function(pair)  # raises an error if it is not defined
    return form(pair, **arguments)
