"""Ranks and Spearman's correlation, of values that are equal but for rounding as ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

ROUNDING = 1e-10
"""The difference of two values, relative to the largest, below which they are tied."""
FEWEST = 3
"""The fewest cases of which a correlation is computed."""


def rank_correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Return Spearman's correlation, 0 if x or y is constant; nan for fewer than three cases.

    Parameters
    ----------
    x, y : array of float, (n,)
        Finite values of the same n cases.

    Returns
    -------
    float
        The Pearson correlation of the ranks, in [-1, 1].

    Notes
    -----
    Tied values share their mean rank. Values that differ by less than 1e-10 of the largest one are
    tied: many measures are constant in exact arithmetic where computed values differ by rounding.
    """
    if np.size(x) < FEWEST:
        return float("nan")
    a, b = (ranks - ranks.mean() for ranks in (rankdata(levels(x)), rankdata(levels(y))))
    norms = np.sqrt(np.sum(a**2) * np.sum(b**2))
    return float(np.clip(np.sum(a * b) / norms, -1, 1)) if norms else 0.0


def levels(values: ArrayLike) -> NDArray[np.int64]:
    """Return the order of values as whole numbers, the same for values that are equal but for rounding."""
    values = np.asarray(values, dtype=float)
    order = values.argsort(kind="stable")
    ascending = values[order]
    found = np.zeros(len(values), dtype=np.int64)
    found[order[1:]] = (ascending[1:] - ascending[:-1] > ROUNDING * np.abs(values).max(initial=0)).cumsum()
    return found
