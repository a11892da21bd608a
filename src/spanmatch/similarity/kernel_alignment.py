"""Centred kernel alignment (CKA) with linear kernels.

CKA = ||Sxy||_F^2 / (||Sxx||_F ||Syy||_F) of centred second moments. It is biased upwards for few
rows. Debiased CKA is the same ratio of unbiased HSIC estimates, computed exactly from streamed
sums. With K = X X^T and L = Y Y^T without their diagonals, HSIC = (tr(KL) + 1'K1 1'L1 /
((n-1)(n-2)) - 2 1'KL1 / (n-2)) / (n (n-3)).
Sources: Kornblith et al., ICML 2019; Song et al., JMLR 2012; docs/measures.md.
"""

from __future__ import annotations

import numpy as np

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.dependence import ADVICE, neighbours_are_alike
from ..moments.pairs import PRODUCTS, Pair, checked_pair
from ..moments.spans import UNIT, Array
from .measure import Measured, cross_of_unit_layers, measured_fields
from .unbiased_hsic import FEWEST_ROWS, unbiased_hsic

ROUNDINGS = 64
"""How many roundings of a sum of products the error of 1 - CKA may amount to."""
ROUNDING = 1e-10
"""The share of a layer's own HSIC in sample up to which an unbiased estimate counts as 0."""


@few_threads
def cka(pair: Pair, debiased: bool = False) -> Measured:
    """Return linear CKA, in [0, 1], or its debiased version.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    debiased : bool
        Whether to use unbiased estimates of HSIC. Debiased CKA is 0 on average for independent
        layers, so that negative values occur.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If a layer is constant. For debiased CKA also if there are fewer than 4 rows, its sums were
        not kept, or the estimate of a layer's own HSIC is not positive.

    Notes
    -----
    With centred second moments S:

        CKA = ||Sxy||_F^2 / (||Sxx||_F ||Syy||_F)

    Cost: p^2 + q^2 + p q operations.

    References
    ----------
    Kornblith et al., ICML 2019; Song et al., JMLR 13, 2012 (the unbiased HSIC).

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> rotation = np.linalg.qr(X[:5])[0]
    >>> round(float(sm.cka(sm.pair(X, 3 * X @ rotation + 1))), 6)
    1.0
    """
    checked_pair(pair)
    if not debiased:
        fields = measured_fields(pair, "cka")
        # Scaled first, so that fourth powers neither overflow nor underflow.
        xx, yy = (float(np.linalg.norm(moments / np.trace(moments))) for moments in (pair.xx, pair.yy))
        xy = float(np.linalg.norm(cross_of_unit_layers(pair)))
        return Measured(value=min(1.0, xy**2 / (xx * yy)), **fields)
    fields = measured_fields(pair, "debiased cka", FEWEST_ROWS)
    return Measured(value=_debiased(pair), warnings=_alike_neighbours(pair), **fields)


def one_minus_cka(pair: Pair) -> tuple[float, float]:
    """Return 1 - CKA, accurate where it is small, and the smallest value that can be told from 0.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    value : float
        1 - CKA; 0 if it is smaller than the resolution.
    resolution : float
        About 1e-14; 4e-15 squared for layers of the same width and method="qr", which keeps their
        differences; 1e-5 for method="single".

    Raises
    ------
    SpanmatchError
        If a layer is constant.

    Notes
    -----
    With K = X X^T and L = Y Y^T of the centred layers, 1 - CKA = ||K / ||K|| - L / ||L|| ||^2 / 2.
    """
    measured_fields(pair, "cka")
    p, q = pair.neurons
    if pair.factor is not None and p == q:
        resolution = (ROUNDINGS * UNIT) ** 2
        value = _half_squared_difference(pair.factor[:, :p], pair.factor[:, p:])
    else:
        resolution = ROUNDINGS * (PRODUCTS[pair.method] or UNIT)
        xx, yy = (float(np.linalg.norm(moments / np.trace(moments))) for moments in (pair.xx, pair.yy))
        value = 1 - float(np.linalg.norm(cross_of_unit_layers(pair))) ** 2 / (xx * yy)
    return (value if value > resolution else 0.0), resolution


def _half_squared_difference(X: Array, Y: Array) -> float:
    """Return ||K / ||K|| - L / ||L|| ||^2 / 2 of the columns of two layers, from their difference."""
    scale = np.linalg.norm(X)
    X, D = X / scale, (Y - X) / scale
    K, E = X @ X.T, X @ D.T
    E = E + E.T + D @ D.T  # L - K
    k, square = np.linalg.norm(K), np.sum(E * E)
    longer = 2 * np.sum(K * E) + square  # ||L||^2 - ||K||^2
    length = np.sqrt(k**2 + longer)
    return float(np.sum((K * (longer / (length + k)) - k * E) ** 2) / (k * length) ** 2 / 2)


def debiased_cka(pair: Pair) -> Measured:
    """Return `cka(pair, debiased=True)`.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        As `cka` does.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> round(sm.debiased_cka(pair).value, 3)
    0.493
    """
    return cka(pair, debiased=True)


def _alike_neighbours(pair: Pair) -> tuple[str, ...]:
    """Return a warning if rows that count as independent are not."""
    if not neighbours_are_alike(pair):
        return ()
    return (
        f"neighbouring rows of {pair.x_layer!r} and {pair.y_layer!r} are alike, so that debiased CKA is too large; "
        f"{ADVICE}",
    )


def _debiased(pair: Pair) -> float:
    """Return debiased CKA from unbiased estimates of HSIC."""
    with np.errstate(all="ignore"):
        hsic = unbiased_hsic(pair)
    least_x, least_y = (
        ROUNDING * np.sum((moments / np.trace(moments)) ** 2) / pair.rows**2 for moments in (pair.xx, pair.yy)
    )
    if not (np.isfinite(hsic.xy) and hsic.xx > least_x and hsic.yy > least_y):
        raise SpanmatchError(
            f"debiased cka: {pair.rows} rows of {pair.x_layer!r} and {pair.y_layer!r} give no positive estimate of a "
            "layer's HSIC with itself; use more rows"
        )
    return float(hsic.xy / np.sqrt(hsic.xx) / np.sqrt(hsic.yy))
