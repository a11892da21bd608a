"""Whether the rows of a pair of layers are independent of each other, as far as folds tell.

If rows are independent, the cross products of the folds differ by as much as those of single rows
tell. If neighbouring rows are alike, as the frames of a film, they differ by more, because folds
consist of blocks of consecutive examples.
Source: docs/evidence.md.
"""

from __future__ import annotations

import numpy as np

from .._threads import few_threads
from .fold_products import fold_product, norm
from .pairs import Fourth, Pair
from .remembered import remembered
from .spans import Array

ADVICE = "give blocks of rows that belong together the same example_ids=, or shuffle the examples if they are sorted"
"""What to do about neighbouring rows that are alike."""
STANDARD_ERRORS = 3.0
"""How many standard errors above 1 the inflation of the variance must be to count."""
ROUNDING = 1e-9
"""The share of a difference of sums that counts as rounding."""
SMALLEST_INFLATION = 1.1
"""The smallest inflation of the variance that counts."""


def rows_are_independent(pair: Pair) -> bool:
    """Return whether the rows count as independent.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    bool
        False if examples have several rows, or if folds differ by more than independent rows would
        make them.
    """
    return pair.rows_are_examples and not neighbours_are_alike(pair)


@remembered
@few_threads
def neighbours_are_alike(pair: Pair) -> bool:
    """Return whether rows count as examples of their own, but folds differ by more than independent
    rows would make them.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    bool
        False also if examples have several rows, or there are fewer than two folds.
    """
    if not pair.rows_are_examples:
        return False
    if pair.all_folds is not None:
        return neighbours_are_alike(pair.all_folds)
    if pair.n_folds < 2 or pair.fourth is None or not (pair.xx.any() and pair.yy.any()):
        return False
    inflations = variance_inflations(pair, pair.fourth)
    # Of related layers, products of neurons have about half as many degrees of freedom.
    freedom = (pair.n_folds - 1) * _dimensions(pair.xx) * _dimensions(pair.yy) / 2
    error = max(np.sqrt(2 / freedom), inflations.std(ddof=1) / np.sqrt(pair.n_folds))
    return bool(inflations.mean() > max(SMALLEST_INFLATION, 1 + STANDARD_ERRORS * error))


def variance_inflations(pair: Pair, fourth: Fourth) -> Array:
    """Return by how much more each fold's cross product varies than that of independent rows would.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q), with at least two folds.
    fourth : Fourth
        Sums of fourth order of that pair.

    Returns
    -------
    array of float, (k,)
        1 on average for independent rows of any distribution; 1 if the sums of fourth order are too
        small or too large to tell.

    Notes
    -----
    With C_f the sum over the n_f rows of fold f of (x - mean)(y - mean)^T, C their total, and a = ||x
    - mean||^2, b = ||y - mean||^2 of each row:

        inflation_f = ||C_f - (n_f / n) C||^2 / ((n_f / n) (1 - n_f / n) (sum a b - ||C||^2 / n)).
    """
    C = pair.xy / norm(pair, "x") / norm(pair, "y")
    shares = np.array([part.rows for part in pair.parts]) / pair.rows
    spreads = [
        float(np.sum((fold_product(pair, fold, "xy") - share * C) ** 2))
        for fold, share in zip(pair.folds, shares, strict=True)
    ]
    with np.errstate(all="ignore"):
        products = float(_sum_of_products_of_squares(pair, fourth) / np.trace(pair.xx) / np.trace(pair.yy))
    expected = products - float(np.sum(C**2)) / pair.rows
    if not (np.isfinite(expected) and expected > ROUNDING * products):
        return np.ones(len(shares))
    return np.asarray(np.array(spreads) / (shares * (1 - shares) * expected))


def _sum_of_products_of_squares(pair: Pair, fourth: Fourth) -> float:
    """Return the sum over rows of ||x - mean||^2 ||y - mean||^2."""
    c, d = pair.x_mean - fourth.shift[0], pair.y_mean - fourth.shift[1]
    about_shifts = fourth.x_by_y[-1] - 2 * (c @ fourth.x_by_y[:-1]) - 2 * (d @ fourth.y_by_x[:-1])
    means = (d @ d) * np.trace(pair.xx) + (c @ c) * np.trace(pair.yy) + 4 * c @ pair.xy @ d
    return float(about_shifts + means + 3 * pair.rows * (c @ c) * (d @ d))


def _dimensions(moments: Array) -> float:
    """Return the effective number of dimensions, the participation ratio of the eigenvalues."""
    unit = moments / np.trace(moments)
    return float(1 / np.sum(unit**2))
