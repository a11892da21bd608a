"""RSA from moments against the distances of all rows."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr

import spanmatch as sm
from spanmatch.similarity import rsa_of_moments as rsa


def plain_rsa(X: np.ndarray, Y: np.ndarray) -> float:
    """The correlation of the squared distances of all pairs of rows."""
    return float(pearsonr(pdist(X - X.mean(axis=0), "sqeuclidean"), pdist(Y - Y.mean(axis=0), "sqeuclidean"))[0])


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("kind", layers.KINDS)
def test_it_is_the_correlation_of_all_distances(kind, method):
    X, Y = layers.KINDS[kind]()
    pair = sm.pair(X, Y, method=method)
    assert rsa(pair).value == pytest.approx(plain_rsa(X, Y), abs=1e-10)
    assert rsa(pair.swapped).value == pytest.approx(plain_rsa(X, Y), abs=1e-10)
    assert rsa(sm.pair(X * 1e-6, Y * 1e6, method=method)).value == pytest.approx(plain_rsa(X, Y), abs=1e-10)


@pytest.mark.parametrize("method", ["gram", "qr"])
def test_large_means_cost_no_digits(method):
    X, Y = layers.correlated(n=400)
    offset = 1e4 * X.std()
    assert rsa(sm.pair(X + offset, Y - offset, method=method)).value == pytest.approx(plain_rsa(X, Y), abs=1e-10)


def test_means_that_drift_cost_few_digits():
    X, Y = layers.correlated(n=400, p=7, q=5)
    X[200:] += 1e3  # far from the first batch, about whose mean sums are taken
    moments = sm.Moments()
    for rows in np.array_split(np.arange(400), 4):
        moments.update({"a:l": X[rows], "b:l": Y[rows]}, example_ids=rows)
    assert rsa(moments.pair("a:l", "b:l")).value == pytest.approx(plain_rsa(X, Y), abs=1e-9)


def test_single_precision_has_fewer_digits():
    X, Y = layers.correlated(n=400)
    assert rsa(sm.pair(X, Y, method="single")).value == pytest.approx(plain_rsa(X, Y), abs=1e-4)


def test_folds_null_and_interval():
    X, Y = layers.correlated(n=240, p=7, q=5)
    pair = sm.pair(X + 3, Y)
    fold_of = oracles.fold_of(np.arange(240))
    for i, (rest, fold) in enumerate(pair.splits()):
        assert rsa(fold).value == pytest.approx(plain_rsa(X[fold_of == i], Y[fold_of == i]), abs=1e-10)
        assert rsa(rest).value == pytest.approx(plain_rsa(X[fold_of != i], Y[fold_of != i]), abs=1e-10)
    rolled = Y[oracles.partners(np.arange(240))]
    assert sm.null(pair, rsa).null_value == pytest.approx(plain_rsa(X, rolled), abs=1e-10)
    (declared,) = (measure for measure in sm.measures() if measure.name == "rsa sqeuclidean")
    interval = sm.jackknife(pair, declared)
    assert interval.low < rsa(pair).value < interval.high and interval.scale == "Fisher z"


def test_unrelated_layers_have_none_on_average():
    values = [rsa(sm.pair(*layers.random(n=40, p=10, q=10, seed=seed))).value for seed in range(60)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60)


def test_what_has_no_digits_is_refused():
    X, Y = layers.random(n=2)
    with pytest.raises(sm.SpanmatchError, match="rsa sqeuclidean: 2 rows of 'x' and 'y'; it needs 3"):
        rsa(sm.pair(X, Y))
    simplex = np.eye(30)
    for scale in (1e-6, 1.0, 1e6):
        with pytest.raises(sm.SpanmatchError, match="all rows of layer 'x' are about equally far from each other"):
            rsa(sm.pair(simplex * scale, layers.random(n=30)[1]))
    with pytest.raises(sm.SpanmatchError, match="all rows of layer 'y'"):
        rsa(sm.pair(layers.random(n=30)[0], simplex))
    nearly = simplex + 1e-3 * layers.random(n=30, p=30)[0]
    other = layers.random(n=30)[1]
    assert rsa(sm.pair(nearly, other)).value == pytest.approx(plain_rsa(nearly, other), abs=1e-9)


def test_both_arguments_make_it_a_measure_of_moments():
    pair = sm.pair(*layers.random(), sample=0)
    found = sm.rsa(pair, dissimilarity="sqeuclidean", comparison="pearson")
    assert found.value == rsa(pair).value and found.name == "rsa sqeuclidean"
    with pytest.raises(sm.SpanmatchError, match="no sample of rows was kept"):
        sm.rsa(pair)
    with pytest.raises(sm.SpanmatchError, match="dissimilarity='manhattan': give one of correlation"):
        sm.rsa(pair, dissimilarity="manhattan")
    with pytest.raises(sm.SpanmatchError, match="comparison='kendall': give one of spearman"):
        sm.rsa(pair, comparison="kendall")
