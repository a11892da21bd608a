"""Moments added: any partition of the rows, in any order, gives the moments of all rows."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import METHODS, NAMES, assert_same, moments_of

import spanmatch as sm


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=6), st.integers(0, 1000), st.sampled_from(METHODS))
def test_partitions_and_merge_orders_change_nothing(cuts, seed, method):
    r = np.random.default_rng(seed)
    X, Y = layers.correlated(n=90, p=5, q=4, seed=seed)
    X += 100 * r.standard_normal(5)
    examples = np.arange(90) // 2
    whole = moments_of(X, Y, example_ids=examples, null=False, method=method)
    parts = [
        moments_of(X[rows], Y[rows], example_ids=examples[rows], null=False, method=method)
        for rows in np.split(np.arange(90), sorted(cuts))
        if len(rows)
    ]
    order = r.permutation(len(parts))
    added = sm.Moments(null=False, method=method)
    for k in order:
        added += parts[k]
    grouped = parts[order[0]]
    for k in order[1:]:
        grouped = parts[k] + grouped
    streamed = moments_of(X, Y, cuts=cuts, example_ids=examples, null=False, method=method)
    for other in (added, grouped, streamed):
        assert_same(other.pair(*NAMES), whole.pair(*NAMES))
        for mine, theirs in zip(other.pair(*NAMES).folds, whole.pair(*NAMES).folds, strict=True):
            assert_same(mine, theirs, scale=whole.pair(*NAMES))


@pytest.mark.parametrize("method", METHODS)
def test_merging_keeps_the_null(method):
    X, Y = layers.random(n=60)
    halves = [moments_of(X[s], Y[s] + 50, method=method) for s in (slice(0, 24), slice(24, 60))]
    rolled = np.vstack([Y[s][oracles.partners(np.arange(s.stop - s.start))] for s in (slice(0, 24), slice(24, 60))])
    for merged in (halves[0] + halves[1], halves[1] + halves[0]):
        np.testing.assert_allclose(merged.pair(*NAMES).null.xy, oracles.co_moments(X, rolled), atol=1e-9)


def test_empty_is_the_identity_and_inputs_stay_as_they_were():
    X, Y = layers.random()
    moments = moments_of(X, Y)
    before = moments.pair(*NAMES)
    kept = before.xx.copy()
    for total in (sm.Moments() + moments, moments + sm.Moments()):
        np.testing.assert_array_equal(total.pair(*NAMES).xx, before.xx)
        assert total.rows == moments.rows
    _ = moments + moments
    moments.update({"a:l": X + 3, "b:l": Y})
    np.testing.assert_array_equal(before.xx, kept)
    np.testing.assert_array_equal(before.folds[0].xx, moments_of(X, Y).pair(*NAMES).folds[0].xx)
    assert moments.pair(*NAMES).rows == 600
    assert not sm.Moments().layers


def test_moments_that_do_not_fit_are_not_added():
    X, Y = layers.random()
    moments = moments_of(X, Y)
    for other, message in (
        (moments_of(X[:, 1:], Y), "23 neurons, but 24 before"),
        (moments_of(X, Y, folds=4), "folds=8 and folds=4"),
        (moments_of(X, Y, null=False), "null=True and null=False"),
        (moments_of(X, Y, method="qr"), "method='gram' and method='qr'"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            _ = moments + other
    stranger = sm.Moments()
    stranger.update({"a:m": X, "b:m": Y})
    with pytest.raises(sm.SpanmatchError, match="different"):
        _ = moments + stranger
    with pytest.raises(TypeError):
        _ = moments + 1
