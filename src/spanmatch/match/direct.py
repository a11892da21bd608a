"""Two groups of neurons in terms of each other, by least squares: coefficients, and distances to check others by.

The route is another than that of `peeling` and `within`, so that one can verify the other: columns that have the
pair's inner products, and an SVD.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..factor import Array, Index
from ..joint import Pair


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


def coefficients(pair: Pair, x: Index, y: Index, *, centred: bool = False) -> Coefficients:
    """Return the maps both ways between neurons x and y, of smallest norm where they are not unique.

    Cost: two singular value decompositions of (|x| + |y|)-square columns; no pass over rows.
    """
    A, B = _columns(pair, x, y, centred)
    x_from_y, x_distances = _fit(B, A)
    y_from_x, y_distances = _fit(A, B)
    a = np.sqrt(pair.energy("x", centred=centred)[x])
    b = np.sqrt(pair.energy("y", centred=centred)[y])
    x_from_y *= a / b[:, None]
    y_from_x *= b / a[:, None]
    u, v = pair.x_mean[x], pair.y_mean[y]
    on = 1.0 if centred else 0.0
    return Coefficients(x_from_y, y_from_x, on * (u - v @ x_from_y), on * (v - u @ y_from_x), x_distances, y_distances)


def distances(pair: Pair, x: Index, y: Index, *, centred: bool = False) -> tuple[Array, Array]:
    """Return the distance of each neuron of x to the span of y, and of each of y to that of x."""
    A, B = _columns(pair, x, y, centred)
    return _fit(B, A)[1], _fit(A, B)[1]


def survivors(pair: Pair, x: Index, y: Index, eps: float, *, centred: bool = False) -> tuple[Index, Index]:
    """Return the maximum match within neurons x and y, by dropping what is farther than eps, again and again."""
    while len(x) or len(y):
        to_y, to_x = distances(pair, x, y, centred=centred)
        if (to_y <= eps).all() and (to_x <= eps).all():
            break
        x, y = x[to_y <= eps], y[to_x <= eps]
    return x, y


def _columns(pair: Pair, x: Index, y: Index, centred: bool) -> tuple[Array, Array]:
    """Return unit columns with the pair's inner products: a symmetric root, or those of its triangular factor."""
    unit = pair.unit(x, y, centred=centred)
    columns = unit.columns
    if columns is None:
        size, directions = np.linalg.eigh(unit.gram)
        # What is below the rounding of inner products is not there.
        kept = size > 4 * len(size) * unit.rounding * size.max(initial=0.0)
        columns = np.sqrt(size[kept])[:, None] * directions[:, kept].T
    return columns[:, : len(x)], columns[:, len(x) :]


def _fit(S: Array, T: Array) -> tuple[Array, Array]:
    """Return the least-squares coefficients of T on S, and the norms of the residuals."""
    if not S.shape[1]:
        return np.zeros((0, T.shape[1])), np.ones(T.shape[1])
    B = np.asarray(np.linalg.lstsq(S, T, rcond=None)[0], dtype=np.float64)
    return B, np.asarray(np.linalg.norm(T - S @ B, axis=0))
