"""Two groups of neurons in terms of each other, by least squares: coefficients, and distances to check others by.

The route is another than that of `peeling` and `within`, so that one can verify the other: columns that have the
pair's inner products, and an SVD.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._threads import few_threads
from ..moments.pairs import Pair
from ..moments.spans import Array, Index, Rounding


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The least-squares maps between two groups of neurons, in units of activations.

    X[:, x] ~ Y[:, y] @ x_from_y + x_intercept, and the reverse; intercepts are 0 unless centred.
    """

    x_from_y: Array
    """(|y|, |x|)"""
    y_from_x: Array
    """(|x|, |y|)"""
    x_intercept: Array
    y_intercept: Array
    x_distances: Array
    """(|x|,) of each neuron of x to the span of y."""
    y_distances: Array


@few_threads
def coefficients(pair: Pair, x: Index, y: Index, *, centred: bool = False) -> Coefficients:
    """Return the maps both ways between neurons x and y, of smallest norm where they are not unique.

    Cost: two singular value decompositions of (|x| + |y|)-square columns; no pass over rows.
    """
    (A, of_x), (B, of_y) = _columns(pair, x, y, centred)
    x_from_y, x_distances = _fit(B, A, of_y)
    y_from_x, y_distances = _fit(A, B, of_x)
    a = np.sqrt(pair.energy("x", centred=centred)[x])
    b = np.sqrt(pair.energy("y", centred=centred)[y])
    x_from_y *= a / b[:, None]
    y_from_x *= b / a[:, None]
    u, v = pair.x_mean[x], pair.y_mean[y]
    on = 1.0 if centred else 0.0
    return Coefficients(x_from_y, y_from_x, on * (u - v @ x_from_y), on * (v - u @ y_from_x), x_distances, y_distances)


@few_threads
def distances(pair: Pair, x: Index, y: Index, *, centred: bool = False) -> tuple[Array, Array]:
    """Return the distance of each neuron of x to the span of y, and of each of y to that of x."""
    (A, of_x), (B, of_y) = _columns(pair, x, y, centred)
    return _fit(B, A, of_y)[1], _fit(A, B, of_x)[1]


def survivors(pair: Pair, x: Index, y: Index, eps: float, *, centred: bool = False) -> tuple[Index, Index]:
    """Return the maximum match within neurons x and y, by dropping what is farther than eps, again and again."""
    while len(x) or len(y):
        to_y, to_x = distances(pair, x, y, centred=centred)
        if (to_y <= eps).all() and (to_x <= eps).all():
            break
        x, y = x[to_y <= eps], y[to_x <= eps]
    return x, y


def _columns(pair: Pair, x: Index, y: Index, centred: bool) -> tuple[tuple[Array, Rounding], tuple[Array, Rounding]]:
    """Return unit columns with the pair's inner products: a symmetric root, or those kept; and their rounding."""
    unit = pair.unit(x, y, centred=centred)
    columns = unit.columns
    if columns is None:
        size, directions = np.linalg.eigh(unit.gram)
        # What is below the rounding of inner products is not there.
        kept = size > 4 * len(size) * unit.rounding[0].products * size.max(initial=0.0)
        columns = np.sqrt(size[kept])[:, None] * directions[:, kept].T
    return (columns[:, : len(x)], unit.rounding[0]), (columns[:, len(x) :], unit.rounding[1])


def _fit(S: Array, T: Array, rounding: Rounding) -> tuple[Array, Array]:
    """Return the least-squares coefficients of T on S, and the norms of the residuals."""
    if not S.shape[1] or not S.shape[0]:
        return np.zeros((S.shape[1], T.shape[1])), np.ones(T.shape[1])
    left, size, right = np.linalg.svd(S, full_matrices=False)
    # The smallest singular value of m columns is up to sqrt(m) times smaller than the last direction of a factor.
    kept = size > rounding.cutoff(len(S), S.shape[1]) / np.sqrt(S.shape[1])
    B = right[kept].T @ ((left[:, kept].T @ T) / size[kept, None])
    return B, np.asarray(np.linalg.norm(T - S @ B, axis=0))
