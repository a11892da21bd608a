"""Measures on layers that break rank decisions: right, or refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import hard_layers
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import pdist

import spanmatch as sm

TOLERANCE = 2e-3
"""A share of variance may be wrong by 1e-3."""
PRODUCTS = 1e-7
"""The size of the directions that inner products do not resolve."""


class Rows:
    """Activations in float64, with what definitions need."""

    def __init__(self, layer: object, method: str) -> None:
        self.values = hard_layers.as_float64(layer)
        self.centred = self.values - self.values.mean(axis=0)
        constant = np.linalg.norm(self.centred, axis=0) <= 1e-13 * np.linalg.norm(self.values, axis=0)
        self.centred[:, constant] = 0.0
        self.cutoff = hard_layers.cutoff(layer)
        # Inner products are of centred activations, so that means cost none of their digits.
        self.of_products = PRODUCTS if method == "gram" else 0.0

    def basis(self, Z: np.ndarray) -> np.ndarray:
        """An orthonormal basis of the span of Z, without directions that are rounding."""
        norms = np.linalg.norm(Z, axis=0)
        Z, spread = Z[:, norms > 0] / norms[norms > 0], self.centred[:, norms > 0] / norms[norms > 0]
        U, sizes, _ = np.linalg.svd(Z, full_matrices=False)
        cutoff = max(self.cutoff, self.of_products * np.linalg.norm(spread, axis=0).max())
        return U[:, sizes > cutoff * np.sqrt(Z.shape[1])]

    def whitened(self, alpha: float) -> np.ndarray:
        basis = self.basis(self.centred)
        U, sizes, V = np.linalg.svd(basis.T @ self.centred, full_matrices=False)
        whitened = basis @ U @ V * np.linalg.norm(sizes) / np.sqrt(len(sizes))
        return alpha * self.centred + (1 - alpha) * whitened

    def hat(self, ridge: float) -> np.ndarray:
        if not ridge:
            return self.basis(self.centred) @ self.basis(self.centred).T
        Z = self.centred / np.linalg.norm(self.centred)
        return Z @ np.linalg.solve(Z.T @ Z + ridge * np.eye(Z.shape[1]), Z.T)


def cosine(X: np.ndarray, Y: np.ndarray) -> float:
    return float(np.linalg.svd(X.T @ Y, compute_uv=False).sum() / np.linalg.norm(X) / np.linalg.norm(Y))


def overlap(X: Rows, Y: Rows) -> float:
    Q, U = X.basis(X.values), Y.basis(Y.values)
    return float(np.linalg.norm(Q.T @ U) ** 2 / max(Q.shape[1], U.shape[1]))


def distance_correlation(X: Rows, Y: Rows) -> float:
    return float(np.corrcoef(pdist(X.centred, "sqeuclidean"), pdist(Y.centred, "sqeuclidean"))[0, 1])


def best_permutation(X: Rows, Y: Rows) -> float:
    products = X.centred.T @ Y.centred / np.linalg.norm(X.centred) / np.linalg.norm(Y.centred)
    return float(products[linear_sum_assignment(-products)].sum())


def best_transport(X: Rows, Y: Rows) -> float:
    A, B = (Z.centred[:, Z.centred.any(axis=0)] for Z in (X, Y))
    r = (A / np.linalg.norm(A, axis=0)).T @ (B / np.linalg.norm(B, axis=0))
    p, q = r.shape
    sums = np.vstack([np.kron(np.eye(p), np.ones(q)), np.kron(np.ones(p), np.eye(q))])
    return -float(linprog(-r.ravel(), A_eq=sums, b_eq=np.repeat([1 / p, 1 / q], [p, q])).fun)


Value = Callable[[sm.Pair], float]
DEFINITIONS: dict[str, tuple[Value, Callable[[Rows, Rows], float]]] = {
    "rsa": (lambda pair: sm.rsa(pair, "sqeuclidean", "pearson").value, distance_correlation),
    "shape, alpha=1": (
        lambda pair: np.cos(sm.shape_distance(pair).value),
        lambda X, Y: cosine(X.centred, Y.centred),
    ),
    "shape, alpha=0.5": (
        lambda pair: np.cos(sm.shape_distance(pair, 0.5).value),
        lambda X, Y: cosine(X.whitened(0.5), Y.whitened(0.5)),
    ),
    "shape, alpha=0": (
        lambda pair: np.cos(sm.shape_distance(pair, 0).value),
        lambda X, Y: cosine(X.whitened(0), Y.whitened(0)),
    ),
    "gulp": (lambda pair: sm.gulp(pair).squared, lambda X, Y: np.linalg.norm(X.hat(0) - Y.hat(0)) ** 2),
    "gulp, ridge": (
        lambda pair: sm.gulp(pair, 1e-3).squared,
        lambda X, Y: np.linalg.norm(X.hat(1e-3) - Y.hat(1e-3)) ** 2,
    ),
    "overlap": (lambda pair: sm.eigenspace_overlap(pair).value, overlap),
    "permutation": (lambda pair: sm.permutation_procrustes(pair).value, best_permutation),
    "soft matching": (lambda pair: sm.soft_matching(pair).value, best_transport),
}


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("data", hard_layers.DATA)
def test_values_are_right_or_refused(data, method):
    known = 0
    for seed in range(4):
        layers = hard_layers.DATA[data](seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sm.SpanmatchWarning)
            pair = sm.pair(*layers, method=method, null=False)
        X, Y = (Rows(layer, method) for layer in layers)
        for name, (value, definition) in DEFINITIONS.items():
            try:
                found = value(pair)
            except sm.SpanmatchError:
                continue
            known += 1
            assert found == pytest.approx(definition(X, Y), abs=TOLERANCE), (name, seed)
    assert known >= 4 * 4  # those that need no spans are refused in no layer
