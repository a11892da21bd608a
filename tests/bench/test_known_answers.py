"""Tests of layers, groups and outputs: the truth wins, random numbers are at chance, a constant gives no nan."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from spanmatch.bench.protocols.depth_order import DepthOrder
from spanmatch.bench.protocols.groups import Groups, chance_of
from spanmatch.bench.protocols.outputs import ACCURACY, PREDICTIONS, PROBABILITIES
from spanmatch.bench.protocols.same_layer import SameLayer
from spanmatch.bench.representation import Representation

LAYERS = ("relu1", "relu2", "relu3", "relu4", "out")


def networks_of(n_groups: int = 1, n_seeds: int = 6) -> list[Representation]:
    """Return networks with random outputs, some of them much better than others."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=200)
    networks = []
    for group in range(n_groups):
        for seed in range(n_seeds):
            logits = rng.standard_normal((200, 4)) + (seed + 1) * np.eye(4)[labels] * rng.random((200, 1))
            probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            layers = {layer: np.zeros((200, 2)) for layer in LAYERS}
            networks.append(Representation(f"{group} {seed}", f"group {group}", seed, layers, labels, probabilities))
    return networks


def by(similarity, test, networks):
    """Return the similarities that a function of two networks and layers gives."""
    known = {network.network: network for network in networks}
    return {((a, i), (b, j)): float(similarity(known[a], i, known[b], j)) for (a, i), (b, j) in test.pairs(networks)}


def depth(layer: str) -> int:
    return LAYERS.index(layer)


def nearness(x, i, y, j) -> float:
    return -abs(depth(i) - depth(j))


def same_group(x, i, y, j) -> float:
    return x.group == y.group


def minus_difference(test):
    return lambda x, i, y, j: -test.difference(x, y)


GROUPS = Groups("random labels", "Are they alike?", chance_of(networks_of(3, 3)))
CASES = [
    pytest.param(SameLayer(len(LAYERS)), nearness, id="same layer"),
    pytest.param(DepthOrder(), nearness, id="order of depth"),
    pytest.param(GROUPS, same_group, id="groups"),
    pytest.param(ACCURACY, minus_difference(ACCURACY), id="accuracy"),
    pytest.param(PREDICTIONS, minus_difference(PREDICTIONS), id="predictions"),
    pytest.param(PROBABILITIES, minus_difference(PROBABILITIES), id="probabilities"),
]


def networks_for(test) -> list[Representation]:
    return networks_of(3, 3) if isinstance(test, Groups) else networks_of()


@pytest.mark.parametrize(("test", "truth"), CASES)
def test_the_truth_is_perfect(test, truth):
    networks = networks_for(test)
    assert test.score(by(truth, test, networks), networks) == pytest.approx(test.perfect, abs=1e-12)


@pytest.mark.parametrize(("test", "truth"), CASES)
def test_minus_the_truth_is_below_chance(test, truth):
    networks = networks_for(test)
    wrong = by(lambda *pair: -truth(*pair), test, networks)
    assert test.score(wrong, networks) < test.chance - 0.05


@pytest.mark.parametrize(("test", "truth"), CASES)
def test_random_numbers_are_at_chance(test, truth):
    networks, rng = networks_for(test), np.random.default_rng(1)
    scores = [test.score(by(lambda *_: rng.random(), test, networks), networks) for _ in range(200)]
    error = np.std(scores) / np.sqrt(len(scores))
    assert abs(np.mean(scores) - test.chance) < 4 * error


@pytest.mark.parametrize(("test", "truth"), CASES)
def test_a_constant_has_a_score(test, truth):
    networks = networks_for(test)
    score = test.score(by(lambda *_: 0.7, test, networks), networks)
    assert test.lowest <= score <= max(test.chance, 0) + 1e-12
    test.details(by(lambda *_: 0.7, test, networks), networks)


@pytest.mark.parametrize(("test", "truth"), CASES)
def test_where_a_measure_is_not_defined_it_finds_nothing(test, truth):
    networks = networks_for(test)
    values = by(lambda *_: np.nan, test, networks)
    score = test.score(values, networks)
    assert score == 0 if isinstance(test, SameLayer | DepthOrder) else np.isnan(score)
    test.details(values, networks)


@pytest.mark.parametrize("test", [SameLayer(len(LAYERS)), DepthOrder()], ids=["same layer", "order of depth"])
def test_a_measure_gains_nothing_by_being_undefined(test):
    networks, rng = networks_for(test), np.random.default_rng(7)
    values = by(nearness, test, networks)
    partly = {key: np.nan if rng.random() < 0.3 else value for key, value in values.items()}
    assert test.score(partly, networks) < test.score(values, networks)


def test_orders_of_two_networks_do_not_matter():
    """A measure that sees one network only: in one order alone it would tell groups apart."""
    for test in (GROUPS, PREDICTIONS):
        networks = networks_for(test)
        values = by(lambda x, i, y, j: x.accuracy, test, networks)
        assert test.score(values, networks) == pytest.approx(test.score(values, networks[::-1]))


def test_values_that_differ_by_rounding_are_ties():
    networks, rng = networks_of(), np.random.default_rng(8)
    for test in (SameLayer(len(LAYERS)), DepthOrder()):
        constant = by(lambda *_: 1.0, test, networks)
        rounded = {key: value + 1e-14 * rng.standard_normal() for key, value in constant.items()}
        assert test.score(rounded, networks) == pytest.approx(test.score(constant, networks))


def test_a_layer_is_found_if_it_is_the_most_similar_one():
    networks, rng = networks_of(n_seeds=3), np.random.default_rng(2)
    test = SameLayer(len(LAYERS))
    values = by(lambda *_: rng.random(), test, networks)
    found = [
        max(LAYERS, key=lambda j: values[(x.network, i), (y.network, j)]) == i
        for x, y in permutations(networks, 2)
        for i in LAYERS
    ]
    assert test.score(values, networks) == pytest.approx(np.mean(found))
    assert np.mean(test.details(values, networks)["values"]) == pytest.approx(np.mean(found))


def test_the_order_of_depth_is_that_of_triples():
    (network,), rng = networks_of(n_seeds=1), np.random.default_rng(3)
    values = by(lambda *_: rng.random(), DepthOrder(), [network])

    def s(i, j):
        return values[(network.network, i), (network.network, j)]

    right = [s(i, j) > s(i, k) and s(j, k) > s(i, k) for i, j, k in combinations(LAYERS, 3)]
    assert DepthOrder().score(values, [network]) == pytest.approx(np.mean(right))


def test_groups_are_told_apart_by_average_precision_at_the_last_hidden_layer():
    networks, rng = networks_of(3, 3), np.random.default_rng(4)
    values = by(lambda *_: rng.random(), GROUPS, networks)
    pairs = [(x, y) for x, y in combinations(networks, 2) if x.seed != y.seed]
    keys = [((x.network, "relu4"), (y.network, "relu4")) for x, y in pairs]
    numbers = [(values[key] + values[key[::-1]]) / 2 for key in keys]
    alike = [x.group == y.group for x, y in pairs]
    assert GROUPS.score(values, networks) == pytest.approx(average_precision_score(alike, numbers))
    within, across = np.array(numbers)[alike], np.array(numbers)[~np.array(alike)]
    assert GROUPS.violations(values, networks) == pytest.approx(np.mean(across[:, None] > within))


def test_outputs_differ_as_scipy_says():
    x, y = networks_of(n_seeds=2)
    distances = jensenshannon(x.probabilities, y.probabilities, axis=1) ** 2
    assert PROBABILITIES.difference(x, y) == pytest.approx(distances.mean())
    assert PREDICTIONS.difference(x, y) == pytest.approx(
        np.mean(x.probabilities.argmax(1) != y.probabilities.argmax(1))
    )
    assert ACCURACY.difference(x, y) == pytest.approx(abs(x.accuracy - y.accuracy))


def test_the_score_of_outputs_is_spearmans_correlation():
    networks, rng = networks_of(), np.random.default_rng(5)
    values = by(lambda *_: rng.random(), PREDICTIONS, networks)
    differences = [PREDICTIONS.difference(x, y) for x, y in combinations(networks, 2)]
    keys = [((x.network, "relu4"), (y.network, "relu4")) for x, y in combinations(networks, 2)]
    expected = spearmanr([-values[key] - values[key[::-1]] for key in keys], differences).statistic
    assert PREDICTIONS.score(values, networks) == pytest.approx(expected)
