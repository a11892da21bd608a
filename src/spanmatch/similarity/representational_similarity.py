"""Representational similarity analysis (RSA): are examples that differ in one layer different in the other?

Source: Kriegeskorte et al., Frontiers in Systems Neuroscience 2, 2008; docs/measures.md.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ..errors import SpanmatchError
from ..moments.pairs import Pair
from ..moments.sample import LayerSample
from ..moments.spans import Array
from .dissimilarities_from_moments import rsa_of_moments
from .matrix_cache import CACHE
from .measure import Measured, measured_fields_of_sample
from .permutable import Quadratic, at_most_one
from .sampled_kernels import (
    SAME,
    Dissimilarity,
    check_deviations,
    check_rows,
    dissimilarities,
    hollow,
    ranks_of,
    threads_of_sample,
)

Comparison = Literal["spearman", "pearson", "cosine"]


@threads_of_sample
def rsa(pair: Pair, dissimilarity: Dissimilarity = "correlation", comparison: Comparison = "spearman") -> Measured:
    """Return how similar the dissimilarities of examples are in two layers, in [-1, 1].

    With squared Euclidean dissimilarities and the Pearson correlation it is a function of the moments:
    of all pairs of rows, exactly, and without a sample. Otherwise it is of the sampled examples.

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of m examples.
    dissimilarity : {"correlation", "euclidean", "sqeuclidean", "cosine"}
        Of two examples: 1 minus the Pearson correlation of their rows over features, the Euclidean
        distance, its square, or 1 minus the cosine of their rows.
    comparison : {"spearman", "pearson", "cosine"}
        Of the dissimilarities of all pairs of examples: their rank correlation, their correlation, or
        their cosine.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If there is no sample and one is needed, there are fewer than 3 examples, a layer is constant,
        or all examples are equally dissimilar.

    Notes
    -----
    Dissimilarities that are equal but for rounding share the mean of their ranks. A row of zeros has
    the cosine 0 with all others, and a row of equal features the correlation 0.

    Of the moments of centred activations, with a = ||x||^2 and b = ||y||^2 and sums over all n rows, the
    covariance of the squared distances D and E of two layers is, up to a factor,

        cov(D, E) = 2 n (sum a b - sum a sum b / n) + 4 (||Sxy||_F^2 - sum a sum b / (n - 1)).

    Cost: m^2 p operations once for each layer, then m^2; p^2 + q^2 + p q of moments.

    References
    ----------
    Kriegeskorte et al., Frontiers in Systems Neuroscience 2, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(float(sm.rsa(sm.pair(X, 3 * X))), 6)
    1.0
    """
    if dissimilarity not in get_args(Dissimilarity):
        raise SpanmatchError(f"dissimilarity={dissimilarity!r}: give one of {', '.join(get_args(Dissimilarity))}")
    if comparison not in get_args(Comparison):
        raise SpanmatchError(f"comparison={comparison!r}: give one of {', '.join(get_args(Comparison))}")
    if (dissimilarity, comparison) == ("sqeuclidean", "pearson"):
        return rsa_of_moments(pair)
    fields = measured_fields_of_sample(pair, "rsa", 3, centred=False)
    check_rows(pair, "rsa")
    if dissimilarity == "correlation":
        check_deviations(pair, "rsa")
    return Measured(value=dissimilarities_compared(pair, dissimilarity, comparison).value(), **fields)


def dissimilarities_compared(
    pair: Pair, dissimilarity: Dissimilarity = "correlation", comparison: Comparison = "spearman"
) -> Quadratic:
    """Return RSA for permuted examples."""
    A, B = (_unit_dissimilarities(layer, dissimilarity, comparison) for layer in (pair.sample.x, pair.sample.y))
    return Quadratic(A, B, at_most_one)


def _unit_dissimilarities(sample: LayerSample, dissimilarity: Dissimilarity, comparison: Comparison) -> Array:
    """Return the matrix (m, m) whose inner product with another layer's is RSA: dissimilarities or their
    ranks, less their mean unless their cosine is compared, with norm 1.
    """

    def compute() -> Array:
        values = dissimilarities(sample, dissimilarity)
        is_same = np.ptp(values) <= SAME * np.abs(values).max()
        if comparison == "spearman":
            values = ranks_of(values)
        if comparison != "cosine":
            values -= values.mean()
        norm = float(np.linalg.norm(values))
        if (is_same and comparison != "cosine") or not norm > 0:
            raise SpanmatchError(f"rsa: layer {sample.layer!r}: all sampled examples are equally dissimilar")
        values /= norm * np.sqrt(2)
        return hollow(values, len(sample.rows))

    return CACHE.get(sample, ("rsa", dissimilarity, comparison), compute)
