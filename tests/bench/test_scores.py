"""Scores: their error over networks, which is better, ranks and places."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, sem
from scipy.stats import t as student

from spanmatch.bench.ranking import Column, places
from spanmatch.bench.scores import Score, scored


def test_the_error_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).standard_normal(9)
    score = scored(lambda some: float(np.mean(some)), list(values), list(map(str, range(9))))
    assert score.value == pytest.approx(values.mean())
    assert score.error == pytest.approx(sem(values))
    half_width = student.ppf(0.975, 8) * sem(values)
    assert score.interval(-np.inf, np.inf) == pytest.approx((values.mean() - half_width, values.mean() + half_width))


def test_the_error_over_pairs_accounts_for_shared_networks():
    """A mean over all pairs of numbers: their errors are not independent, and the bootstrap over networks knows."""
    numbers = 2 + np.random.default_rng(1).standard_normal(40)

    def mean_over_pairs(some):
        some = np.asarray(some)
        return float(np.mean([a * b for i, a in enumerate(some) for b in some[:i]]))

    score = scored(mean_over_pairs, list(numbers), list(map(str, range(40))))
    by_bootstrap = bootstrap(
        (numbers,), mean_over_pairs, vectorized=False, n_resamples=300, rng=np.random.default_rng(0)
    ).standard_error
    assert 0.8 < score.error / by_bootstrap < 1.25
    assert score.error > 2 * np.std([a * b for i, a in enumerate(numbers) for b in numbers[:i]]) / np.sqrt(780)


def test_an_interval_stays_within_bounds_and_there_is_none_of_equal_values():
    score = Score(0.97, np.array([0.96, 0.99, 0.95, 0.98]))
    low, high = score.interval(0, 1)
    assert 0 < low < 0.97 < high < 1
    assert np.isnan(Score(0.5, np.full(4, 0.5)).interval(0, 1)).all()
    assert np.isnan(Score(0.5, np.array([0.4, np.nan, 0.6])).interval(0, 1)).all()
    assert np.isnan(Score(1.0, np.array([1.0, 0.9, 1.0])).interval(0, 1)).all()


def test_a_difference_is_judged_by_its_own_error():
    """Scores that vary together differ more surely than their intervals say."""
    together = np.array([0.1, 0.5, 0.9, 0.3])
    low, high = Score(0.45, together), Score(0.5, together + 0.05)
    assert high.exceeds(low)
    assert not low.exceeds(high)
    assert not Score(0.5, together[::-1] + 0.05).exceeds(low)
    assert not low.exceeds(low)
    assert not Score(0.9, np.array([0.9, np.nan, 0.9, 0.9])).exceeds(low)
    assert not Score(0.45 + 1e-15, together).exceeds(low)


def column(test: str, ranked: bool = True, **values: float) -> Column:
    return Column(test, {name: Score(value, np.full(3, value)) for name, value in values.items()}, ranked)


def test_ranks_share_ties_and_what_is_not_defined_is_last():
    one = column("x", a=0.9, b=0.5, c=0.5)
    assert one.ranks(["a", "b", "c", "d", "e"]) == {"a": 1, "b": 2.5, "c": 2.5, "d": 4.5, "e": 4.5}
    assert one.best == {"a"}
    assert (one.won("a"), one.lost("a"), one.won("b"), one.lost("c"), one.won("d")) == (2, 0, 0, 1, 0)


def test_mean_ranks_are_over_tests_and_those_over_their_sets_of_networks():
    columns = [
        column("x", a=3, b=2, c=1),
        column("x", a=1, b=2, c=3),
        column("y", a=3, b=2),
        column("y", ranked=False, a=1, b=2, c=3),
    ]
    found = places(["c", "b", "a", "d"], columns)
    # In x, a and c are first on one set and third on the other; in y, c and d have no score.
    assert {name: place.rank.value for name, place in found.items()} == {"a": 1.5, "b": 2, "c": 2.75, "d": 3.75}
    assert list(found) == ["a", "b", "c", "d"]
    assert (found["a"].won, found["a"].lost) == (2 + 0 + 1, 0 + 2 + 0)
    low, high = found["a"].rank.low, found["a"].rank.high
    assert 1 <= low < 1.5 < high <= 4


def test_networks_of_one_seed_are_left_out_together():
    values = np.random.default_rng(2).standard_normal(6)
    score = scored(lambda some: float(np.mean(some)), list(values), list("abcabc"))
    expected = [np.delete(values, [i, i + 3]).mean() for i in range(3)]
    assert score.without == pytest.approx(expected)


def test_among_the_best_are_those_that_the_highest_does_not_exceed():
    def score(value, spread):
        return Score(value, value + spread * np.array([-1.0, 0.0, 1.0]))

    scores = {"top": score(0.9, 0.01), "near": score(0.89, -0.01), "far": score(0.5, 0.01)}
    scores["unknown"] = Score(0.2, np.array([0.2, np.nan, 0.2]))
    assert Column("x", scores).best == {"top", "near"}
    assert Column("x", {}).best == set()
