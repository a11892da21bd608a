"""Intervals over seeds: those of the textbook for single networks, and intervals that cover for pairs and shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

import spanmatch as sm

DATA_SETS = 2000
K = pytest.mark.parametrize("seeds", [3, 5, 10])
Values = Mapping[tuple[object, object], float]


def coverage(draw: Callable[[np.random.Generator], Values]) -> float:
    """Return how often the interval has the mean of the population, 0."""
    random = np.random.default_rng(1)
    spreads = [sm.over_seeds(draw(random)) for _ in range(DATA_SETS)]
    return float(np.mean([spread.low <= 0 <= spread.high for spread in spreads]))


def crossed(random, seeds, *, shared):
    """Return values of all pairs of networks of two variants, whose effects are those of the seed number or their own.

    The matrix is (seeds, seeds).
    """
    x = random.standard_normal(seeds)
    y = x if shared else random.standard_normal(seeds)
    return x[:, None] + y + 0.3 * random.standard_normal((seeds, seeds))


def by_number(values):
    return {(i, j): values[i, j] for i, j in product(range(len(values)), repeat=2)}


def by_network(values):
    return {(("x", i), ("y", j)): values[i, j] for i, j in product(range(len(values)), repeat=2)}


def test_the_interval_of_single_networks_is_students():
    values = np.random.default_rng(0).standard_normal(7)
    spread = sm.over_seeds(values)
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert (spread.value, spread.low, spread.high) == pytest.approx((values.mean(), *expected), rel=1e-12)
    assert (spread.minimum, spread.maximum) == (values.min(), values.max())


def test_the_interval_of_disjoint_pairs_is_students():
    values = np.random.default_rng(0).standard_normal(7)
    pairs = {(f"x seed{i}", f"y seed{i}"): value for i, value in enumerate(values)}
    assert sm.over_seeds(pairs) == sm.over_seeds(values)
    assert sm.over_seeds({(i, i): value for i, value in enumerate(values)}) == sm.over_seeds(values)


def test_pairs_are_left_out_by_the_number_of_a_seed_on_either_side():
    values = np.random.default_rng(0).standard_normal((4, 4))
    means = [np.delete(np.delete(values, i, 0), i, 1).mean() for i in range(4)]
    half_width = stats.t.ppf(0.975, 3) * np.sqrt(3 / 4 * np.square(means - np.mean(means)).sum())
    spread = sm.over_seeds(by_number(values))
    ends = values.mean() - half_width, values.mean() + half_width
    assert (spread.low, spread.high) == pytest.approx(ends, rel=1e-12)


@K
def test_the_interval_of_disjoint_pairs_covers(seeds):
    assert 0.92 < coverage(lambda r: {(2 * i, 2 * i + 1): v for i, v in enumerate(r.standard_normal(seeds))}) < 0.985


@K
def test_the_interval_of_pairs_of_one_variant_covers(seeds):
    """Pairs that share a seed share its part: an interval that took them for independent would be far too narrow."""

    def draw(random):
        effects = random.standard_normal(seeds)
        pairs = combinations(range(seeds), 2)
        return {(i, j): effects[i] + effects[j] + 0.3 * random.standard_normal() for i, j in pairs}

    def has_zero(values):
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        return low <= 0 <= high

    assert 0.92 < coverage(draw) < 0.985
    random = np.random.default_rng(2)
    assert np.mean([has_zero(list(draw(random).values())) for _ in range(300)]) < 0.88


@K
@pytest.mark.parametrize("shared", [True, False])
def test_the_interval_of_all_pairs_of_two_variants_covers(seeds, shared):
    assert 0.92 < coverage(lambda r: by_number(crossed(r, seeds, shared=shared))) < 0.985


@K
def test_seeds_that_count_twice_cover_too_little_where_their_effects_are_shared(seeds):
    assert coverage(lambda r: by_network(crossed(r, seeds, shared=True))) < 0.88


@K
@pytest.mark.parametrize("shared", [True, False])
def test_the_interval_of_each_seed_with_the_next_covers(seeds, shared):
    """These are the pairs of `compare.across`: it covers too often where sides are independent, never too rarely."""

    def draw(random):
        values = crossed(random, seeds, shared=shared)
        return {(i, (i + 1) % seeds): values[i, (i + 1) % seeds] for i in range(seeds)}

    def by_pair(random):
        return {(("x", i), ("y", j)): value for (i, j), value in draw(random).items()}

    assert 0.92 < coverage(draw) <= 0.995
    assert shared == (coverage(by_pair) < 0.88)


@K
@pytest.mark.parametrize(("n", "odds", "deviation"), [(1000, 19, 0.3), (1000, 999, 0.5), (30, 9, 0.3)])
def test_the_interval_of_shares_covers(seeds, n, odds, deviation):
    random = np.random.default_rng(3)
    truth = np.mean(1 / (1 + np.exp(-np.log(odds) - deviation * random.standard_normal(200_000))))
    chances = 1 / (1 + np.exp(-np.log(odds) - deviation * random.standard_normal((DATA_SETS, seeds))))
    spreads = [sm.shares_over_seeds(shares, n) for shares in random.binomial(n, chances) / n]
    assert 0.92 < np.mean([spread.low <= truth <= spread.high for spread in spreads]) <= 0.995
    assert all(0 <= spread.low <= spread.value <= spread.high <= 1 for spread in spreads)
    assert all(spread.low < spread.high for spread in spreads)


def test_shares_that_vary_by_chance_alone_have_the_width_of_chance():
    spread = sm.shares_over_seeds([0.5, 0.5, 0.5, 0.5], 100)
    assert (spread.high - spread.low) / 2 == pytest.approx(1.96 * np.sqrt(0.25 / 400), rel=1e-2)


def test_shares_that_vary_more_have_students_width():
    shares = [0.4, 0.5, 0.6]
    bounded, plain = sm.shares_over_seeds(shares, 10**6), sm.over_seeds(shares, bounds=(0, 1))
    assert (bounded.low, bounded.high) == pytest.approx((plain.low, plain.high), abs=1e-5)


def test_shares_of_one_or_zero_have_the_rule_of_three():
    certain, never = sm.shares_over_seeds([1.0, 1.0, 1.0], 1000), sm.shares_over_seeds([0.0, 0.0], 1000)
    assert (certain.value, certain.high) == (1, 1) and certain.low == pytest.approx(1 - 3 / 1000, abs=1e-5)
    assert (never.value, never.low) == (0, 0) and never.high == pytest.approx(3 / 1000, abs=1e-5)
    single = sm.shares_over_seeds([1.0, 1.0], 1)
    assert 0 <= single.low < single.high == 1


def test_intervals_of_corrected_measures_stay_below_one():
    values = [0.999, 0.98, 0.9]
    spread, plain = sm.over_seeds(values, bounds=(-np.inf, 1)), sm.over_seeds(values)
    assert plain.high > 1 > spread.high > spread.value > spread.low
    width = (plain.high - plain.value) / (1 - spread.value)
    ends = [spread.low, spread.high]
    assert -np.log1p(-np.array(ends)) == pytest.approx(-np.log1p(-spread.value) + width * np.array([-1, 1]))
    near = 0.3 + 1e-6 * np.arange(3)
    assert sm.over_seeds(near, bounds=(-np.inf, 1)).high == pytest.approx(sm.over_seeds(near).high, rel=1e-9)


@pytest.mark.parametrize("bounds", [(0, 1), (-1, 1), (2, 5)])
def test_intervals_stay_within_bounds(bounds):
    low, high = bounds
    random = np.random.default_rng(4)
    for concentration in (0.05, 0.5, 5):
        for shares in random.beta(concentration, concentration, (100, 3)):
            values = low + (high - low) * np.append(shares, 0.5)
            spread = sm.over_seeds(values, bounds=bounds)
            assert low <= spread.low <= spread.value <= spread.high <= high


def test_bounds_far_away_change_nothing():
    values = [0.4, 0.5, 0.7]
    spread, plain = sm.over_seeds(values, bounds=(-1e4, 1e4)), sm.over_seeds(values)
    assert (spread.low, spread.high) == pytest.approx((plain.low, plain.high), rel=1e-3)


def test_the_scale_of_correlations_is_fishers():
    values = np.array([0.80, 0.82, 0.84])
    spread = sm.over_seeds(values, bounds=(-1, 1))
    ends = stats.t.interval(0.95, 2, np.arctanh(values.mean()), stats.sem(values) / (1 - values.mean() ** 2))
    assert (spread.low, spread.high) == pytest.approx(np.tanh(ends), rel=1e-12)


def test_equal_values_have_no_interval():
    for value in (0.1, 0.3, 1.0, 0.0):
        for bounds in ((0, 1), (-np.inf, np.inf)):
            assert np.isnan(sm.over_seeds([value] * 7, bounds=bounds).low)
            assert np.isnan(sm.over_seeds(by_number(np.full((4, 4), value)), bounds=bounds).high)
    record = {"value": 0.1, "low": None, "high": None, "minimum": 0.1, "maximum": 0.1}
    assert sm.over_seeds([0.1] * 3).to_dict() == record


def test_intervals_that_cannot_be_had_are_nan():
    assert np.isnan(sm.over_seeds({(0, 1): 0.5}).low) and sm.over_seeds({(0, 1): 0.5}).value == 0.5
    assert np.isnan(sm.over_seeds({(0, 1): 0.5, (1, 0): 0.6}).low)
    assert np.isnan(sm.over_seeds([np.nan, np.nan]).value)
    assert np.isnan(sm.shares_over_seeds([0.5], 10).low) and np.isnan(sm.shares_over_seeds([], 10).value)
    assert sm.over_seeds([np.nan, 1.0, 3.0]).value == 2.0
    assert sm.over_seeds([0.5]).to_dict() == {"value": 0.5, "low": None, "high": None, "minimum": 0.5, "maximum": 0.5}


def test_impossible_arguments_are_refused():
    for bounds in ((1, 0), (0, np.inf), (np.nan, 1)):
        with pytest.raises(sm.SpanmatchError, match="bounds="):
            sm.over_seeds([0.1, 0.2], bounds=bounds)
    for shares, n in (([0.5, 1.1], 10), ([-0.1, 0.5], 10), ([0.5, 0.6], 0)):
        with pytest.raises(sm.SpanmatchError, match="shares"):
            sm.shares_over_seeds(shares, n)
    with pytest.raises(sm.SpanmatchError, match="level=95"):
        sm.over_seeds([0.1, 0.2], level=95)
