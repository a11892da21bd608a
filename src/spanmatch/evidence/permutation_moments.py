"""P-values of linear CKA from the moments alone: is the similarity of two layers more than chance?

If the rows are independent, all permutations of the rows are equally likely under the null
hypothesis that the layers are unrelated. Mean, variance and skewness of ||Sxy||^2 over all of them
follow from the moments, and determine a Pearson III law. If rows are dependent, the cross products
of the folds are independent of each other, and of mean 0 under the null hypothesis: the test
compares the estimate with those of all choices of their signs.
Sources: Kazi-Aoual, Hitier, Sabatier, Lebreton, Computational Statistics & Data Analysis 20, 1995;
Josse, Pages, Husson 2008 (Pearson III law); docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ..errors import SpanmatchError
from ..moments.fold_products import Sides, fold_product
from ..moments.pairs import Fourth, Pair
from ..moments.remembered import remembered
from ..moments.spans import Array
from ..similarity.unbiased_hsic import FEWEST_FOLDS, FEWEST_ROWS, hsic_of_folds

MOST_FOLDS = 13
"""The largest number of folds of which all signs are tried."""
ROUNDING = 1e-12
"""The relative difference up to which values count as equal."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a test over all permutations gives."""

    p_value: float
    threshold: float
    null: Array
    """(2^(k - 1),) the values for all signs of k folds; empty for permutations of rows."""
    method: str


def test_by_moments(pair: Pair, value: float, alpha: float, *, is_debiased: bool) -> Outcome:
    """Return the test of CKA, or of debiased CKA, over all permutations.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    value : float
        The value of the pair.
    alpha : float
        The significance level of the threshold.
    is_debiased : bool
        Whether the measure is debiased CKA.

    Returns
    -------
    Outcome

    Raises
    ------
    SpanmatchError
        If there are fewer than four rows; if examples have several rows and there are fewer than
        four folds; if CKA is the same for all permutations.

    Notes
    -----
    Independent rows: over all permutations of the rows, debiased CKA has mean 0 and variance 2 / (n
    (n - 3)). With the eigenvalues l of Sxx and m of Syy, its skewness is about

        sqrt(8) sum l^3 sum m^3 / (sum l^2 sum m^2)^(3/2),

    and the p-value is that of the Pearson III law with these moments.

    Examples of several rows: with G_ef the inner products of the centred cross products of folds e
    and f, the null values are sum over e != f of s_e s_f G_ef for all signs s, scaled as the
    unbiased estimate. The smallest possible p-value is 2^(1 - k) for k folds; of more than 13, 4096
    signs are drawn.

    Cost: 2 (p^3 + q^3) operations, or k^2 (p^2 + q^2 + p q) for k folds.
    """
    test = _over_permutations if pair.rows_are_examples else _over_signs
    return test(pair, is_debiased, value, alpha)


# ---- independent rows: all permutations of the rows -----------------------------------------------------------------


def _over_permutations(pair: Pair, is_debiased: bool, value: float, alpha: float) -> Outcome:
    """Return the outcome by the Pearson III law of all permutations of the rows."""
    from scipy.special import gammaincc, gammainccinv  # slow to import

    if pair.fourth is None:
        raise SpanmatchError(f"permutation_test: no fourth moments of {pair.x_layer!r} and {pair.y_layer!r} were kept")
    n = pair.rows
    if n < FEWEST_ROWS:
        raise SpanmatchError(
            f"permutation_test: {n} rows of {pair.x_layer!r} and {pair.y_layer!r}; it needs {FEWEST_ROWS}"
        )
    mean, deviation = (0.0, float(np.sqrt(2 / n / (n - 3)))) if is_debiased else _moments_of_cka(pair, pair.fourth)
    # A Gamma law of shape 4 / skewness^2, shifted and scaled to mean 0 and variance 1.
    shape = 4 / _skewness(pair) ** 2
    p_value = float(gammaincc(shape, max(0.0, shape + (value - mean) / deviation * np.sqrt(shape))))
    p_value = max(p_value, float(np.finfo(float).tiny))  # below the smallest number, but not 0
    quantile = float((gammainccinv(shape, alpha) - shape) / np.sqrt(shape))
    return Outcome(p_value, mean + quantile * deviation, np.empty(0), "permutations of rows")


@remembered
def _skewness(pair: Pair) -> float:
    """Return the skewness of ||Sxy||^2 over all permutations of the rows, to first order in 1 / n."""
    skewness = np.sqrt(8.0)
    for moments in (pair.xx, pair.yy):
        unit = moments / np.trace(moments)
        unit /= np.linalg.norm(unit)
        skewness *= np.sum((unit @ unit) * unit)
    return float(skewness)


def _moments_of_cka(pair: Pair, fourth: Fourth) -> tuple[float, float]:
    """Return the mean and the standard deviation of CKA over all permutations of the rows [1]."""
    n = pair.rows
    sums = (fourth.x, pair.x_mean - fourth.shift[0], pair.xx), (fourth.y, pair.y_mean - fourth.shift[1], pair.yy)
    (k, s), (m, t) = (_kernel_sums(n, *side) for side in sums)
    mean = 1 / (n - 1)
    variance = 2 * ((n - 1) * k - 1) * ((n - 1) * m - 1) / ((n - 1) ** 2 * (n + 1) * (n - 2))
    rest_x, rest_y = (n * (n + 1) * d - (n - 1) * (1 + 2 * v) for v, d in ((k, s), (m, t)))
    variance += rest_x * rest_y / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3))
    if not (np.isfinite(variance) and variance > ROUNDING * mean**2):
        raise SpanmatchError(
            f"permutation_test: CKA of {pair.x_layer!r} and {pair.y_layer!r} is the same for all permutations of the "
            "rows, as one of them has as many dimensions of equal variance as rows, or is scaled too far from 1"
        )
    norm = np.sqrt(k * m)
    return float(mean / norm), float(np.sqrt(variance) / norm)


def _kernel_sums(n: int, sums: Array, d: Array, moments: Array) -> tuple[float, float]:
    """Return ||K||^2 and sum K_ii^2 of a layer's centred kernel, scaled to a trace of 1.

    `sums` are sum a z and sum a^2 of rows z about a shift, with a = ||z||^2; d is mean - shift.
    """
    trace, size = float(np.trace(moments)), float(d @ d)
    squares = sums[-1] - 4 * d @ sums[:-1] + 4 * d @ moments @ d + 2 * size * trace + 3 * n * size**2
    return float(np.sum((moments / trace) ** 2)), float(squares / trace / trace)


# ---- dependent rows: all signs of the folds -------------------------------------------------------------------------


def _over_signs(pair: Pair, is_debiased: bool, value: float, alpha: float) -> Outcome:
    """Return the outcome by all signs of the folds' cross products."""
    k = pair.n_folds
    if k < FEWEST_FOLDS:
        raise SpanmatchError(
            f"permutation_test: rows of {pair.x_layer!r} and {pair.y_layer!r} are dependent; {FEWEST_FOLDS} folds with "
            f"rows are needed, not {k}: use folds=8, and more examples"
        )
    signs = _signs(k)
    xy, xx, yy = (_inner_products(pair, sides) for sides in ("xy", "xx", "yy"))
    # Products about means of the sample are too small, of both layers with each other as of each with itself.
    null = np.einsum("se,ef,sf->s", signs, xy, signs) / np.sqrt(xx.sum() * yy.sum())
    hsic = hsic_of_folds(pair)
    null[0] = hsic.xy / np.sqrt(hsic.xx * hsic.yy)  # The signs as they are: the estimate itself.
    p_value = float(np.mean(null >= null[0] - ROUNDING * abs(null[0])))
    if not is_debiased:
        null = null + (value - null[0])
    threshold = float(np.sort(null)[::-1][int(np.floor(alpha * len(null)))])
    return Outcome(p_value, threshold, null, "signs of folds")


def _signs(k: int) -> Array:
    """Return all signs of k folds whose first is positive, or 4096 of them; the first are all positive."""
    if k <= MOST_FOLDS:
        return np.array(list(product([1.0], *[[1.0, -1.0]] * (k - 1))))
    signs = np.random.default_rng(0).choice([1.0, -1.0], size=(2 ** (MOST_FOLDS - 1), k))
    signs[0] = 1.0
    return signs


@remembered
def _inner_products(pair: Pair, sides: Sides) -> Array:
    """Return inner products (k, k) of different folds' products about the means of all rows."""
    flat = np.array([fold_product(pair, fold, sides).ravel() for fold in pair.folds])
    inner = flat @ flat.T
    np.fill_diagonal(inner, 0.0)
    return np.asarray(inner)
