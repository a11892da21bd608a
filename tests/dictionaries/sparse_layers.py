"""Rows of sparse features of two or three dictionaries, for the tests of this folder."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

import spanmatch as sm


def rare(n: int, width: int, r: np.random.Generator, active: float = 4.0) -> np.ndarray:
    """Return rows of features with unlike firing rates, as float32."""
    rates = 1 / (np.arange(width) + width / 20)
    fires = r.random((n, width)) < np.minimum(rates * active / rates.sum(), 0.5)
    return np.where(fires, r.gamma(2, size=(n, width)), 0).astype(np.float32)


def noisy_copy(X: np.ndarray, r: np.random.Generator, width: int, shared: int) -> tuple[np.ndarray, np.ndarray]:
    """Return another dictionary that has some features of X, noisily, and where they are."""
    Y, places = rare(len(X), width, r), r.permutation(width)[:shared]
    copies = np.where(r.random((len(X), shared)) < 0.9, X[:, :shared], 0)
    Y[:, places] = copies * r.uniform(0.8, 1.2, copies.shape)
    return Y, places


def two(n: int = 3000, p: int = 60, q: int = 50, shared: int = 30, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    X = rare(n, p, r)
    return X, noisy_copy(X, r, q, shared)[0]


def features_of(
    *layers: np.ndarray, ids: np.ndarray | None = None, cuts: list[int] | tuple[int, ...] = (), folder=None
):
    features = sm.SparseFeatures(folder)
    for rows in np.split(np.arange(len(layers[0])), sorted(cuts)):
        batch = {f"{name}:sae": sp.csr_array(layer[rows]) for name, layer in zip("abc", layers, strict=False)}
        features.update(batch, None if ids is None else ids[rows])
    return features


def positive_correlations(X: np.ndarray, Y: np.ndarray, min_active_rows: int = 1) -> np.ndarray:
    """Return max(r, 0) of all pairs of features, 0 for those that are not active in enough rows or do not vary."""
    Z = [one.astype(np.float64) - one.astype(np.float64).mean(axis=0) for one in (X, Y)]
    lengths = [np.linalg.norm(one, axis=0) for one in Z]
    eligible = [
        ((one > 0).sum(axis=0) >= min_active_rows) & (length > 1e-9)
        for one, length in zip((X, Y), lengths, strict=True)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        R = np.nan_to_num(Z[0].T @ Z[1] / np.outer(*lengths))
    return np.clip(R, 0, 1) * np.outer(*eligible)
