"""The matching of the largest total weight on a graph of candidates, with a proof of how good it is.

Of all one-to-one partnerships of p and q features, the matching maximises the sum of the weights
w_ij >= 0. Weak duality bounds that sum for every matching, also one with pairs that are no
candidates: if u_i + v_j >= w_ij for all pairs, and u, v >= 0, no total is larger than sum u + sum v.
See docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, eye_array, hstack
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from .coactivation import Candidates
from .feature_rows import Array, Index

NEGLIGIBLE = 1e-11
"""A violation of a dual bound that is rounding, relative to weights of 1."""
GRID = 2.0**-40
"""What weights of 1 are rounded to for the solver."""
MOST_STEPS = 10_000
MOST_CANDIDATES, BYTES_OF_CANDIDATE = 30_000_000, 100
"""Candidates to take at most, and the bytes that each takes with what is needed on the way."""
MORE = 8
"""How many times as many candidates a feature gets whose bound is not tight."""


@dataclass(frozen=True, eq=False)
class Matching:
    """Partners, and a bound for the total of any matching."""

    x: Index
    y: Index
    weight: Array
    """(m,) in order of x."""
    bound: float
    """No matching has a larger total."""
    candidates: Candidates

    @property
    def total(self) -> float:
        """The sum of the weights."""
        return float(self.weight.sum())


MoreCandidates = Callable[[Index, int], Candidates]
"""Returns more candidates of some features of x: the k largest."""


def best_matching(
    candidates: Candidates,
    more: MoreCandidates | None = None,
    *,
    k: int = 32,
    tolerance: float = 1e-6,
    most: float = MOST_CANDIDATES,
) -> Matching:
    """Return the matching of the largest total on the graph of candidates.

    As long as its total is not within the tolerance of the bound, relative to it, features whose
    candidates leave a gap get more of them, up to the most candidates.
    """
    x, y, weight = _matched(candidates)
    v = _duals_of_y(candidates, x, y, weight)
    while True:
        u = _duals_of_x(candidates, v)
        needed = _needed_by_others(candidates, v)
        bound = float(np.maximum(u, needed).sum() + v.sum())
        matching = Matching(x, y, weight, bound, candidates)
        k *= MORE
        loose = np.flatnonzero(needed > u)
        enough = bound - matching.total <= tolerance * matching.total
        if more is None or enough or not len(loose) or len(candidates.r) + k * len(loose) > most:
            return matching
        candidates = candidates.with_more(more(loose, k), loose)
        if (candidates.r > u[candidates.i] + v[candidates.j] + NEGLIGIBLE).any():
            x, y, weight = _matched(candidates)
            v = _duals_of_y(candidates, x, y, weight)


def _matched(candidates: Candidates) -> tuple[Index, Index, Array]:
    """Return the matching of the largest total weight: pairs that must be in it, and those of the rest."""
    i, j, r = candidates.i, candidates.j, candidates.r
    sure = []
    while len(r):
        forced = r > _best_other(i, r) + _best_other(j, r)
        if not forced.any():
            break
        sure.append((i[forced], j[forced], r[forced]))
        rest = ~(np.isin(i, i[forced]) | np.isin(j, j[forced]))
        i, j, r = i[rest], j[rest], r[rest]
    x, y, weight = (np.concatenate(parts) for parts in zip(_assigned(i, j, r), *sure, strict=True))
    order = np.argsort(x)
    return x[order], y[order], weight[order]


def _best_other(group: Index, r: Array) -> Array:
    """Return for each pair the largest weight of the other pairs of its feature, 0 without others.

    A pair whose weight is larger than the sum of both, of its features of x and of y, is in every
    best matching: to put it there, at most these two are lost.
    """
    largest, next_largest = np.zeros(int(group.max()) + 1), np.zeros(int(group.max()) + 1)
    np.maximum.at(largest, group, r)
    is_largest = r == largest[group]
    np.maximum.at(next_largest, group[~is_largest], r[~is_largest])
    shared = np.bincount(group[is_largest], minlength=len(largest)) > 1
    next_largest[shared] = largest[shared]
    return np.where(is_largest, next_largest[group], largest[group])


def _assigned(i: Index, j: Index, r: Array) -> tuple[Index, Index, Array]:
    """Return the matching of the largest total weight: partners and weights.

    Each feature of x can also remain alone: it has a column of its own, of weight 0. The solver
    takes absent entries for forbidden and zeros for absent, so 1 is added to all weights: each row
    is matched once. It lowers prices by differences of weights. Weights are rounded to a grid, on
    which its sums are exact: a difference below the rounding of a price would never lower it.
    """
    if not len(i):
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty(0)
    rows, row = np.unique(i, return_inverse=True)
    columns, column = np.unique(j, return_inverse=True)
    graph = csr_array((1 + np.rint(r / GRID) * GRID, (row, column)), shape=(len(rows), len(columns)))
    alone = hstack([graph, eye_array(len(rows), format="csr")], format="csr")
    x, y = min_weight_full_bipartite_matching(alone, maximize=True)
    paired = y < len(columns)
    x, y = x[paired], y[paired]
    return rows[x], columns[y], _entries(graph, x, y) - 1


def _entries(graph: csr_array, x: Index, y: Index) -> Array:
    """Return entries of a sparse matrix."""
    return np.asarray(graph[x, y]).ravel()


def _duals_of_y(candidates: Candidates, x: Index, y: Index, weight: Array) -> Array:
    """Return the smallest duals of y for an optimal matching: longest paths in the residual graph.

    v_j >= w_ij for each i without a partner, and v_j >= v_m(i) + w_ij - w_im(i) for all others. What
    is wrong with them, by rounding or because paths were cut, makes the bound larger, not wrong.
    """
    i, j, r = candidates.i, candidates.j, candidates.r
    p, q = len(candidates.x_bound), len(candidates.y_bound)
    starts = np.searchsorted(i, np.arange(p + 1))
    partner, base, owner = np.full(p, -1), np.zeros(p), np.full(q, -1)
    partner[x], base[x], owner[y] = y, weight, x
    v, front = np.zeros(q), np.unique(i)
    for _ in range(MOST_STEPS):
        if not len(front):
            break
        lengths = starts[front + 1] - starts[front]
        edges = np.repeat(starts[front] - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        rows, columns = i[edges], j[edges]
        price = np.where(partner[rows] >= 0, v[partner[rows]] - base[rows], 0.0) + r[edges]
        rises = (price > v[columns] + NEGLIGIBLE) & (partner[rows] != columns)
        raised = np.unique(columns[rises])
        np.maximum.at(v, columns[rises], price[rises])
        front = owner[raised]
        front = front[front >= 0]
    return v


def _duals_of_x(candidates: Candidates, v: Array) -> Array:
    """Return the smallest duals of x that are feasible for all candidates."""
    u = np.zeros(len(candidates.x_bound))
    np.maximum.at(u, candidates.i, candidates.r - v[candidates.j])
    return u


def _needed_by_others(candidates: Candidates, v: Array) -> Array:
    """Return the duals of x that all pairs need that are no candidates, whose weights are at most both bounds.

    max_j (min(a_i, b_j) - v_j), of the j with b_j >= a_i and of those below it: with the b_j in
    order, a minimum of v from a place on, and a maximum of b_j - v_j up to it.
    """
    a, b = candidates.x_bound, candidates.y_bound
    order = np.argsort(b, kind="stable")
    smallest_v = np.append(np.minimum.accumulate(v[order][::-1])[::-1], np.inf)
    largest = np.append(-np.inf, np.maximum.accumulate(b[order] - v[order]))
    place = np.searchsorted(b[order], a, side="left")
    return np.asarray(np.maximum(0, np.maximum(a - smallest_v[place], largest[place])))
