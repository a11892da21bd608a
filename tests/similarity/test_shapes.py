"""Shape distances and permutation Procrustes against NumPy and other definitions."""

from __future__ import annotations

from itertools import permutations

import layers
import numpy as np
import oracles
import pytest

import spanmatch as sm


def centred(Z: np.ndarray) -> np.ndarray:
    return Z - Z.mean(axis=0)


def partly_whitened(Z: np.ndarray, alpha: float) -> np.ndarray:
    """X (alpha I + (1 - alpha) s Sxx^(-1/2)) with the pseudo-inverse, and s that keeps the variance."""
    U, sizes, V = np.linalg.svd(centred(Z), full_matrices=False)
    r = int(np.sum(sizes > 1e-9 * sizes[0]))
    whitened = U[:, :r] @ V[:r]
    return alpha * centred(Z) + (1 - alpha) * np.linalg.norm(sizes) / np.sqrt(r) * whitened


def angle(X: np.ndarray, Y: np.ndarray) -> float:
    nuclear = np.linalg.svd(X.T @ Y, compute_uv=False).sum()
    return float(np.arccos(nuclear / np.linalg.norm(X) / np.linalg.norm(Y)))


def netrep_whitened(Z: np.ndarray, alpha: float) -> np.ndarray:
    """As netrep whitens: alpha + (1 - alpha) / sqrt(eigenvalue), without a scale for the whitened part."""
    variances, V = np.linalg.eigh(Z.T @ Z)
    return Z @ (V * (alpha + (1 - alpha) / np.sqrt(variances))) @ V.T


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("kind", ["random", "correlated", "duplicated", "bottleneck", "silent", "one against many"])
def test_it_is_the_angle_of_partly_whitened_layers(kind, method):
    X, Y = layers.KINDS[kind]()
    pair = sm.pair(X, Y, method=method)
    for alpha in (0, 0.1, 0.5, 1):
        expected = angle(partly_whitened(X, alpha), partly_whitened(Y, alpha))
        assert sm.shape_distance(pair, alpha).value == pytest.approx(expected, abs=1e-8)
        assert sm.shape_distance(pair.swapped, alpha).value == pytest.approx(expected, abs=1e-8)
        scaled = sm.pair(X * 1e-6, Y * 1e6, method=method)
        assert sm.shape_distance(scaled, alpha).value == pytest.approx(expected, abs=1e-8)


def test_its_ends_are_procrustes_and_cca():
    X, Y = layers.correlated(p=30, q=30)
    pair, wider = sm.pair(X, Y), sm.pair(X, Y[:, :20])
    assert sm.shape_distance(pair).value == pytest.approx(np.arccos(sm.procrustes(pair).value), abs=1e-12)
    assert sm.shape_distance(pair, 0).value == pytest.approx(np.arccos(sm.cca(pair).value), abs=1e-9)
    padded = np.arccos(sm.cca(wider).coefficients.sum() / np.sqrt(30 * 20))
    assert sm.shape_distance(wider, 0).value == pytest.approx(padded, abs=1e-9)
    assert sm.shape_distance(wider, 0).value > np.arccos(sm.cca(wider).value)


def test_netrep_gives_the_same_for_layers_of_its_scale():
    X, Y = (centred(Z) for Z in layers.correlated(p=12, q=12))
    X, Y = (Z * np.sqrt(12) / np.linalg.norm(Z) for Z in (X, Y))
    for alpha in (0, 0.3, 0.9, 1):
        theirs = angle(netrep_whitened(X, alpha), netrep_whitened(Y, alpha))
        assert sm.shape_distance(sm.pair(X, Y), alpha).value == pytest.approx(theirs, abs=1e-9)


def test_alpha_and_unresolved_spans_are_refused():
    pair = sm.pair(*layers.random())
    for alpha in (-0.1, 1.1, float("nan")):
        with pytest.raises(sm.SpanmatchError, match=r"give a number in \[0, 1\]"):
            sm.shape_distance(pair, alpha)
    X, Y = layers.random(p=6)
    near = np.hstack([X, X[:, :1] + 2e-6 * np.random.default_rng(1).standard_normal((300, 1))])
    unresolved = sm.pair(near, Y, method="gram")
    assert sm.shape_distance(unresolved).value > 0
    with pytest.raises(sm.SpanmatchError, match="shape distance: neurons of layer 'x' are nearly combinations"):
        sm.shape_distance(unresolved, 0.5)
    exact = angle(partly_whitened(near, 0.5), partly_whitened(Y, 0.5))
    assert sm.shape_distance(sm.pair(near, Y, method="qr"), 0.5).value == pytest.approx(exact, abs=1e-7)


def test_shape_distance_null_and_folds():
    X, Y = layers.correlated(n=240, p=7, q=5)
    pair = sm.pair(X, Y)
    rolled = Y[oracles.partners(np.arange(240))]
    assert sm.null(pair, sm.shape_distance).null_value == pytest.approx(angle(centred(X), centred(rolled)), abs=1e-9)
    (declared,) = (measure for measure in sm.measures() if measure.name == "shape distance")
    interval = sm.jackknife(pair, declared)
    assert 0 < interval.low < sm.shape_distance(pair).value < interval.high < np.pi / 2
    found = sm.assess(pair, sm.match_profile(pair))["shape distance"]
    assert found.kind == "distance" and found.null_value > found.value
    assert np.isnan(found.bias) and "bias of a value in sample is unknown" in found.reason


@pytest.mark.parametrize("shape", [(5, 5), (5, 3), (3, 6)])
def test_permutation_procrustes_tries_all_permutations(shape):
    X, Y = layers.correlated(n=200, p=shape[0], q=shape[1])
    A, B = (centred(Z) / np.linalg.norm(centred(Z)) for Z in (X, Y))
    width = max(shape)
    A, B = (np.pad(Z, [(0, 0), (0, width - Z.shape[1])]) for Z in (A, B))
    # All neurons of the narrower layer have a partner among those of the wider one.
    smallest = min(np.linalg.norm(A - B[:, order]) for order in permutations(range(width)))
    result = sm.permutation_procrustes(sm.pair(X, Y))
    assert result.distance == pytest.approx(smallest, abs=1e-9)
    assert result.value == pytest.approx(1 - smallest**2 / 2, abs=1e-9)
    scaled = sm.pair(X * 1e-6, Y * 1e6)
    assert sm.permutation_procrustes(scaled).value == pytest.approx(result.value, abs=1e-12)
    assert sm.permutation_procrustes(sm.pair(Y, X)).value == pytest.approx(result.value, abs=1e-12)


def test_permutation_procrustes_is_negative_of_opposite_layers():
    x = layers.random(p=1)[0]
    result = sm.permutation_procrustes(sm.pair(x, -x))
    assert result.value == pytest.approx(-1) and result.distance == pytest.approx(2)


def test_permutation_procrustes_null_and_folds():
    X, Y, _ = layers.partners(n=400)
    pair = sm.pair(X, Y)
    rolled = sm.pair(X, Y[oracles.partners(np.arange(400))])
    null = sm.null(pair, sm.permutation_procrustes).null_value
    assert null == pytest.approx(sm.permutation_procrustes(rolled).value, abs=1e-9)
    interval = sm.jackknife(pair, sm.permutation_procrustes)
    assert interval.low < sm.permutation_procrustes(pair).value < interval.high
