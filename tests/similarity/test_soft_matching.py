"""Soft matching against POT and plain assignments."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest
from scipy.optimize import linear_sum_assignment

import spanmatch as sm


def correlations(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return np.corrcoef(X, Y, rowvar=False)[: X.shape[1], X.shape[1] :]


@pytest.mark.parametrize("widths", [(12, 12), (12, 6), (12, 8), (8, 12), (13, 7), (5, 24), (1, 9), (40, 33)])
def test_it_is_the_optimal_transport_of_neurons(widths):
    ot = pytest.importorskip("ot")
    X, Y = layers.correlated(n=300, p=widths[0], q=widths[1])
    p, q = widths
    r = correlations(X, Y).reshape(p, q) if min(p, q) > 1 else np.corrcoef(X, Y, rowvar=False)[:p, p:]
    cost = ot.emd2(np.full(p, 1 / p), np.full(q, 1 / q), 1 - r)
    result = sm.soft_matching(sm.pair(X, Y))
    assert result.value == pytest.approx(1 - cost, abs=1e-9)
    assert result.distance == pytest.approx(np.sqrt(2 * cost), abs=1e-8)
    np.testing.assert_allclose(result.plan.sum(axis=1), 1 / p, atol=1e-12)
    np.testing.assert_allclose(result.plan.sum(axis=0), 1 / q, atol=1e-12)
    assert result.plan.min() >= 0 and np.sum(result.plan * r) == pytest.approx(result.value, abs=1e-9)
    for other in (sm.pair(Y, X), sm.pair(X * 1e-6, Y * 1e6), sm.pair(X, Y, method="qr")):
        assert sm.soft_matching(other).value == pytest.approx(result.value, abs=1e-9)


def test_of_the_same_width_it_is_an_assignment():
    X, Y, _ = layers.partners(p=9, q=9)
    r = correlations(X, Y)
    i, j = linear_sum_assignment(-r)
    pair = sm.pair(X, Y)
    assert sm.soft_matching(pair).value == pytest.approx(r[i, j].mean(), abs=1e-12)
    assert sm.soft_matching(pair).value == pytest.approx(sm.correlation_match(pair).value, abs=1e-12)
    np.testing.assert_array_equal(np.argmax(sm.soft_matching(pair).plan[i], axis=1), j)


def test_neurons_are_copied_but_not_left_out():
    X, _ = layers.random(p=4)
    twice = sm.pair(X, np.hstack([X, 3 * X + 1]))
    assert sm.soft_matching(twice).value == pytest.approx(1) and sm.soft_matching(twice).distance < 1e-7
    left_out = sm.pair(X, layers.random(p=4, q=7)[1])
    assert sm.soft_matching(left_out).value < sm.correlation_match(left_out).value


def test_constant_neurons_are_left_out():
    X, Y = layers.correlated(p=8, q=6)
    X[:, 2], Y[:, 0] = 4.0, 0.0
    result = sm.soft_matching(sm.pair(X, Y))
    others = sm.soft_matching(sm.pair(np.delete(X, 2, axis=1), Y[:, 1:]))
    assert result.value == pytest.approx(others.value, abs=1e-12)
    assert result.plan.shape == (8, 6) and not result.plan[2].any() and not result.plan[:, 0].any()
    assert result.plan.sum() == pytest.approx(1)


def test_null_and_folds():
    X, Y = layers.correlated(n=240, p=7, q=5)
    pair = sm.pair(X, Y)
    rolled = sm.pair(X, Y[oracles.partners(np.arange(240))])
    null = sm.null(pair, sm.soft_matching).null_value
    assert null == pytest.approx(sm.soft_matching(rolled).value, abs=1e-9)
    interval = sm.jackknife(pair, sm.soft_matching)
    assert interval.low < sm.soft_matching(pair).value < interval.high


def test_one_to_one_of_different_widths():
    X, Y, order = layers.partners(p=5, q=9)
    for pair, x, y in ((sm.pair(X, Y), np.arange(5), order), (sm.pair(Y, X), order, np.arange(5))):
        found = sm.one_to_one(pair)
        assert set(zip(found.x.tolist(), found.y.tolist(), strict=True)) == set(
            zip(x.tolist(), y.tolist(), strict=True)
        )
        assert len(found.x_unmatched) + len(found.y_unmatched) == 4
        assert np.mean(found.strength) == pytest.approx(sm.correlation_match(pair).value)
