"""Plain definitions in NumPy, on the rows themselves: what the library is tested against."""

from __future__ import annotations

import numpy as np


def distances(T: np.ndarray, S: np.ndarray, cutoff: float | None = None) -> np.ndarray:
    """dist(v, S) = min over u in span(S) of ||z_v - u|| / ||z_v||, for every column of T.

    Directions of unit columns S below the cutoff are rounding; by default those that NumPy cannot tell from it.
    """
    T = T / np.linalg.norm(T, axis=0)
    if not S.shape[1]:
        return np.ones(T.shape[1])
    S = S / np.linalg.norm(S, axis=0)
    rcond = None if cutoff is None else cutoff / np.linalg.norm(S, 2)
    return np.linalg.norm(T - S @ np.linalg.lstsq(S, T, rcond=rcond)[0], axis=0)


def maximum_match(
    X: np.ndarray, Y: np.ndarray, eps: float, cutoff: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Drop every neuron farther than eps from the other side, until none is."""
    x, y = np.flatnonzero(X.any(axis=0)), np.flatnonzero(Y.any(axis=0))
    while True:
        near_x = distances(X[:, x], Y[:, y], cutoff) <= eps
        near_y = distances(Y[:, y], X[:, x], cutoff) <= eps
        if near_x.all() and near_y.all():
            return x, y
        x, y = x[near_x], y[near_y]


def levels(
    X: np.ndarray, Y: np.ndarray, cutoff: float | None = None, sample_size: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Take the farthest neuron away, one at a time, with the lowest distance so far as its level.

    With a sample size n, squared distances are multiplied by n / (n - d), for the rank d of what is left of the
    other side.
    """
    left = [list(np.flatnonzero(Z.any(axis=0))) for Z in (X, Y)]
    found = [np.full(Z.shape[1], np.nan) for Z in (X, Y)]
    threshold = np.inf if np.isinf(sample_size) else 1.0
    while left[0] or left[1]:
        A, B = X[:, left[0]], Y[:, left[1]]
        of_x, of_y = (np.linalg.matrix_rank(Z) if Z.size and np.isfinite(sample_size) else 0 for Z in (A, B))
        far = [
            distances(A, B, cutoff) / np.sqrt(1 - of_y / sample_size) if left[0] else np.empty(0),
            distances(B, A, cutoff) / np.sqrt(1 - of_x / sample_size) if left[1] else np.empty(0),
        ]
        side = int(far[1].max(initial=-1.0) > far[0].max(initial=-1.0))
        k = int(np.argmax(far[side]))
        threshold = min(threshold, float(far[side][k]))
        found[side][left[side].pop(k)] = threshold
    return found[0], found[1]


def fold_of(examples: np.ndarray, folds: int = 8) -> np.ndarray:
    """The fold of each example: blocks of 1, 2, 4 or 8 consecutive ids take turns, each round from a hashed one.

    Blocks are so small that ids from 2^b to 2^(b + 1) are at least one block for each fold.
    """
    result = []
    for example in examples.tolist():
        block = 1
        while block < 8 and example >= 2 * block * (1 << (folds - 1).bit_length()):
            block *= 2
        number = example // block
        result.append((number + splitmix64(number // folds) % folds) % folds)
    return np.array(result)


def co_moments(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """sum (x - mean)(y - mean)^T, in extended precision."""
    A, B = X.astype(np.longdouble), Y.astype(np.longdouble)
    return np.asarray((A - A.mean(axis=0)).T @ (B - B.mean(axis=0)), dtype=np.float64)


def minimum_match(X: np.ndarray, Y: np.ndarray, v: tuple[str, int], eps: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Delete neurons one after another, in the order of indices, as long as v stays in the maximum match."""

    def within(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b = maximum_match(X[:, x], Y[:, y], eps)
        return x[a], y[b]

    def holds(x: np.ndarray, y: np.ndarray) -> bool:
        return v[1] in (x if v[0] == "x" else y)

    x, y = within(np.arange(X.shape[1]), np.arange(Y.shape[1]))
    if not holds(x, y):
        return None
    for side, u in [("x", u) for u in x] + [("y", u) for u in y]:
        if (side, u) == v or u not in (x if side == "x" else y):
            continue
        smaller = within(x[x != u], y) if side == "x" else within(x, y[y != u])
        if holds(*smaller):
            x, y = smaller
    return x, y


def is_minimum(X: np.ndarray, Y: np.ndarray, x: np.ndarray, y: np.ndarray, v: tuple[str, int], eps: float) -> bool:
    """Tell whether (x, y) is a match that holds v, of which no proper subset is: v falls without any one other."""
    a, b = maximum_match(X[:, x], Y[:, y], eps)
    if len(a) != len(x) or len(b) != len(y) or v[1] not in (x if v[0] == "x" else y):
        return False
    for side, u in [("x", u) for u in x] + [("y", u) for u in y]:
        if (side, int(u)) == v:
            continue
        xs, ys = (x[x != u], y) if side == "x" else (x, y[y != u])
        a, b = maximum_match(X[:, xs], Y[:, ys], eps)
        if v[1] in (xs[a] if v[0] == "x" else ys[b]):
            return False
    return True


def simple_matches(X: np.ndarray, Y: np.ndarray, eps: float) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Try all subsets: keep the matches that are not the union of smaller ones."""
    p, q = X.shape[1], Y.shape[1]
    matches = []
    for bits in range(1, 2 ** (p + q)):
        inside = np.array([bits >> k & 1 for k in range(p + q)], dtype=bool)
        x, y = np.flatnonzero(inside[:p]), np.flatnonzero(inside[p:])
        a, b = maximum_match(X[:, x], Y[:, y], eps)
        if len(a) == len(x) and len(b) == len(y):
            matches.append(frozenset([("x", int(i)) for i in x] + [("y", int(j)) for j in y]))
    simple = set()
    for match in matches:
        smaller = [other for other in matches if other < match]
        if not smaller or frozenset().union(*smaller) != match:
            simple.add((tuple(sorted(i for s, i in match if s == "x")), tuple(sorted(j for s, j in match if s == "y"))))
    return simple


def splitmix64(state: int) -> int:
    """The first number of the generator SplitMix64 from a state, in Python's whole numbers."""
    z = (state + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def partners(examples: np.ndarray) -> np.ndarray:
    """For each row of a batch the row that it meets in the null: rows in the order of their examples' hashes, each as
    many rows on as the longest example has."""
    order = sorted(range(len(examples)), key=lambda row: (splitmix64(int(examples[row])), row))
    longest = max(np.unique(examples, return_counts=True)[1])
    found = np.empty(len(order), dtype=int)
    for place, row in enumerate(order):
        found[row] = order[(place + longest) % len(order)]
    return found


def partner_similarity(X: np.ndarray, examples: np.ndarray, batches: list[np.ndarray]) -> float:
    """How alike the examples of one batch are: products of the means of all ordered pairs of examples in a batch, about
    the mean of all of them, over their squares."""
    means = [[X[rows][examples[rows] == e].mean(axis=0) for e in np.unique(examples[rows])] for rows in batches]
    centre = np.mean(np.concatenate(means), axis=0)
    shared = square = 0.0
    for batch in means:
        for i, t in enumerate(batch):
            square += (t - centre) @ (t - centre)
            shared += sum((t - centre) @ (u - centre) for j, u in enumerate(batch) if i != j) / (len(batch) - 1)
    return float(shared / square)
