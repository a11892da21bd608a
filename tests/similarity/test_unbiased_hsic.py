"""Debiased CKA where rows of one example are dependent: products of rows of different folds."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import oracles
import pytest

import spanmatch as sm


def over_distinct_folds(X: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> float:
    """The estimate of ||Cov(x, y)||^2 by its definition: a loop over all tuples of distinct folds."""
    groups = [fold == f for f in np.unique(fold)]
    n, s, t = ([f(g) for g in groups] for f in (np.sum, lambda g: X[g].sum(axis=0), lambda g: Y[g].sum(axis=0)))
    C = [X[g].T @ Y[g] for g in groups]
    total = weight = 0.0
    for f, g, h, i in permutations(range(len(n)), 4):
        first, second, third = np.sum(C[f] * C[g]), s[g] @ C[f] @ t[h], (s[f] @ s[g]) * (t[h] @ t[i])
        total += first * n[h] * n[i] - 2 * second * n[i] + third
        weight += n[f] * n[g] * n[h] * n[i]
    return float(total / weight)


def dependent(examples: int, rows: int, shared: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two layers of 10 neurons; rows of an example have half of their variance in common."""
    r = np.random.default_rng(seed)

    def factors() -> np.ndarray:
        common = np.repeat(r.standard_normal((examples, 5)), rows, axis=0)
        return np.sqrt(0.5) * (common + r.standard_normal((examples * rows, 5)))

    both, x, y = factors(), factors(), factors()
    weights = np.random.default_rng(99).standard_normal((2, 5, 10))
    X = (np.sqrt(shared) * both + np.sqrt(1 - shared) * x) @ weights[0] + 3
    Y = (np.sqrt(shared) * both + np.sqrt(1 - shared) * y) @ weights[1] - 1
    return X, Y, np.repeat(np.arange(examples), rows)


def population(shared: float) -> float:
    """CKA of the population of `dependent`."""
    V, W = np.random.default_rng(99).standard_normal((2, 5, 10))
    xx, xy, yy = V.T @ V, shared * V.T @ W, W.T @ W
    return float(np.sum(xy**2) / np.linalg.norm(xx) / np.linalg.norm(yy))


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("lengths", ["equal", "unequal"])
def test_it_is_its_definition(method, lengths):
    r = np.random.default_rng(0)
    rows = np.full(30, 4) if lengths == "equal" else r.integers(1, 9, 30)
    ids = np.repeat(np.arange(30), rows)
    X = r.standard_normal((len(ids), 4)) + r.standard_normal((30, 4))[ids] + 5
    Y = X[:, :3] + r.standard_normal((len(ids), 3))
    pair = sm.pair(X, Y, example_ids=ids, method=method)
    fold = oracles.fold_of(ids)
    xy, xx, yy = (over_distinct_folds(A, B, fold) for A, B in ((X, Y), (X, X), (Y, Y)))
    assert sm.cka(pair, debiased=True).value == pytest.approx(xy / np.sqrt(xx * yy), rel=1e-10)

    moved = sm.pair(1e-3 * X + 100, 1e3 * Y - 7, example_ids=ids, method=method)
    assert sm.cka(moved, debiased=True).value == pytest.approx(xy / np.sqrt(xx * yy), rel=1e-8)


@pytest.mark.parametrize("rows", [20, 100])
def test_independent_layers_of_dependent_rows_are_at_zero(rows):
    values, naive = [], []
    for seed in range(60):
        X, Y, ids = dependent(20, rows, 0.0, seed)
        values.append(sm.cka(sm.pair(X, Y, example_ids=ids, null=False), debiased=True).value)
        naive.append(sm.cka(sm.pair(X, Y, null=False), debiased=True).value)  # each row taken for independent
    assert abs(np.mean(values)) < 0.01
    assert np.mean(naive) > 0.03


def test_intervals_of_dependent_rows_cover_the_population():
    covered = 0
    for seed in range(100):
        X, Y, ids = dependent(60, 10, 0.5, seed)
        interval = sm.jackknife(sm.pair(X, Y, example_ids=ids, null=False), lambda pair: sm.cka(pair, debiased=True))
        covered += interval.low <= population(0.5) <= interval.high
    assert covered >= 90


def test_too_few_folds_are_refused():
    X, Y, ids = dependent(20, 5, 0.5, 0)
    for folds in (1, 3):
        with pytest.raises(sm.SpanmatchError, match=r"100 rows of 'x' and 'y' are of 20 examples.*4 folds.*folds=8"):
            sm.cka(sm.pair(X, Y, example_ids=ids, folds=folds), debiased=True)
