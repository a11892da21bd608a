"""Plain definitions in NumPy, on the rows themselves: what the library is tested against."""

from __future__ import annotations

import numpy as np


def distances(T: np.ndarray, S: np.ndarray) -> np.ndarray:
    """dist(v, S) = min over u in span(S) of ||z_v - u|| / ||z_v||, for every column of T."""
    T = T / np.linalg.norm(T, axis=0)
    if not S.shape[1]:
        return np.ones(T.shape[1])
    S = S / np.linalg.norm(S, axis=0)
    return np.linalg.norm(T - S @ np.linalg.lstsq(S, T, rcond=None)[0], axis=0)


def maximum_match(X: np.ndarray, Y: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Drop every neuron farther than eps from the other side, until none is."""
    x, y = np.flatnonzero(X.any(axis=0)), np.flatnonzero(Y.any(axis=0))
    while True:
        near_x = distances(X[:, x], Y[:, y]) <= eps
        near_y = distances(Y[:, y], X[:, x]) <= eps
        if near_x.all() and near_y.all():
            return x, y
        x, y = x[near_x], y[near_y]


def levels(X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take the farthest neuron away, one at a time, with the lowest distance so far as its level."""
    left = [list(np.flatnonzero(Z.any(axis=0))) for Z in (X, Y)]
    found = [np.full(Z.shape[1], np.nan) for Z in (X, Y)]
    threshold = np.inf
    while left[0] or left[1]:
        far = [
            distances(X[:, left[0]], Y[:, left[1]]) if left[0] else np.empty(0),
            distances(Y[:, left[1]], X[:, left[0]]) if left[1] else np.empty(0),
        ]
        side = int(far[1].max(initial=-1.0) > far[0].max(initial=-1.0))
        k = int(np.argmax(far[side]))
        threshold = min(threshold, float(far[side][k]))
        found[side][left[side].pop(k)] = threshold
    return found[0], found[1]


def co_moments(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """sum (x - mean)(y - mean)^T, in extended precision."""
    A, B = X.astype(np.longdouble), Y.astype(np.longdouble)
    return np.asarray((A - A.mean(axis=0)).T @ (B - B.mean(axis=0)), dtype=np.float64)
