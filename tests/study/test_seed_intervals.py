"""Intervals over seeds: those of the textbook for single networks, and intervals that cover for pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import spanmatch as sm


def test_the_interval_of_single_networks_is_students():
    values = np.random.default_rng(0).standard_normal(7)
    found = sm.over_seeds(values)
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), *expected), rel=1e-12)
    assert (found.minimum, found.maximum) == (values.min(), values.max())


def test_the_interval_of_pairs_covers():
    """Pairs that share a seed share its part: an interval that took them for independent would be far too narrow."""
    random = np.random.default_rng(1)
    inside, naive = 0, 0
    for _ in range(400):
        own = random.standard_normal(6)
        values = {(i, j): own[i] + own[j] + 0.1 * random.standard_normal() for i in range(6) for j in range(i)}
        found = sm.over_seeds(values)
        inside += found.low <= 0 <= found.high
        low, high = stats.t.interval(0.95, 14, np.mean(list(values.values())), stats.sem(list(values.values())))
        naive += low <= 0 <= high
    assert 0.91 < inside / 400 < 0.985
    assert naive / 400 < 0.75


def test_intervals_that_cannot_be_had_are_nan():
    assert np.isnan(sm.over_seeds({(0, 1): 0.5}).low) and sm.over_seeds({(0, 1): 0.5}).value == 0.5
    assert np.isnan(sm.over_seeds([np.nan, np.nan]).value)
    assert sm.over_seeds([np.nan, 1.0, 3.0]).value == 2.0
    assert sm.over_seeds([0.5]).to_dict() == {"value": 0.5, "low": None, "high": None, "minimum": 0.5, "maximum": 0.5}
