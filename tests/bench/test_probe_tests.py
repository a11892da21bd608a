"""Deleted components and probe accuracy: known answers, hand-made examples, what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

import spanmatch as sm
from spanmatch.bench.candidates import Candidate
from spanmatch.bench.protocols.deleted_components import DeletedComponents, reduced_layers
from spanmatch.bench.protocols.probe_accuracy import ProbeAccuracy
from spanmatch.bench.protocols.protocol import PairTest
from spanmatch.bench.representation import PairKey, Representation

TESTS: list[PairTest] = [DeletedComponents(), ProbeAccuracy()]
by_test = pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)


def networks_of(count: int, n: int = 120) -> list[Representation]:
    """Return networks of five layers that lose the classes of the examples the more, the deeper they are."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 4
    networks = []
    for i in range(count):
        spreads = np.geomspace(3, 0.3, 8 + i)
        codes = rng.standard_normal((4, 8 + i))
        axes = np.linalg.qr(rng.standard_normal((8 + i, 8 + i)))[0]
        layers = {
            f"layer {depth}": (codes[labels] + depth * rng.standard_normal((n, 8 + i))) * spreads @ axes + 1
            for depth in range(1, 6)
        }
        networks.append(Representation(f"net {i}", "all", i, layers, labels, np.eye(4)[labels]))
    return networks


@pytest.fixture(scope="module")
def prepared():
    networks = networks_of(3)
    return {test.name: test.prepared(networks) for test in TESTS}


def accuracy(networks: list[Representation], key: tuple[str, str]) -> float:
    return next(network for network in networks if network.network == key[0]).probe_accuracies[key[1]]


def truth(test: PairTest, networks: list[Representation]) -> dict[PairKey, float]:
    """Return minus the difference of accuracies as the similarity of each pair."""
    return {(x, y): -abs(accuracy(networks, x) - accuracy(networks, y)) for x, y in test.pairs(networks)}


@by_test
def test_the_truth_is_perfect_and_its_opposite_the_lowest(test, prepared):
    values = truth(test, prepared[test.name])
    assert test.score(values, prepared[test.name]) == pytest.approx(test.perfect, abs=1e-12)
    opposite = {key: -value for key, value in values.items()}
    assert test.score(opposite, prepared[test.name]) == pytest.approx(test.lowest, abs=1e-12)


@by_test
def test_any_increasing_function_of_the_truth_is_perfect(test, prepared):
    values = {key: 3 + np.arctan(7 * value) for key, value in truth(test, prepared[test.name]).items()}
    assert test.score(values, prepared[test.name]) == pytest.approx(1, abs=1e-12)


@by_test
def test_random_values_are_at_chance(test, prepared):
    rng, networks = np.random.default_rng(1), prepared[test.name]
    keys = list(test.pairs(networks))
    scores = [test.score(dict(zip(keys, rng.random(len(keys)), strict=True)), networks) for _ in range(100)]
    assert abs(np.mean(scores) - test.chance) < 4 * np.std(scores) / np.sqrt(len(scores))


@by_test
def test_constant_values_have_score_zero(test, prepared):
    networks = prepared[test.name]
    assert test.score(dict.fromkeys(test.pairs(networks), 1.0), networks) == 0
    rng = np.random.default_rng(0)
    rounding = {key: 1 + 1e-15 * rng.standard_normal() for key in test.pairs(networks)}
    assert test.score(rounding, networks) == 0


@by_test
def test_values_that_are_not_defined_are_left_out(test, prepared):
    networks = prepared[test.name]
    values = truth(test, networks)
    x, reference = next(iter(values))
    assert test.score(values | {(x, reference): float("nan")}, networks) == pytest.approx(1, abs=1e-12)
    of_one = {key: value if key[1] != reference else float("nan") for key, value in values.items()}
    assert test.score(of_one, networks) == pytest.approx(1, abs=1e-12)
    assert np.isnan(test.score(dict.fromkeys(values, float("nan")), networks))
    assert test.details(dict.fromkeys(values, float("nan")), networks)["x"] in ([], [[], [], []])


@by_test
def test_a_network_can_be_left_out(test, prepared):
    networks = prepared[test.name]
    values = truth(test, networks)
    for i in range(3):
        some = networks[:i] + networks[i + 1 :]
        assert set(test.pairs(some)) <= set(values)
        assert test.score(values, some) == pytest.approx(1, abs=1e-12)


@by_test
def test_no_layer_is_compared_with_itself(test, prepared):
    keys = list(test.pairs(prepared[test.name]))
    assert all(x != y for x, y in keys) and len(set(keys)) == len(keys)


def test_the_score_of_probe_accuracy_by_hand():
    accuracies = {"a": {"i": 0.5, "j": 0.9, "k": 0.7}, "b": {"i": 0.95, "j": 0.6, "k": 0.6}}
    rows, labels = np.zeros((2, 1)), np.arange(2)
    networks = [
        Representation(name, "all", 0, dict.fromkeys(of_network, rows), labels, rows, of_network)
        for name, of_network in accuracies.items()
    ]
    to_aj = {("a", "i"): 0.2, ("a", "k"): 0.9, ("b", "i"): 0.8, ("b", "j"): 0.1, ("b", "k"): 0.3}
    to_bi = {("a", "i"): 0.1, ("a", "j"): 0.4, ("a", "k"): 0.6, ("b", "j"): 0.3, ("b", "k"): 0.2}
    values = {(x, ("a", "j")): value for x, value in to_aj.items()}
    values |= {(x, ("b", "i")): value for x, value in to_bi.items()}
    of_aj = spearmanr([-0.2, -0.9, -0.8, -0.1, -0.3], [0.4, 0.2, 0.05, 0.3, 0.3]).statistic
    of_bi = spearmanr([-0.1, -0.4, -0.6, -0.3, -0.2], [0.45, 0.05, 0.25, 0.35, 0.35]).statistic
    test = ProbeAccuracy()
    assert set(test.pairs(networks)) == set(values)
    assert test.score(values, networks) == pytest.approx((of_aj + of_bi) / 2, abs=1e-12)
    assert np.isnan(test.score(values, networks[:1]))
    assert test.details(values, networks)["x"] == [-0.2, -0.9, -0.8, -0.1, -0.3]


def test_the_score_of_deleted_components_by_hand():
    rows, labels = np.zeros((2, 1)), np.arange(2)
    of_a, of_b = {"i": 0.9, "i/2": 0.8, "i/1": 0.3}, {"i": 0.85, "i/2": 0.9, "i/1": 0.2}
    networks = [
        Representation(name, "all", 0, dict.fromkeys(some, rows), labels, rows, some, {"i": ["i/2", "i/1"]})
        for name, some in (("a", of_a), ("b", of_b))
    ]
    test, a, b = DeletedComponents(), ("a", "i"), ("b", "i")
    to_a = {("a", "i/2"): 0.99, ("a", "i/1"): 0.7, b: 0.6, ("b", "i/2"): 0.8, ("b", "i/1"): 0.5}
    to_b = {a: 0.6, ("a", "i/2"): 0.65, ("a", "i/1"): 0.4, ("b", "i/2"): 0.5, ("b", "i/1"): 0.3}
    values = {(x, a): value for x, value in to_a.items()} | {(x, b): value for x, value in to_b.items()}
    of_a_score = spearmanr([-0.99, -0.7, -0.6, -0.8, -0.5], [0.1, 0.6, 0.05, 0, 0.7]).statistic
    of_b_score = spearmanr([-0.6, -0.65, -0.4, -0.5, -0.3], [0.05, 0.05, 0.55, 0.05, 0.65]).statistic
    assert set(test.pairs(networks)) == set(values)
    assert test.score(values, networks) == pytest.approx((of_a_score + of_b_score) / 2, abs=1e-12)


def test_reduced_layers_keep_the_largest_components():
    rows = networks_of(1)[0].layers["layer 1"]
    found = reduced_layers("x", rows)
    assert list(found) == ["x, 4 of 8 components", "x, 2 of 8 components", "x, 1 of 8 components"]
    centred = rows - rows.mean(0)
    variances = np.linalg.svd(centred)[1] ** 2
    for kept, reduced in zip((4, 2, 1), found.values(), strict=True):
        assert np.linalg.matrix_rank(reduced - reduced.mean(0)) == kept
        np.testing.assert_allclose(reduced.mean(0), rows.mean(0), atol=1e-12)
        assert np.sum((rows - reduced) ** 2) == pytest.approx(variances[kept:].sum(), rel=1e-9)
    assert reduced_layers("x", centred[:, :1]) == reduced_layers("x", np.ones((9, 4))) == {}


@pytest.mark.parametrize(("n_layers", "expected"), [(1, [3]), (2, [2, 4]), (3, [1, 3, 5]), (9, [1, 2, 3, 4, 5])])
def test_reduced_layers_are_evenly_spaced(n_layers, expected):
    (network,) = DeletedComponents(n_layers).prepared(networks_of(1))
    assert list(network.reduced_layers) == [f"layer {depth}" for depth in expected]
    assert list(network.probe_accuracies) == [
        *network.reduced_layers,
        *(name for names in network.reduced_layers.values() for name in names),
    ]
    assert list(network.layers)[:5] == list(networks_of(1)[0].layers)


def test_rotating_the_neurons_changes_nothing():
    networks, rng = networks_of(2), np.random.default_rng(5)
    rotated = []
    for network in networks:
        width = network.layers["layer 1"].shape[1]
        turn = np.linalg.qr(rng.standard_normal((width, width)))[0]
        rotated.append(replace(network, layers={name: rows @ turn for name, rows in network.layers.items()}))
    test, candidate = DeletedComponents(2), Candidate("procrustes", sm.procrustes)
    scores = []
    for some in (networks, rotated, [replace(n, layers={k: 1e-6 * v for k, v in n.layers.items()}) for n in networks]):
        prepared = test.prepared(some)
        scores.append(test.score(similarities(candidate, test, prepared), prepared))
    np.testing.assert_allclose(scores, scores[0], atol=1e-12)
    assert [n.probe_accuracies for n in test.prepared(networks)] == [n.probe_accuracies for n in test.prepared(rotated)]


def similarities(candidate: Candidate, test: PairTest, networks: list[Representation]) -> dict[PairKey, float]:
    rows = {(network.network, name): layer for network in networks for name, layer in network.layers.items()}
    return {(x, y): candidate.similarity(sm.pair(rows[x], rows[y], null=False)) for x, y in test.pairs(networks)}


@by_test
def test_a_distance_is_turned_round(test, prepared):
    networks = prepared[test.name]
    similarity = Candidate("procrustes", sm.procrustes)
    distance = Candidate("distance", lambda pair: sm.procrustes(pair).distance, "distance")
    scores = [test.score(similarities(one, test, networks[:2]), networks[:2]) for one in (similarity, distance)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-12) and scores[0] > 0.3


def test_every_measure_is_defined_for_reduced_layers(prepared):
    test, networks = DeletedComponents(), prepared["deleted components"][:1]
    for measure in sm.measures():
        candidate = Candidate(measure.name, measure.function, measure.kind)
        assert np.isfinite(list(similarities(candidate, test, networks).values())).all(), measure.name
