"""Measures against plain formulas on rows, their declared invariances, and other people's implementations."""

from __future__ import annotations

import doctest
import importlib

import layers
import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import subspace_angles
from scipy.spatial import procrustes as scipy_procrustes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

import spanmatch as sm

MEASURES = {measure.name: measure for measure in sm.measures() if measure.needs == "moments"}
HARD = ["random", "correlated", "duplicated", "bottleneck", "badly scaled", "few rows", "silent", "one against many"]


def centred(Z: np.ndarray) -> np.ndarray:
    return Z - Z.mean(axis=0)


def plain_hsic(X: np.ndarray, Y: np.ndarray) -> float:
    n = len(X)
    K, L = X @ X.T, Y @ Y.T
    np.fill_diagonal(K, 0)
    np.fill_diagonal(L, 0)
    one = np.ones(n)
    through = one @ K @ L @ one
    return (np.trace(K @ L) + K.sum() * L.sum() / (n - 1) / (n - 2) - 2 * through / (n - 2)) / (n * (n - 3))


def plain_debiased(X: np.ndarray, Y: np.ndarray) -> float:
    return plain_hsic(X, Y) / np.sqrt(plain_hsic(X, X) * plain_hsic(Y, Y))


def basis(Z: np.ndarray) -> np.ndarray:
    U, size, _ = np.linalg.svd(centred(Z) / np.maximum(np.linalg.norm(centred(Z), axis=0), 1e-300), full_matrices=False)
    return U[:, size > 1e-7 * size[0]]


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("kind", HARD)
def test_measures_are_their_formulas_on_the_rows(kind, method):
    X, Y = layers.KINDS[kind]()
    A, B = centred(X), centred(Y)
    pair = sm.pair(X, Y, method=method)
    cross = np.linalg.norm(A.T @ B) ** 2
    assert sm.cka(pair).value == pytest.approx(cross / np.linalg.norm(A.T @ A) / np.linalg.norm(B.T @ B), rel=1e-9)
    assert sm.cka(pair, debiased=True).value == pytest.approx(plain_debiased(X, Y), rel=1e-9)
    nuclear = np.linalg.svd(A.T @ B, compute_uv=False).sum() / np.linalg.norm(A) / np.linalg.norm(B)
    result = sm.procrustes(pair)
    assert result.value == pytest.approx(nuclear, rel=1e-9)
    assert result.distance == pytest.approx(np.sqrt(2 - 2 * nuclear), rel=1e-6)
    rho = np.linalg.svd(basis(X).T @ basis(Y), compute_uv=False)
    found = sm.cca(pair)
    tolerance = 1e-9 if method == "qr" or kind != "few rows" else 1e-6
    assert_allclose(found.coefficients, rho, atol=tolerance)
    assert found.dimensions == (basis(X).shape[1], basis(Y).shape[1])
    assert found.value == pytest.approx(rho.mean(), abs=tolerance)
    assert found.pillai == pytest.approx((rho**2).mean(), abs=tolerance)
    trace = np.trace(basis(X) @ basis(X).T @ basis(Y) @ basis(Y).T)
    assert found.yanai == pytest.approx(trace / np.sqrt(np.prod(found.dimensions)), abs=tolerance)
    fit = basis(X) @ (basis(X).T @ B)
    left, energy = ((B - fit) ** 2).sum(axis=0), (B**2).sum(axis=0)
    regression = sm.linear_regression(pair)
    assert regression.value == pytest.approx(1 - left.sum() / energy.sum(), abs=1e-8)
    alive = energy > 0
    assert_allclose(regression.per_neuron[alive], 1 - left[alive] / energy[alive], atol=1e-8)
    assert np.isnan(regression.per_neuron[~alive]).all()
    assert sm.linear_regression(pair.swapped).value == pytest.approx(regression.x_from_y, abs=1e-9)


def test_svcca_and_pwcca_are_their_formulas():
    X, Y = layers.correlated()
    pair = sm.pair(X, Y)
    for variance in (0.5, 0.9, 0.99, 1.0):
        reduced = []
        for Z in (X, Y):
            U, size, _ = np.linalg.svd(centred(Z), full_matrices=False)
            kept = int(np.searchsorted(np.cumsum(size**2) / np.sum(size**2), variance - 1e-12)) + 1
            reduced.append(U[:, :kept])
        rho = np.linalg.svd(reduced[0].T @ reduced[1], compute_uv=False)
        found = sm.svcca(pair, variance=variance)
        assert found.dimensions == (reduced[0].shape[1], reduced[1].shape[1])
        assert_allclose(found.coefficients, rho, atol=1e-9)
    U, rho, _ = np.linalg.svd(basis(X).T @ basis(Y), full_matrices=False)
    weights = abs((basis(X) @ U).T @ centred(X)).sum(axis=1)
    assert sm.pwcca(pair).value == pytest.approx(np.sum(weights * rho) / np.sum(weights), rel=1e-9)
    assert sm.pwcca(pair).value != pytest.approx(sm.pwcca(pair.swapped).value, rel=1e-3)


def test_the_area_is_under_the_profile():
    X, Y = layers.with_silent()
    profile = sm.match_profile(sm.pair(X, Y))
    eps = (np.arange(100_000) + 0.5) / 100_000
    assert sm.match_area(sm.pair(X, Y)).value == pytest.approx(profile.similarity(eps).mean(), abs=1e-5)
    c = np.corrcoef(np.hstack([X, Y])[:, [1, 2, 40, 41]], rowvar=False)[:2, 2:]
    best = max(np.trace(c), np.trace(c[:, ::-1])) / 2
    pair = sm.pair(X[:, 1:3], Y[:, :2])
    assert sm.correlation_match(pair).value == pytest.approx(best)


# ---- declared as data, proven and disproven

TRANSFORMS = {
    "orthogonal": lambda Z, r: Z @ np.linalg.qr(r.standard_normal((Z.shape[1],) * 2))[0],
    "invertible linear": lambda Z, r: Z @ layers.mixing(Z.shape[1], 30, r),
    "isotropic scaling": lambda Z, r: Z * r.uniform(2, 5),
    "neuron scaling": lambda Z, r: Z * r.uniform(0.2, 5, Z.shape[1]),
    "translation": lambda Z, r: Z + r.uniform(2, 5, Z.shape[1]),
    "permutation": lambda Z, r: Z[:, r.permutation(Z.shape[1])],
}


@pytest.mark.parametrize("invariance", TRANSFORMS)
@pytest.mark.parametrize("name", MEASURES)
def test_invariances_are_those_declared_and_no_others(name, invariance):
    X, Y = layers.correlated(p=12, q=9)
    measure, change = MEASURES[name], TRANSFORMS[invariance]
    r = np.random.default_rng(7)
    before = float(measure(sm.pair(X, Y)))
    after = float(measure(sm.pair(change(X, r), change(Y, r))))
    if invariance in measure.invariances:
        assert after == pytest.approx(before, rel=1e-7)
    else:
        assert abs(after - before) > 1e-4


@pytest.mark.parametrize("name", MEASURES)
def test_range_self_and_symmetry_are_those_declared(name):
    measure = MEASURES[name]
    X, Y = layers.correlated(p=12, q=9)
    assert float(measure(sm.pair(X, X))) == pytest.approx(measure.itself, abs=1e-6)
    for kind in ("random", "correlated", "few rows", "duplicated"):
        if kind == "few rows" and measure.estimator == "corrected":
            with pytest.raises(sm.SpanmatchError, match="the effective sample size of 'x' and 'y' is 49"):
                measure(sm.pair(*layers.KINDS[kind]()))
            continue
        value = float(measure(sm.pair(*layers.KINDS[kind]())))
        assert measure.range[0] <= value <= measure.range[1]
    forth, back = (float(measure(pair)) for pair in (sm.pair(X, Y), sm.pair(Y, X)))
    assert (forth == pytest.approx(back, rel=1e-9)) == measure.symmetric
    result = measure(sm.pair(X, Y))
    assert result.name == name and result.provenance.rows == 500 and result.value == float(result)
    assert measure.needs == "moments"
    assert measure.kind == ("distance" if name in ("gulp", "shape distance") else "similarity")


@pytest.mark.parametrize("name", MEASURES)
def test_huge_means_cost_few_digits(name):
    X, Y = layers.correlated(p=12, q=9)
    measure = MEASURES[name]
    if "translation" in measure.invariances:
        far = float(measure(sm.pair(X + 1e6, Y - 1e6)))
        assert far == pytest.approx(float(measure(sm.pair(X, Y))), rel=1e-6)


@pytest.mark.parametrize("name", MEASURES)
def test_layers_that_never_vary_are_refused(name):
    X, _ = layers.random()
    for constant in (np.zeros((300, 3)), np.full((300, 3), 2.5)):
        with pytest.raises(sm.SpanmatchError, match=rf"{name}: layer 'y' never varies"):
            MEASURES[name](sm.pair(X, constant))


def test_debiased_cka_refuses_too_few_rows_and_svcca_a_wrong_share():
    X, Y = layers.random(n=3)
    with pytest.raises(sm.SpanmatchError, match="debiased cka: 3 rows of 'x' and 'y'; it needs 4"):
        sm.cka(sm.pair(X, Y), debiased=True)
    for variance in (0, 1.5, float("nan")):
        with pytest.raises(sm.SpanmatchError, match="give a share"):
            sm.svcca(sm.pair(*layers.random()), variance=variance)


def test_few_rows_are_warned_of():
    X, Y = layers.random(n=30)
    assert "30 rows for 24 and 29 dimensions" in sm.cca(sm.pair(X, Y)).warnings[0]
    assert sm.cca(sm.pair(X, Y)).value > 0.9  # chance, as the warning says
    assert sm.linear_regression(sm.pair(X, Y)).warnings and not sm.cca(sm.pair(*layers.random(n=5000))).warnings


# ---- debiased CKA from streamed sums


@pytest.mark.parametrize("method", ["gram", "qr"])
def test_debiased_cka_streams_exactly(method):
    X, Y = layers.correlated(n=240, p=7, q=5)
    X = X + 3
    parts = [sm.Moments(method=method) for _ in range(3)]
    for part, rows in zip(parts, np.split(np.arange(240), [13, 150]), strict=True):
        for batch in np.array_split(rows, 2):
            part.update({"a:l": X[batch], "b:l": Y[batch]}, example_ids=batch)
    total = parts[0] + (parts[1] + parts[2])
    pair = total.pair("a:l", "b:l")
    assert sm.cka(pair, debiased=True).value == pytest.approx(plain_debiased(X, Y), rel=1e-10)
    assert sm.cka(total.pair("b:l", "a:l"), debiased=True).value == pytest.approx(plain_debiased(X, Y), rel=1e-10)
    for fold, part in enumerate(pair.folds):
        chosen = oracles.fold_of(np.arange(240)) == fold
        assert sm.cka(part, debiased=True).value == pytest.approx(plain_debiased(X[chosen], Y[chosen]), rel=1e-9)
    rest, _ = next(iter(pair.splits()))
    chosen = oracles.fold_of(np.arange(240)) != 0
    assert sm.cka(rest, debiased=True).value == pytest.approx(plain_debiased(X[chosen], Y[chosen]), rel=1e-9)
    minibatch = np.mean([plain_debiased(X[b], Y[b]) for b in np.array_split(np.arange(240), 20)])
    assert abs(minibatch - plain_debiased(X, Y)) > 1e-3  # what averaging over batches would give


def test_debiased_cka_in_the_null_world():
    X, Y = layers.correlated(n=200, p=7, q=5)
    rolled = Y[oracles.partners(np.arange(200))]
    null = sm.pair(X, Y).null
    assert sm.cka(null, debiased=True).value == pytest.approx(plain_debiased(X, rolled), rel=1e-9)
    assert sm.cka(sm.pair(X, Y).swapped.null, debiased=True).value == pytest.approx(plain_debiased(X, rolled), rel=1e-9)


def test_debiased_cka_has_no_bias():
    biased, unbiased = [], []
    for seed in range(60):
        pair = sm.pair(*layers.random(n=60, p=20, q=20, seed=seed))
        biased.append(sm.cka(pair).value)
        unbiased.append(sm.cka(pair, debiased=True).value)
    assert np.mean(biased) > 0.2
    assert abs(np.mean(unbiased)) < 4 * np.std(unbiased) / np.sqrt(60)


# ---- other people's implementations


@pytest.mark.parametrize("kind", ["random", "correlated", "few rows"])
def test_against_pytorch_cka(kind):
    torch = pytest.importorskip("torch")
    cka = pytest.importorskip("cka.cka")
    X, Y = layers.KINDS[kind]()
    theirs = cka.cka_from_features(torch.from_numpy(X), torch.from_numpy(Y))
    assert sm.cka(sm.pair(X, Y), debiased=True).value == pytest.approx(float(theirs.squeeze()), rel=1e-9)


@pytest.mark.parametrize("kind", ["random", "correlated"])
def test_against_torch_cka(kind):
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torch_cka").CKA
    X, Y = (torch.from_numpy(Z).float() for Z in layers.KINDS[kind]())

    def hsic(A, B):
        K, L = A @ A.T, B @ B.T
        K.fill_diagonal_(0)
        L.fill_diagonal_(0)
        return theirs._HSIC(type("", (), {"device": "cpu"})(), K, L)

    value = hsic(X, Y) / np.sqrt(hsic(X, X) * hsic(Y, Y))
    assert sm.cka(sm.pair(X, Y), debiased=True).value == pytest.approx(value, rel=1e-3, abs=1e-4)  # it has float32


def test_against_scipy_and_scikit_learn():
    X, Y = layers.correlated()
    pair = sm.pair(X, Y)
    cosines = np.cos(subspace_angles(centred(X), centred(Y)))
    assert_allclose(np.sort(sm.cca(pair).coefficients), np.sort(cosines), atol=1e-9)
    square = sm.pair(X[:, :33], Y)
    disparity = scipy_procrustes(X[:, :33], Y)[2]  # of unit layers, the second one scaled as is best
    assert 1 - sm.procrustes(square).value ** 2 == pytest.approx(disparity, rel=1e-9)
    fitted = LinearRegression().fit(X, Y).predict(X)
    expected = r2_score(Y, fitted, multioutput="variance_weighted")
    assert sm.linear_regression(pair).value == pytest.approx(expected, rel=1e-9)
    assert_allclose(sm.linear_regression(pair).per_neuron, r2_score(Y, fitted, multioutput="raw_values"), atol=1e-9)


@pytest.mark.parametrize(
    "module",
    [
        "canonical_correlation",
        "held_out_regression",
        "kernel_alignment",
        "neuron_matching",
        "neuron_transport",
        "prediction_distance",
        "procrustes_analysis",
        "regression",
        "representational_similarity",
        "shapes",
        "subspaces",
    ],
)
def test_examples_in_docstrings(module):
    found = importlib.import_module(f"spanmatch.similarity.{module}")
    result = doctest.testmod(found)
    assert result.attempted > 0 and result.failed == 0
