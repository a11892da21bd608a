"""Estimates of the population: effective sample sizes, corrected measures, p-values, and intervals that are refused."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from scipy.signal import lfilter

import spanmatch as sm
from spanmatch.evidence.permutation_moments import _moments_of_cka
from spanmatch.moments.dependence import neighbours_are_alike, variance_inflations
from spanmatch.moments.effective_sample_size import (
    effective_sample_size,
    effective_sample_sizes,
)


def autoregressive(n: int, p: int, r: np.random.Generator, phi: float = 0.9) -> np.ndarray:
    """Stationary series of unit variance in which each row is much like the one before."""
    return lfilter([np.sqrt(1 - phi**2)], [1, -phi], r.standard_normal((n + 200, p)), axis=0)[200:]


def grouped(examples: int, rows: int, p: int, r: np.random.Generator) -> np.ndarray:
    """Rows of which half of the variance is their example's."""
    shared = np.repeat(r.standard_normal((examples, p)), rows, axis=0)
    return np.sqrt(0.5) * (shared + r.standard_normal((examples * rows, p)))


# ---- effective sample size


def test_independent_rows_count_as_they_are():
    r = np.random.default_rng(0)
    for draw in (r.standard_normal, lambda shape: r.standard_t(3, shape), r.standard_exponential):
        X, Y = draw((600, 8)), draw((600, 6))
        assert effective_sample_sizes(sm.pair(X, Y)) == (600, 600)
        assert effective_sample_sizes(sm.pair(X, X[:, :6] + Y)) == (600, 600)


@pytest.mark.parametrize("related", [False, True])
def test_rows_of_an_example_count_less_the_more_alike_they_are(related):
    r = np.random.default_rng(1)
    ids = np.repeat(np.arange(100), 20)
    sizes, explained = [], []
    for _ in range(12):
        X, Y = grouped(100, 20, 15, r), grouped(100, 20, 15, r)
        explained.append(float(sm.linear_regression(sm.pair(X, Y, null=False))))
        sizes.append(effective_sample_size(sm.pair(X, X + Y if related else Y, example_ids=ids)))
    # What unrelated layers explain of each other tells how many independent rows they are worth.
    assert np.mean(sizes) == pytest.approx(1 + 15 / np.mean(explained), rel=0.15)


def test_the_effective_size_of_spans_is_that_of_whitened_layers():
    r = np.random.default_rng(16)
    ids = np.repeat(np.arange(60), 10)
    X, Y = grouped(60, 10, 6, r) * np.arange(1, 7), grouped(60, 10, 5, r) @ r.standard_normal((5, 5))
    X[:, 5] = X[:, 3]
    for method in ("gram", "qr"):
        whitened = [np.linalg.qr(Z - Z.mean(axis=0))[0] for Z in (X[:, :5], Y)]
        expected = effective_sample_sizes(sm.pair(*whitened, example_ids=ids, method=method))
        pair = sm.pair(X, Y, example_ids=ids, method=method)
        assert effective_sample_sizes(pair, "spans") == pytest.approx(expected, rel=1e-6)
        rest, _ = next(iter(pair.splits()))
        share = rest.rows / 600
        assert effective_sample_sizes(rest, "spans") == pytest.approx([share * size for size in expected], rel=1e-6)


def test_without_folds_the_effective_size_of_dependent_rows_is_unknown():
    r = np.random.default_rng(2)
    ids = np.repeat(np.arange(50), 10)
    pair = sm.pair(grouped(50, 10, 4, r), grouped(50, 10, 4, r), example_ids=ids, folds=1)
    found = sm.rows_needed(pair)
    assert np.isnan(found.effective_sample_size) and not found.enough and "no folds were kept" in found.advice
    with pytest.raises(sm.SpanmatchError, match=r"500 rows are of 50 examples.*unknown, because no folds were kept"):
        sm.linear_regression(pair, adjusted=True)


@pytest.mark.parametrize(("examples", "rows", "p", "folds"), [(4, 100, 5, 8), (3, 100, 4, 8), (4, 11, 20, 2)])
def test_sizes_too_small_to_be_estimated_are_refused(examples, rows, p, folds):
    r = np.random.default_rng(17)
    ids = np.repeat(np.arange(examples), rows)
    X, Y = (3 * grouped(examples, 1, p, r)[ids] + grouped(examples, rows, p, r) for _ in range(2))
    with pytest.raises(sm.SpanmatchError, match=f"of {examples} examples is too small to be estimated"):
        sm.linear_regression(sm.pair(X, Y, example_ids=ids, folds=folds), adjusted=True)


def test_layers_that_are_functions_of_each_other_need_no_correction():
    r = np.random.default_rng(18)
    ids = np.repeat(np.arange(100), 10)
    X = grouped(100, 10, 6, r)
    pair = sm.pair(X, X @ r.standard_normal((6, 6)), example_ids=ids)
    assert effective_sample_sizes(pair) == effective_sample_sizes(pair, "spans") == (1000, 1000)
    assert sm.adjusted_pillai(sm.pair(X, X, example_ids=ids)).value == pytest.approx(1)


def test_fits_with_as_many_neurons_as_examples_are_no_functions():
    ids = np.repeat(np.arange(20), 25)
    X = np.random.default_rng(26).standard_normal((20, 30))
    pair = sm.pair(X[ids], X[::-1][ids], example_ids=ids)
    assert sm.linear_regression(pair).value == pytest.approx(1)
    with pytest.raises(sm.SpanmatchError, match="too small to be estimated"):
        sm.linear_regression(pair, adjusted=True)


def test_badly_conditioned_layers_by_qr_lose_nothing():
    r = np.random.default_rng(19)
    ids = np.repeat(np.arange(100), 4)
    U, Y = grouped(100, 4, 4, r), grouped(100, 4, 3, r)
    Y[:, 0] += U[:, 3]
    V = U * [1, 1e-3, 1e-6, 1e-9] @ np.linalg.qr(r.standard_normal((4, 4)))[0]
    well, badly = (sm.pair(Z, Y, example_ids=ids, method="qr") for Z in (U, V))
    assert effective_sample_sizes(badly)[0] == pytest.approx(effective_sample_sizes(well)[0], rel=1e-4)
    assert sm.linear_regression(badly, adjusted=True).value == pytest.approx(
        sm.linear_regression(well, adjusted=True).value, abs=1e-5
    )


def test_adjusted_r2_of_dependent_rows_does_not_change_with_a_rotation():
    r = np.random.default_rng(20)
    ids = np.repeat(np.arange(60), 5)
    X, Y = grouped(60, 5, 4, r), r.standard_normal((300, 4))
    Y[:, 0] += 3 * grouped(60, 5, 1, r)[:, 0]
    values = []
    for _ in range(3):
        Q, P = (np.linalg.qr(r.standard_normal((4, 4)))[0] for _ in range(2))
        values.append(sm.linear_regression(sm.pair(X @ P, Y @ Q, example_ids=ids), adjusted=True).value)
    assert values == pytest.approx([values[0]] * 3, rel=1e-6)


def test_a_swapped_split_has_the_share_of_the_swapped_pair():
    r = np.random.default_rng(21)
    ids = np.repeat(np.arange(60), 5)
    pair = sm.pair(grouped(60, 5, 4, r), grouped(60, 5, 6, r), example_ids=ids)
    for rest, _ in pair.splits():
        assert effective_sample_sizes(rest.swapped) == pytest.approx(effective_sample_sizes(rest)[::-1], rel=1e-9)


# ---- neighbours that are alike


def test_neighbours_that_are_alike_are_noticed_and_independent_rows_are_not_suspected():
    r = np.random.default_rng(3)
    for n, p in ((200, 20), (1000, 20), (4000, 5)):
        X, Y = autoregressive(n, p, r), autoregressive(n, p, r)
        assert neighbours_are_alike(sm.pair(X, Y)) and neighbours_are_alike(sm.pair(X, X + Y))
        assert effective_sample_size(sm.pair(X, Y)) < n / 2
        order = r.permutation(n)
        for A, B in ((X[order], Y[order]), (X[order], (X + Y)[order]), (r.standard_t(3, (n, p)), X[order])):
            assert not neighbours_are_alike(sm.pair(A, B))


@pytest.mark.parametrize("shift", [0.0, 40.0])
def test_the_inflation_of_the_variance_is_its_definition(shift):
    r = np.random.default_rng(4)
    X, Y = autoregressive(300, 3, r) + shift, autoregressive(300, 4, r) - shift
    pair = sm.pair(X, Y)
    products = (X - X.mean(axis=0))[:, :, None] * (Y - Y.mean(axis=0))[:, None, :]
    folds = oracles.fold_of(np.arange(300))
    spread = [np.sum((products[folds == f] - products.mean(axis=0)).sum(axis=0) ** 2) for f in range(8)]
    shares = np.bincount(folds) / 300
    expected = np.sum((products - products.mean(axis=0)) ** 2) * shares * (1 - shares)
    np.testing.assert_allclose(variance_inflations(pair, pair.fourth), spread / expected, rtol=1e-8)


def test_alike_neighbours_are_warned_of_and_get_no_interval():
    r = np.random.default_rng(5)
    X, Y = autoregressive(1000, 10, r), autoregressive(1000, 10, r)
    pair = sm.pair(X, Y)
    assert "neighbouring rows of 'x' and 'y' are alike" in sm.cka(pair, debiased=True).warnings[0]
    found = sm.assess(pair, sm.match_profile(pair))["debiased cka"]
    assert np.isnan([found.low, found.p_value]).all() and "same example_ids=" in found.reason
    with pytest.raises(sm.SpanmatchError, match="neighbouring rows of 'x' and 'y' are alike"):
        sm.permutation_test(pair)
    blocks = sm.pair(X, Y, example_ids=np.arange(1000) // 50)
    assert sm.assess(blocks, sm.match_profile(blocks))["debiased cka"].low < 0.1


# ---- corrected measures


def test_adjusted_r2_is_the_textbooks():
    r = np.random.default_rng(6)
    X = r.standard_normal((120, 9))
    Y = X @ r.standard_normal((9, 4)) + 4 * r.standard_normal((120, 4))
    plain, adjusted = (sm.linear_regression(sm.pair(X, Y), adjusted=flag) for flag in (False, True))
    assert adjusted.value == pytest.approx(1 - (1 - plain.value) * 119 / (119 - 9), rel=1e-10)
    assert adjusted.x_from_y == pytest.approx(1 - (1 - plain.x_from_y) * 119 / (119 - 4), rel=1e-10)
    np.testing.assert_allclose(adjusted.per_neuron, 1 - (1 - plain.per_neuron) * 119 / 110, rtol=1e-10)
    assert sm.adjusted_linear_regression(sm.pair(X, Y)).value == adjusted.value


@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_corrected_measures_have_little_bias_where_those_in_sample_have_much(rows, shared):
    r = np.random.default_rng(7)
    p, examples = 15, 150 if rows == 1 else 60
    ids = np.repeat(np.arange(examples), rows)
    values = []
    for _ in range(40):
        common, x, y = (grouped(examples, rows, p, r) for _ in range(3))
        X, Y = (np.sqrt(shared) * common + np.sqrt(1 - shared) * own for own in (x, y))
        pair = sm.pair(X, Y, example_ids=ids, null=False)
        values.append(
            [
                sm.linear_regression(pair).value,
                sm.linear_regression(pair, adjusted=True).value,
                sm.cca(pair).pillai,
                sm.adjusted_pillai(pair).value,
            ]
        )
    r2, adjusted, pillai, corrected = np.mean(values, axis=0) - shared**2
    assert abs(adjusted) < 0.025 and abs(corrected) < 0.025
    assert r2 > 3 * abs(adjusted) and pillai > 3 * abs(corrected) and min(r2, pillai) > 0.02


def test_corrected_measures_refuse_too_few_rows():
    r = np.random.default_rng(8)
    X, Y = r.standard_normal((40, 30)), r.standard_normal((40, 30))
    with pytest.raises(sm.SpanmatchError, match=r"adjusted linear regression: the effective sample size .* is 39"):
        sm.linear_regression(sm.pair(X, Y), adjusted=True)
    with pytest.raises(sm.SpanmatchError, match=r"adjusted pillai: .* fit of 60 dimensions; more than 90 is needed"):
        sm.adjusted_pillai(sm.pair(X, Y))


# ---- intervals


def test_intervals_stay_in_the_range_of_the_measure():
    r = np.random.default_rng(9)
    ends = []
    for _ in range(20):
        X, Y = r.standard_normal((40, 2)), r.standard_normal((40, 2))
        pair = sm.pair(X, X + 0.05 * Y)
        ends += [(interval.low, interval.high) for interval in (sm.jackknife(pair, m) for m in (sm.cka, sm.procrustes))]
        interval = sm.jackknife(sm.pair(X, Y), sm.debiased_cka)
        assert -1 < interval.low < interval.high < 1 and interval.scale == "Fisher z"
        assert sm.jackknife(pair, sm.adjusted_linear_regression).high < 1
    assert min(low for low, _ in ends) > 0 and max(high for _, high in ends) < 1
    assert sm.jackknife(pair, sm.cka).scale == "logit"
    assert sm.jackknife(pair, lambda pair: float(sm.cka(pair))).scale == "linear"


def test_equal_values_give_no_interval_but_of_a_layer_with_itself():
    X = np.random.default_rng(10).standard_normal((200, 4))
    itself = sm.jackknife(sm.pair(X, X), sm.linear_regression)
    assert itself.low == pytest.approx(1) and itself.high == pytest.approx(1)
    step = sm.jackknife(sm.pair(X, X), lambda pair: sm.match_profile(pair).similarity(0.5))
    assert step.value == 1 and np.isnan(step.low) and np.isnan(step.high)


def test_in_sample_measures_have_an_interval_only_where_their_bias_is_small():
    r = np.random.default_rng(11)

    def evidence(n: int) -> sm.Evidence:
        X = r.standard_normal((n, 10))
        pair = sm.pair(X, X + r.standard_normal((n, 10)))
        return sm.assess(pair, sm.match_profile(pair))

    few, many = evidence(100), evidence(20_000)
    for name in ("cka", "linear regression"):
        assert np.isnan(few[name].low) and "biased upwards, by about 0.0" in few[name].reason
        assert few[name].bias == pytest.approx(few[name].value - few[f"{_corrected(name)}"].value)
        assert many[name].low < many[name].value < many[name].high
    assert np.isnan(few["svcca"].low) and few["svcca"].bias > 0.05
    for name in ("debiased cka", "adjusted pillai", "adjusted linear regression"):
        assert few[name].low < few[name].value < few[name].high and few[name].bias == 0


def _corrected(name: str) -> str:
    return next(measure for measure in sm.measures() if measure.name == name).corrected_by


def test_as_many_neurons_as_rows_are_no_evidence():
    r = np.random.default_rng(22)
    pair = sm.pair(*r.standard_normal((2, 40, 60)))
    found = sm.assess(pair, sm.match_profile(pair))
    for name in ("cca", "pwcca", "match area"):
        assert np.isnan([found[name].low, found[name].bias]).all() and "unknown" in found[name].reason


def test_a_corrected_profile_is_not_taken_for_that_of_the_rows():
    pair = sm.pair(*np.random.default_rng(23).standard_normal((2, 100, 4)))
    for ask in (sm.profile_evidence, sm.assess):
        with pytest.raises(sm.SpanmatchError, match=r"the profile of 'x' and 'y' is corrected; give match_profile"):
            ask(pair, sm.match_profile(pair, corrected=True))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-100, 1e80])
def test_extreme_scales_are_refused_or_right(scale):
    X, Y = np.random.default_rng(24).standard_normal((2, 100, 4))
    pair = sm.pair(X * scale, X + Y)
    assert sm.rows_needed(pair).effective_sample_size == 100
    assert sm.linear_regression(pair, adjusted=True).value == pytest.approx(
        sm.linear_regression(sm.pair(X, X + Y), adjusted=True).value, rel=1e-9
    )
    try:
        p = sm.permutation_test(pair, sm.cka, permutations="all").p_value
    except sm.SpanmatchError:
        return
    unscaled = sm.permutation_test(sm.pair(X, X + Y), sm.cka, permutations="all")
    assert p == pytest.approx(unscaled.p_value, rel=1e-6)


# ---- p-values


def test_the_moments_of_cka_are_those_over_all_permutations():
    r = np.random.default_rng(12)
    X, Y = r.standard_normal((6, 2)) + 5, r.standard_exponential((6, 3))
    pair = sm.pair(X, Y, null=False, folds=1)
    from itertools import permutations

    values = [float(sm.cka(sm.pair(X, Y[list(order)], null=False, folds=1))) for order in permutations(range(6))]
    mean, deviation = _moments_of_cka(pair, pair.fourth)
    assert mean == pytest.approx(np.mean(values), rel=1e-9) and deviation == pytest.approx(np.std(values), rel=1e-9)


@pytest.mark.parametrize("measure", [sm.cka, sm.debiased_cka])
def test_p_values_are_those_of_permutations(measure):
    r = np.random.default_rng(13)
    X = r.standard_normal((80, 4)) + 3
    Y = 0.25 * X[:, :3] + r.standard_exponential((80, 3))
    found = sm.permutation_test(sm.pair(X, Y), measure, permutations="all")
    orders = [r.permutation(80) for _ in range(1500)]
    values = np.array([float(measure(sm.pair(X, Y[order], null=False, folds=1))) for order in orders])
    assert found.method == "permutations of rows" and found.value == float(measure(sm.pair(X, Y)))
    assert found.p_value == pytest.approx(np.mean(values >= found.value), abs=0.012)
    assert found.threshold == pytest.approx(np.quantile(values, 0.95), rel=0.1)
    assert found.calibrated == max(0, (found.value - found.threshold) / (1 - found.threshold))


def test_signs_of_folds_are_their_definition_and_hold_their_level():
    r = np.random.default_rng(14)
    ids = np.repeat(np.arange(40), 10)
    found = sm.permutation_test(
        sm.pair(grouped(40, 10, 5, r), grouped(40, 10, 5, r), example_ids=ids), permutations="all"
    )
    assert (
        found.method == "signs of folds"
        and len(found.null) == 128
        and found.p_value * 128 == round(found.p_value * 128)
    )
    assert found.null[0] == pytest.approx(found.value) and found.p_value == np.mean(found.null >= found.null[0] - 1e-12)
    rejected, naive = [], []
    for _ in range(200):
        X, Y = grouped(20, 20, 10, r), grouped(20, 20, 10, r)
        pair = sm.pair(X, Y, example_ids=np.repeat(np.arange(20), 20), null=False)
        rejected.append(sm.permutation_test(pair, permutations="all").p_value <= 0.05)
        order = r.permutation(400)
        shuffled = sm.pair(X[order], Y[order], null=False)
        naive.append(sm.permutation_test(shuffled, permutations="all").p_value <= 0.05)
    assert np.mean(rejected) < 0.11 and np.mean(naive) > 0.6
    related = grouped(40, 10, 5, r)
    noisy = sm.pair(related, related + grouped(40, 10, 5, r), example_ids=ids)
    assert sm.permutation_test(noisy, permutations="all").p_value == 1 / 128


def test_p_values_of_what_cannot_be_tested_are_refused():
    X, Y = np.random.default_rng(15).standard_normal((2, 60, 3))
    with pytest.raises(sm.SpanmatchError, match=r"permutation_test of procrustes: .* of linear CKA only"):
        sm.permutation_test(sm.pair(X, Y), sm.procrustes, permutations="all")
    ids = np.repeat(np.arange(6), 10)
    with pytest.raises(sm.SpanmatchError, match="4 folds"):
        sm.permutation_test(sm.pair(X, Y, example_ids=ids, folds=2), sm.cka, permutations="all")
    with pytest.raises(sm.SpanmatchError, match="level"):
        sm.permutation_test(sm.pair(X, Y), alpha=5)
    with pytest.raises(sm.SpanmatchError, match="the same for all permutations"):
        sm.permutation_test(sm.pair(np.eye(60), X), sm.cka, permutations="all")
    orthogonal = [np.linalg.qr(np.random.default_rng(seed).standard_normal((60, 60)))[0] for seed in (0, 1)]
    with pytest.raises(sm.SpanmatchError, match="no positive estimate"):
        sm.cka(sm.pair(*orthogonal), debiased=True)
    grouped_pair = sm.pair(X, Y, example_ids=ids)
    with pytest.raises(sm.SpanmatchError, match="no folds were kept"):
        sm.adjusted_pillai(grouped_pair.null)


def test_many_folds_are_tested_by_some_of_their_signs():
    r = np.random.default_rng(25)
    ids = np.repeat(np.arange(90), 3)
    X = grouped(90, 3, 3, r)
    pair = sm.pair(X, X + grouped(90, 3, 3, r), example_ids=ids, folds=30)
    found = sm.permutation_test(pair, permutations="all")
    assert len(found.null) == 4096 and found.p_value == 1 / 4096
