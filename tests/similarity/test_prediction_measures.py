"""GULP, the eigenspace overlap and held-out ridge regression against NumPy on the rows."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest

import spanmatch as sm

PENALTIES = np.logspace(-6, 6, 13)


def centred(Z: np.ndarray) -> np.ndarray:
    return Z - Z.mean(axis=0)


# ---- GULP


def plain_gulp(X: np.ndarray, Y: np.ndarray, ridge: float) -> float:
    """The Frobenius norm of the difference of the matrices that map targets to predictions."""

    def hat(Z: np.ndarray) -> np.ndarray:
        Z = centred(Z) * np.sqrt(len(Z)) / np.linalg.norm(centred(Z))
        C = Z.T @ Z / len(Z)
        inverse = np.linalg.inv(C + ridge * np.eye(len(C))) if ridge else np.linalg.pinv(C, rcond=1e-12)
        return Z @ inverse @ Z.T / len(Z)

    return float(np.linalg.norm(hat(X) - hat(Y)))


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("kind", ["random", "correlated", "duplicated", "bottleneck", "silent", "one against many"])
def test_gulp_is_the_difference_of_predictions(kind, method):
    X, Y = layers.KINDS[kind]()
    pair = sm.pair(X, Y, method=method)
    for ridge in (0, 1e-3, 0.1, 10):
        expected = plain_gulp(X, Y, ridge)
        result = sm.gulp(pair, ridge)
        assert result.value == pytest.approx(expected, abs=1e-7)
        assert result.squared == pytest.approx(expected**2, abs=1e-7)
        scaled = sm.pair(X * 1e-6, Y * 1e6, method=method)
        assert sm.gulp(scaled, ridge).value == pytest.approx(expected, abs=1e-7)
        assert sm.gulp(pair.swapped, ridge).value == pytest.approx(expected, abs=1e-7)


def test_gulp_is_of_canonical_correlations_and_of_random_targets():
    X, Y = layers.correlated(p=12, q=9)
    rho = sm.cca(sm.pair(X, Y)).coefficients
    assert sm.gulp(sm.pair(X, Y)).squared == pytest.approx(12 + 9 - 2 * np.sum(rho**2), abs=1e-9)
    targets = np.random.default_rng(3).standard_normal((len(X), 4000))
    fits = [centred(Z) @ np.linalg.lstsq(centred(Z), targets, rcond=None)[0] for Z in (X, Y)]
    assert np.mean(np.sum((fits[0] - fits[1]) ** 2, axis=0)) == pytest.approx(sm.gulp(sm.pair(X, Y)).squared, rel=0.05)


def test_gulp_null_folds_and_refusals():
    X, Y = layers.correlated(n=240, p=7, q=5)
    pair = sm.pair(X, Y)
    rolled = Y[oracles.partners(np.arange(240))]
    assert sm.null(pair, sm.gulp).null_value == pytest.approx(plain_gulp(X, rolled, 0), abs=1e-8)
    interval = sm.jackknife(pair, sm.gulp)
    assert 0 < interval.low < sm.gulp(pair).value < interval.high
    assert "40 rows for 24 and 31 dimensions" in sm.gulp(sm.pair(*layers.random(n=40))).warnings[0]
    for ridge in (-1, float("nan"), float("inf")):
        with pytest.raises(sm.SpanmatchError, match=f"ridge={ridge}: give a number of at least 0"):
            sm.gulp(pair, ridge)
    with pytest.raises(sm.SpanmatchError, match="ridge=1e-14 is of the order of the rounding of 'x' and 'y'"):
        sm.gulp(pair, 1e-14)


# ---- eigenspace overlap


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("kind", ["random", "correlated", "duplicated", "bottleneck", "silent", "one against many"])
def test_the_overlap_is_that_of_uncentred_bases(kind, method):
    X, Y = layers.KINDS[kind]()
    bases = []
    for Z in (X, Y):
        U, sizes, _ = np.linalg.svd(Z / np.maximum(np.linalg.norm(Z, axis=0), 1e-300), full_matrices=False)
        bases.append(U[:, sizes > 1e-7 * sizes[0]])
    expected = np.linalg.norm(bases[0].T @ bases[1]) ** 2 / max(bases[0].shape[1], bases[1].shape[1])
    pair = sm.pair(X, Y, method=method)
    for other in (pair, pair.swapped, sm.pair(X * 1e-6, Y * 1e6, method=method)):
        assert sm.eigenspace_overlap(other).value == pytest.approx(expected, abs=1e-8)
    assert sm.eigenspace_overlap(pair).provenance.centred is False


def test_overlap_null_folds_and_few_rows():
    X, Y = layers.correlated(n=240, p=7, q=5)
    pair = sm.pair(X, Y)
    rolled = sm.pair(X, Y[oracles.partners(np.arange(240))])
    null = sm.null(pair, sm.eigenspace_overlap).null_value
    assert null == pytest.approx(sm.eigenspace_overlap(rolled).value, abs=1e-9)
    interval = sm.jackknife(pair, sm.eigenspace_overlap)
    assert interval.low < sm.eigenspace_overlap(pair).value < interval.high
    assert (
        "independent layers would have about 0.60" in sm.eigenspace_overlap(sm.pair(*layers.random(n=40))).warnings[0]
    )


# ---- held-out ridge regression


def fitted(X: np.ndarray, Y: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and intercept of ridge regression; the penalty is relative to the weighted mean variance."""
    A, B = centred(X), centred(Y)
    S = A.T @ A
    scaled = penalty * np.trace(S @ S) / np.trace(S) * np.eye(A.shape[1])
    W = np.linalg.solve(A.T @ A + scaled, A.T @ B)
    return W, Y.mean(axis=0) - X.mean(axis=0) @ W


def plain_ridge(X: np.ndarray, Y: np.ndarray, fold_of: np.ndarray) -> tuple[float, list[float]]:
    """1 - squared errors on held-out folds, over squares about the means of the other folds."""
    error, total, chosen = 0.0, 0.0, []
    for f in np.unique(fold_of):
        rest, inner = fold_of != f, np.zeros(len(PENALTIES))
        for g in np.unique(fold_of[rest]):
            train = rest & (fold_of != g)
            for k, penalty in enumerate(PENALTIES):
                W, b = fitted(X[train], Y[train], penalty)
                inner[k] += np.sum((Y[fold_of == g] - X[fold_of == g] @ W - b) ** 2)
        chosen.append(PENALTIES[len(PENALTIES) - 1 - np.argmin(inner[::-1])])
        W, b = fitted(X[rest], Y[rest], chosen[-1])
        error += np.sum((Y[~rest] - X[~rest] @ W - b) ** 2)
        total += np.sum((Y[~rest] - Y[rest].mean(axis=0)) ** 2)
    return 1 - error / total, chosen


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("kind", ["random", "correlated", "few rows", "duplicated", "silent", "one against many"])
def test_ridge_regression_is_nested_cross_validation(kind, method):
    X, Y = layers.KINDS[kind]()
    expected, penalties = plain_ridge(X, Y, oracles.fold_of(np.arange(len(X))))
    result = sm.ridge_regression(sm.pair(X, Y, method=method))
    assert result.value == pytest.approx(expected, abs=1e-8)
    np.testing.assert_allclose(result.penalties, penalties)
    scaled = sm.pair(X * 1e-6 + 1e-3, Y * 1e6 - 5, method=method)
    assert sm.ridge_regression(scaled).value == pytest.approx(expected, abs=1e-8)
    back = plain_ridge(Y, X, oracles.fold_of(np.arange(len(X))))[0]
    assert sm.ridge_regression(sm.pair(X, Y, method=method).swapped).value == pytest.approx(back, abs=1e-8)


def test_ridge_regression_of_dependent_rows_and_folds_of_unequal_size():
    X, Y = layers.correlated(n=300, p=6, q=4)
    ids = np.sort(np.random.default_rng(0).integers(0, 25, 300))
    pair = sm.pair(X, Y, example_ids=ids, folds=5)
    expected, _ = plain_ridge(X, Y, oracles.fold_of(ids, folds=5))
    assert sm.ridge_regression(pair).value == pytest.approx(expected, abs=1e-9)


def test_ridge_regression_is_no_chance_and_has_an_interval():
    values = [sm.ridge_regression(sm.pair(*layers.random(n=100, p=20, q=20, seed=seed))).value for seed in range(20)]
    assert -0.1 < np.mean(values) < 0.01  # in sample it would be 0.2
    r = np.random.default_rng(0)
    X = r.standard_normal((2000, 10))
    pair = sm.pair(X, X @ r.standard_normal((10, 6)) + 3 * r.standard_normal((2000, 6)))
    found = sm.assess(pair, sm.match_profile(pair))["ridge regression"]
    assert found.estimator == "held out" and found.bias == 0
    assert np.isnan([found.low, found.high, found.null_value]).all() and "use sm.jackknife" in found.reason
    assert abs(found.value - sm.linear_regression(pair, adjusted=True).value) < 0.01
    interval = sm.jackknife(pair, sm.ridge_regression)
    assert interval.low < interval.value == found.value < interval.high and interval.scale == "log"


def test_ridge_regression_needs_folds():
    X, Y = layers.random()
    for folds, count in ((1, 0), (2, 2)):
        with pytest.raises(sm.SpanmatchError, match=f"needs 3 folds with rows, and 'x' and 'y' have {count}"):
            sm.ridge_regression(sm.pair(X, Y, folds=folds))
    with pytest.raises(sm.SpanmatchError, match="needs 3 folds"):
        sm.null(sm.pair(X, Y), sm.ridge_regression)
    comparison = sm.compare({"a": {"l": X}, "b": {"l": Y}}, folds=1)
    assert comparison["l"].measure("ridge regression").reason == "no folds were kept; use folds=8"
    assert comparison["l"].refusals == {}


def test_single_precision_uses_no_penalty_of_its_rounding():
    X, Y = layers.correlated()
    single, exact = (sm.ridge_regression(sm.pair(X, Y, method=method)) for method in ("single", "gram"))
    assert single.penalties.min() >= 1e-3 or single.value == pytest.approx(exact.value, abs=1e-3)
    assert single.value == pytest.approx(exact.value, abs=1e-2)
