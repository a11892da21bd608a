"""Probes, principal components and rank correlations, which the tests of measures rest on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from spanmatch.bench.components import components
from spanmatch.bench.probes import probe_accuracy, with_probes
from spanmatch.bench.rank_correlation import rank_correlation
from spanmatch.bench.representation import Representation


def classes(rng: np.random.Generator, n: int = 300, distance: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of 10 neurons with three classes whose means are in some distance, and the classes."""
    labels = rng.integers(3, size=n)
    return rng.standard_normal((n, 10)) + distance * np.eye(10)[labels], labels


def test_a_probe_is_as_accurate_as_a_linear_discriminant():
    rng = np.random.default_rng(0)
    rows, labels = classes(rng, 2000)
    new_rows, new_labels = classes(rng, 20_000)
    expected = LinearDiscriminantAnalysis().fit(new_rows, new_labels).score(new_rows, new_labels)
    assert probe_accuracy(rows, labels) == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / 2000))


def test_a_probe_sees_neither_axes_nor_scale_nor_mean():
    rng = np.random.default_rng(1)
    rows, labels = classes(rng)
    rotation = np.linalg.qr(rng.standard_normal((10, 10)))[0]
    accuracy = probe_accuracy(rows, labels)
    for changed in (rows @ rotation, rows * 1e-6, rows * 1e6, rows + 5.0):
        assert probe_accuracy(changed, labels) == accuracy
    assert probe_accuracy(rows * np.arange(10), labels) != accuracy


def test_probes_of_what_holds_nothing():
    rng = np.random.default_rng(2)
    rows, labels = classes(rng, distance=0.0)
    assert probe_accuracy(rows, labels) == pytest.approx(1 / 3, abs=0.1)
    assert probe_accuracy(np.full((300, 4), 0.1), labels) == pytest.approx(1 / 3, abs=0.1)
    assert probe_accuracy(rows, np.zeros(300, dtype=int)) == 1


def test_a_layer_is_probed_once():
    rows, labels = classes(np.random.default_rng(3))
    network = Representation("a", "a", 0, {"x": rows, "y": rows}, labels, rows, {"x": 0.25})
    probed = with_probes(network, network.layers)
    assert probed.probe_accuracies == {"x": 0.25, "y": probe_accuracy(rows, labels)}


def test_components_are_those_of_an_eigendecomposition():
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((50, 6)) @ rng.standard_normal((6, 8)) + 3
    found = components(rows)
    variances, axes = np.linalg.eigh(np.cov(rows.T, bias=True))
    assert found.rank == 6
    np.testing.assert_allclose(found.spreads**2 / 50, variances[::-1][:6], rtol=1e-9)
    leading = axes[:, ::-1][:, :2]
    np.testing.assert_allclose(found.first(2), rows.mean(0) + (rows - rows.mean(0)) @ leading @ leading.T, atol=1e-10)
    np.testing.assert_allclose(found.first(6), rows, atol=1e-10)
    assert components(np.full((50, 3), 0.1)).rank == 0
    assert components(rows * 1e-9).rank == 6


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_is_scipys(seed):
    x, y = np.random.default_rng(seed).integers(6, size=(2, 20))
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert rank_correlation(x * 1e-9, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_rank_correlation_of_constant_values_and_of_too_few():
    rounding = 1 + 1e-15 * np.random.default_rng(0).standard_normal(8)
    assert rank_correlation(rounding, np.arange(8)) == rank_correlation(np.arange(8), np.zeros(8)) == 0
    assert np.isnan(rank_correlation([1, 2], [1, 2]))
    assert rank_correlation([1, 2, 3], [-3, -2, -1]) == pytest.approx(1, abs=1e-12)
