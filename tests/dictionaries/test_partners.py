"""Partners of sparse features: those of the dense matrix of correlations, with a bound, a null and held-out values."""

import json
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.stats import fisher_exact
from sparse_layers import features_of, noisy_copy, positive_correlations, rare, two

import spanmatch as sm
from spanmatch.dictionaries.by_feature import ByFeature
from spanmatch.dictionaries.coactivation import Candidates
from spanmatch.dictionaries.decoders import cosines, directions_of
from spanmatch.dictionaries.feature_layers import FeatureLayers
from spanmatch.dictionaries.partners import threshold_of
from spanmatch.dictionaries.weighted_matching import best_matching
from spanmatch.moments.folds import folds_of

SIZES = {
    "more of x": (3000, 60, 50, 30),
    "more of y": (1000, 40, 90, 20),
    "unrelated": (500, 30, 30, 0),
    "one feature": (300, 1, 20, 1),
    "rare features": (120, 80, 80, 40),
}


@pytest.mark.parametrize("candidates", [1, 3, 32])
@pytest.mark.parametrize("sizes", SIZES)
def test_partners_are_those_of_the_dense_matrix(sizes, candidates):
    n, p, q, shared = SIZES[sizes]
    X, Y = two(n, p, q, shared)
    partners = sm.feature_partners(
        features_of(X, Y), "a:sae", "b:sae", candidates=candidates, min_active_rows=1, null=False, held_out=False
    )
    R = positive_correlations(X, Y)
    i, j = linear_sum_assignment(R, maximize=True)
    np.testing.assert_allclose(partners.strength, R[partners.x, partners.y], rtol=1e-10, atol=1e-12)
    assert len(set(partners.x.tolist())) == len(set(partners.y.tolist())) == len(partners.x)
    assert (np.diff(partners.strength) <= 0).all() and (partners.strength > 0).all()
    assert partners.total == pytest.approx(R[i, j].sum(), rel=1e-6)
    assert partners.bound >= R[i, j].sum() * (1 - 1e-12)
    assert partners.gap <= 1e-6


def test_five_hundred_features_to_rounding():
    X, Y = two(6000, 512, 512, 400)
    partners = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae", null=False, held_out=False)
    R = positive_correlations(X, Y, min_active_rows=10)
    i, j = linear_sum_assignment(R, maximize=True)
    assert partners.total == pytest.approx(R[i, j].sum(), rel=1e-10)
    np.testing.assert_allclose(partners.strength, R[partners.x, partners.y], atol=1e-12)
    assert partners.candidates < 0.3 * R.size


def graph(R, k):
    """The k largest weights of each row and column, if positive, as candidates."""
    p, q = R.shape
    rows, columns = (np.sort(R, axis=axis) for axis in (1, 0))
    x_bound = rows[:, -k] if k <= q else np.zeros(p)
    y_bound = columns[-k] if k <= p else np.zeros(q)
    i, j = np.nonzero((R > 0) & ((x_bound[:, None] <= R) | (y_bound <= R)))
    return Candidates(i, j, R[i, j], x_bound, y_bound)


@settings(deadline=None)
@given(
    p=st.integers(1, 9),
    q=st.integers(1, 9),
    k=st.integers(1, 4),
    ties=st.booleans(),
    zeros=st.floats(0, 0.9),
    seed=st.integers(0, 10**6),
)
def test_the_bound_holds_for_every_matching_and_the_matching_is_best_of_the_candidates(p, q, k, ties, zeros, seed):
    r = np.random.default_rng(seed)
    R = r.random((p, q)) * (r.random((p, q)) > zeros)
    R = np.round(3 * R) / 3 if ties else R
    candidates = graph(R, k)
    matching = best_matching(candidates)
    best = R[linear_sum_assignment(R, maximize=True)].sum()
    assert matching.bound >= best - 1e-9
    allowed = np.zeros_like(R)
    allowed[candidates.i, candidates.j] = candidates.r
    assert matching.total == pytest.approx(allowed[linear_sum_assignment(allowed, maximize=True)].sum(), abs=1e-9)

    def more(features, k):
        wider = graph(R, k)
        chosen = np.isin(wider.i, features)
        return Candidates(wider.i[chosen], wider.j[chosen], wider.r[chosen], wider.x_bound, np.ones(q))

    proved = best_matching(candidates, more, k=k, tolerance=0)
    assert proved.total == pytest.approx(best, abs=1e-9) and proved.bound == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("noise", [0, 1e-16, 1e-15, 1e-13, 1e-11, 1e-6])
def test_weights_that_are_equal_to_rounding_are_matched(noise):
    """A solver that lowers prices by differences of weights must end where these are below the rounding of a price."""
    r = np.random.default_rng(0)
    for _ in range(50):
        p, q = r.integers(4, 20, 2)
        R = 0.5 + r.choice([0, 0.1, 0.3], (p, 1)) + noise * r.standard_normal((p, q))
        matching = best_matching(graph(R, q))
        assert matching.total == pytest.approx(R[linear_sum_assignment(R, maximize=True)].sum(), rel=1e-11)
        assert matching.bound >= matching.total * (1 - 1e-12)


@settings(deadline=None, max_examples=25)
@given(k=st.integers(1, 6), seed=st.integers(0, 1000), wide=st.booleans())
def test_candidates_are_the_largest_of_each_feature(k, seed, wide):
    X, Y = two(400, *((20, 300) if wide else (30, 25)), 10, seed)
    layers = FeatureLayers.of(features_of(X, Y), "a:sae", "b:sae", 1)
    candidates, R = layers.all_rows.strongest(k), positive_correlations(X, Y)
    found = np.zeros_like(R)
    found[candidates.i, candidates.j] = candidates.r
    np.testing.assert_allclose(found[found > 0], R[found > 0], atol=1e-12)
    left_out = np.where(found > 0, 0, R)
    assert (left_out <= np.minimum(candidates.x_bound[:, None], candidates.y_bound) + 1e-12).all()
    for ours, dense in ((found, R), (found.T, R.T)):
        k_largest = np.sort(dense, axis=1)[:, -k:]
        np.testing.assert_allclose(np.sort(ours, axis=1)[:, -k:], k_largest, atol=1e-12)


@pytest.mark.parametrize("p", [40, 200])
def test_correlations_over_some_rows_and_with_other_partners_are_those_of_these_rows(p):
    X, Y = two(500, p, 30, 20)
    features = features_of(X, Y)
    layers = FeatureLayers.of(features, "a:sae", "b:sae", 1)
    r = np.random.default_rng(3)
    chosen, partner = r.random(500) < 0.4, r.permutation(500)
    for coactivation, R in (
        (layers.some_rows(chosen), positive_correlations(X[chosen], Y[chosen])),
        (layers.other_examples(partner), positive_correlations(X, Y[partner])),
    ):
        eligible = np.flatnonzero(coactivation.x.deviation > 0)
        np.testing.assert_allclose([coactivation.correlations(i) for i in eligible], R[eligible], atol=1e-12)


def test_long_lists_of_rows_are_multiplied_in_parts(monkeypatch):
    X, Y = two()
    layers = FeatureLayers.of(features_of(X, Y), "a:sae", "b:sae", 1)
    expected = [layers.all_rows.correlations(i) for i in range(60)]
    monkeypatch.setattr("spanmatch.dictionaries.coactivation.ROWS_AT_ONCE", 7)
    np.testing.assert_allclose([layers.all_rows.correlations(i) for i in range(60)], expected, atol=1e-14)


def test_planted_features_are_found_and_others_are_not_significant():
    r = np.random.default_rng(0)
    X = rare(8000, 80, r)
    Y, places = noisy_copy(X, r, 70, 40)
    partners = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae")
    found = dict(zip(partners.x[partners.significant].tolist(), partners.y[partners.significant].tolist(), strict=True))
    planted = {k: int(place) for k, place in enumerate(places) if k not in set(partners.x_rare.tolist())}
    assert planted.items() <= found.items() and len(found) <= len(planted) * 1.05 + 1
    rows = np.isin(partners.x, list(planted))
    assert (partners.recovered[rows] == 2).all()
    np.testing.assert_allclose(partners.held_out[rows], partners.strength[rows], atol=0.1)
    assert partners.p_value[rows].max() < 1e-6 and np.median(partners.p_value[~rows]) == 1
    assert np.nanmean(partners.held_out[~rows]) < 0.02 < np.mean(partners.strength[~rows])  # chosen by chance
    assert partners.share_matched == pytest.approx(len(found) / 70, abs=0.05)
    assert partners.null_strength.max() < partners.strength[rows].min()


def test_held_out_values_are_those_of_partners_of_the_other_half():
    X, Y = two(800, 20, 20, 10)
    ids = np.arange(800) // 4
    partners = sm.feature_partners(features_of(X, Y, ids=ids), "a:sae", "b:sae", min_active_rows=1, null=False)
    halves = [folds_of(ids, 2) == half for half in (0, 1)]
    values, recovered = np.zeros(20), np.zeros(20)
    for chosen, other in (halves, halves[::-1]):
        R = positive_correlations(X[chosen], Y[chosen])
        i, j = linear_sum_assignment(R, maximize=True)
        partner = np.where(R[i, j] > 0, j, -1)
        on_other = [np.corrcoef(X[other, a], Y[other, b])[0, 1] if b >= 0 else np.nan for a, b in enumerate(partner)]
        values += np.array(on_other) / 2
        forth = dict(zip(partners.x.tolist(), partners.y.tolist(), strict=True))
        recovered += [forth.get(a, -2) == b for a, b in enumerate(partner)]
    np.testing.assert_allclose(partners.held_out, values[partners.x], atol=1e-6)
    np.testing.assert_array_equal(partners.recovered, recovered[partners.x])


def test_a_partner_that_does_not_vary_in_the_other_half_has_no_held_out_correlation():
    X, Y = two(800, 20, 20, 0)
    r = np.random.default_rng(4)
    half = folds_of(np.arange(800), 2) == 0
    for k in range(10):  # the half that is not constant chooses the copy
        Y[:, k] = np.where(half, np.float32(r.random()), X[:, k] + 0.1)
    partners = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae", min_active_rows=1, null=False)
    copied = np.flatnonzero((partners.x == partners.y) & (partners.x < 10))
    assert len(copied) > 3 and np.isnan(partners.held_out[copied]).all()


def test_margins_and_next_best_are_those_of_the_matrix():
    X, Y = two(2000, 15, 12, 10)
    partners = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae", null=False, held_out=False)
    R = positive_correlations(X, Y, min_active_rows=10)
    for row in range(len(partners.x)):
        i, j = partners.x[row], partners.y[row]
        for others, best, margin in (
            (np.delete(R[i], j), partners.next_y[row], partners.margin[row]),
            (np.delete(R[:, j], i), partners.next_x[row], partners.back_margin[row]),
        ):
            assert margin == pytest.approx(R[i, j] - others.max(initial=0), abs=1e-10)
            assert (best < 0) == (others.max(initial=0) == 0)


def test_p_values_are_at_least_those_of_fisher():
    X, Y = two(400, 12, 10, 6)
    partners = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae", min_active_rows=1, null=False, held_out=False)
    tests = len(np.flatnonzero((X > 0).any(axis=0))) * len(np.flatnonzero((Y > 0).any(axis=0)))
    for i, j, c, p_value in zip(partners.x, partners.y, partners.co_active, partners.p_value, strict=True):
        a, b = X[:, i] > 0, Y[:, j] > 0
        assert c == (a & b).sum()
        table = [[c, (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
        exact = min(1.0, float(fisher_exact(table, alternative="greater").pvalue) * tests)
        assert exact <= p_value * (1 + 1e-9)
        assert p_value <= max(1e-30, exact**0.7) or exact > 0.1


@pytest.mark.parametrize("k", [1, 3])
def test_the_order_of_rows_and_of_features_does_not_matter(k):
    X, Y = two(1500, 40, 30, 20)
    r = np.random.default_rng(5)
    rows, columns = r.permutation(1500), r.permutation(30)
    options = {"candidates": k, "null": False, "held_out": False}
    one = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae", **options)
    other = sm.feature_partners(features_of(X[rows], Y[rows][:, columns], cuts=(3, 700)), "a:sae", "b:sae", **options)
    back = sm.feature_partners(features_of(Y, X), "a:sae", "b:sae", **options)
    pairs = {(int(i), int(j)) for i, j in zip(one.x, one.y, strict=True)}
    assert {(int(i), int(columns[j])) for i, j in zip(other.x, other.y, strict=True)} == pairs
    assert {(int(j), int(i)) for i, j in zip(back.x, back.y, strict=True)} == pairs
    scaled = sm.feature_partners(features_of(X * 1e-6, Y * 1e5), "a:sae", "b:sae", **options)
    np.testing.assert_allclose(scaled.strength, one.strength, rtol=1e-5)


def test_dead_rare_and_unmatched_features_are_told_apart():
    X, Y = two(2000, 20, 30, 10)
    X[:, 4] = 0
    X[9:, 7] = 0
    X[:9, 7] = 1
    X[:, 11] = 2.5  # always the same
    partners = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae")
    assert partners.x_dead.tolist() == [4] and {7, 11} <= set(partners.x_rare.tolist())
    together = [*partners.x, *partners.x_unmatched, *partners.x_dead, *partners.x_rare]
    assert sorted(together) == list(range(20))
    assert sorted([*partners.y, *partners.y_unmatched, *partners.y_dead, *partners.y_rare]) == list(range(30))
    np.testing.assert_allclose(partners.x_firing_rate, (X > 0).mean(axis=0))


def test_decoder_directions_are_compared():
    r = np.random.default_rng(0)
    X = rare(4000, 30, r)
    Y, places = noisy_copy(X, r, 25, 20)
    A, B = r.standard_normal((30, 16)), r.standard_normal((25, 16))
    B[places] = A[:20] + 0.1 * r.standard_normal((20, 16))
    A[29] = 0
    partners = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae", decoders=(A, B))
    unit = [W / np.maximum(np.linalg.norm(W, axis=1, keepdims=True), 1e-300) for W in (A, B)]
    C = unit[0] @ unit[1].T
    known = np.arange(30) < 29
    np.testing.assert_allclose(partners.x_cosine[known], C.max(axis=1)[known], atol=1e-6)
    np.testing.assert_allclose(partners.y_cosine, C[:29].max(axis=0), atol=1e-6)
    assert np.isnan(partners.x_cosine[29])
    np.testing.assert_allclose(
        partners.cosine, np.where(partners.x == 29, np.nan, C[partners.x, partners.y]), atol=1e-6
    )
    np.testing.assert_array_equal(partners.cosine_agrees, partners.x_cosine_best[partners.x] == partners.y)
    assert partners.cosine_agrees[partners.significant & (partners.x < 20)].all()
    bad_decoders = (
        ((A[:3], B), "that of x has shape"),
        ((A.T, B), r"that of x has shape \(16, 30\)"),
        ((A, B[:, :5]), "16 and 5 neurons"),
        ((A,), "tuple of 1; give two arrays"),
        (A, r"ndarray of shape \(30, 16\); give two arrays"),
        ((A, B * 1j), "that of y has .* type complex128"),
        ((A, [[1], [1, 2]]), "that of y is no array"),
        ((A, np.where(np.arange(25)[:, None] == 7, np.nan, B)), "that of y has nan or infinity in row 7"),
    )
    for bad, message in bad_decoders:
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.feature_partners(features_of(X, Y), "a:sae", "b:sae", decoders=bad)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_the_scale_of_decoders_does_not_matter(scale):
    r = np.random.default_rng(0)
    A, B = r.standard_normal((30, 16)), r.standard_normal((25, 16))
    one = cosines(directions_of((A, B), (30, 25)), np.arange(9), np.arange(9))
    other = cosines(directions_of((A * scale, B), (30, 25)), np.arange(9), np.arange(9))
    np.testing.assert_array_equal(one.x_best, other.x_best)
    np.testing.assert_allclose(other.of_partners, one.of_partners, rtol=1e-6)
    np.testing.assert_allclose(other.y, one.y, rtol=1e-6)


def test_decoders_are_parameters_of_modules_in_any_precision():
    torch = pytest.importorskip("torch")
    r = np.random.default_rng(0)
    A, B = (torch.nn.Parameter(torch.from_numpy(r.standard_normal((width, 16)))) for width in (30, 25))
    expected = cosines(directions_of((A.detach().numpy(), B.detach().numpy()), (30, 25)), np.arange(9), np.arange(9))
    for dtype, atol in ((torch.float64, 1e-6), (torch.float16, 1e-3), (torch.bfloat16, 1e-2)):
        found = cosines(directions_of((A.to(dtype), B.to(dtype)), (30, 25)), np.arange(9), np.arange(9))
        np.testing.assert_allclose(found.of_partners, expected.of_partners, atol=atol)


def test_a_direction_of_length_zero_is_never_the_most_similar_one():
    r = np.random.default_rng(0)
    A, B = -abs(r.standard_normal((6, 4))), abs(r.standard_normal((5, 4)))  # all cosines are negative
    A[3], B[0] = 0, 0
    found = cosines(directions_of((A, B), (6, 5)), np.arange(5), np.arange(5))
    C = A @ B.T / np.maximum(np.outer(np.linalg.norm(A, axis=1), np.linalg.norm(B, axis=1)), 1e-300)
    for best, largest, known, C_known in (
        (found.x_best, found.x, A.any(axis=1), C[:, 1:]),
        (found.y_best, found.y, B.any(axis=1), np.delete(C, 3, axis=0).T),
    ):
        np.testing.assert_allclose(largest[known], C_known[known].max(axis=1), rtol=1e-6)
        assert (best[~known] == -1).all() and np.isnan(largest[~known]).all() and (best[known] >= 0).all()


@pytest.mark.parametrize(
    ("strength", "null", "expected"),
    [
        ([0.9, 0.8, 0.2], [0.3, 0.2], 0.8),
        ([0.9, 0.8], [0.95], np.inf),
        ([], [0.4], np.inf),
        ([0.5] * 40, [0.5, 0.5], 0.5),
        ([0.6, *[0.5] * 10], [0.5], 0.6),
        ([0.6, 0.5], [], 0.5),
    ],
)
def test_the_threshold_admits_at_most_one_in_twenty(strength, null, expected):
    assert threshold_of(np.array(strength), np.array(null)) == expected


def test_one_example_has_no_null_and_options_are_checked():
    X, Y = two(300, 10, 10, 5)
    features = features_of(X, Y, ids=np.zeros(300, dtype=int))
    partners = sm.feature_partners(features, "a:sae", "b:sae")
    assert np.isnan(partners.threshold) and not partners.significant.any() and np.isnan(partners.share_matched)
    assert np.isnan(partners.held_out).all()
    for options in (
        *({"candidates": 0}, {"candidates": 2.5}, {"candidates": "3"}, {"min_active_rows": 0}),
        *({"min_active_rows": np.nan}, {"tolerance": 1.0}, {"tolerance": "a"}),
        *({"max_memory_gb": np.nan}, {"max_memory_gb": -1}, {"max_memory_gb": "4"}),
    ):
        with pytest.raises(sm.SpanmatchError, match=next(iter(options))):
            sm.feature_partners(features, "a:sae", "b:sae", **options)
    with pytest.raises(sm.SpanmatchError, match="no layer 'z'"):
        sm.feature_partners(features, "a:sae", "z")
    with pytest.raises(sm.SpanmatchError, match=r"give sm\.SparseFeatures"):
        sm.feature_partners(sm.Moments(), "a:sae", "b:sae")


def test_features_that_are_independent_but_for_rounding_are_no_partners():
    G = np.array(np.meshgrid(*[[0, 0.1, 0.3]] * 6)).reshape(6, -1).T.astype(np.float32)  # every combination once
    features = features_of(G[:, :3], G[:, 3:])
    assert FeatureLayers.of(features, "a:sae", "b:sae", 1).all_rows.correlations(0).max() < 1e-12
    partners = sm.feature_partners(features, "a:sae", "b:sae")
    assert len(partners.x) == 0 and partners.gap == 0 and partners.x_unmatched.tolist() == [0, 1, 2]
    same = sm.feature_partners(features_of(G, G), "a:sae", "b:sae", candidates=10**9)  # as many as there are
    assert same.x.tolist() == same.y.tolist() and len(same.x) == 6 and (same.next_y == -1).all()


def test_dead_dictionaries_have_no_partners():
    X, Y = two(300, 10, 10, 5)
    partners = sm.feature_partners(features_of(X, 0 * Y), "a:sae", "b:sae", decoders=(np.eye(10), np.eye(10)))
    assert len(partners.x) == 0 and partners.gap == 0 and len(partners.y_dead) == 10
    assert "0 partners" in repr(partners) and partners._repr_html_()


def test_results_are_plain_values_frames_and_pictures():
    pytest.importorskip("pandas")
    X, Y = two(2000, 20, 20, 12)
    partners = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae", decoders=(np.eye(20), np.eye(20)))
    plain = json.loads(json.dumps(partners.to_dict(), allow_nan=False))
    assert plain["x"] == partners.x.tolist() and plain["x_layer"] == "a:sae" and plain["gap"] <= 1e-6
    frame = partners.to_frame()
    assert len(frame) == len(partners.x) and {"strength", "held_out", "cosine", "significant"} <= set(frame.columns)
    labels = [line.get_label() for line in partners.plot().lines]
    assert any("null" in text for text in labels) and any("held out" in text for text in labels)


# ---- several seeds


def three(n=4000):
    r = np.random.default_rng(0)
    X = rare(n, 30, r)
    Y, y = noisy_copy(X, r, 28, 16)
    Z, z = noisy_copy(X, r, 32, 12)
    return (X, Y, Z), y, z


def test_universality_counts_dictionaries_with_a_partner():
    layers, y, z = three()
    features = features_of(*layers)
    shared = sm.feature_universality(features, "sae", min_correlation=0.4)
    pairs = {}
    for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
        found = sm.feature_partners(features, f"{a}:sae", f"{b}:sae", null=False, held_out=False)
        strong = found.strength >= 0.4
        pairs[a, b] = dict(zip(found.x[strong].tolist(), found.y[strong].tolist(), strict=True))
    for i in range(30):
        assert shared.partners["a"][i] == (i in pairs["a", "b"]) + (i in pairs["a", "c"])
    everywhere = {
        (i, j, pairs["a", "c"].get(i))
        for i, j in pairs["a", "b"].items()
        if pairs["b", "c"].get(j, -1) == pairs["a", "c"].get(i)
    }
    assert {tuple(row) for row in shared.everywhere.tolist()} == everywhere and len(everywhere) >= 10
    assert {(i, int(y[i]), int(z[i])) for i in range(10)} <= everywhere
    assert shared.cycle_consistency > 0.9 and all(t.chance < 0.3 for t in shared.triangles)
    assert shared.distribution().sum() == sum((shared.active[a] >= 10).sum() for a in "abc")
    assert json.loads(json.dumps(shared.to_dict(), allow_nan=False))["networks"] == ["a", "b", "c"]
    assert len(shared.plot().patches) == 9


def test_universality_needs_two_dictionaries_of_the_name():
    (X, Y, _), *_ = three(500)
    features = features_of(X, Y)
    two_of_them = sm.feature_universality(features, "sae")
    assert two_of_them.triangles == () and np.isnan(two_of_them.cycle_consistency)
    with pytest.raises(sm.SpanmatchError, match="layer 'code' is in 0 networks, two are needed; there is 'sae'"):
        sm.feature_universality(features, "code")
    for wrong in (np.nan, -0.1, 2, "a"):
        with pytest.raises(sm.SpanmatchError, match=r"min_correlation=.*: give a number in \[0, 1\]"):
            sm.feature_universality(features, "sae", min_correlation=wrong)


def test_files_and_memory_give_the_same(tmp_path):
    X, Y = two(1000, 40, 30, 20)
    one, other = (
        sm.feature_partners(features_of(X, Y, cuts=(300,), folder=folder), "a:sae", "b:sae")
        for folder in (None, tmp_path)
    )
    assert one.to_dict() == other.to_dict()


@pytest.mark.parametrize("most_bytes", [np.inf, 200.0, 1.0])
def test_rows_by_feature_are_the_transposed_rows_however_little_memory_there_is(monkeypatch, most_bytes):
    monkeypatch.setattr("spanmatch.dictionaries.feature_rows.VALUES_AT_ONCE", 17)
    X, _ = two(100, 6, 5, 3)
    by_feature = ByFeature(features_of(X, X).matrix("a:sae"), most_bytes)
    features = np.array([4, 0, 5, 2])
    np.testing.assert_array_equal(by_feature.of(features).toarray(), X.T[features])
    blocks = by_feature.blocks(features)
    assert np.concatenate(blocks).tolist() == features.tolist() and (len(blocks) > 1) == (most_bytes < np.inf)
    for block in blocks:
        rows, places = by_feature.lookup(block)
        np.testing.assert_array_equal(rows.toarray()[places], X.T[block])


def test_little_memory_gives_the_same_partners_in_blocks_of_features(monkeypatch):
    X, Y = two(3000, 60, 50, 30)
    features, blocks = features_of(X, Y), []
    expected = sm.feature_partners(features, "a:sae", "b:sae")
    found = ByFeature._found
    monkeypatch.setattr(ByFeature, "_found", lambda self, part: blocks.append(len(part)) or found(self, part))
    partners = sm.feature_partners(features, "a:sae", "b:sae", max_memory_gb=9e-4)
    assert len(blocks) > 8
    for name in ("x", "y", "next_y", "next_x", "recovered", "co_active"):
        np.testing.assert_array_equal(getattr(partners, name), getattr(expected, name))
    for name in ("strength", "held_out", "null_strength", "margin"):
        np.testing.assert_allclose(getattr(partners, name), getattr(expected, name), rtol=1e-12, atol=1e-14)
    with pytest.raises(sm.SpanmatchError, match=r"32 candidates for each of 110 features take .* max_memory_gb="):
        sm.feature_partners(features, "a:sae", "b:sae", max_memory_gb=1e-4)


def test_memory_stays_below_the_limit_however_many_rows_there_are():
    X = sp.random_array((200_000, 50), density=0.02, rng=np.random.default_rng(0), format="csr", dtype=np.float32)
    features = sm.SparseFeatures()
    features.update({"a:sae": X, "b:sae": X[:, ::-1]})
    features.matrix("a:sae"), features.matrix("b:sae"), features.example_ids
    with pytest.raises(sm.SpanmatchError, match=r"and what is needed of 200,000 rows 0\.022, over the limit of 0\.02"):
        sm.feature_partners(features, "a:sae", "b:sae", max_memory_gb=0.02)
    tracemalloc.start()
    try:
        partners = sm.feature_partners(features, "a:sae", "b:sae", max_memory_gb=0.026)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.026e9 and partners.significant.all()


def test_a_feature_whose_mean_is_far_above_its_spread_is_constant_and_none_has_a_wrong_number():
    X, Y = two(4000, 20, 20, 12)
    r = np.random.default_rng(5)
    shared = r.random(4000)
    X[:, 3], Y[:, 4] = 1000 + 0.03 * shared, 1000 + 0.03 * shared  # a spread of 9e-6 of the mean
    X[:, 5], Y[:, 6] = 1000 + shared, 1000 + shared  # 3e-4 of it
    X[:, 7] = 0
    partners = sm.feature_partners(features_of(X, Y), "a:sae", "b:sae")
    assert 3 in partners.x_rare and 4 in partners.y_rare and 7 in partners.x_dead
    place = partners.x.tolist().index(5)
    assert partners.y[place] == 6 and partners.strength[place] == pytest.approx(1, abs=1e-4)
    for values in (partners.strength, partners.held_out, partners.null_strength):
        assert (abs(values[~np.isnan(values)]) <= 1).all()
    R = positive_correlations(X, Y)
    np.testing.assert_allclose(partners.strength, R[partners.x, partners.y], atol=1e-6)
