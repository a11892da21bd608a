"""Distance correlation of the sampled examples.

Source: Szekely et al., Annals of Statistics 35, 2007; docs/measures.md.
"""

from __future__ import annotations

from ..moments.pairs import Pair
from .measure import Measured, measured_fields_of_sample
from .permutable import Quadratic, square_roots
from .sampled_kernels import check_rows, threads_of_sample, unit_centred_distances


@threads_of_sample
def distance_correlation(pair: Pair) -> Measured:
    """Return the distance correlation of the sampled examples, in [0, 1].

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of m examples.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If there is no sample, it has fewer than 3 examples, or a layer is constant.

    Notes
    -----
    With A and B the Euclidean distances of the examples in x and in y, less the means of rows and
    columns:

        sqrt(mean(A B) / sqrt(mean(A A) mean(B B)))

    products by entries. Of the population it is 0 only if the layers are independent; in a sample it
    is larger, the more so the fewer the examples and the wider the layers. Cost: m^2 p operations once
    for each layer, then m^2.

    References
    ----------
    Szekely, Rizzo and Bakirov, Annals of Statistics 35, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(float(sm.distance_correlation(sm.pair(X, 3 * X + 1))), 6)
    1.0
    """
    fields = measured_fields_of_sample(pair, "distance correlation", 3, centred=True)
    check_rows(pair, "distance correlation")
    return Measured(value=distances_correlated(pair).value(), **fields)


def distances_correlated(pair: Pair) -> Quadratic:
    """Return distance correlation for permuted examples."""
    return Quadratic(unit_centred_distances(pair.sample.x), unit_centred_distances(pair.sample.y), square_roots)
