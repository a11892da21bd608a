"""Permutation tests: values of permuted samples by their definition, levels that hold, and what is refused."""

from __future__ import annotations

from functools import partial

import layers
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spanmatch as sm
from spanmatch.evidence.measure_tests import tests_of_measures as all_tests
from spanmatch.evidence.permutations import joint_permutations, permutations_of
from spanmatch.evidence.permuted_values import null_values

MEASURES = {measure.name: measure for measure in sm.measures()}
# Corrected measures have folds of the slots, not of y's examples, so that they are compared where rows are examples.
NEEDS_FOLDS = {"ridge regression"}


def related(n=60, p=6, q=5, seed=0, share=0.3):
    """Two layers of which a share of variance is common."""
    r = np.random.default_rng(seed)
    common = np.sqrt(share) * r.standard_normal((n, max(p, q)))
    return tuple(common[:, :k] + np.sqrt(1 - share) * r.standard_normal((n, k)) + 0.5 for k in (p, q))


# ---- permutations


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(1, 90), st.integers(0, 100))
def test_sums_for_all_permutations_are_their_definition(m, count, seed):
    r = np.random.default_rng(seed)
    A, B = (matrix + matrix.T for matrix in r.standard_normal((2, m, m)))
    permutations = permutations_of(np.arange(m), count, None, seed)
    orders = list(permutations)
    assert len(orders) == len(permutations) == count
    assert all(sorted(order) == list(range(m)) for order in orders)
    sums = permutations.sums(permutations.prepared_x(A), permutations.prepared_y(B))
    expected = [np.sum(A * B[np.ix_(order, order)]) for order in orders]
    np.testing.assert_allclose(sums, expected, rtol=1e-9, atol=1e-10 * np.linalg.norm(A) * np.linalg.norm(B))
    fewer = permutations.first(1 + count // 2)
    np.testing.assert_allclose(
        fewer.sums(fewer.prepared_x(A), fewer.prepared_y(B)), sums[: 1 + count // 2], rtol=1e-9, atol=1e-9
    )


def test_maps_are_different_permutations_and_a_group():
    permutations = permutations_of(np.arange(7), 41, None, 3)  # all of the 42 but the identity
    orders = {tuple(order) for order in permutations} | {tuple(range(7))}
    assert len(orders) == 42
    assert {tuple(np.array(a)[list(b)]) for a in orders for b in orders} == orders


def test_every_place_is_as_likely():
    places = np.array([[order[0] for order in permutations_of(np.arange(8), 20, None, seed)] for seed in range(600)])
    counts = np.bincount(places.ravel(), minlength=8)[1:]  # maps of more than one factor may leave a place
    assert np.abs(counts / counts.mean() - 1).max() < 0.1


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 20), st.integers(1, 40), st.integers(2, 4), st.booleans(), st.integers(0, 50))
def test_all_pairs_of_networks_are_permuted_as_their_networks_are(m, count, networks, grouped, seed):
    labels = np.arange(m) // 2 if grouped else None
    relative = joint_permutations(np.arange(m), count, labels, seed, networks)
    orders = {(i, j): np.array(list(relative(i, j))) for i in range(networks) for j in range(networks) if i != j}
    for (i, j), order in orders.items():
        # y's examples in the place of x's, and x's in the place of y's.
        np.testing.assert_array_equal(
            np.take_along_axis(order, orders[j, i], axis=1), np.tile(np.arange(m), (count, 1))
        )
        for k in set(range(networks)) - {i, j}:
            through = np.take_along_axis(orders[j, k], order, axis=1)
            np.testing.assert_array_equal(through, orders[i, k])
    A, B = (matrix + matrix.T for matrix in np.random.default_rng(seed).standard_normal((2, m, m)))
    permutations = relative(1, 0)
    sums = permutations.sums(permutations.prepared_x(A), permutations.prepared_y(B))
    expected = [np.sum(A * B[np.ix_(order, order)]) for order in orders[1, 0]]
    np.testing.assert_allclose(sums, expected, rtol=1e-9, atol=1e-9 * np.linalg.norm(A) * np.linalg.norm(B))


def test_the_seed_decides_and_examples_stay_in_their_groups():
    ids, labels = np.arange(30) * 2, np.arange(60) % 4
    one, same, other = (list(permutations_of(ids, 20, None, seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    for groups in (labels, {int(i): "xyz"[i % 3] for i in ids}):
        of = np.array([groups[int(i)] for i in ids])
        orders = list(permutations_of(ids, 50, groups, 0))
        assert all((of[order] == of).all() for order in orders)
        assert len({tuple(order) for order in orders}) > 40


@pytest.mark.parametrize(
    ("ids", "groups", "reason"),
    [
        (np.arange(1), None, "1 examples; at least 2"),
        (np.arange(5), {0: "a"}, "example 1 has none; give a group for every example id"),
        (np.arange(5), np.arange(3) * 0, "without an entry for example 3"),
        (np.arange(5), np.arange(5), "none of the 5 groups has two of the 5 sampled examples"),
    ],
)
def test_permutations_that_make_no_sense_are_refused(ids, groups, reason):
    with pytest.raises(sm.SpanmatchError, match=reason):
        permutations_of(ids, 10, groups, 0)


# ---- values of permuted samples


@pytest.mark.parametrize("name", sorted(MEASURES.keys() - NEEDS_FOLDS))
def test_null_values_are_those_of_pairs_with_permuted_rows(name):
    X, Y = related(p=6, q=6)
    pair = sm.pair(X, Y)
    permutations = permutations_of(pair.sample.example_ids, 12, None, 0)
    (found,) = null_values(pair, [MEASURES[name]], permutations)
    assert found.statistic == name
    X, Y = X.astype(np.float32).astype(float), Y.astype(np.float32).astype(float)
    expected = [float(MEASURES[name](sm.pair(X, Y[order], null=False))) for order in permutations]
    np.testing.assert_allclose(found.null, expected, rtol=1e-7, atol=1e-9)
    assert found.value == pytest.approx(float(MEASURES[name](sm.pair(X, Y))), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(
    "name", ["cka", "procrustes", "linear regression", "rsa sqeuclidean", "match area", "mutual knn"]
)
def test_examples_of_several_rows_are_permuted_entirely(name):
    r = np.random.default_rng(1)
    X, Y = (maps.astype(np.float32).astype(float) for maps in r.standard_normal((2, 30, 7, 4)))
    ids = np.repeat(np.arange(30), 7)
    pair = sm.pair(X.reshape(-1, 4), Y.reshape(-1, 4), example_ids=ids)
    permutations = permutations_of(pair.sample.example_ids, 8, None, 0)
    (found,) = null_values(pair, [MEASURES[name]], permutations)
    expected = [
        float(MEASURES[name](sm.pair(X.reshape(-1, 4), Y[order].reshape(-1, 4), example_ids=ids, null=False)))
        for order in permutations
    ]
    np.testing.assert_allclose(found.null, expected, rtol=1e-7, atol=1e-9)


def test_any_function_of_a_pair_can_be_tested():
    X, Y = related(n=40)
    functions = {
        "folds": lambda pair: np.mean([float(sm.cka(fold)) for fold in pair.folds]),
        "sample": partial(sm.mutual_knn, k=3),
        "profile": lambda pair: float(sm.match_profile(pair).similarity([0.8])[0]),
    }
    pair = sm.pair(X, Y)
    orders = list(permutations_of(pair.sample.example_ids, 6, None, 0))
    X, Y = X.astype(np.float32).astype(float), Y.astype(np.float32).astype(float)
    for function in functions.values():
        test = sm.permutation_test(pair, function, permutations=6)
        expected = [float(function(sm.pair(X, Y[order]))) for order in orders]
        np.testing.assert_allclose(test.null, expected, rtol=1e-6, atol=1e-9)
        assert test.value == pytest.approx(float(function(pair)))


def test_measures_with_other_arguments_are_as_fast_and_the_same():
    X, Y = related()
    pair = sm.pair(X, Y)
    fast = sm.permutation_test(pair, partial(sm.kernel_cka, kernel="rbf", bandwidth=1.0), permutations=20)
    slow = sm.permutation_test(pair, lambda one: sm.kernel_cka(one, kernel="rbf", bandwidth=1.0), permutations=20)
    np.testing.assert_allclose(fast.null, slow.null, rtol=1e-9)


# ---- the test


def test_p_threshold_and_calibrated_are_their_definitions():
    pair = sm.pair(*related(n=120))
    for measure in (sm.cka, sm.mutual_knn, sm.procrustes):
        test = sm.permutation_test(pair, measure, permutations=99, alpha=0.1)
        values = np.sort(np.append(test.null, test.sample_value))
        assert test.p_value == (1 + np.sum(test.null >= test.sample_value)) / 100
        assert test.threshold == pytest.approx(values[89])
        assert test.calibrated == pytest.approx(max(0, (test.sample_value - values[89]) / (1 - values[89])))
        assert len(test.null) == 99 and test.method == "permutations of examples"


def test_distances_are_more_similar_if_smaller():
    pair = sm.pair(*related(n=120))
    test = sm.permutation_test(pair, sm.shape_distance, permutations=99)
    values = np.sort(np.append(test.null, test.sample_value))
    assert test.p_value == (1 + np.sum(test.null <= test.sample_value)) / 100 == 0.01
    assert test.threshold == pytest.approx(values[5])
    assert test.calibrated == pytest.approx((values[5] - test.sample_value) / values[5])
    same = sm.permutation_test(sm.pair(pair.sample.X, pair.sample.X), sm.shape_distance, permutations=19)
    assert same.calibrated == pytest.approx(1, abs=1e-6)


def test_identical_layers_are_calibrated_to_one():
    X, _ = related(n=120)
    pair = sm.pair(X, X)
    for name in ("cka", "mutual knn", "rsa", "distance correlation"):
        test = sm.permutation_test(pair, MEASURES[name], permutations=39)
        assert test.calibrated == pytest.approx(1) and test.p_value == 1 / 40


def test_values_are_of_all_rows_and_null_values_of_the_sample():
    X, Y = related(n=500)
    pair = sm.pair(X, Y, sample=100)
    test = sm.permutation_test(pair, sm.cka, permutations=39)
    chosen = pair.sample.example_ids
    assert test.value == float(sm.cka(pair)) and len(chosen) == 100
    assert test.sample_value == pytest.approx(float(sm.cka(sm.pair(X[chosen], Y[chosen]))), rel=1e-6)


def test_corrected_measures_of_several_rows_are_tested_by_what_they_correct():
    r = np.random.default_rng(2)
    ids = np.repeat(np.arange(40), 5)
    pair = sm.pair(*r.standard_normal((2, 200, 3)), example_ids=ids)
    tested = {"debiased cka": "cka", "adjusted pillai": "cca", "adjusted linear regression": "linear regression"}
    for name, statistic in (tested | {"ridge regression": "linear regression"}).items():
        test = sm.permutation_test(pair, MEASURES[name], permutations=19)
        assert (test.name, test.statistic) == (name, statistic)
        assert test.p_value == sm.permutation_test(pair, MEASURES[statistic], permutations=19).p_value
    rows = sm.pair(*r.standard_normal((2, 200, 3)))
    assert sm.permutation_test(rows, sm.debiased_cka, permutations=19).statistic == "debiased cka"


def test_without_a_sample_cka_has_the_test_over_all_permutations_and_others_none():
    X, Y = related(n=200)
    pair = sm.pair(X, Y, sample=0)
    for measure in (sm.cka, sm.debiased_cka):
        test = sm.permutation_test(pair, measure)
        assert test.method == "permutations of rows"
        assert test.p_value == sm.permutation_test(sm.pair(X, Y), measure, permutations="all").p_value
    with pytest.raises(sm.SpanmatchError, match="no sample of rows was kept; make the moments with sample=1000"):
        sm.permutation_test(pair, sm.procrustes)


def test_all_permutations_agree_with_many():
    X, Y = related(n=300, share=0.04)
    pair = sm.pair(X, Y)
    for measure in (sm.cka, sm.debiased_cka):
        by_moments = sm.permutation_test(pair, measure, permutations="all")
        by_sample = sm.permutation_test(pair, measure, permutations=2999)
        assert by_sample.p_value == pytest.approx(by_moments.p_value, abs=0.02)
        assert by_sample.threshold == pytest.approx(by_moments.threshold, rel=0.1, abs=2e-3)


@pytest.mark.parametrize("permutations", [0, -1, 1.5, True, "many"])
def test_numbers_of_permutations_that_make_no_sense_are_refused(permutations):
    with pytest.raises(sm.SpanmatchError, match=r"permutations=.*: give a number of permutations"):
        sm.permutation_test(sm.pair(*related()), sm.cka, permutations=permutations)


@pytest.mark.parametrize("function", [partial(sm.shape_distance, alpha=0.5), lambda pair: sm.gulp(pair, ridge=0.1)])
def test_distances_with_other_arguments_are_distances(function):
    X, Y = related()
    pair = sm.pair(X, X + 0.01 * np.pad(Y, ((0, 0), (0, 1))))
    test = sm.permutation_test(pair, function, 19)
    assert test.p_value == 0.05 and test.calibrated > 0.9 and test.threshold > test.value
    moments = sm.Moments()
    moments.update({"a:l": X, "b:l": X + 0.01 * np.pad(Y, ((0, 0), (0, 1)))})
    assert sm.significance(moments, function, 19).adjusted_p_values.tolist() == [0.05]


def test_all_permutations_are_not_within_groups():
    with pytest.raises(sm.SpanmatchError, match="not within groups"):
        sm.permutation_test(sm.pair(*related()), sm.cka, "all", groups=np.arange(60) % 2)


@pytest.mark.parametrize("permutations", [0, -1, 1.5, "all", True])
def test_numbers_of_permutations_of_all_tests_that_make_no_sense_are_refused(permutations):
    pair = sm.pair(*related())
    moments = sm.Moments()
    moments.update(dict(zip(("a:l", "b:l"), related(), strict=True)))
    with pytest.raises(sm.SpanmatchError, match=r"permutations=.*: give a number of permutations"):
        sm.significance(moments, sm.cka, permutations)
    if permutations != 0:  # none
        with pytest.raises(sm.SpanmatchError, match=r"permutations=.*: give a number of permutations"):
            sm.assess(pair, sm.match_profile(pair), permutations=permutations)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", 2**64])
def test_seeds_that_make_no_sense_are_refused(seed):
    with pytest.raises(sm.SpanmatchError, match=r"seed=.*: give a whole number"):
        sm.permutation_test(sm.pair(*related()), sm.cka, 9, seed=seed)


@pytest.mark.parametrize("undefined", [np.nan, np.inf])
@pytest.mark.parametrize("first", [True, False])
def test_values_that_are_no_numbers_are_refused(undefined, first):
    """They are neither larger nor smaller than others: p would be too small."""
    values = iter([undefined if (i == 1) == first else 0.1 for i in range(30)])
    with pytest.raises(sm.SpanmatchError, match="not finite"):
        sm.permutation_test(sm.pair(*related()), lambda pair: next(values), 19)


def test_significance_of_nothing_is_refused():
    for nothing in (None, sm.Moments(), sm.Moments(sample=0)):
        with pytest.raises(sm.SpanmatchError, match="give moments of two or more layers"):
            sm.significance(nothing)


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ([None] * 60, "example 0 has none"),
        ({i: float("nan") for i in range(60)}, "example 0 has none"),
        ({i: [1] for i in range(60)}, r"\[1\] of example 0; give numbers or texts"),
    ],
)
def test_labels_that_make_no_groups_are_refused(groups, reason):
    with pytest.raises(sm.SpanmatchError, match=f"groups: {reason}"):
        sm.permutation_test(sm.pair(*related()), sm.cka, 9, groups=groups)


def test_labels_of_rows_are_not_those_of_examples():
    ids = np.repeat(np.arange(30), 2)
    pair, groups = sm.pair(*related(), example_ids=ids), np.arange(30) % 3
    with pytest.raises(sm.SpanmatchError, match="60 labels, as many as rows; give one for each of the 30 examples"):
        sm.permutation_test(pair, sm.cka, 9, groups=groups[ids])
    assert 0 < sm.permutation_test(pair, sm.cka, 9, groups=groups).p_value <= 1


def test_layers_that_cannot_be_tested_are_refused():
    X, Y = related()
    with pytest.raises(sm.SpanmatchError, match="never varies"):
        sm.permutation_test(sm.pair(X * 0 + 1, Y), sm.procrustes, permutations=19)
    r = np.random.default_rng(0)
    scenes = np.repeat(r.standard_normal((50, 5)), 20, axis=0)
    film = [scenes + 0.3 * r.standard_normal((1000, 5)) for _ in "xy"]
    with pytest.raises(sm.SpanmatchError, match="neighbouring rows of 'x' and 'y' are alike"):
        sm.permutation_test(sm.pair(*film), sm.mutual_knn)


def test_the_same_seed_gives_the_same_null():
    pair = sm.pair(*related())
    one, same, other = (sm.permutation_test(pair, sm.procrustes, 19, seed=seed).null for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


# ---- levels: 200 data sets of each kind here, 1,000 in benchmarks/permutations.py


def share_rejected(draw, measure, sets=200, permutations=39, **options):
    p_values = []
    for seed in range(sets):
        X, Y, ids = draw(np.random.default_rng(seed))
        pair = sm.pair(X, Y, example_ids=ids, null=False, folds=1)
        p_values.append(sm.permutation_test(pair, measure, permutations, **options).p_value)
    return np.mean(np.array(p_values) <= 0.05)


def independent(r):
    return *r.standard_normal((2, 40, 4)), None


def of_examples(r):
    X, Y = (np.repeat(r.standard_normal((20, 4)), 10, axis=0) + 0.3 * r.standard_normal((200, 4)) for _ in range(2))
    return X, Y, np.repeat(np.arange(20), 10)


def heavy_tails(r):
    return *r.standard_t(2, (2, 40, 4)), None


def sorted_by_class(r):
    classes = np.repeat(r.standard_normal((4, 4)), 10, axis=0)
    return 2 * classes + r.standard_normal((40, 4)), r.standard_normal((40, 4)), None


@pytest.mark.parametrize("draw", [independent, of_examples, heavy_tails, sorted_by_class])
@pytest.mark.parametrize("measure", [sm.cka, sm.procrustes, partial(sm.mutual_knn, k=5), sm.distance_correlation])
@pytest.mark.slow
def test_unrelated_layers_are_rejected_in_five_percent(draw, measure):
    # 200 tests at 5%: 10 on average, with a standard deviation of 3.1; ties of neighbours make fewer.
    assert share_rejected(draw, measure) <= 0.05 + 3 * 0.0154


def test_rows_as_examples_would_be_rejected_far_too_often():
    def wrongly(r):
        X, Y, _ = of_examples(r)
        order = r.permutation(len(X))
        return X[order], Y[order], None

    assert share_rejected(wrongly, sm.cka, sets=60) > 0.5


@pytest.mark.slow
def test_within_groups_layers_that_share_only_the_class_are_not_related():
    labels = np.repeat(np.arange(5), 12)

    def share_class(r):
        centres = 3 * r.standard_normal((2, 5, 4))
        X, Y = (centre[labels] + r.standard_normal((60, 4)) for centre in centres)
        order = r.permutation(60)
        return X[order], Y[order], np.arange(60)[order]

    def relevant(r):
        X, Y, ids = share_class(r)
        common = r.standard_normal((60, 4))
        return X + 3 * common, Y + 3 * common, ids

    for measure in (sm.cka, sm.mutual_knn):
        assert share_rejected(share_class, measure, sets=40) > 0.9
        assert share_rejected(share_class, measure, groups=labels) <= 0.05 + 3 * 0.0154
        assert share_rejected(relevant, measure, sets=40, groups=labels) > 0.9


# ---- many layers


def many_layers(seed=0, n=80, related_pairs=(), count=5):
    r = np.random.default_rng(seed)
    a = {f"l{i}": r.standard_normal((n, 4)) for i in range(count)}
    b = {f"m{i}": r.standard_normal((n, 4)) for i in range(count)}
    for i in related_pairs:
        b[f"m{i}"] += a[f"l{i}"]
    moments = sm.Moments(pairs=[(f"a:{x}", f"b:{y}") for x in a for y in b], null=False)
    moments.update({f"a:{k}": v for k, v in a.items()} | {f"b:{k}": v for k, v in b.items()})
    return moments


def test_significance_is_the_test_of_each_pair_and_its_maximum():
    moments = many_layers(related_pairs=[1])
    found = sm.significance(moments, sm.mutual_knn, 99)
    tests = [sm.permutation_test(moments.pair(*layers), sm.mutual_knn, 99) for layers in moments.pairs]
    np.testing.assert_array_equal(found.p_values, [test.p_value for test in tests])
    np.testing.assert_array_equal(found.null.T, [test.null for test in tests])
    largest = np.max([test.null for test in tests], axis=0)
    expected = [(1 + np.sum(largest >= test.sample_value - 1e-12)) / 100 for test in tests]
    np.testing.assert_array_equal(found.adjusted_p_values, expected)
    assert found.pairs == tuple(moments.pairs)
    best = found.pairs.index(("a:l1", "b:m1"))
    assert found.adjusted_p_values[best] == 0.01 and np.sum(found.adjusted_p_values <= 0.05) == 1
    combined = np.sort(np.append(largest, max(test.sample_value for test in tests)))
    assert found.threshold == pytest.approx(combined[94])
    assert found.calibrated[best] == pytest.approx((tests[best].sample_value - combined[94]) / (1 - combined[94]))


@pytest.mark.slow
def test_the_adjusted_p_holds_its_level_and_the_smallest_p_does_not():
    adjusted, smallest = [], []
    for seed in range(80):
        found = sm.significance(many_layers(seed, n=40, count=4), sm.distance_correlation, 39)
        adjusted.append(found.adjusted_p_values.min() <= 0.05)
        smallest.append(found.p_values.min() <= 0.05)
    assert np.mean(adjusted) <= 0.05 + 3 * 0.0244 and np.mean(smallest) > 0.3


def test_pairs_that_are_refused_have_no_p_and_a_reason():
    r = np.random.default_rng(0)
    moments = sm.Moments(pairs="all", null=False)
    moments.update({"a:l": r.standard_normal((50, 3)), "b:l": r.standard_normal((50, 3)), "b:m": np.ones((50, 3))})
    found = sm.significance(moments, sm.cka, 19)
    assert found.pairs == (("a:l", "b:l"), ("a:l", "b:m"))  # not those of one network
    assert np.isnan(found.p_values).tolist() == [False, True]
    assert "never varies" in found.refusals["a:l", "b:m"]
    assert list(found.to_frame().columns)[:2] == ["x_layer", "y_layer"]
    constant = sm.Moments(null=False)
    constant.update({"a:l": np.ones((50, 3)), "b:l": np.ones((50, 3))})
    with pytest.raises(sm.SpanmatchError, match=r"refused for all pairs: .*never varies"):
        sm.significance(constant, sm.cka, 19)
    with pytest.raises(sm.SpanmatchError, match="no sample of rows was kept"):
        sm.significance(oracle_moments(sample=0), sm.cka, 19)


def oracle_moments(**options):
    X, Y = layers.random()
    moments = sm.Moments(**options)
    moments.update({"a:l": X, "b:l": Y})
    return moments


def test_a_comparison_gives_the_significance_of_its_measure():
    r = np.random.default_rng(0)
    X = r.standard_normal((100, 4))
    comparison = sm.compare({"a": {"l": X}, "b": {"l": X + r.standard_normal((100, 4))}}, evidence=False)
    found = comparison.significance(permutations=19)
    assert found.name == "debiased cka" and found.adjusted_p_values.tolist() == [0.05]
    assert comparison.significance("mutual knn", 19).name == "mutual knn"
    with pytest.raises(sm.SpanmatchError, match="no measure 'mutual nkn'"):
        comparison.significance("mutual nkn")


# ---- all measures of a pair


def test_every_measure_has_its_test_with_as_many_permutations_as_it_is_worth():
    pair = sm.pair(*related(n=150))
    tests = all_tests(pair)
    assert tests.keys() == MEASURES.keys()
    counts = {name: len(test.null) for name, test in tests.items()}
    assert {counts[name] for name in ("cka", "debiased cka", "rsa", "rbf cka", "distance correlation")} == {999}
    assert {counts[name] for name in ("mutual knn", "cknna", "rank similarity")} == {199}
    assert {counts[name] for name in ("procrustes", "match area", "rsa sqeuclidean", "gulp")} == {39}
    alone = sm.permutation_test(pair, sm.rsa)
    assert tests["rsa"].p_value == alone.p_value and tests["rsa"].calibrated == pytest.approx(alone.calibrated)


def test_wide_layers_have_p_values_of_kernels_and_neighbours_alone():
    r = np.random.default_rng(0)
    pair = sm.pair(*r.standard_normal((2, 300, 150)))
    tests = all_tests(pair)
    assert "take long to permute" in str(tests["procrustes"])
    assert isinstance(tests["debiased cka"], sm.PermutationTest) and isinstance(tests["cknna"], sm.PermutationTest)


def test_evidence_has_p_and_calibrated_of_every_measure():
    X, Y = related(n=150, share=0.7)
    pair = sm.pair(X, Y)
    evidence = sm.assess(pair, sm.match_profile(pair))
    for measure in evidence.measures:
        assert measure.p_value <= 0.05 and 0 < measure.calibrated <= 1, measure.name
        assert measure.permutations in (39, 199, 999)
    assert evidence["mutual knn"].null_value == pytest.approx(10 / 149, rel=0.1)
    none = sm.assess(pair, sm.match_profile(pair), permutations=0)
    assert all(np.isnan(measure.p_value) for measure in none.measures)
    more = sm.assess(pair, sm.match_profile(pair), permutations=59)
    assert {measure.permutations for measure in more.measures} == {59}


def test_the_oracle_of_partners_is_not_a_permutation_of_the_sample():
    """The null pairing is one shift in the order of hashes; a permutation test is many of them."""
    X, Y = layers.correlated(n=200, p=7, q=5)
    pair = sm.pair(X, Y)
    rolled = sm.pair(X, Y[oracles.partners(np.arange(200))])
    null = sm.permutation_test(pair, sm.cka, 199).null
    assert sm.null(pair, sm.cka).null_value == pytest.approx(float(sm.cka(rolled)))
    assert null.min() <= float(sm.cka(rolled)) <= null.max()


@pytest.mark.parametrize("x_stride", [2, 4])
def test_layers_of_different_numbers_of_positions_have_p_values_of_the_sample_alone(x_stride):
    """Of positions that were sampled for the moments, all are in the sample, and these do not correspond."""
    torch = pytest.importorskip("torch")
    images = torch.randn(40, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    strides = {"a": x_stride, "b": 1}  # 4 positions or 1 in x, 9 in y
    networks = {name: torch.nn.Sequential(torch.nn.Conv2d(3, 5, 2, stride)) for name, stride in strides.items()}
    moments = sm.capture(networks, images, layers="0", positions=1)
    pair = moments.pair("a:0", "b:0")
    assert pair.sample.x.rows_per_example != pair.sample.y.rows_per_example
    tests = all_tests(pair, 19)
    for name, test in tests.items():
        if MEASURES[name].needs == "sample":
            assert isinstance(test, sm.PermutationTest), name
        else:
            assert "rows do not correspond" in str(test), name


@pytest.mark.parametrize("permutations", [-1, "some"])
def test_comparisons_refuse_numbers_of_permutations_that_make_no_sense(permutations):
    with pytest.raises(sm.SpanmatchError, match=r"permutations=.*: give a number of permutations"):
        sm.compare(*related(), permutations=permutations)
