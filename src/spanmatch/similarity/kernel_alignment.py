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
from ..moments.pairs import Fourth, Pair, checked_pair
from ..moments.spans import Array
from .measure import Measured, cross_of_unit_layers, measured_fields

FEWEST = 4
"""The smallest number of rows for which the unbiased HSIC is defined."""


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
    fields = measured_fields(pair, "debiased cka", FEWEST)
    if pair.fourth is None:
        raise SpanmatchError(f"debiased cka: no fourth moments of {pair.x_layer!r} and {pair.y_layer!r} were kept")
    return Measured(value=_debiased(pair, pair.fourth), **fields)


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
    """
    return cka(pair, debiased=True)


def _debiased(pair: Pair, fourth: Fourth) -> float:
    """Return debiased CKA from second moments and sums of fourth order."""
    n = pair.rows
    s, t = n * (pair.x_mean - fourth.shift[0]), n * (pair.y_mean - fourth.shift[1])
    x, y = (pair.xx, s, s), (pair.yy, t, t)
    own_x = _hsic(n, *x, np.trace(pair.xx), np.trace(pair.xx), fourth.x, fourth.x)
    own_y = _hsic(n, *y, np.trace(pair.yy), np.trace(pair.yy), fourth.y, fourth.y)
    both = _hsic(n, pair.xy, s, t, np.trace(pair.xx), np.trace(pair.yy), fourth.x_by_y, fourth.y_by_x)
    if not (np.isfinite(both) and own_x > 0 and own_y > 0):
        raise SpanmatchError(
            f"debiased cka: {n} rows of {pair.x_layer!r} and {pair.y_layer!r} give no positive estimate of a layer's "
            "HSIC with itself; use more rows"
        )
    return float(both / np.sqrt(own_x) / np.sqrt(own_y))


def _hsic(
    n: int, centred: Array, s: Array, t: Array, spread_x: float, spread_y: float, by_b: Array, by_a: Array
) -> float:
    """Return the unbiased HSIC from sums of shifted activations.

    s = sum x, t = sum y; with a = ||x||^2 and b = ||y||^2, by_b = [sum b x, sum a b] and by_a =
    [sum a y, sum a b].
    """
    products = centred + np.outer(s / n, t)
    trace = np.sum(products**2) - by_b[-1]
    ones_x = s @ s - (spread_x + s @ s / n)
    ones_y = t @ t - (spread_y + t @ t / n)
    through = s @ products @ t - s @ by_b[:-1] - t @ by_a[:-1] + by_b[-1]
    return float((trace + ones_x * ones_y / ((n - 1) * (n - 2)) - 2 * through / (n - 2)) / (n * (n - 3)))
