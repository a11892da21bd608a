"""Mean and variance of the mutual information of two independent neurons with given bin counts.

The margins A_a and B_b of a table of n rows are fixed, and the rows are permuted. The count N of a
cell is then hypergeometric with mean m = A_a B_b / n, and n I = sum over cells of N log(N / m) - N
+ m.

- The mean of n I is the sum of the cells' means. It is exact.
- The variance is approximate: right for many rows, within a fifth of permutations for few rows, and
  there more often too large. It has two parts. The first is the variance of each cell that no
  linear function of its count explains, times 1 / ((1 - A_a / n) (1 - B_b / n)). The second is due
  to the slopes of those linear functions, less what rows and columns of the table share.

Sources: Vinh, Epps, Bailey, JMLR 2010 (the mean); Koehler, JASA 1986 (the variance in sparse
tables); docs/convergent.md.
"""

from __future__ import annotations

import numpy as np

from ..moments.spans import Array

MOST_NODES = 24
"""Number of different counts at which cells are computed; others are interpolated."""
REACH = 8
"""Number of standard deviations of a count, on each side of its mean, that sums cover."""


def chance_information(x_counts: Array, y_counts: Array) -> tuple[Array, Array]:
    """Return the mean and variance of n times the mutual information (nats) over permutations of
    the rows.

    Parameters
    ----------
    x_counts : ndarray of shape (p, bins)
        Rows in each bin of each neuron of x. Every neuron's counts sum to the same n.
    y_counts : ndarray of shape (q, bins)
        Rows in each bin of each neuron of y, with the same sum.

    Returns
    -------
    mean, variance : ndarray of shape (p, q)

    Notes
    -----
    Cost: p q bins operations, and the moments of at most 24^2 hypergeometric distributions. With
    more than 24 different counts, these moments are interpolated by cubic splines of the
    logarithms, within 1e-5 of the mean.

    References
    ----------
    Vinh, Epps, Bailey, JMLR 11, 2010; Koehler, Journal of the American Statistical Association 81,
    1986.
    """
    n = int(x_counts[0].sum())
    (of_x, x_weights), (of_y, y_weights) = _nodes(x_counts), _nodes(y_counts)
    excess, residual, slope = _cells(of_x, of_y, n)
    mean = np.outer(of_x, of_y) / n
    x_sum, y_sum = x_weights.sum(axis=1), y_weights.sum(axis=1)
    # Of the slopes, what rows and columns of the table share is fixed with the margins.
    by_row = _squares(x_weights, x_counts, mean * slope, y_sum)
    by_column = _squares(y_weights, y_counts, (mean * slope).T, x_sum).T
    overall = (x_sum @ (mean * slope) @ y_sum.T) ** 2 / n
    apart = np.maximum(x_sum @ (mean * slope**2) @ y_sum.T - by_row - by_column + overall, 0)
    return x_sum @ excess @ y_sum.T, x_sum @ residual @ y_sum.T + apart


def thinned(counts: Array, rows: int) -> Array:
    """Return the counts (neurons, bins) of a smaller number of rows: in proportion, rounded, with
    that sum.
    """
    total = np.cumsum(counts, axis=1)
    return np.diff(np.rint(total * (rows / total[:, -1:])), axis=1, prepend=0)


def _nodes(counts: Array) -> tuple[Array, Array]:
    """Return the nodes (k,), and the weights (neurons, bins, k) that interpolate between them at
    each bin's count.
    """
    different = np.unique(counts[counts > 0])
    if len(different) <= MOST_NODES:
        return different, (counts[:, :, None] == different).astype(np.float64)
    from scipy.interpolate import CubicSpline

    nodes = np.unique(np.rint(np.geomspace(different[0], different[-1], MOST_NODES)))
    weights = CubicSpline(np.log(nodes), np.eye(len(nodes)))(np.log(np.maximum(counts, different[0])))
    return nodes, weights * (counts > 0)[:, :, None]


def _cells(x: Array, y: Array, n: int) -> tuple[Array, Array, Array]:
    """Return the moments of f = N log(N / m) - N + m for every two counts.

    They are the mean, the scaled residual variance about a line in N, and the slope of that line.
    """
    from scipy.special import gammaln, xlogy

    A, B = (side[..., None] for side in np.broadcast_arrays(x[:, None], y))
    mean = A * B / n
    spread = np.sqrt(mean * (1 - A / n) * (1 - B / n) * (n / max(n - 1, 1)))
    # A smooth summand needs only a few points per standard deviation.
    step = np.maximum(np.floor(spread / 4), 1)
    reach = int(np.ceil(((REACH * spread + 12) / step).max()))
    N = np.rint(mean) + step * np.arange(-reach, reach + 1)
    inside = (np.maximum(A + B - n, 0) <= N) & (np.minimum(A, B) >= N)
    N = np.where(inside, N, np.rint(mean))
    log = -(gammaln(N + 1) + gammaln(A - N + 1) + gammaln(B - N + 1) + gammaln(n - A - B + N + 1))
    weight = np.exp(log - log.max(axis=-1, keepdims=True)) * inside
    weight /= weight.sum(axis=-1, keepdims=True)
    f, d = xlogy(N, N / mean) - N + mean, N - mean
    excess = (weight * f).sum(axis=-1)
    f -= excess[..., None]
    covariance, square, variance = ((weight * a * b).sum(axis=-1) for a, b in ((f, d), (d, d), (f, f)))
    slope = np.divide(covariance, square, out=np.zeros_like(covariance), where=square > 0)
    free = (1 - x[:, None] / n) * (1 - y / n)
    residual = np.maximum(variance - slope * covariance, 0)
    return excess, np.divide(residual, free, out=np.zeros_like(residual), where=free > 0), slope


def _squares(weights: Array, counts: Array, table: Array, other: Array) -> Array:
    """Return (neurons, others) sums over a neuron's bins of (sum over the other's bins of the
    table)^2 / count.
    """
    sums = (weights.reshape(-1, weights.shape[2]) @ table @ other.T).reshape(*counts.shape, -1)
    share = np.divide(1, counts, out=np.zeros_like(counts), where=counts > 0)
    return np.asarray((share[:, None] @ np.square(sums, out=sums))[:, 0])
