"""Measures of flattened feature maps: the values that they have on all features, from m x m products."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import spanmatch as sm

MEASURES = {measure.name: measure for measure in sm.measures() if measure.needs == "moments"}
ROTATABLE = [name for name, measure in MEASURES.items() if "orthogonal" in measure.invariances]


def maps(n=90, positions=30, p=7, q=9, seed=0, offset=2.0):
    """Feature maps of two layers, (n, positions, channels), of common causes; rows of float32."""
    r = np.random.default_rng(seed)
    causes = r.standard_normal((n, 12))
    return [
        (offset + causes @ r.standard_normal((12, positions * k)) + r.standard_normal((n, positions * k)))
        .reshape(n, positions, k)
        .astype(np.float32)
        for k in (p, q)
    ]


def pair_of(X, Y, **options):
    n, positions = X.shape[:2]
    rows = [layer.reshape(n * positions, -1).astype(float) for layer in (X, Y)]
    return sm.pair(*rows, example_ids=np.repeat(np.arange(n), positions), **options)


def centred(layer):
    flat = layer.reshape(len(layer), -1).astype(float)
    return flat - flat.mean(axis=0)


def test_more_features_than_examples_are_the_definitions_on_all_features():
    X, Y = maps()
    pair, A, B = pair_of(X, Y), centred(X), centred(Y)
    assert A.shape == (90, 210)
    K, L = A @ A.T, B @ B.T
    cka = np.sum(K * L) / np.linalg.norm(K) / np.linalg.norm(L)
    assert sm.flattened(pair, sm.cka).value == pytest.approx(cka, rel=1e-10)
    assert sm.kernel_cka(pair).value == pytest.approx(cka, rel=1e-10)
    procrustes = np.linalg.norm(A.T @ B, "nuc") / np.linalg.norm(A) / np.linalg.norm(B)
    assert sm.flattened(pair, sm.procrustes).value == pytest.approx(procrustes, rel=1e-9)
    assert sm.flattened(pair, sm.shape_distance).value == pytest.approx(np.arccos(procrustes), rel=1e-9)
    (U, s, _), (V, t, _) = (np.linalg.svd(layer, full_matrices=False) for layer in (A, B))
    k, m = (1 + np.searchsorted(np.cumsum(d**2) / np.sum(d**2), 0.9) for d in (s, t))
    few = sm.flattened(pair, sm.svcca)
    k, m = (1 + np.searchsorted(np.cumsum(d**2) / np.sum(d**2), 0.99) for d in (s, t))
    assert few.dimensions == (k, m)
    assert few.value == pytest.approx(np.linalg.svd(U[:, :k].T @ V[:, :m], compute_uv=False).mean(), rel=1e-9)
    D, E = (np.sum((layer[:, None] - layer) ** 2, axis=2)[np.triu_indices(90, 1)] for layer in (A, B))
    assert sm.flattened(pair, MEASURES["rsa sqeuclidean"]).value == pytest.approx(np.corrcoef(D, E)[0, 1], rel=1e-9)


def test_ridge_regression_is_that_of_all_features():
    X, Y = maps(n=60, positions=12, p=6, q=5)
    folds, A, B = 4, *(layer.reshape(60, -1).astype(float) for layer in (X, Y))
    found = sm.flattened(pair_of(X, Y, folds=folds), sm.ridge_regression)
    rows = sm.ridge_regression(sm.pair(A, B, folds=folds, method="qr"))
    assert A.shape[1] > 60 and found.value == pytest.approx(rows.value, rel=1e-6)


@pytest.mark.parametrize("name", MEASURES)
def test_few_features_are_compared_as_they_are(name):
    X, Y = maps(n=200, positions=3, p=3, q=2)
    A, B = (layer.reshape(200, -1).astype(float) for layer in (X, Y))
    expected = MEASURES[name](sm.pair(A, B, null=False))
    found = sm.flattened(pair_of(X, Y), MEASURES[name])
    assert float(found) == pytest.approx(float(expected), rel=1e-8, abs=1e-12)
    assert type(found) is type(expected) and found.name == name


@pytest.mark.parametrize("name", ROTATABLE)
def test_rotations_of_all_features_change_nothing(name):
    X, Y = maps(n=40, positions=8, p=6, q=7)
    r = np.random.default_rng(1)
    rotated = []
    for layer in (X, Y):
        flat = layer.reshape(40, -1).astype(float)
        turn = np.linalg.qr(r.standard_normal((flat.shape[1],) * 2))[0]
        rotated.append((flat @ turn).reshape(layer.shape).astype(np.float32))
    try:
        value = float(sm.flattened(pair_of(X, Y), MEASURES[name]))
    except sm.SpanmatchError as error:  # too few rows for a correction
        assert "effective sample size" in str(error)
        return
    assert float(sm.flattened(pair_of(*rotated), MEASURES[name])) == pytest.approx(value, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", sorted(MEASURES.keys() - set(ROTATABLE)))
def test_neurons_of_too_many_features_are_refused(name):
    with pytest.raises(sm.SpanmatchError, match=r"layer 'x' has 210 features in 90 examples; .* to rotations"):
        sm.flattened(pair_of(*maps()), MEASURES[name])


def test_what_cannot_be_flattened_is_refused():
    pair = pair_of(*maps())
    with pytest.raises(sm.SpanmatchError, match="mutual knn: it is a measure of the sample; use it as it is"):
        sm.flattened(pair, sm.mutual_knn)
    with pytest.raises(sm.SpanmatchError, match="210 features in 90 examples"):
        sm.flattened(pair, partial(sm.svcca, variance=0.9))  # whose invariances are not declared
    with pytest.raises(sm.SpanmatchError, match="give a function of a pair"):
        sm.flattened(pair, "procrustes")
    small = sm.pair(*np.random.default_rng(0).standard_normal((2, 50, 4)))
    with pytest.raises(sm.SpanmatchError, match=r"it returned 0\.5"):
        sm.flattened(small, lambda pair: 0.5)
    with pytest.raises(sm.SpanmatchError, match="no sample of rows was kept"):
        sm.flattened(pair_of(*maps(), sample=0), sm.procrustes)


def test_the_result_says_which_examples_and_features_it_is_of():
    provenance = sm.flattened(pair_of(*maps(), sample=50), sm.procrustes).provenance
    assert (provenance.neurons, provenance.sample_size, provenance.sample_rows) == ((210, 270), 50, "flat")


def test_a_large_mean_costs_no_digits():
    X, Y = maps(offset=500.0)
    A, B = centred(X), centred(Y)
    procrustes = np.linalg.norm(A.T @ B, "nuc") / np.linalg.norm(A) / np.linalg.norm(B)
    assert sm.flattened(pair_of(X, Y), sm.procrustes).value == pytest.approx(procrustes, rel=1e-8)
