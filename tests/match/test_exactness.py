"""Right on every layer: nearly dependent neurons, coarse number types, enormous means, in any order of the neurons."""

from __future__ import annotations

import warnings

import hard_layers
import numpy as np
import oracles
import pytest
import torch

import spanmatch as sm
from spanmatch.moments.spans import Rounding, span_from_columns, span_from_gram

METHODS = ["gram", "qr"]
SEEDS = range(3)


def right(profile: sm.MatchProfile, direct: tuple[np.ndarray, np.ndarray]) -> bool:
    """Tell whether all levels are as near as the resolution claims."""
    allowed = max(1e-6, profile.resolution)
    return all(
        (np.isnan(mine) == np.isnan(level)).all() and np.nanmax(np.abs(mine - level), initial=0.0) <= allowed
        for mine, level in zip((profile.x_levels, profile.y_levels), direct, strict=True)
    )


@pytest.mark.parametrize("method", [*METHODS, "single"])
@pytest.mark.parametrize("kind", hard_layers.DATA)
def test_levels_are_right_or_unresolved_in_any_order(kind, method):
    for seed in SEEDS:
        X, Y = hard_layers.DATA[kind](seed)
        cutoff = hard_layers.cutoff(X) if method == "qr" else hard_layers.COARSE
        direct = oracles.levels(*map(hard_layers.as_float64, (X, Y)), cutoff=cutoff)
        r = np.random.default_rng(seed)
        orders = r.permutation(X.shape[1]), r.permutation(Y.shape[1])
        assert right(sm.match_profile(sm.pair(X, Y, method=method)), direct)
        permuted = sm.pair(X[:, orders[0]], Y[:, orders[1]], method=method)
        assert right(sm.match_profile(permuted), (direct[0][orders[0]], direct[1][orders[1]]))


def test_the_share_matched_does_not_depend_on_the_order_of_the_neurons():
    shares = set()
    for seed in range(20):
        r = np.random.default_rng(seed)
        b = r.standard_normal((200, 12))
        X = np.column_stack([b[:, 0], b[:, 0] + 0.01 * b[:, 1], b[:, 1:]])
        rotation, _ = np.linalg.qr(r.standard_normal((12, 12)))
        Y = b @ rotation + 0.05 * r.standard_normal(b.shape)
        for order in (np.arange(13), np.arange(13)[::-1], r.permutation(13)):
            for method in METHODS:
                shares.add(sm.match_profile(sm.pair(X[:, order], Y, method=method)).similarity(0.04))
    assert shares == {0.0}


def test_full_rank_found_out_of_order_permutes_the_targets_too():
    r = np.random.default_rng(0)
    A, T = r.standard_normal((60, 6)), r.standard_normal((60, 4))
    A[:, 0] = A[:, 5] + 1e-4 * A[:, 0]  # pivoting takes the columns in another order than they come
    A, T = A / np.linalg.norm(A, axis=0), T / np.linalg.norm(T, axis=0)
    direct = oracles.distances(T, A)
    for span in (
        span_from_gram(A.T @ A, A.T @ T, Rounding(products=2.0**-52)),
        span_from_columns(A, T, Rounding()),
    ):
        np.testing.assert_allclose(np.sqrt(span.outside), direct, atol=1e-7)
        np.testing.assert_allclose(span.dual.T @ span.inside, np.linalg.lstsq(A, T)[0], atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_layer_norm_without_shift_is_resolved(method):
    for seed in range(20):
        X, Y = hard_layers.layer_norm(seed)
        profile = sm.match_profile(sm.pair(X, Y, method=method))
        assert profile.resolution < 1e-4
        assert profile.similarity(0.0) == 0.0  # where noise of the neurons' own keeps every one from an exact match


def test_the_dual_basis_is_watched_while_neurons_go():
    for seed in range(40):
        X, Y = hard_layers.bottleneck(seed, step=1e-9)
        profile = sm.match_profile(sm.pair(X, Y, method="qr"))
        assert right(profile, oracles.levels(X, Y, cutoff=1e-13))
        for eps in (0.1, 0.3, 0.5):
            assert np.isnan(profile.similarity(eps)) or profile.at(eps).verify(sm.pair(X, Y, method="qr"))


def test_single_says_that_it_may_have_dropped_a_direction():
    a, b, c = np.random.default_rng(0).standard_normal((3, 500))
    X, Y = np.column_stack([a, a + 1e-3 * b, c]), np.column_stack([a, b, c])
    coarse = sm.match_profile(sm.pair(X, Y, method="single"))
    assert [side.tolist() for side in coarse.unresolved] == [[0, 1, 2], [0, 1, 2]]
    assert np.isnan(coarse.similarity([0.0, 0.3, 0.9])).all()
    np.testing.assert_array_equal(sm.match_profile(sm.pair(X, Y)).y_levels, 0.0)


@pytest.mark.parametrize("name", ["cca", "pwcca", "linear_regression"])
def test_measures_that_rounding_would_decide_are_refused(name):
    a, b, c = np.random.default_rng(0).standard_normal((3, 500))
    X, Y = np.column_stack([a, a + 1e-3 * b, c]), np.column_stack([a, b, c])
    measure = getattr(sm, name)
    with pytest.raises(sm.SpanmatchError, match=f"{name.replace('_', ' ')}: neurons of layer 'x'"):
        measure(sm.pair(X, Y, method="single"))
    assert measure(sm.pair(X, Y)).value == pytest.approx(1, abs=1e-6)


def test_what_is_below_the_resolution_is_nan_or_refused():
    a, b, c, noise = np.random.default_rng(0).standard_normal((4, 500))
    pair = sm.pair(np.column_stack([a, a + 2e-5 * b, c]), np.column_stack([a, b, c + noise]), method="gram")
    profile = sm.match_profile(pair)
    assert 1e-3 < profile.resolution < 0.1
    below = profile.resolution / 2
    assert [side.tolist() for side in profile.unresolved] == [[0, 1], [0, 1]]
    assert np.isnan(profile.similarity(below))
    assert not np.isnan(profile.similarity(profile.resolution))
    assert 0.0 not in profile.x_levels
    for ask in (profile.at, profile.stability, lambda eps: sm.maximum_match(pair, eps)):
        with pytest.raises(sm.SpanmatchError, match=r"layers 'x' and 'y': eps=.* is below .*method='qr'"):
            ask(below)


def test_at_eps_0_what_is_exact_up_to_a_fine_resolution_counts():
    r = np.random.default_rng(0)
    X = r.standard_normal((300, 6))
    profile = sm.match_profile(sm.pair(X, X @ r.standard_normal((6, 6))))
    assert 0 < profile.resolution < 1e-5
    assert profile.similarity(0.0) == 1.0
    assert np.isnan(profile.similarity(profile.resolution / 2))  # between the two nothing can be told


def test_arrays_are_factored_where_products_would_not_do():
    X, Y = hard_layers.near_duplicates(0, step=1e-6)
    assert sm.pair(X, Y).method == "qr"
    assert sm.match_profile(sm.pair(X, Y)).resolution < 1e-6
    plain = hard_layers.heavy_tails(0)
    assert sm.pair(*(np.sign(Z) * np.abs(Z) ** 0.1 for Z in plain)).method == "gram"


def test_a_first_batch_warns_before_the_pass_goes_on():
    X, Y = hard_layers.near_duplicates(0, step=1e-6)
    moments = sm.Moments()
    with pytest.warns(sm.SpanmatchWarning, match=r"layer 'a:fc': .*method='qr'"):
        moments.update({"a:fc": X, "b:fc": Y})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moments.update({"a:fc": X, "b:fc": Y})  # once is enough
        sm.Moments(method="qr").update({"a:fc": X, "b:fc": Y})
        sm.Moments().update({"a:fc": X[:5], "b:fc": Y[:5]})  # too few rows to tell


def test_means_far_larger_than_the_spread_cost_no_digits():
    X, Y = hard_layers.large_means(0, ratio=1e6)
    profile = sm.match_profile(sm.pair(X, Y, method="gram"))
    assert profile.resolution < 1e-4
    assert right(profile, oracles.levels(X, Y, cutoff=1e-13))


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_moments_carry_the_coarsest_number_type(kind, tmp_path):
    r = np.random.default_rng(0)
    coarse = torch.from_numpy(r.standard_normal((50, 3))).to(getattr(torch, kind))
    moments = sm.Moments(null=False)
    moments.update({"a:fc": r.standard_normal((50, 3)), "b:fc": r.standard_normal((50, 3))})
    assert moments.dtypes == {"a:fc": "float64", "b:fc": "float64"}
    more = sm.Moments(null=False)
    more.update({"a:fc": coarse, "b:fc": np.arange(150).reshape(50, 3)})
    expected = {"a:fc": kind, "b:fc": "float64"}
    total = moments + more
    assert more.dtypes == total.dtypes == (more + moments).dtypes == expected
    total.save(tmp_path / "m.safetensors")
    assert sm.Moments.load(tmp_path / "m.safetensors").dtypes == expected
    assert total.pair("a:fc", "b:fc").dtypes == (kind, "float64")
    assert total.pair("a:fc", "b:fc").swapped.dtypes == ("float64", kind)


def test_the_chance_distance_counts_dimensions_not_neurons():
    r = np.random.default_rng(0)
    X = r.standard_normal((200, 10)) @ r.standard_normal((10, 50))
    pair = sm.pair(X, r.standard_normal((200, 12)))
    assert sm.match_profile(pair).chance_distance == pytest.approx(np.sqrt(1 - 12 / 200))
    assert sm.maximum_match(pair, 0.3).chance_distance == pytest.approx(np.sqrt(1 - 12 / 200))


def test_smallest_at_eps_0_ends_in_time():
    import time

    r = np.random.default_rng(0)
    X = r.standard_normal((400, 20))
    pair = sm.pair(X, X @ r.standard_normal((20, 20)))
    start = time.monotonic()
    match = sm.minimum_match(pair, ("x", 0), 0.0, order="smallest", time_limit=2)
    assert time.monotonic() - start < 10
    assert len(match.x) == len(match.y) == 20


def test_no_proof_where_distances_lie_between_eps_and_the_resolution():
    a, d, g, h = np.random.default_rng(0).standard_normal((4, 400))
    X = np.column_stack([a, a + 1e-3 * d, g, h])  # makes the layer as a whole resolve no better than 1e-5
    Y = np.column_stack([a, d, g + 2e-5 * h, h])
    coarse = sm.minimum_match(sm.pair(X, Y, method="gram"), ("x", 2), 0.0, order="smallest")
    fine = sm.minimum_match(sm.pair(X, Y, method="qr"), ("x", 2), 0.0, order="smallest")
    assert (fine.x.tolist(), fine.y.tolist(), fine.smallest) == ([2, 3], [2, 3], True)
    assert (coarse.x.tolist(), coarse.y.tolist(), coarse.smallest) == ([2], [2], False)
    assert 2e-5 < coarse.resolution < 1e-3
    proven = sm.minimum_match(sm.pair(X, Y, method="gram"), ("x", 3), 0.0, order="smallest")
    assert (proven.x.tolist(), proven.y.tolist(), proven.smallest) == ([3], [3], True)


@pytest.mark.parametrize("method", [None, *METHODS])
def test_a_small_difference_of_two_neurons_is_part_of_their_smallest_match(method):
    a, d, g, h = np.random.default_rng(0).standard_normal((4, 400))
    X = np.column_stack([a, a + 3e-6 * d, d + g, d + h, d - g - h])
    pair = sm.pair(X, np.column_stack([a, d, g, h]), method=method)
    sizes = []
    for i in range(5):
        match = sm.minimum_match(pair, ("x", i), 0.0, order="smallest", time_limit=20)
        assert match.smallest
        sizes.append((match.x.tolist(), match.y.tolist()))
    # a + 3e-6 d needs d, which the last three have together; they need g and h. It has d also with a itself, but only
    # up to a rounding that is magnified by 3e5: by QR that is above the resolution, from products rounding decides.
    both = [([1, 2, 3, 4], [0, 1, 2, 3])] if method == "qr" else [([1, 2, 3, 4], [0, 1, 2, 3]), ([0, 1], [0, 1])]
    assert sizes.pop(1) in both
    assert sizes == [([0], [0]), *[([2, 3, 4], [1, 2, 3])] * 3]


def test_pwcca_does_not_depend_on_how_ties_are_resolved():
    r = np.random.default_rng(0)
    shared = r.standard_normal((400, 6))
    X = np.hstack([shared * [9, 5, 3, 1, 0.5, 0.2], r.standard_normal((400, 4))])
    Y = np.hstack([shared, r.standard_normal((400, 5))])
    values = [sm.pwcca(sm.pair(X, Y @ r.standard_normal((11, 11)))).value for _ in range(10)]
    np.testing.assert_allclose(values, values[0], rtol=1e-9)
