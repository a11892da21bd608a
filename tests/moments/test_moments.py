"""Moments: exact, additive, indifferent to how the rows arrive."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest
import torch
from streams import METHODS, NAMES, assert_same, moments_of
from threadpoolctl import threadpool_limits

import spanmatch as sm
from spanmatch.moments.backends import NumpyEngine
from spanmatch.moments.folds import ROWS_AT_ONCE, plans
from spanmatch.moments.options import connected_layers


@pytest.mark.parametrize("method", METHODS)
def test_pair_holds_the_definitions(method):
    X, Y = layers.correlated()
    pair = sm.pair(X, Y, method=method)
    assert pair.rows == 500
    assert pair.neurons == (40, 33)
    np.testing.assert_allclose(pair.x_mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(pair.y_mean, Y.mean(axis=0), rtol=1e-12)
    for mine, A, B in ((pair.xx, X, X), (pair.xy, X, Y), (pair.yy, Y, Y)):
        np.testing.assert_allclose(mine, oracles.co_moments(A, B), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(pair.energy("x"), (X**2).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(pair.energy("y", centred=True), (Y - Y.mean(axis=0)).var(axis=0) * 500, rtol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_means_a_million_times_the_spread_cost_no_digits(method):
    r = np.random.default_rng(3)
    X, Y = r.standard_normal((4000, 6)), r.standard_normal((4000, 5))
    Y[:, :3] += X[:, :3]
    far = 1e6 * r.uniform(0.5, 2, 6)
    pair = moments_of(X + far, Y - 3e6, cuts=[7, 500, 3000], method=method).pair(*NAMES)
    exact = oracles.co_moments(X + far, Y - 3e6)
    scale = np.sqrt(np.outer(np.diag(oracles.co_moments(X, X)), np.diag(oracles.co_moments(Y, Y))))
    assert (np.abs(pair.xy - exact) / scale).max() < 1e-9
    naive = (X + far).T @ (Y - 3e6) - 4000 * np.outer((X + far).mean(axis=0), (Y - 3e6).mean(axis=0))
    assert (np.abs(naive - exact) / scale).max() > 1e-5  # what it would be without the shift


def test_batches_far_apart_are_summed_soundly():
    r = np.random.default_rng(4)
    X = r.standard_normal((3000, 4)) + 1e5 * (np.arange(3000) >= 1500)[:, None]
    pair = moments_of(X, X[:, ::-1].copy(), cuts=[1500]).pair(*NAMES)
    np.testing.assert_allclose(pair.xx, oracles.co_moments(X, X), rtol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_columns_that_differ_by_1e8_in_scale(method):
    X, Y = layers.correlated()
    scales = np.logspace(-8, 8, 40)
    scaled = sm.pair(X * scales, Y, method=method)
    plain = sm.pair(X, Y, method=method)
    np.testing.assert_allclose(scaled.xy, plain.xy * scales[:, None], rtol=1e-9, atol=0)
    profiles = [sm.match_profile(pair) for pair in (scaled, plain)]
    np.testing.assert_allclose(profiles[0].x_levels, profiles[1].x_levels, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint8", "bool"])
def test_numpy_types(dtype):
    X = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 9, (80, 3)).astype(dtype)
    pair = sm.pair(X, X[:, :2])
    np.testing.assert_allclose(pair.xx, oracles.co_moments(X, X), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32])
def test_torch_types(dtype):
    values = torch.from_numpy(np.random.default_rng(0).integers(-9, 9, (80, 3))).to(dtype)
    if dtype.is_floating_point:
        values.requires_grad_()
    pair = sm.pair(values, values[:, :2])
    exact = values.detach().double().numpy()
    np.testing.assert_allclose(pair.xx, oracles.co_moments(exact, exact), rtol=1e-12, atol=1e-10)


def test_fortran_order_and_strides_are_taken_as_they_come():
    X, Y = layers.random(n=100)
    plain = sm.pair(X, Y)
    assert_same(sm.pair(np.asfortranarray(X), np.repeat(Y, 2, axis=0)[::2]), plain)


def test_matching_all_and_listed_pairs():
    X, Y = layers.random()
    batch = {"a:one": X, "a:two": Y, "b:one": Y, "b:two": X, "c:one": X}
    kept = {}
    for name, pairs in (("matching", "matching"), ("all", "all"), ("listed", [("a:two", "b:one")])):
        moments = sm.Moments(pairs=pairs)
        moments.update(batch)
        kept[name] = moments.pairs
    assert kept["matching"] == [("a:one", "b:one"), ("a:one", "c:one"), ("a:two", "b:two"), ("b:one", "c:one")]
    assert len(kept["all"]) == 10
    assert kept["listed"] == [("a:two", "b:one")]


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_can_be_asked_for_in_either_order(method):
    X, Y = layers.correlated()
    moments = moments_of(X, Y, method=method)
    there, back = moments.pair("a:l", "b:l"), moments.pair("b:l", "a:l")
    np.testing.assert_allclose(back.xy, there.xy.T, atol=1e-9)
    np.testing.assert_allclose(back.null.xy, there.null.xy.T, atol=1e-9)
    np.testing.assert_allclose(sm.match_profile(back).y_levels, sm.match_profile(there).x_levels, atol=1e-10)


def test_what_is_kept_does_not_grow_with_rows():
    moments = sm.Moments(sample=0)
    X, Y = layers.random(n=64)
    sizes = []
    for _ in range(3):
        moments.update({"a:l": X, "b:l": Y})
        sizes.append(sum(array.nbytes for array in moments._sums.total().arrays.values()))
    assert len(set(sizes)) == 1
    assert sizes[0] == moments.nbytes == 8 * (8 * (25**2 + 32**2 + 25 * 32) + 25 * 32 + 9 * (25 + 32) + 2 * 3)


def test_repr_says_what_it_holds():
    assert "2 layers, 1 pairs, 300 rows" in repr(moments_of(*layers.random()))
    assert repr(sm.pair(*layers.random())) == "<Pair of x (24) and y (31): 300 rows by gram, with 8 folds and a null>"


def test_a_pair_stays_as_it_was_when_more_is_added_and_shares_memory_until_then():
    X, Y = layers.random()
    for method in METHODS:
        moments = moments_of(X, Y, method=method, bins=3)
        pair = moments.pair(*NAMES)
        key = ("cross", *NAMES) if method == "gram" else ("factor", *NAMES)
        accumulator = moments._sums.total().arrays[key]
        array = pair._parts[0].cross[0] if method == "gram" else pair._parts[0].factor
        assert np.shares_memory(array, accumulator)
        null, fold = moments_of(X, Y, method=method, bins=3).pair(*NAMES).null.xy, array.copy()
        moments.update({"a:l": X + 3, "b:l": Y - 1})
        moments += moments_of(X + 9, Y, method=method, bins=moments.edges)
        np.testing.assert_array_equal(array, fold)
        np.testing.assert_array_equal(pair.null.xy, null)  # computed only now
        assert pair.rows == 300 and moments.pair(*NAMES).rows == 900


def test_reading_between_batches_changes_no_bit_of_the_sums():
    X, Y = layers.correlated(n=900)
    read, unread = sm.Moments(), sm.Moments()
    for rows in np.split(np.arange(900), [200, 500]):
        for moments in (read, unread):
            moments.update({"a:l": X[rows], "b:l": Y[rows]})
        _ = read.pair(*NAMES), read.nbytes, read + read
    for key, array in unread._sums.total().arrays.items():
        np.testing.assert_array_equal(read._sums.total().arrays[key], array)


def test_every_layer_is_lifted_once_per_piece_and_once_for_the_null(monkeypatch):
    lifted = []
    plain = NumpyEngine.lifted
    monkeypatch.setattr(
        NumpyEngine, "lifted", lambda self, *arguments: lifted.append(len(arguments[1])) or plain(self, *arguments)
    )
    X, _ = layers.random(n=5000, p=6)
    moments = sm.Moments(pairs="all", folds=1)
    moments.update({f"a:{k}": X + k for k in range(6)})
    pieces = len(plans({"x": 5000}, None, {}, 1)["x"].pieces)
    assert len(moments.pairs) == 15 and pieces > 1
    assert len(lifted) == pieces * (6 + 5)  # the first layer is never the second of a pair
    assert max(lifted) < 2 * ROWS_AT_ONCE


@pytest.mark.parametrize("pairs", ["all", "matching"])
def test_layers_side_by_side_give_the_bits_of_one_after_another(monkeypatch, pairs):
    r = np.random.default_rng(5)
    batch = {f"{net}:{k}": r.standard_normal((3000, 4 + k)) for net in "ab" for k in range(5)}
    sums = []
    for blas_threads in (1, 3):
        with threadpool_limits(blas_threads, user_api="blas"):
            moments = sm.Moments(pairs=pairs, bins=3)
            moments.update(batch)
            moments.update(batch)
        sums.append(moments._sums.total().arrays)
    for key, array in sums[0].items():
        np.testing.assert_array_equal(sums[1][key], array)


def test_paired_layers_are_connected():
    assert connected_layers("abcdef", [("a", "c"), ("d", "e"), ("c", "e")]) == [["a", "c", "d", "e"], ["b"], ["f"]]
    assert connected_layers("ab", []) == [["a"], ["b"]]


def test_masked_values_are_refused_where_they_would_be_read_as_numbers():
    X = np.random.default_rng(0).standard_normal((200, 4))
    masked, nothing_masked = np.ma.masked_array(X.copy()), np.ma.masked_array(X.copy())
    masked[3] = np.ma.masked
    said = "4 values are masked; leave out their rows in all layers, or fill them"
    with pytest.raises(sm.SpanmatchError, match=f"layer 'x': {said}"):
        sm.pair(masked, X)
    with pytest.raises(sm.SpanmatchError, match=f"layer 'b': {said}"):
        sm.Moments().update({"a": X, "b": masked})
    with pytest.raises(sm.SpanmatchError, match=f"an array: {said}"):
        sm.compare(X, masked)
    assert np.array_equal(sm.pair(nothing_masked, X).x_mean, sm.pair(X, X).x_mean)
