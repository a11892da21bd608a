"""Mutual information that two unrelated neurons show by chance, given how many rows each has in each of its bins.

With the margins A_a and B_b of a table of n rows fixed and the rows permuted, the count N of a cell is hypergeometric
with mean m = A_a B_b / n, and n I = sum over cells of N log(N / m) - N + m. Its mean is the sum of the cells' means and
exact. Its variance is that of the parts of the cells that no linear function of the counts explains, 1 / ((1 - A_a / n)
(1 - B_b / n)) times as large as in a single cell, and of the slopes of those functions beyond what rows and columns of
the table share: an approximation, right for many rows, and within a fifth of permutations for few, rather too large.
References: Vinh, Epps, Bailey, JMLR 2010 (the mean); Koehler, JASA 1986 (the variance in sparse tables);
docs/convergent.md.
"""

from __future__ import annotations

import numpy as np

from ..moments.spans import Array

MOST_NODES = 24
"""Cells are computed for so many different counts of either side and interpolated between them."""
REACH = 8
"""Standard deviations of a count about its mean that are summed over."""


def chance_information(x_counts: Array, y_counts: Array) -> tuple[Array, Array]:
    """Return the mean and the variance of n times the mutual information (nats) over permutations of the rows.

    Parameters
    ----------
    x_counts : (p, bins) array of rows in each bin of each neuron, every neuron's summing to the same n
    y_counts : (q, bins) array, summing to n too

    Returns
    -------
    mean, variance : (p, q) arrays

    Notes
    -----
    Cost: p q bins operations, and the moments of at most 32^2 hypergeometric distributions. With more different
    counts than 32, their moments are interpolated by cubic splines of the logarithms: within 1e-5 of the mean.
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
    """Return the counts (neurons, bins) that so many of the rows would have: in proportion, rounded, with that sum."""
    total = np.cumsum(counts, axis=1)
    return np.diff(np.rint(total * (rows / total[:, -1:])), axis=1, prepend=0)


def _nodes(counts: Array) -> tuple[Array, Array]:
    """Return different counts (k,), and for every bin the weights (neurons, bins, k) of their values in its own."""
    different = np.unique(counts[counts > 0])
    if len(different) <= MOST_NODES:
        return different, (counts[:, :, None] == different).astype(np.float64)
    from scipy.interpolate import CubicSpline

    nodes = np.unique(np.rint(np.geomspace(different[0], different[-1], MOST_NODES)))
    weights = CubicSpline(np.log(nodes), np.eye(len(nodes)))(np.log(np.maximum(counts, different[0])))
    return nodes, weights * (counts > 0)[:, :, None]


def _cells(x: Array, y: Array, n: int) -> tuple[Array, Array, Array]:
    """Return, for each two counts, the mean of f = N log(N / m) - N + m, its variance about a line, and the slope."""
    from scipy.special import gammaln, xlogy

    A, B = (side[..., None] for side in np.broadcast_arrays(x[:, None], y))
    mean = A * B / n
    spread = np.sqrt(mean * (1 - A / n) * (1 - B / n) * (n / max(n - 1, 1)))
    # A smooth summand needs no more than a few points a standard deviation.
    step = np.maximum(np.floor(spread / 4), 1)
    reach = int(np.ceil(((REACH * spread + 12) / step).max()))
    N = np.rint(mean) + step * np.arange(-reach, reach + 1)
    inside = (np.maximum(A + B - n, 0) <= N) & (np.minimum(A, B) >= N)
    N = np.where(inside, N, np.rint(mean))
    log = -(gammaln(N + 1) + gammaln(A - N + 1) + gammaln(B - N + 1) + gammaln(n - A - B + N + 1))
    weight = np.exp(log - log.max(axis=-1, keepdims=True)) * inside
    weight /= weight.sum(axis=-1, keepdims=True)
    f, off = xlogy(N, N / mean) - N + mean, N - mean
    excess = (weight * f).sum(axis=-1)
    f -= excess[..., None]
    both, square, own = ((weight * a * b).sum(axis=-1) for a, b in ((f, off), (off, off), (f, f)))
    slope = np.divide(both, square, out=np.zeros_like(both), where=square > 0)
    free = (1 - x[:, None] / n) * (1 - y / n)
    left = np.maximum(own - slope * both, 0)
    return excess, np.divide(left, free, out=np.zeros_like(left), where=free > 0), slope


def _squares(weights: Array, counts: Array, table: Array, other: Array) -> Array:
    """Return (neurons, others) sums over a neuron's bins of (sum over the other's of the table)^2 / count."""
    sums = (weights.reshape(-1, weights.shape[2]) @ table @ other.T).reshape(*counts.shape, -1)
    share = np.divide(1, counts, out=np.zeros_like(counts), where=counts > 0)
    return np.asarray((share[:, None] @ np.square(sums, out=sums))[:, 0])
