"""Unbiased estimates of the squared norm of the cross-covariance of two layers (HSIC, linear kernels).

||Cov(x, y)||_F^2 is estimated without bias by a mean of products of rows that are independent of
each other. Two sets of such products are used:

- rows of different examples, if each row is an example of its own: the unbiased HSIC of Song et
  al., from sums of fourth order;
- rows of different folds, if an example has several rows, which are dependent: folds consist of
  entire examples. It needs the moments of each fold and nothing else.

Source: Song et al., JMLR 13, 2012; docs/measures.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import SpanmatchError
from ..moments.fold_products import Sides, fold_product, scaled_offset
from ..moments.pairs import Pair
from ..moments.remembered import remembered
from ..moments.spans import Array

FEWEST_ROWS = FEWEST_FOLDS = 4
"""The smallest numbers of rows and of folds for which the estimates are defined: a product has up
to four factors, all of different rows or folds.
"""


class HSIC(NamedTuple):
    """Estimates for layers that are scaled to unit Frobenius norm."""

    xy: float
    """Of both layers; it can be negative."""
    xx: float
    """Of the first layer with itself."""
    yy: float
    """Of the second layer with itself."""


def unbiased_hsic(pair: Pair) -> HSIC:
    """Return unbiased estimates of ||Cov(x, y)||^2, ||Cov(x, x)||^2 and ||Cov(y, y)||^2.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    HSIC

    Raises
    ------
    SpanmatchError
        If there are fewer than four rows; or if examples have several rows, and there are fewer
        than four folds.

    Notes
    -----
    Cost: of rows 2 (p^2 + q^2 + p q) operations; of k folds k^2 (p^2 + q^2 + p q).
    """
    return _of_rows(pair) if pair.rows_are_examples else hsic_of_folds(pair)


# ---- rows of different examples -------------------------------------------------------------------------------------


def _of_rows(pair: Pair) -> HSIC:
    """Return the unbiased HSIC from second moments and sums of fourth order."""
    if pair.fourth is None:
        raise SpanmatchError(f"debiased cka: no fourth moments of {pair.x_layer!r} and {pair.y_layer!r} were kept")
    n, fourth = pair.rows, pair.fourth
    a, b = float(np.trace(pair.xx)), float(np.trace(pair.yy))
    s, t = n * (pair.x_mean - fourth.shift[0]), n * (pair.y_mean - fourth.shift[1])
    return HSIC(
        _row_statistic(n, pair.xy, s, t, a, b, fourth.x_by_y, fourth.y_by_x) / a / b,
        _row_statistic(n, pair.xx, s, s, a, a, fourth.x, fourth.x) / a / a,
        _row_statistic(n, pair.yy, t, t, b, b, fourth.y, fourth.y) / b / b,
    )


def _row_statistic(
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


# ---- rows of different folds ----------------------------------------------------------------------------------------


class _Folds(NamedTuple):
    """Sums over the rows of each of k folds, of two layers (p and q neurons) about any constants."""

    rows: Array
    """(k,) the numbers of rows."""
    x: Array
    """(k, p) sum x."""
    y: Array
    """(k, q) sum y."""
    products: Array
    """(k, p, q) sum x y^T."""


@remembered
def hsic_of_folds(pair: Pair) -> HSIC:
    """Return estimates from products of rows of different folds, whatever the examples are.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    HSIC

    Raises
    ------
    SpanmatchError
        If there are fewer than four folds.

    Notes
    -----
    Cost: k^2 (p^2 + q^2 + p q) operations for k folds.
    """
    folds = pair.folds
    if len(folds) < FEWEST_FOLDS:
        raise SpanmatchError(
            f"debiased cka: the {pair.rows:,} rows of {pair.x_layer!r} and {pair.y_layer!r} are of {pair.n_examples:,} "
            f"examples, and rows of one example are dependent; {FEWEST_FOLDS} folds with rows are needed, not "
            f"{len(folds)}: use folds=8, and more examples"
        )
    return HSIC(*(_fold_statistic(_fold_sums(pair, sides)) for sides in ("xy", "xx", "yy")))


def _fold_sums(pair: Pair, sides: Sides) -> _Folds:
    """Return the sums of the folds about the means of all rows, of layers of unit Frobenius norm."""
    rows = np.array([part.rows for part in pair.parts], dtype=float)
    offsets: tuple[list[Array], list[Array]] = [], []
    products = []
    for fold in pair.folds:  # once: those of wide layers are not kept
        for side, of_folds in zip(sides, offsets, strict=True):
            of_folds.append(scaled_offset(pair, fold, side))
        products.append(fold_product(pair, fold, sides))
    x, y = (rows[:, None] * np.array(of_folds) for of_folds in offsets)
    return _Folds(rows, x, y, np.array(products))


def _fold_statistic(folds: _Folds) -> float:
    """Return the mean, over all rows 1, 2, 3 and 4 of four different folds, of

    <x1 y1^T, x2 y2^T> - 2 <x1 y1^T, x2 y3^T> + <x1 y2^T, x3 y4^T>.

    It does not change if constants are added to x or y, because all terms are over the same rows.
    """
    n, k = folds.rows, len(folds.rows)
    different = 1.0 - np.eye(k)
    distinct = different[:, :, None] * different[:, None, :] * different
    # How many choices of the remaining rows there are, given the folds of two or three rows.
    others = n.sum() - n[:, None] - n
    of_two = (others**2 - (n @ n - n[:, None] ** 2 - n**2)) * different
    of_three = (others[:, :, None] - n) * distinct
    flat = folds.products.reshape(k, -1)
    # [f, g, h]: x_g^T (x y^T)_f y_h for the sums of folds f, g and h.
    through = np.einsum("gp,fph->fgh", folds.x, folds.products @ folds.y.T)
    outer = _over_four_folds(folds.x @ folds.x.T, folds.y @ folds.y.T)
    total = np.sum(flat @ flat.T * of_two) - 2 * np.sum(through * of_three) + outer
    return float(total / _over_four_folds(np.outer(n, n), np.outer(n, n)))


def _over_four_folds(A: Array, B: Array) -> float:
    """Return the sum of A[f, g] B[h, i] over distinct f, g, h and i, for symmetric A and B."""
    A, B = A - np.diag(A.diagonal()), B - np.diag(B.diagonal())
    # All products, minus those that share one fold (in four ways), plus those that share both (two).
    return float(A.sum() * B.sum() - 4 * A.sum(axis=0) @ B.sum(axis=0) + 2 * np.sum(A * B))
