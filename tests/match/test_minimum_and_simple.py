"""v-minimum matches, simple matches, the exact lattice, stability and maps, against plain definitions on the rows."""

from __future__ import annotations

import itertools
import json

import layers
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spanmatch as sm
from spanmatch.match.hitting_sets import smallest_holding
from spanmatch.match.within import Within

BLOCKS = (1, 3, 4)


def planted_blocks(seed: int = 0, sizes: tuple[int, ...] = BLOCKS, n: int = 300, extras: bool = False):
    """Blocks that span the same, mixed and scaled by 1e-4 to 1e4, among noise; who belongs where, after shuffling."""
    r = np.random.default_rng(seed)
    X, Y = [], []
    for size in sizes:
        shared = r.standard_normal((n, size))
        X.append(shared @ layers.mixing(size, 5, r))
        Y.append(shared @ layers.mixing(size, 5, r))
    X.append(r.standard_normal((n, 4)))
    Y.append(r.standard_normal((n, 3)))
    if extras:
        X.append(np.zeros((n, 1)))
    left = [np.hstack(side) * 10 ** r.uniform(-4, 4, sum(side_.shape[1] for side_ in side)) for side in (X, Y)]
    block = np.repeat(np.arange(len(sizes)), sizes)
    orders = [r.permutation(side.shape[1]) for side in left]
    members = []
    for k in range(len(sizes)):
        own = np.flatnonzero(block == k)
        members.append(tuple(tuple(np.flatnonzero(np.isin(order, own)).tolist()) for order in orders))
    return left[0][:, orders[0]], left[1][:, orders[1]], set(members)


def as_sets(matches):
    return {(tuple(m.x.tolist()), tuple(m.y.tolist())) for m in matches}


@pytest.mark.parametrize("order", ["small", "index", "random", "smallest"])
@pytest.mark.parametrize("eps", [0.5, 0.7])
def test_minimum_matches_are_minimal_matches(order, eps):
    X, Y = layers.related(n=200, p=12, q=11)
    pair = sm.pair(X, Y)
    inside = sm.maximum_match(pair, eps)
    found = 0
    for v in [("x", int(i)) for i in range(0, 12, 2)] + [("y", int(j)) for j in range(0, 11, 3)]:
        given = (v[0], np.int64(v[1]))
        match = sm.minimum_match(pair, given, eps, order=order, seed=3 if order == "random" else None)
        if match is None:
            assert v[1] not in (inside.x if v[0] == "x" else inside.y)
            continue
        found += 1
        assert oracles.is_minimum(X, Y, match.x, match.y, v, eps)
        assert match.verify(pair)
        assert json.loads(json.dumps(match.to_dict()))["neuron"] == list(match.neuron) == list(v)
        assert match.seed == (3 if order == "random" else None)
        assert match.smallest == (order == "smallest")
    assert found >= 4


def test_index_order_is_plain_deletion():
    X, Y = layers.related(n=200, p=12, q=11)
    pair = sm.pair(X, Y)
    for v in (("x", 0), ("x", 5), ("y", 2), ("y", 9)):
        direct, match = oracles.minimum_match(X, Y, v, 0.5), sm.minimum_match(pair, v, 0.5, order="index")
        assert (direct is None) == (match is None)
        if direct is not None:
            np.testing.assert_array_equal(match.x, direct[0])
            np.testing.assert_array_equal(match.y, direct[1])


def test_verify_refuses_what_is_not_minimal_or_no_match():
    X, Y, _ = planted_blocks()
    pair = sm.pair(X, Y)
    match = sm.minimum_match(pair, ("x", int(sm.maximum_match(pair, 0).x[0])), 0)
    assert match.verify(pair)
    whole = sm.maximum_match(pair, 0)
    assert whole.verify(pair)
    fields = {name: getattr(match, name) for name in type(match).__dataclass_fields__}
    assert not type(match)(**(fields | {"x": whole.x, "y": whole.y})).verify(pair)
    assert not type(match)(**(fields | {"x": match.x[1:]})).verify(pair)
    assert not type(whole)(
        **{n: getattr(whole, n) for n in type(whole).__dataclass_fields__} | {"x": whole.x[1:]}
    ).verify(pair)


def test_smallest_is_the_smallest_of_all():
    X, Y = layers.related(n=150, p=5, q=5, seed=4, causes=3)
    pair = sm.pair(X, Y)
    everything = [{("x", i) for i in x} | {("y", j) for j in y} for x, y in oracles.simple_matches(X, Y, 0.5)]
    members = set().union(*everything) if everything else set()
    assert members
    for v in members:
        match = sm.minimum_match(pair, v, 0.5, order="smallest")
        assert match.smallest
        assert len(match.x) + len(match.y) == min(len(m) for m in everything if v in m)


@pytest.mark.parametrize("seed", [0, 8, 12])
def test_the_search_for_the_smallest_needs_no_good_start(seed):
    X, Y = layers.related(n=150, p=5, q=4, seed=seed, causes=2)
    within = Within(sm.pair(X, Y), 0.5)
    everything = [{("x", i) for i in x} | {("y", j) for j in y} for x, y in oracles.simple_matches(X, Y, 0.5)]
    assert len(everything) > len(within.everyone)  # there is a choice
    for v in within.everyone:
        found, proven = smallest_holding(within, int(v), within.everyone, None)
        assert proven
        assert v in found
        assert len(within.surviving(found)) == len(found)
        assert len(found) == min(len(m) for m in everything if within.name(int(v)) in m)


def test_default_finds_smaller_matches_than_plain_deletion():
    sizes = {"small": [], "index": []}
    for seed in range(3):
        pair = sm.pair(*layers.related(p=24, q=24, causes=8, seed=seed))
        inside = sm.maximum_match(pair, 0.5)
        for v in [("x", int(i)) for i in inside.x[::4]] + [("y", int(j)) for j in inside.y[::4]]:
            for order, found in sizes.items():
                match = sm.minimum_match(pair, v, 0.5, order=order)
                found.append(len(match.x) + len(match.y))
    assert len(sizes["small"]) > 8
    assert np.mean(sizes["small"]) < 0.85 * np.mean(sizes["index"])


@pytest.mark.parametrize("method", ["gram", "qr"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_blocks_come_back(seed, method):
    X, Y, blocks = planted_blocks(seed, extras=True)
    pair = sm.pair(X, Y, method=method)
    found = sm.simple_matches(pair, 0.0)
    assert found.complete
    assert as_sets(found) == blocks
    for match in found:
        assert len(match.neurons) == match.size  # in a block, every neuron needs all others
    structure = sm.exact_structure(pair)
    assert {(tuple(x.tolist()), tuple(y.tolist())) for x, y in structure.simple_matches()} == blocks
    assert structure.redundant == ()
    assert structure.order() == []


def test_exact_structure_has_the_order_of_nested_matches():
    r = np.random.default_rng(0)
    X = r.standard_normal((200, 4))
    # y0 is x0; y1 needs x0 and x1; y2 needs x1 and x2; y3 is unrelated.
    Y = np.column_stack([2 * X[:, 0], X[:, 0] + X[:, 1], X[:, 1] - 3 * X[:, 2], r.standard_normal(200)])
    structure = sm.exact_structure(sm.pair(X, Y))
    expected = {((0,), (0,)), ((0, 1), (0, 1)), ((0, 1, 2), (0, 1, 2))}
    assert {(tuple(x.tolist()), tuple(y.tolist())) for x, y in structure.simple_matches()} == expected
    assert as_sets(sm.simple_matches(sm.pair(X, Y), 0.0)) == expected
    assert len(structure.order()) == 2  # a chain
    assert (("y", 1), ("x", 0)) in structure.edges()
    assert (("y", 0), ("x", 1)) not in structure.edges()
    x, y = structure.minimum_match(("y", 1))
    assert (x.tolist(), y.tolist()) == ([0, 1], [0, 1])
    assert structure.minimum_match(("x", 3)) is None
    import networkx

    graph = networkx.DiGraph(structure.edges())
    assert networkx.descendants(graph, ("y", 2)) | {("y", 2)} == {(s, i) for s in "xy" for i in range(3)}


def test_redundant_neurons_are_named_and_left_out():
    X, Y, blocks = planted_blocks(3)
    whole = sm.maximum_match(sm.pair(X, Y), 0)
    X = np.hstack([X, 2 * X[:, whole.x[:1]]])
    structure = sm.exact_structure(sm.pair(X, Y))
    assert structure.redundant == (("x", X.shape[1] - 1),)
    assert {(tuple(x.tolist()), tuple(y.tolist())) for x, y in structure.simple_matches()} == blocks


@pytest.mark.parametrize("seed", [0, 8, 12])
@pytest.mark.parametrize("causes", [2, 3])
@pytest.mark.parametrize("eps", [0.4, 0.6])
def test_simple_matches_are_those_of_trying_all_subsets(seed, eps, causes):
    X, Y = layers.related(n=120, p=5 if causes == 2 else 4, q=4, seed=seed, causes=causes)
    found = sm.simple_matches(sm.pair(X, Y), eps, limit=None, time_limit=None)
    assert found.complete
    assert as_sets(found) == oracles.simple_matches(X, Y, eps)


def test_simple_matches_cover_and_make_up_the_maximum_match():
    X, Y = layers.related()
    pair = sm.pair(X, Y)
    found = sm.simple_matches(pair, 0.6, limit=60, time_limit=5)
    whole = sm.maximum_match(pair, 0.6)
    assert len(found)
    assert set().union(*(m.x.tolist() for m in found)) == set(whole.x.tolist())
    assert set().union(*(m.y.tolist() for m in found)) == set(whole.y.tolist())
    assert set(found.sizes) == {("x", i) for i in whole.x.tolist()} | {("y", j) for j in whole.y.tolist()}
    assert [m.size for m in found] == sorted(m.size for m in found)
    for match in list(found)[:12]:
        assert match.verify(pair)
        for v in match.neurons[:2]:
            assert oracles.is_minimum(X, Y, match.x, match.y, v, 0.6)
        others = {("x", i) for i in match.x.tolist()} | {("y", j) for j in match.y.tolist()}
        for v in list(others - set(match.neurons))[:2]:
            assert not oracles.is_minimum(X, Y, match.x, match.y, v, 0.6)
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["matches"][0]["x"] == found.matches[0].x.tolist()


def test_limits_and_interrupts_are_said(monkeypatch):
    X, Y = layers.related()
    pair = sm.pair(X, Y)
    cut = sm.simple_matches(pair, 0.6, limit=5)
    assert (cut.complete, cut.ended) == (False, "limit")
    assert "not all (limit)" in repr(cut)
    assert sm.simple_matches(pair, 0.6, time_limit=0).ended == "time limit"
    import importlib

    simple = importlib.import_module("spanmatch.match.simple")
    real, calls = simple.small, []

    def interrupted(within, v):
        calls.append(v)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return real(within, v)

    monkeypatch.setattr(simple, "small", interrupted)
    found = sm.simple_matches(pair, 0.6)
    assert (found.complete, found.ended) == (False, "interrupted")
    assert 1 <= len(found) <= 3


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.3, 0.5, 0.7]))
def test_matches_are_closed_under_union_and_grow_with_eps(seed, eps):
    X, Y = layers.related(n=120, p=7, q=8, seed=seed, causes=4)
    pair = sm.pair(X, Y)
    found = list(sm.simple_matches(pair, eps, time_limit=0.5))
    for a, b in itertools.pairwise(found):
        x, y = np.union1d(a.x, b.x), np.union1d(a.y, b.y)
        left = oracles.maximum_match(X[:, x], Y[:, y], eps)
        assert (len(left[0]), len(left[1])) == (len(x), len(y))
    for v in list(sm.simple_matches(pair, eps, time_limit=0).sizes)[:3]:
        assert sm.minimum_match(pair, v, min(eps + 0.1, 0.99)) is not None
    r = np.random.default_rng(seed)
    order, scales = r.permutation(7), 10 ** r.uniform(-3, 3, 8)
    rotation, _ = np.linalg.qr(r.standard_normal((120, 120)))
    moved = sm.pair(rotation @ X[:, order], (rotation @ Y) * scales)
    if sm.simple_matches(pair, eps, limit=None, time_limit=0.5).complete:
        mapped = {
            (tuple(sorted(order[list(x)].tolist())), y)
            for x, y in as_sets(sm.simple_matches(moved, eps, limit=None, time_limit=None))
        }
        assert mapped == as_sets(sm.simple_matches(pair, eps, limit=None, time_limit=None))


def test_degenerate_layers():
    X, Y = layers.correlated()
    assert sm.minimum_match(sm.pair(X[:, :1], Y[:, :1]), ("x", 0), 0.01) is None
    one = sm.minimum_match(sm.pair(X[:, :1], X[:, :1]), ("x", 0), 0.0)
    assert one.x.tolist() == one.y.tolist() == [0]
    same = sm.simple_matches(sm.pair(X[:, :9], X[:, :9]), 0.0)
    assert same.complete
    assert as_sets(same) == {((i,), (i,)) for i in range(9)}
    empty = sm.simple_matches(sm.pair(*layers.random()), 0.01)
    assert empty.complete
    assert not len(empty)
    assert not len(sm.exact_structure(sm.pair(*layers.random())).simple_matches())
    few = sm.pair(*layers.fewer_rows_than_either())
    assert sm.minimum_match(few, ("x", 2), 0.0).verify(few)


def test_coefficients_write_one_group_in_terms_of_the_other():
    X, Y = layers.related()
    X = X * np.logspace(-3, 3, 16) + 0.5
    for centred in (False, True):
        pair = sm.pair(X, Y)
        match = sm.match_profile(pair, centred=centred).at(0.5)
        assert len(match.x) > 3
        maps = match.coefficients(pair)
        A, B = X[:, match.x], Y[:, match.y]
        predicted = B @ maps.x_from_y + maps.x_intercept
        design = np.column_stack([B, np.ones(len(B))]) if centred else B
        direct = design @ np.linalg.lstsq(design, A, rcond=None)[0]
        np.testing.assert_allclose(predicted, direct, rtol=1e-6, atol=1e-6 * np.abs(A).max())
        around = A - A.mean(axis=0) if centred else A
        exact = np.linalg.norm(A - direct, axis=0) / np.linalg.norm(around, axis=0)
        np.testing.assert_allclose(maps.x_distances, exact, rtol=1e-6)
        assert (maps.y_distances <= 0.5).all()


def test_stability_and_gaps():
    profile = sm.match_profile(sm.pair(*layers.correlated()))
    stable = profile.stability(0.6)
    assert stable.low <= 0.6 < stable.high
    inside = [profile.at(e) for e in (stable.low, (stable.low + stable.high) / 2, np.nextafter(stable.high, 0))]
    assert all(m.similarity == profile.at(0.6).similarity for m in inside)
    assert profile.at(stable.high).similarity > profile.at(0.6).similarity
    assert profile.at(np.nextafter(stable.low, 0)).similarity < profile.at(0.6).similarity
    entering = {("x", i) for i in set(profile.at(stable.high).x) - set(profile.at(0.6).x)}
    entering |= {("y", j) for j in set(profile.at(stable.high).y) - set(profile.at(0.6).y)}
    assert set(stable.entering) == entering
    gaps = profile.gaps(3)
    widths = [high - low for low, high in gaps]
    assert widths == sorted(widths, reverse=True)
    for low, high in gaps:
        assert profile.stability((low + high) / 2).low == low


@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        (("x", 40), "x has neurons 0 to 39"),
        (("y", -1), "y has neurons 0 to 32"),
        (("z", 1), "give"),
        (3, "give"),
        (("x", 1.5), "x has neurons"),
    ],
)
def test_neurons_that_do_not_exist(neuron, message):
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.minimum_match(sm.pair(*layers.correlated()), neuron, 0.5)


def test_bad_options():
    pair = sm.pair(*layers.correlated())
    for call, message in (
        (lambda: sm.minimum_match(pair, ("x", 0), 1.0), "eps=1"),
        (lambda: sm.minimum_match(pair, ("x", 0), 0.5, order="best"), "order='best'"),
        (lambda: sm.simple_matches(pair, 0.5, limit=-1), "limit=-1"),
        (lambda: sm.simple_matches(pair, -0.5), "eps=-0.5"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            call()
