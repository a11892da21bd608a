"""The match profile and the maximum match against direct least squares on the rows."""

from __future__ import annotations

import json

import layers
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spanmatch as sm

METHODS = ["gram", "qr"]


def assert_levels(profile: sm.MatchProfile, X: np.ndarray, Y: np.ndarray, tolerance: float = 1e-10) -> None:
    """Levels agree where they are resolved; where they are not, both are as good as 0."""
    for mine, direct in zip((profile.x_levels, profile.y_levels), oracles.levels(X, Y), strict=True):
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(direct))
        zero = direct <= profile.resolution
        np.testing.assert_array_equal(mine[zero], 0.0)
        awake = ~np.isnan(direct) & ~zero
        np.testing.assert_allclose(mine[awake], direct[awake], rtol=0, atol=tolerance)


def gaps(profile: sm.MatchProfile, apart: float = 1e-9) -> list[float]:
    """Every eps that is clearly between two levels, and some beyond them."""
    found = np.concatenate([profile.x_levels, profile.y_levels])
    found = np.unique(np.concatenate([[0.0], found[~np.isnan(found)], [1.0]]))
    middles = (found[1:] + found[:-1]) / 2
    return [float(eps) for eps in middles[np.diff(found) > apart]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", layers.KINDS)
def test_levels_are_those_of_direct_peeling(kind, method):
    X, Y = layers.KINDS[kind]()
    assert_levels(sm.match_profile(sm.pair(X, Y, method=method)), X, Y)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", layers.KINDS)
def test_sets_at_every_eps_are_those_of_direct_dropping(kind, method):
    X, Y = layers.KINDS[kind]()
    pair = sm.pair(X, Y, method=method)
    profile = sm.match_profile(pair)
    for eps in gaps(profile):
        x, y = oracles.maximum_match(X, Y, eps)
        for match in (profile.at(eps), sm.maximum_match(pair, eps)):
            np.testing.assert_array_equal(match.x, x)
            np.testing.assert_array_equal(match.y, y)
            assert match.similarity == (len(x) + len(y)) / (X.shape[1] + Y.shape[1])
            assert match.eps == eps


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", ["conv1", "relu1", "relu3", "fc2"])
def test_trained_networks(trained_layers, layer, method):
    X, Y = trained_layers[layer]
    assert_levels(sm.match_profile(sm.pair(X, Y, method=method)), X, Y, tolerance=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_centred_is_the_profile_of_centred_activations(method):
    X, Y = layers.correlated()
    profile = sm.match_profile(sm.pair(X, Y, method=method), centred=True)
    assert_levels(profile, X - X.mean(axis=0), Y - Y.mean(axis=0))
    assert profile.provenance.centred
    plain = sm.match_profile(sm.pair(X, Y, method=method))
    assert np.abs(plain.x_levels - profile.x_levels).max() > 1e-3  # it does make a difference


@pytest.mark.parametrize("method", METHODS)
def test_wide_layers_go_through_many_panels(method):
    X, Y = layers.correlated(n=600, p=130, q=120)
    assert_levels(sm.match_profile(sm.pair(X, Y, method=method)), X, Y)


def test_wide_rank_deficient_layers_go_through_many_panels():
    r = np.random.default_rng(5)
    X, Y = layers.correlated(n=500, p=70, q=110)
    X = X @ r.standard_normal((70, 130))
    Y = np.hstack([Y, Y[:, :40]])
    assert_levels(sm.match_profile(sm.pair(X, Y)), X, Y)


def test_planted_exact_matches_come_out_at_eps_0():
    X, Y = layers.planted()
    match = sm.maximum_match(sm.pair(X, Y), 0.0)
    assert match.x.tolist() == match.y.tolist() == list(range(12))
    assert match.resolution < 1e-5


def test_qr_resolves_what_products_cannot():
    X, Y = layers.planted(condition=1e6)
    fine = sm.match_profile(sm.pair(X, Y, method="qr"))
    assert fine.resolution < 1e-7
    np.testing.assert_array_equal(fine.x_levels[:12], 0.0)
    np.testing.assert_array_equal(fine.y_levels[:12], 0.0)
    pair = sm.pair(X, Y, method="qr")
    members = np.arange(12)
    of_y, of_x = pair.spans(members, members)
    assert np.sqrt(max(of_y.outside.max(), of_x.outside.max())) < 1e-7  # before anything counts as 0

    coarse = sm.match_profile(sm.pair(X, Y, method="gram"))
    of_y, of_x = sm.pair(X, Y, method="gram").spans(members, members)
    wrong_by = np.sqrt(max(of_y.outside.max(), of_x.outside.max()))
    assert 1e-7 < wrong_by < coarse.resolution  # and says so


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("method", METHODS)
def test_resolution_bounds_what_exact_members_come_out_at(condition, method):
    for seed in range(5):
        X, Y = layers.planted(condition=condition, seed=seed)
        pair = sm.pair(X[:, :12], Y[:, :12], method=method)
        worst = max(np.sqrt(span.outside.max()) for span in pair.spans(np.arange(12), np.arange(12)))
        assert worst <= sm.match_profile(pair).resolution


def test_what_cannot_be_resolved_is_warned_of_and_not_called_a_match():
    X, Y = layers.planted(condition=1e9)
    profile = sm.match_profile(sm.pair(X, Y, method="gram"))
    assert not np.isin(0.0, np.concatenate([profile.x_levels, profile.y_levels]))
    assert profile.resolution > 0.1
    assert any("method='qr'" in warning for warning in profile.warnings)
    assert profile.x_levels[12:].min() > 0.5
    assert sm.match_profile(sm.pair(X, Y, method="qr")).at(0).x.tolist() == list(range(12))


@pytest.mark.parametrize("method", METHODS)
def test_identical_layers_match_exactly(method):
    X, _ = layers.correlated()
    profile = sm.match_profile(sm.pair(X, X, method=method))
    assert profile.similarity(0.0) == 1.0


def test_silent_neurons_are_in_no_match_but_count():
    X, Y = layers.with_silent()
    profile = sm.match_profile(sm.pair(X, Y))
    assert profile.x_silent == (0, 5)
    assert profile.y_silent == (3,)
    assert np.isnan(profile.x_levels[[0, 5]]).all()
    assert profile.similarity(0.999) <= 1 - 3 / (40 + 33)
    assert 0 not in profile.at(0.999).x


@pytest.mark.parametrize("method", METHODS)
def test_a_layer_that_is_all_silent_matches_nothing(method):
    X, Y = layers.correlated()
    profile = sm.match_profile(sm.pair(X * 0, Y, method=method))
    assert profile.similarity(0.999) == 0.0
    assert np.isnan(profile.x_levels).all()
    np.testing.assert_array_equal(profile.y_levels, 1.0)
    assert not len(sm.maximum_match(sm.pair(X * 0, Y, method=method), 0.9).y)


@pytest.mark.parametrize("method", METHODS)
def test_constant_neurons_are_silent_once_centred(method):
    X, Y = layers.correlated()
    X[:, 4] = 0.1
    pair = sm.pair(X, Y, method=method)
    assert sm.match_profile(pair).x_silent == ()
    assert sm.match_profile(pair, centred=True).x_silent == (4,)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_invariance_to_order_scale_and_rotation_of_rows(seed):
    r = np.random.default_rng(seed)
    X, Y = layers.correlated(n=200, p=9, q=12, seed=seed)
    base = sm.match_profile(sm.pair(X, Y))
    order = r.permutation(9)
    scales = 10 ** r.uniform(-4, 4, 12) * r.choice([-1, 1], 12)
    rotation, _ = np.linalg.qr(r.standard_normal((200, 200)))
    permuted = sm.match_profile(sm.pair(X[:, order], Y))
    np.testing.assert_allclose(permuted.x_levels, base.x_levels[order], atol=1e-10)
    np.testing.assert_allclose(permuted.y_levels, base.y_levels, atol=1e-10)
    scaled = sm.match_profile(sm.pair(X, Y * scales))
    np.testing.assert_allclose(scaled.y_levels, base.y_levels, atol=1e-10)
    rotated = sm.match_profile(sm.pair(rotation @ X, rotation @ Y))
    np.testing.assert_allclose(rotated.x_levels, base.x_levels, atol=1e-10)
    swapped = sm.match_profile(sm.pair(Y, X))
    np.testing.assert_allclose(swapped.x_levels, base.y_levels, atol=1e-10)
    # The negative control: the levels do depend on the basis of neurons.
    mixed = sm.match_profile(sm.pair(X @ layers.mixing(9, 3, r), Y))
    assert np.abs(np.sort(mixed.x_levels) - np.sort(base.x_levels)).max() > 1e-6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 7), st.integers(2, 30))
def test_small_layers_of_any_shape(seed, p, q, n):
    r = np.random.default_rng(seed)
    shared = r.standard_normal((n, 3))
    X = shared @ r.standard_normal((3, p)) + r.choice([0, 0.3]) * r.standard_normal((n, p))
    Y = shared @ r.standard_normal((3, q)) + 0.3 * r.standard_normal((n, q))
    assert_levels(sm.match_profile(sm.pair(X, Y, method="qr")), X, Y, tolerance=1e-7)


def test_similarity_takes_scalars_and_arrays():
    profile = sm.match_profile(sm.pair(*layers.correlated()))
    eps = np.linspace(0, 0.999, 50)
    share = profile.similarity(eps)
    assert share.shape == (50,)
    assert (np.diff(share) >= 0).all()
    assert isinstance(profile.similarity(0.3), float)
    assert profile.similarity([0.3])[0] == profile.similarity(0.3) == profile.at(0.3).similarity
    assert profile.similarity(eps.reshape(5, 10)).shape == (5, 10)


@pytest.mark.parametrize("eps", [-0.1, 1.0, 2, float("nan"), "a", [0.2, 1.5]])
def test_eps_outside_the_unit_interval_is_refused(eps):
    pair = sm.pair(*layers.random())
    profile = sm.match_profile(pair)
    with pytest.raises(sm.SpanmatchError, match="eps="):
        profile.similarity(eps)
    if not isinstance(eps, list):
        with pytest.raises(sm.SpanmatchError, match="eps="):
            sm.maximum_match(pair, eps)


def test_too_few_rows_are_warned_of():
    few = sm.match_profile(sm.pair(*layers.random(n=100, p=30, q=30)))
    assert "100 rows for 30 independent neurons" in few.warnings[0]
    assert f", {len(few.warnings)} warnings>" in repr(few)
    assert few.chance_distance == pytest.approx(np.sqrt(0.7))
    enough = sm.match_profile(sm.pair(*layers.random(n=400, p=30, q=30)))
    assert enough.warnings == ()


def test_chance_distance_is_where_independent_layers_are():
    X, Y = layers.random(n=400, p=100, q=100)
    pair = sm.pair(X, Y)
    span, _ = pair.spans(np.arange(100), np.arange(100))
    expected = sm.match_profile(pair).chance_distance
    assert np.sqrt(span.outside.mean()) == pytest.approx(expected, rel=0.01)


def test_results_can_be_written_as_json_and_tables():
    X, Y = layers.with_silent()
    profile = sm.match_profile(sm.pair(X, Y))
    again = json.loads(json.dumps(profile.to_dict(), allow_nan=False))
    assert again["x_levels"][0] is None
    assert again["x_levels"][1] == profile.x_levels[1]
    frame = profile.to_frame()
    assert list(frame.columns) == ["layer", "neuron", "level", "silent"]
    assert len(frame) == 73
    assert frame.silent.sum() == 3
    match = json.loads(json.dumps(profile.at(0.5).to_dict(), allow_nan=False))
    assert match["x"] == profile.at(0.5).x.tolist()
    assert match["rows"] == 500


def test_plot_draws_the_profile():
    import matplotlib as mpl

    mpl.use("Agg")
    profile = sm.match_profile(sm.pair(*layers.correlated()))
    ax = profile.plot(color="red")
    eps, share = ax.lines[0].get_data()
    np.testing.assert_array_equal(share[:-1], profile.similarity(np.asarray(eps[:-1])))
    assert profile.plot(ax) is ax
    mpl.pyplot.close("all")
