"""Permutation tests against the package calibrated-similarity of their authors, on the same permutations.

It computes in float32, so values agree to 1e-6; p-values are counts, and are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import spanmatch as sm
from spanmatch.evidence.permutations import permutations_of

torch = pytest.importorskip("torch")
calibrated_similarity = pytest.importorskip("calibrated_similarity")

Rows = NDArray[np.float64]
M, K, NEIGHBOURS = 60, 99, 10
CLASSES = np.random.default_rng(7).integers(0, 4, M)
FLOAT32 = 1e-6


def cka(A: Rows, B: Rows) -> float:
    """CKA of two kernels that are centred here."""
    A, B = (Z - Z.mean(axis=0) - Z.mean(axis=1, keepdims=True) + Z.mean() for Z in (A, B))
    return float(np.sum(A * B) / np.linalg.norm(A) / np.linalg.norm(B))


def linear_cka(X: Rows, Y: Rows) -> float:
    return cka(X @ X.T, Y @ Y.T)


def rbf(X: Rows) -> Rows:
    distances = cdist(X, X)
    width = 0.4 * np.median(distances[np.triu_indices(len(X), 1)])
    return np.exp(-(distances**2) / (2 * width**2))


def rbf_cka(X: Rows, Y: Rows) -> float:
    return cka(rbf(X), rbf(Y))


def neighbours(Z: Rows) -> NDArray[np.bool_]:
    near = np.argsort(cdist(Z, Z, "cosine") + 3 * np.eye(len(Z)), axis=1)[:, :NEIGHBOURS]
    return (near[:, :, None] == np.arange(len(Z))).any(axis=1)


def mutual_knn(X: Rows, Y: Rows) -> float:
    return int((neighbours(X) & neighbours(Y)).sum()) / (len(X) * NEIGHBOURS)


MEASURES: dict[str, tuple[Callable[[sm.Pair], sm.Measured], Callable[[Rows, Rows], float]]] = {
    "linear": (sm.cka, linear_cka),
    "linear, of the sample": (sm.kernel_cka, linear_cka),
    "rbf": (next(measure for measure in sm.measures() if measure.name == "rbf cka"), rbf_cka),
    "neighbours": (sm.mutual_knn, mutual_knn),
}


def theirs(measure: Callable[[Rows, Rows], float]) -> Callable[[object, object], float]:
    """A measure of tensors."""
    return lambda X, Y: measure(X.numpy(), Y.numpy())


def in_turn(orders: Iterable[NDArray[np.intp]]) -> Callable[[int, object], object]:
    """The permutations as that package asks for them, one after the other."""
    remaining: Iterator[NDArray[np.intp]] = iter(orders)
    return lambda m, device: torch.from_numpy(next(remaining).astype(np.int64))


def layers_of(share: float) -> tuple[Rows, Rows]:
    """Rows that have a share of their variance in common, as the sample keeps them."""
    common, x, y = np.random.default_rng(3).standard_normal((3, M, 6))
    X, Y = (np.sqrt(share) * common + np.sqrt(1 - share) * own for own in (x, y))
    return X.astype(np.float32).astype(np.float64), Y.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("groups", [None, CLASSES], ids=["all", "within groups"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", MEASURES)
def test_p_threshold_and_calibrated_value_are_those_of_the_authors(name, share, groups):
    measure, definition = MEASURES[name]
    X, Y = layers_of(share)
    test = sm.permutation_test(sm.pair(X, Y), measure, K, groups, 5)
    orders = permutations_of(np.arange(M), K, groups, 5)
    calibrated, p, threshold = calibrated_similarity.calibrate(
        torch.from_numpy(X), torch.from_numpy(Y), theirs(definition), K=K, alpha=0.05, perm_fn=in_turn(orders)
    )
    assert round(test.p_value * (K + 1)) == round(float(p) * (K + 1))
    assert test.threshold == pytest.approx(float(threshold), abs=FLOAT32)
    assert test.calibrated == pytest.approx(float(calibrated), abs=FLOAT32)
    assert test.sample_value == pytest.approx(definition(X, Y), abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("name", ["linear", "rbf", "neighbours"])
def test_the_maximum_over_pairs_of_layers_is_that_of_the_authors(name, share):
    measure, definition = MEASURES[name]
    r = np.random.default_rng(4)
    X, Y = layers_of(share)
    networks = {"a": [X, *r.standard_normal((2, M, 4))], "b": [r.standard_normal((M, 5)), Y]}
    layers = {f"{net}:{i}": np.float32(Z) for net, rows in networks.items() for i, Z in enumerate(rows)}
    moments = sm.Moments(pairs=[(f"a:{i}", f"b:{j}") for i, j in product(range(3), range(2))])
    moments.update(layers, np.arange(M))
    result = sm.significance(moments, measure, K)
    tensors = [[torch.from_numpy(np.float64(np.float32(Z))) for Z in rows] for rows in networks.values()]
    orders = permutations_of(np.arange(M), K, None, 0)
    calibrated, p, threshold = calibrated_similarity.calibrate_layers(
        *tensors, theirs(definition), agg="max", K=K, alpha=0.05, perm_fn=in_turn(orders)
    )
    largest = int(np.argmax(result.sample_values))
    assert round(result.adjusted_p_values[largest] * (K + 1)) == round(float(p) * (K + 1))
    assert result.adjusted_p_values[largest] == result.adjusted_p_values.min()
    assert result.threshold == pytest.approx(float(threshold), abs=FLOAT32)
    assert result.calibrated[largest] == pytest.approx(float(calibrated), abs=FLOAT32)
