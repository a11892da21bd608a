"""Correlation, one-to-one alignment, mutual information, and what several networks share."""

from __future__ import annotations

import json
from itertools import permutations

import layers
import numpy as np
import oracles
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

import spanmatch as sm
from spanmatch.alignment import align
from spanmatch.alignment.assignment import assigned
from spanmatch.alignment.contingency import chance_information, thinned


def dead_ends():
    """X with a silent and a constant neuron, Y with a constant one."""
    X, Y = layers.correlated(p=9, q=8)
    X[:, 2], X[:, 5], Y[:, 3] = 0, 4.5, -1e3
    return X, Y


# ---- correlation


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize(
    "kind", ["random", "correlated", "duplicated", "badly scaled", "few rows", "one neuron a side"]
)
def test_correlations_are_numpys(kind, method):
    X, Y = layers.KINDS[kind]()
    c = sm.correlation(sm.pair(X, Y, method=method))
    p = X.shape[1]
    whole = np.atleast_2d(np.corrcoef(np.hstack([X, Y]), rowvar=False))
    assert_allclose(c.between, whole[:p, p:], atol=1e-12)
    assert_allclose(c.within_x, whole[:p, :p], atol=1e-12)
    assert_allclose(c.within_y, whole[p:, p:], atol=1e-12)
    assert_allclose(c.x_mean, X.mean(axis=0), rtol=1e-10, atol=1e-13 * abs(X).max())
    assert_allclose(c.x_deviation, X.std(axis=0), rtol=1e-10)
    assert_allclose(c.y_deviation, Y.std(axis=0), rtol=1e-10)


def test_constant_neurons_are_listed_and_correlate_with_nothing():
    X, Y = dead_ends()
    c = sm.correlation(sm.pair(X, Y))
    assert (c.x_constant, c.y_constant) == ((2, 5), (3,))
    assert not c.between[[2, 5]].any() and not c.between[:, 3].any()
    for values in (c.between, c.within_x, c.within_y):
        assert np.isfinite(values).all()
    assert c.within_x[5, 5] == 0 and c.within_x[4, 4] == pytest.approx(1)


def test_correlations_stand_huge_means():
    X, Y = layers.correlated()
    c = sm.correlation(sm.pair(X + 1e6, Y - 1e6))
    assert_allclose(c.between, sm.correlation(sm.pair(X, Y)).between, atol=1e-7)


@pytest.mark.parametrize("method", ["gram", "qr"])
def test_a_swapped_pair_is_the_pair_the_other_way_round(method):
    X, Y = layers.correlated(p=7, q=9)
    pair, other = sm.pair(X, Y, bins=4, method=method).swapped, sm.pair(Y, X, bins=4, method=method)
    assert pair.neurons == other.neurons and (pair.x_layer, pair.y_layer) == ("y", "x")
    for name in ("xx", "xy", "yy", "x_mean", "y_mean"):
        assert_allclose(getattr(pair, name), getattr(other, name), rtol=1e-10, atol=1e-10)
    assert_array_equal(pair.counts.table, other.counts.table)
    for mine, theirs in zip(pair.folds, other.folds, strict=True):
        assert_allclose(mine.xy, theirs.xy, rtol=1e-9, atol=1e-10)
    assert_allclose(sm.match_profile(pair).x_levels, sm.match_profile(other).x_levels, atol=1e-9)
    assert_allclose(pair.null.xy, sm.pair(X, Y, method=method).null.xy.T, rtol=1e-10, atol=1e-10)


# ---- one to one


@pytest.mark.parametrize("by", ["correlation", "absolute"])
@pytest.mark.parametrize(("p", "q"), [(5, 5), (4, 6), (6, 4), (1, 3), (3, 1), (1, 1)])
def test_bipartite_is_the_best_of_all_assignments(p, q, by):
    X, Y = layers.correlated(p=p, q=q, seed=3)
    score = np.corrcoef(np.hstack([X, Y]), rowvar=False)[:p, p:]
    score = abs(score) if by == "absolute" else score
    wide = score if p <= q else score.T
    best = max(sum(wide[i, j] for i, j in enumerate(order)) for order in permutations(range(max(p, q)), min(p, q)))
    a = sm.one_to_one(sm.pair(X, Y), by=by)
    assert a.strength.sum() == pytest.approx(best, rel=1e-12)
    assert_allclose(a.strength, score[a.x, a.y], atol=1e-12)
    assert (np.diff(a.strength) <= 0).all()
    assert len(set(a.x)) == len(set(a.y)) == min(p, q)
    assert sorted([*a.x, *a.x_unmatched]) == list(range(p)) and sorted([*a.y, *a.y_unmatched]) == list(range(q))


def test_semi_matching_takes_the_best_of_each_row():
    X, Y = layers.correlated(p=9, q=7)
    score = np.corrcoef(np.hstack([X, Y]), rowvar=False)[:9, 9:]
    a = sm.one_to_one(sm.pair(X, Y), method="semi")
    assert_array_equal(a.y[np.argsort(a.x)], score.argmax(axis=1))
    assert_allclose(a.strength, np.sort(score.max(axis=1))[::-1])
    assert a.strength.sum() >= sm.one_to_one(sm.pair(X, Y)).strength.sum() - 1e-12


@pytest.mark.parametrize("method", ["bipartite", "semi"])
def test_margins_are_to_the_next_best(method):
    X, Y = layers.correlated(p=8, q=10)
    score = np.corrcoef(np.hstack([X, Y]), rowvar=False)[:8, 8:]
    a = sm.one_to_one(sm.pair(X, Y), method=method)
    for x, y, strength, margin, rival, back, other in zip(
        a.x, a.y, a.strength, a.margin, a.next_y, a.back_margin, a.next_x, strict=True
    ):
        row, column = np.delete(score[x], y), np.delete(score[:, y], x)
        assert margin == pytest.approx(strength - row.max(), abs=1e-12) and score[x, rival] == pytest.approx(row.max())
        assert back == pytest.approx(strength - column.max(), abs=1e-12)
        assert score[other, y] == pytest.approx(column.max())


@pytest.mark.parametrize(("p", "q"), [(12, 12), (9, 14), (14, 9)])
def test_planted_partners_are_found_and_lined_up(p, q):
    X, Y, planted = layers.partners(p=p, q=q)
    a = sm.one_to_one(sm.pair(X, Y))
    found = dict(zip(a.x.tolist(), a.y.tolist(), strict=True))
    assert [found[i] for i in range(min(p, q))] == planted.tolist()
    lined = Y[:, a.permutation()]
    assert sorted(a.permutation()) == list(range(q))
    for i in range(min(p, q)):
        assert np.corrcoef(X[:, i], lined[:, i])[0, 1] > 0.9
    assert (a.strength > a.chance_correlation).sum() == min(p, q)


def test_margins_fall_as_noise_rises():
    margins = [
        np.median(sm.one_to_one(sm.pair(*layers.partners(noise=noise)[:2])).margin) for noise in (0.1, 0.5, 1, 3)
    ]
    assert margins == sorted(margins, reverse=True) and margins[0] > 2 * margins[-1]


def test_a_duplicate_leaves_no_margin():
    X, Y, planted = layers.partners()
    Y = np.hstack([Y, Y[:, planted[:1]]])  # neuron 0 of x has two equal partners
    X = np.hstack([X, X[:, 1:2]])  # and neuron 1 of x has a rival
    a = sm.one_to_one(sm.pair(X, Y))
    margin, back = dict(zip(a.x, a.margin, strict=True)), dict(zip(a.x, a.back_margin, strict=True))
    assert margin[0] == pytest.approx(0, abs=1e-12) and back[0] > 0.5
    one = 1 if a.y[list(a.x).index(1)] == planted[1] else 12
    assert back[one] == pytest.approx(0, abs=1e-12) and margin[one] > 0.5


def test_identical_layers_are_their_own_partners():
    X, _ = layers.correlated(p=11)
    a = sm.one_to_one(sm.pair(X, X))
    assert_array_equal(a.permutation(), np.arange(11))
    assert_allclose(a.strength, 1)
    assert sm.one_to_one(sm.pair(X, X), method="semi").strength.min() == pytest.approx(1)


def test_one_neuron_has_no_rival():
    a = sm.one_to_one(sm.pair(*layers.random(p=1, q=1)))
    assert a.next_y.tolist() == a.next_x.tolist() == [-1]
    assert a.margin == pytest.approx(a.strength) and len(a.x_baseline) == 0


def test_constant_neurons_have_no_partner():
    X, Y = dead_ends()
    for by in ("correlation", "absolute", "information"):
        a = sm.one_to_one(sm.pair(X, Y, bins=5), by=by)
        assert {2, 5} <= set(a.x_unmatched.tolist()) and 3 in a.y_unmatched
        assert np.isfinite(a.strength).all() and np.isfinite(a.margin).all()
        assert 3 not in a.next_y and not {2, 5} & set(a.next_x.tolist())
    silent = sm.one_to_one(sm.pair(np.zeros((9, 2)), Y[:9]))
    assert len(silent.x) == 0 and sorted(silent.permutation()) == list(range(8))


def test_the_baseline_is_the_same_matching_within_a_layer():
    X, Y = layers.correlated(p=5, q=4)
    own = np.corrcoef(X, rowvar=False)
    best = max(
        sum(own[i, j] for i, j in enumerate(order))
        for order in permutations(range(5))
        if all(i != j for i, j in enumerate(order))
    )
    a = sm.one_to_one(sm.pair(X, Y))
    assert a.x_baseline.sum() == pytest.approx(best) and len(a.y_baseline) == 4
    semi = sm.one_to_one(sm.pair(X, Y), method="semi")
    np.fill_diagonal(own, -1)
    assert_allclose(semi.x_baseline, np.sort(own.max(axis=1))[::-1])


def test_what_an_alignment_does_not_depend_on():
    X, Y, _ = layers.partners()
    r = np.random.default_rng(1)
    plain = sm.one_to_one(sm.pair(X, Y))
    moved = sm.one_to_one(sm.pair(X * r.uniform(0.1, 9, 12) - 5, Y * 1e-6))
    assert_allclose(moved.strength, plain.strength, rtol=1e-9)
    flipped = sm.pair(X, -Y)
    assert_allclose(sm.one_to_one(flipped, by="absolute").strength, plain.strength, rtol=1e-9)
    assert sm.one_to_one(flipped).strength.max() < 0.3  # the sign counts, unless it is told not to
    mixed = sm.one_to_one(sm.pair(X, Y @ layers.mixing(12, 3, r)))
    assert np.median(mixed.strength) < np.median(plain.strength) - 0.2


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_a_permutation_is_one(p, q, seed):
    a = sm.one_to_one(sm.pair(*layers.random(n=12, p=p, q=q, seed=seed)))
    order = a.permutation()
    assert sorted(order) == list(range(q))
    if p <= q:
        assert_array_equal(order[a.x], a.y)


def test_a_semi_matching_is_no_permutation():
    with pytest.raises(sm.SpanmatchError, match="bipartite"):
        sm.one_to_one(sm.pair(*layers.random()), method="semi").permutation()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "hungarian"}, "'hungarian': give 'bipartite' or 'semi'"),
        ({"by": "cosine"}, "'cosine': give 'correlation'"),
        ({"by": "information"}, "no histograms were counted; make the moments with bins=10"),
    ],
)
def test_wrong_words_are_refused(options, message):
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.one_to_one(sm.pair(*layers.random()), **options)


# ---- mutual information


def binned(column: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return (column[:, None] > edges).sum(axis=1)


@pytest.mark.parametrize("kind", ["random", "correlated", "silent", "badly scaled", "few rows", "one against many"])
def test_information_is_scikit_learns_on_the_same_bins(kind):
    X, Y = layers.KINDS[kind]()
    m = sm.mutual_information(X, Y, bins=6)
    for i in range(X.shape[1]):
        for j in range(Y.shape[1]):
            a, b = binned(X[:, i], m.x_edges[i]), binned(Y[:, j], m.y_edges[j])
            plain = mutual_info_score(a, b)
            assert m.uncorrected[i, j] == pytest.approx(plain, abs=1e-10)
            if (i + 7 * j) % 25:
                continue
            chance = expected_mutual_information(contingency_matrix(a, b, sparse=True), len(X))
            most = min(mutual_info_score(own, own) for own in (a, b))
            room = most / (most - chance) if most > chance else 1
            assert m.between[i, j] == pytest.approx((plain - chance) * room, abs=1e-6)


def test_bins_are_zero_and_quantiles_above():
    X = np.maximum(np.random.default_rng(0).standard_normal((1000, 1)), 0)
    edges = sm.mutual_information(X, X, bins=5).x_edges[0]
    counts = np.bincount(binned(X[:, 0], edges), minlength=5)
    assert counts[0] == np.count_nonzero(X == 0)
    assert np.ptp(counts[1:]) <= 1
    signed = np.random.default_rng(1).standard_normal((1000, 1))
    assert np.ptp(np.bincount(binned(signed[:, 0], sm.mutual_information(signed, signed, bins=5).x_edges[0]))) == 0


@pytest.mark.parametrize(("rows", "miller_madow"), [(50, 0.68), (100, 0.26), (200, 0.06)])
@pytest.mark.parametrize("rectified", [False, True])
def test_information_of_independent_neurons_is_0_on_average(rows, miller_madow, rectified):
    r = np.random.default_rng(rows)
    X, Y = (r.standard_normal((rows, 100)) - np.linspace(-1, 1, 100) * rectified for _ in range(2))
    X, Y = (np.maximum(Z, 0) if rectified else Z for Z in (X, Y))
    pair = sm.pair(X, Y, bins=10)
    m = sm.mutual_information(pair)
    # Of the mean over so many pairs of neurons, four standard errors are about 0.005 nats.
    assert abs(m.between.mean()) < 0.006
    if not rectified:
        cells = 19 - np.count_nonzero(pair.counts.table, axis=(1, 3))
        assert (m.uncorrected + cells / (2 * rows)).mean() == pytest.approx(miller_madow, abs=0.015)


@pytest.mark.parametrize(("rows", "within"), [(100, 0.17), (200, 0.06), (1000, 0.02)])
@pytest.mark.parametrize("r", [0.9, 0.99])
def test_information_of_dependent_neurons_is_nearly_that_of_many_rows(r, rows, within):
    def related(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
        draw = np.random.default_rng(n)
        X = draw.standard_normal((n, p))
        return X, r * X + np.sqrt(1 - r * r) * draw.standard_normal((n, p))

    truth = sm.mutual_information(*related(200_000, 1)).uncorrected[0, 0]
    m = sm.mutual_information(*related(rows, 60))
    assert np.diagonal(m.between).mean() == pytest.approx(truth, rel=within)


@pytest.mark.parametrize("method", ["bipartite", "semi"])
@pytest.mark.parametrize("rows", [50, 100, 200, 1000])
def test_no_partners_of_independent_neurons_are_significant(rows, method):
    r = np.random.default_rng(rows)
    found = dict.fromkeys(("correlation", "absolute", "information"), 0)
    for _ in range(40):
        pair = sm.pair(r.standard_normal((rows, 12)), r.standard_normal((rows, 12)), bins=10, folds=1)
        for by in found:
            found[by] += sm.one_to_one(pair, method=method, by=by).significant.any()
    assert max(found.values()) <= 6  # of 40 families at 5%: more have a chance of 0.3%


@pytest.mark.parametrize(("rows", "bins"), [(50, 10), (200, 10), (1000, 10), (100, 4), (300, 2)])
def test_p_values_of_information_hold_their_level(rows, bins):
    r = np.random.default_rng(bins)
    for rectified in (False, True):
        X, Y = (r.standard_normal((rows, 120)) - np.linspace(-1, 1, 120) * rectified for _ in range(2))
        X, Y = (np.maximum(Z, 0) if rectified else Z for Z in (X, Y))
        p = sm.mutual_information(X, Y, bins=bins).p_value
        for level, excess in ((0.05, 1.15), (0.01, 1.3), (1e-3, 1.9)):
            assert (p <= level).mean() <= excess * level


def test_p_values_find_what_is_there():
    r = np.random.default_rng(0)
    X = r.standard_normal((300, 30))
    Y = X**2 + 0.3 * r.standard_normal((300, 30))
    pair = sm.pair(X, Y, bins=6)
    assert len(align(pair, grouped=False).by_information_only) >= 20  # (others correlate too, by chance)
    a = sm.one_to_one(pair, by="information")
    assert a.significant.all() and (a.x == a.y).all()
    assert not sm.one_to_one(pair, by="correlation").significant[5:].any()
    few = sm.one_to_one(sm.pair(X[:10], Y[:10], bins=10), by="information")
    assert not few.significant.any() and (few.p_value == 1).all()  # every row is in a bin of its own


def test_p_values_of_correlations_are_scipys():
    from scipy.stats import pearsonr

    X, Y = layers.random(n=40, p=4, q=3)
    for by, sides in (("correlation", "greater"), ("absolute", "two-sided")):
        a = sm.one_to_one(sm.pair(X, Y), by=by)
        for i, j, p in zip(a.x, a.y, a.p_value, strict=True):
            assert p == pytest.approx(min(1, 12 * pearsonr(X[:, i], Y[:, j], alternative=sides).pvalue), rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([10] * 10, [10] * 10),
        ([5] * 10, [5] * 10),
        ([50] + [6] * 9, [50] + [6] * 9),
        ([110] + [10] * 9, [20] * 10),
        ([25] * 4, [25] * 4),
        ([90] + [2] * 9, [84] + [3] * 8),
    ],
)
def test_chance_information_is_that_of_permuted_rows(x, y):
    r, n = np.random.default_rng(0), sum(x)
    a, b = np.repeat(np.arange(len(x)), x), np.repeat(np.arange(len(y)), y)
    drawn = []
    for _ in range(4000):
        cells = np.bincount(a * len(y) + r.permutation(b))
        drawn.append((cells[cells > 0] * np.log(cells[cells > 0] / n)).sum())
    drawn = np.array(drawn) - sum((np.array(own) * np.log(np.array(own) / n)).sum() for own in (x, y))
    mean, variance = (float(v[0, 0]) for v in chance_information(np.array([x], float), np.array([y], float)))
    assert mean == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(4000))
    assert mean == pytest.approx(n * expected_mutual_information(contingency_matrix(a, b, sparse=True), n), rel=1e-9)
    assert 0.9 < variance / drawn.var() < 1.25


def test_chance_information_is_interpolated_for_many_different_counts():
    r = np.random.default_rng(0)
    for n in (300, 4096):
        x, y = (r.multinomial(n, r.dirichlet(np.full(10, 0.7), size=30).mean(axis=0), size=30) for _ in range(2))
        x[:, 0] += x[:, 1]
        x[:, 1] = 0
        mean, variance = chance_information(x.astype(float), y.astype(float))
        for i, j in ((0, 0), (7, 9), (29, 13)):
            exact = chance_information(x[i : i + 1].astype(float), y[j : j + 1].astype(float))
            assert mean[i, j] == pytest.approx(exact[0][0, 0], rel=1e-4)
            assert variance[i, j] == pytest.approx(exact[1][0, 0], rel=1e-3)


def test_thinned_counts_are_in_proportion():
    counts = np.array([[7.0, 3, 0, 90], [25, 25, 25, 25]])
    for rows in (1, 10, 33, 100):
        few = thinned(counts, rows)
        assert (few.sum(axis=1) == rows).all() and (abs(few - counts * rows / 100) <= 1).all() and few[0, 2] == 0


# ---- rows of one example


def grouped(examples: int, rows: int, p: int, alike: float, r: np.random.Generator) -> np.ndarray:
    """Independent neurons whose rows of one example correlate so much with each other."""
    shared = np.repeat(r.standard_normal((examples, p)), rows, axis=0)
    return np.sqrt(alike) * shared + np.sqrt(1 - alike) * r.standard_normal((examples * rows, p))


@pytest.mark.parametrize(
    ("examples", "rows", "p", "alike"),
    [(40, 25, 50, 0.999), (20, 20, 20, 0.99), (40, 25, 200, 0.99), (100, 20, 30, 0.5), (1000, 1, 50, 0.0)],
)
def test_chance_correlation_is_the_best_of_unrelated_neurons(examples, rows, p, alike):
    r, ids = np.random.default_rng(p), np.repeat(np.arange(examples), rows)
    chance, best = [], []
    for _ in range(8):
        X, Y = (grouped(examples, rows, p, alike, r) for _ in range(2))
        c = sm.correlation(sm.pair(X, Y, example_ids=ids))
        chance.append(c.chance_correlation)
        best.append(abs(np.corrcoef(X.T, Y.T)[:p, p:]).max(axis=1).mean())
        bare = sm.correlation(sm.pair(X, Y, example_ids=ids, null=False))
        assert bare.effective_sample_size == examples and bare.chance_correlation > 0.95 * np.mean(best)
    assert np.mean(chance) == pytest.approx(np.mean(best), rel=0.04)
    if examples == 40 and p == 50:
        # With all rows as independent, as without examples, it would be a quarter of that.
        assert sm.correlation(sm.pair(X, Y)).chance_correlation < 0.1 and np.mean(best) > 0.38


def test_effective_rows_are_those_of_chance_correlations():
    r, ids = np.random.default_rng(0), np.repeat(np.arange(100), 20)
    for alike in (0.2, 0.5):
        pairs = [sm.pair(*(grouped(100, 20, 60, alike, r) for _ in range(2)), example_ids=ids) for _ in range(6)]
        effective = np.mean([sm.correlation(pair).effective_sample_size for pair in pairs])
        assert 0.8 < effective / (2000 / (1 + 19 * alike**2)) < 1.05  # never far too many
    assert sm.correlation(sm.pair(*layers.random())).effective_sample_size == 300


@pytest.mark.parametrize("alike", [0.2, 0.5])
def test_information_of_independent_neurons_is_0_with_rows_of_one_example(alike):
    r, ids = np.random.default_rng(1), np.repeat(np.arange(100), 20)
    X, Y = (grouped(100, 20, 60, alike, r) for _ in range(2))
    m = sm.mutual_information(sm.pair(X, Y, example_ids=ids, bins=10))
    assert abs(m.between.mean()) < 0.0015 < m.uncorrected.mean() / 10
    for by in ("correlation", "absolute", "information"):
        assert sm.one_to_one(sm.pair(X, Y, example_ids=ids, bins=10), by=by).significant.sum() <= 1


def test_what_all_examples_share_is_no_partnership():
    r, ids = np.random.default_rng(0), np.repeat(np.arange(200), 16)
    X, Y = (np.tile(r.standard_normal((16, 12)), (200, 1)) + r.standard_normal((3200, 12)) for _ in range(2))
    pair = sm.pair(X, Y, example_ids=ids, bins=5)  # of rows in the same places of all examples
    c = sm.correlation(pair)
    assert abs(c.between).max() > 0.3 and c.effective_sample_size < 100 and c.chance_correlation > 0.2
    for by in ("correlation", "absolute", "information"):
        assert not sm.one_to_one(pair, by=by).significant.any()
    assert sm.one_to_one(sm.pair(X, Y, bins=5), by="information").significant.any()


def test_repeated_rows_tell_no_more_than_one_of_each():
    X, Y = layers.related(n=150)
    once = sm.mutual_information(X, Y, bins=5)
    edges = (once.x_edges, once.y_edges)
    ids = np.repeat(np.arange(150), 20)
    X, Y = np.repeat(X, 20, axis=0), np.repeat(Y, 20, axis=0)
    many = sm.mutual_information(sm.pair(X, Y, example_ids=ids, bins=edges, null=False))
    assert_allclose(many.between, once.between, atol=1e-9)
    assert_allclose(many.p_value, once.p_value, rtol=1e-6)
    assert sm.mutual_information(sm.pair(X, Y, bins=edges)).between.mean() > 1.1 * once.between.mean()


def test_neurons_that_differ_in_how_alike_rows_are_have_few_false_partners():
    r, ids, found = np.random.default_rng(2), np.repeat(np.arange(100), 20), 0
    for _ in range(20):
        X, Y = (grouped(100, 20, 30, np.linspace(0.02, 0.95, 30), r) for _ in range(2))
        found += sm.one_to_one(sm.pair(X, Y, example_ids=ids), by="absolute").significant.any()
    assert found <= 4


def test_a_neuron_tells_all_of_itself():
    X, _ = layers.random(n=5000, p=3)
    m = sm.mutual_information(X, X)
    assert_allclose(np.diagonal(m.uncorrected), np.log(10), rtol=1e-9)
    assert_allclose(np.diagonal(m.between), m.x_entropy, rtol=1e-9)


def test_information_finds_partners_that_correlation_does_not():
    X, Y, planted = layers.partners(noise=0.1)
    Y[:, planted[4]] = abs(X[:, 4] - 3) + 0.05 * np.random.default_rng(5).standard_normal(len(X))
    pair = sm.pair(X, Y, bins=8)
    by_information = sm.one_to_one(pair, by="information")
    assert dict(zip(by_information.x, by_information.y, strict=True))[4] == planted[4]
    semi = sm.one_to_one(pair, method="semi", by="information")
    assert [4, planted[4]] in semi.apart_from(sm.one_to_one(pair, method="semi", by="absolute")).tolist()
    assert len(by_information.apart_from(by_information)) == 0


def test_information_streams_and_adds_up():
    X, Y = layers.correlated(n=700, p=5, q=4)
    whole = sm.mutual_information(X, Y, bins=6)
    edges = {"a:l": whole.x_edges, "b:l": whole.y_edges}
    total = sm.Moments(bins=edges)
    for start in range(0, 700, 64):
        part = sm.Moments(bins=edges)
        part.update({"a:l": X[start : start + 64], "b:l": Y[start : start + 64]})
        total = part + total
    streamed = sm.mutual_information(total.pair("a:l", "b:l"))
    assert_allclose(streamed.between, whole.between, rtol=1e-12, atol=1e-14)
    assert_allclose(sm.mutual_information(total.pair("b:l", "a:l")).between, whole.between.T, atol=1e-14)


def test_edges_come_from_the_first_batch_and_can_be_passed_on(tmp_path):
    X, Y = layers.correlated(n=600, p=5, q=4)
    first = sm.Moments(bins=7)
    first.update({"a:l": X[:200], "b:l": Y[:200]})
    assert_allclose(first.edges["a:l"], sm.mutual_information(X[:200], Y[:200], bins=7).x_edges)
    second = sm.Moments(bins=first.edges)
    second.update({"a:l": X[200:], "b:l": Y[200:]})
    first.save(tmp_path / "m.safetensors")
    total = sm.Moments.load(tmp_path / "m.safetensors") + second
    first.update({"a:l": X[200:], "b:l": Y[200:]})
    mine, theirs = (sm.mutual_information(m.pair("a:l", "b:l")).between for m in (first, total))
    assert_allclose(mine, theirs, atol=1e-14)
    alone = sm.Moments(bins=7)
    alone.update({"a:l": X[200:], "b:l": Y[200:]})
    with pytest.raises(sm.SpanmatchError, match=r"different bins.*bins=moments.edges"):
        first + alone


def test_information_takes_tensors_and_shifts():
    torch = pytest.importorskip("torch")
    X, Y = layers.correlated(p=5, q=4)
    m = sm.mutual_information(torch.from_numpy(X), torch.from_numpy(Y))
    assert_allclose(m.between, sm.mutual_information(X, Y).between, atol=1e-14)
    signed = sm.mutual_information(X - 1, 8 * Y - 8, bins=4).between  # quantile bins go with the data
    assert_allclose(signed, sm.mutual_information(X - 7, Y - 1, bins=4).between, atol=1e-12)


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        (1, "bins=1: give a whole number, 2 or more"),
        (True, "bins=True"),
        (2.5, r"bins=2\.5"),
        (([[0.0, 1.0]], [[0.0]]), "'x': bin edges for 24 neurons are needed; given: those of 1"),
        ((np.ones((24, 2)), np.ones(3)), r"'y': bin edges of shape \(3,\)"),
        ((np.tile([1.0, 0.0], (24, 1)), np.ones((31, 1))), "'x': the bin edges of neuron 0 do not ascend"),
    ],
)
def test_wrong_bins_are_refused(bins, message):
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.mutual_information(*layers.random(), bins=bins)


def test_information_of_one_array_is_refused():
    with pytest.raises(sm.SpanmatchError, match="give two arrays, or a pair made with bins"):
        sm.mutual_information(layers.random()[0])


# ---- several networks


def three_networks() -> tuple[sm.Moments, dict[str, np.ndarray]]:
    """Five neurons in all of three networks, three more in a and b, and two of each network's own, in planted
    orders."""
    r = np.random.default_rng(0)
    n, everyone, some = 800, r.standard_normal((800, 5)), r.standard_normal((800, 3))
    orders = {name: r.permutation(10) for name in "abc"}
    batch = {}
    for name, order in orders.items():
        own = r.standard_normal((n, 10))
        own[:, :5] = everyone + 0.2 * own[:, :5]
        if name in "ab":
            own[:, 5:8] = some + 0.2 * own[:, 5:8]
        Z = np.empty_like(own)
        Z[:, order] = own
        batch[f"{name}:l"] = Z
    moments = sm.Moments()
    moments.update(batch)
    return moments, orders


def test_what_is_in_all_networks_is_found_in_all():
    moments, orders = three_networks()
    u = sm.universality(moments, "l", min_correlation=0.7, eps=0.3)
    for name, order in orders.items():
        expected = np.repeat([2, 1 if name in "ab" else 0, 0], [5, 3, 2])
        assert_array_equal(u.partners[name][order], expected)
        assert_array_equal(u.matched[name][order], expected)
    found = {tuple(row) for row in u.everywhere.tolist()}
    assert found == {tuple(int(orders[name][k]) for name in "abc") for k in range(5)}
    assert u.cycle_consistency == 1 and all(t.chains == 5 for t in u.triangles) and len(u.triangles) == 3
    assert u.distribution()["partners"].tolist() == [2 + 2 + 5, 6, 15]
    json.dumps(u.to_dict(), allow_nan=False)


def test_partners_at_random_close_few_triangles():
    r = np.random.default_rng(3)
    moments = sm.Moments()
    moments.update({f"{name}:l": r.standard_normal((50, 40)) for name in "abc"})
    u = sm.universality(moments, "l", min_correlation=0.0)
    assert u.cycle_consistency < 0.2 and 0.04 < u.triangles[0].chance < 0.1
    partner = {}
    for a, b in permutations("abc", 2):
        found = sm.one_to_one(moments.pair(f"{a}:l", f"{b}:l"))
        partner[a, b] = dict(zip(found.x[found.strength >= 0], found.y[found.strength >= 0], strict=True))
    mutual = {
        (i, j, k)
        for i, j in partner["a", "b"].items()
        for k in [partner["a", "c"].get(i)]
        if k is not None and partner["b", "c"].get(j) == k
    }
    assert {tuple(row) for row in u.everywhere.tolist()} == mutual and len(mutual) < 20
    around = {i: partner["b", "c"][j] for i, j in partner["a", "b"].items() if j in partner["b", "c"]}
    by_b = next(t for t in u.triangles if (t.a, t.b, t.c) == ("a", "b", "c"))
    assert by_b.chains == len(around) and by_b.closed == sum(partner["a", "c"].get(i) == k for i, k in around.items())
    none = sm.universality(moments, "l", min_correlation=0.99)
    assert (
        np.isnan(none.cycle_consistency) and len(none.everywhere) == 0 and none.to_dict()["cycle_consistency"] is None
    )


def factors(width: int, seed: int) -> sm.Moments:
    """Three networks whose neurons are random mixtures of the same few factors, and some noise."""
    r = np.random.default_rng(seed)
    shared, moments = r.standard_normal((800, width)) / np.sqrt(width), sm.Moments()
    moments.update(
        {f"{k}:l": shared @ r.standard_normal((width, 40)) + 0.3 * r.standard_normal((800, 40)) for k in "abc"}
    )
    return moments


@pytest.mark.parametrize(("width", "by"), [(4, "correlation"), (4, "absolute"), (8, "correlation")])
def test_triangles_that_close_by_shared_factors_close_under_the_null(width, by):
    results = [sm.universality(factors(width, seed), "l", by=by) for seed in range(10)]
    closed = np.mean([u.cycle_consistency for u in results])
    chance = np.mean([u.null_cycle_consistency for u in results])
    assert closed > 0.15 and max(t.chance for u in results for t in u.triangles) < 0.5
    assert chance == pytest.approx(closed, abs=0.08)  # drawn at random, partners would close 2.5%
    assert [t.chance for t in sm.universality(factors(4, 0), "l").triangles] == [
        t.chance for t in sm.universality(factors(4, 0), "l", seed=0).triangles
    ]


def test_triangles_of_real_partners_close_more_than_under_the_null():
    u = sm.universality(three_networks()[0], "l", min_correlation=0.7)
    assert u.cycle_consistency == 1 and u.null_cycle_consistency < 0.45
    assert u.to_dict()["null_cycle_consistency"] == u.null_cycle_consistency and "under the null" in repr(u)
    moments, r = sm.Moments(bins=5), np.random.default_rng(0)
    moments.update({f"{name}:l": r.standard_normal((200, 6)) for name in "abc"})
    by_information = sm.universality(moments, "l", min_correlation=-1, by="information")
    assert by_information.triangles[0].chains and by_information.to_dict()["null_cycle_consistency"] is None


def test_the_null_of_triangles_keeps_covariances():
    from spanmatch.alignment.across_networks import _components

    X, _ = layers.related(p=12)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    own = _components(X.T @ X / len(X), (0, 1))
    scores = X @ own.directions
    rotated = own.rotated(scores.T, 3).T @ own.directions.T
    assert_allclose(rotated.T @ rotated, X.T @ X, rtol=1e-9, atol=1e-9)
    assert abs(rotated - X).max() > 0.5 and len(own.groups) < 12
    assert_allclose(oracles.distances(rotated, X), 0, atol=1e-6)


def test_universality_needs_two_networks_with_the_layer():
    moments, _ = three_networks()
    with pytest.raises(sm.SpanmatchError, match="'k' is in 0 networks, two are needed; there is 'l'"):
        sm.universality(moments, "k")


def test_results_of_an_alignment_are_plain_and_drawn():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    X, Y, _ = layers.partners(p=6, q=8)
    pair = sm.pair(X, Y)
    a = sm.one_to_one(pair)
    assert json.loads(json.dumps(a.to_dict(), allow_nan=False))["y"] == a.y.tolist()
    assert "bipartite" in repr(a)
    ax = a.plot()
    assert len(ax.lines) == 3
    sm.one_to_one(pair, method="semi").plot(ax)
    before, after = a.plot_matrix(partners_first=False), a.plot_matrix()
    assert_allclose(before.images[0].get_array(), a.scores)
    assert_allclose(np.diagonal(after.images[0].get_array())[:6], a.strength)
    found = sm.universality(three_networks()[0], "l")
    for of, counts in (("partners", found.partners), ("matched", found.matched)):
        heights = [bar.get_height() for bar in found.plot(of=of).patches]
        assert_allclose(heights[:3], np.bincount(counts["a"], minlength=3) / len(counts["a"]))
    plt.close("all")


def largest_total(s):
    """The largest total of an assignment, as a linear program."""
    m, k = s.shape
    takes = np.vstack([np.kron(np.eye(m), np.ones(k)), np.kron(np.ones(m), np.eye(k))])
    smaller = slice(0, m) if m <= k else slice(m, None)
    solved = scipy.optimize.linprog(
        -s.ravel(), A_ub=takes, b_ub=np.ones(m + k), A_eq=takes[smaller], b_eq=np.ones(min(m, k)), bounds=(0, 1)
    )
    return -solved.fun


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (17, 17), (20, 33), (33, 20), (64, 64)])
@pytest.mark.parametrize("offset", [0.0, -3.0, 1e3])
def test_no_assignment_has_a_larger_total(shape, offset):
    s = np.random.default_rng(0).uniform(-1, 1, shape) + offset
    rows, columns = assigned(s)
    assert_array_equal(rows, np.unique(rows))
    assert len(set(columns.tolist())) == len(rows) == min(shape)
    assert_allclose(s[rows, columns].sum(), largest_total(s), rtol=1e-10)


def test_assignments_with_zeros_and_equal_entries_have_the_largest_total():
    r = np.random.default_rng(1)
    for s in (np.zeros((5, 7)), r.integers(-1, 2, (12, 12)).astype(float), np.eye(6)):
        rows, columns = assigned(s)
        assert len(set(columns.tolist())) == len(rows) == min(s.shape)
        assert s[rows, columns].sum() == pytest.approx(largest_total(s), abs=1e-10)


def test_neurons_of_few_signals_have_partners_within_their_layer():
    """SciPy's solver for sparse matchings, 1.17, does not end on the correlations of this layer with itself."""
    r = np.random.default_rng(546)
    X = r.standard_normal((20, 3)) @ r.standard_normal((3, 8)) + 1e-2 * r.standard_normal((20, 8))
    s = np.corrcoef(X.T)
    np.fill_diagonal(s, -32.0)
    rows, columns = assigned(s)
    assert (rows != columns).all()
    assert_allclose(s[rows, columns].sum(), largest_total(s), rtol=1e-10)
