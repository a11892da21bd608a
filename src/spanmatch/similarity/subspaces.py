"""How much the spans of two layers have in common: the eigenspace overlap.

Source: May, Zhang, Dao, Re, NeurIPS 2019; docs/measures.md.
"""

from __future__ import annotations

import numpy as np

from .._threads import few_threads
from ..moments.pairs import Pair
from .measure import Measured, few_rows, measured_fields, resolved_spans
from .principal_axes import between_bases

OVERLAP = "eigenspace overlap"


@few_threads
def eigenspace_overlap(pair: Pair) -> Measured:
    """Return the share of the larger span that both layers have in common, in [0, 1].

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q). Activations are not centred.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If a layer is constant, or rounding decides the value.

    Notes
    -----
    With orthonormal bases Ux and Uy of the layers' spans, the same spans as those of a match:

        value = ||Ux' Uy||_F^2 / max(r_x, r_y)

    r_x and r_y are the dimensions of the spans, which are the numbers of neurons in [1]_; they are
    fewer if neurons are combinations of others. Whatever their sizes, all directions count alike.
    The angle arccos(value) is a metric.

    Cost: about 5 (p^3 + q^3) / 3 operations.

    References
    ----------
    .. [1] May, Zhang, Dao, Re, "On the downstream performance of compressed word embeddings",
       NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(sm.eigenspace_overlap(sm.pair(X, X[:, :2] @ X[:2, :2])).value, 6)
    0.4
    """
    measured_fields(pair, OVERLAP)
    resolved_spans(pair, OVERLAP, centred=False)
    between = between_bases(pair, centred=False)
    # Independent layers of mean 0 have min(p, q) / n.
    warnings = few_rows(pair, between.shape, min(between.shape) / pair.rows)
    value = min(1.0, float(np.sum(between**2)) / max(between.shape))
    return Measured(name=OVERLAP, value=value, warnings=warnings, provenance=pair.provenance)
