"""Decodability: known answers, and the order of measures that Cloos et al. published."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import spanmatch as sm
from spanmatch.bench.candidates import Candidate
from spanmatch.bench.protocols.decodability import Decodability, Target, _target, decodability
from spanmatch.bench.representation import Representation
from spanmatch.moments.pairs import Pair

TEST = Decodability()


def network_of(name: str = "a", n: int = 150, neurons: int = 12, scale: float = 1.0) -> Representation:
    """Return a network whose middle layer has components of quickly falling variance."""
    rng = np.random.default_rng(0)
    spreads = np.geomspace(1, 0.05, neurons)
    axes = np.linalg.qr(rng.standard_normal((neurons, neurons)))[0]
    layers = {name: scale * (rng.standard_normal((n, neurons)) * spreads @ axes + 0.3) for name in ("i", "j", "k")}
    return Representation(name, "all", 0, layers, np.zeros(n, dtype=int), np.ones((n, 1)))


def target_of(network: Representation) -> Target:
    rng = np.random.default_rng([0, *network.network.encode()])
    return _target(network.layers["j"], 6, 128, rng, "j")


def scored(function, kind="similarity", network: Representation | None = None) -> float:
    return TEST.score([TEST.run(Candidate("measure", function, kind), network or network_of())])


def rows(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(pair.sample.x.rows), np.asarray(pair.sample.y.rows)


def truth(pair: Pair) -> float:
    """Return the mean R^2 of the principal components of y, regressed on x."""
    x, y = rows(pair)
    U = np.linalg.svd(y - y.mean(0), full_matrices=False)[0]
    return LinearRegression().fit(x, U).score(x, U)


def test_decodability_is_the_r2_of_a_regression():
    target, growth = target_of(network_of()), np.array([0, 0.3, 0.7, 1.1, 2, 3])
    data = target.data(growth)
    r2 = [LinearRegression().fit(data, u).score(data, u) for u in target.directions.T]
    np.testing.assert_allclose(r2, decodability(growth), atol=1e-12)
    assert decodability(growth)[0] == 0 and decodability(growth)[-1] > 0.99


def test_the_target_is_the_layer_in_its_first_components():
    network = network_of()
    target = target_of(network)
    chosen = np.sort(np.random.default_rng([0, *b"a"]).permutation(150)[:128])
    layer = network.layers["j"][chosen] - network.layers["j"][chosen].mean(0)
    variances = np.linalg.svd(layer)[1][:6] ** 2
    found = np.linalg.svd(target.layer)[1] ** 2
    np.testing.assert_allclose(found / found.sum(), variances / variances.sum(), rtol=1e-9)
    np.testing.assert_allclose(np.mean(target.layer**2) * 6, 6, rtol=1e-9)
    for columns in (target.directions, target.noise):
        np.testing.assert_allclose(columns.T @ columns / 128, np.eye(6), atol=1e-12)
        np.testing.assert_allclose(columns.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(target.directions.T @ target.noise, 0, atol=1e-10)


def test_the_truth_is_perfect():
    assert scored(truth) == pytest.approx(TEST.perfect, abs=1e-6)
    assert scored(lambda pair: 5 - 3 * truth(pair), "distance") == pytest.approx(1, abs=1e-6)


def test_a_measure_of_the_first_component_is_far_from_perfect():
    def first(pair: Pair) -> float:
        x, y = rows(pair)
        u = np.linalg.svd(y - y.mean(0), full_matrices=False)[0][:, 0]
        return LinearRegression().fit(x, u).score(x, u)

    assert scored(first) == pytest.approx(1 / 6, abs=0.01)


def test_constant_measures_have_the_decodability_of_noise():
    result = TEST.run(Candidate("constant", lambda pair: 1.0), network_of())
    assert result == {"scores": [0.0], "decodability": [[0.0] * 6]}
    assert TEST.score([result]) == TEST.chance
    assert scored(lambda pair: -truth(pair)) == 0


def test_random_measures_end_near_chance():
    rng = np.random.default_rng(0)
    scores = [scored(lambda pair: rng.random()) for _ in range(20)]
    assert 0 <= np.mean(scores) < 0.1


def test_a_step_where_a_measure_is_not_defined_is_no_gain():
    def of_large(pair: Pair) -> float:
        if 0.2 < truth(pair) < 0.4:
            raise sm.SpanmatchError("not defined")
        return truth(pair)

    assert 0 < scored(of_large) < 0.4
    assert scored(lambda pair: np.inf if 0.2 < truth(pair) < 0.4 else truth(pair)) == scored(of_large)


def test_a_measure_that_is_not_defined_for_a_layer_with_itself_is_refused():
    def of_unlike(pair: Pair) -> float:
        if truth(pair) > 0.999:
            raise sm.SpanmatchError("equal layers")
        return truth(pair)

    for function in (of_unlike, lambda pair: float("inf")):
        with pytest.raises(sm.SpanmatchError, match=r"equal layers|measure: a layer has inf"):
            scored(function)


def test_constant_layers_are_refused():
    network = network_of()
    constant = Representation("a", "all", 0, {"j": np.ones((50, 3))}, network.labels[:50], network.probabilities[:50])
    with pytest.raises(sm.SpanmatchError, match=r"layer 'a:j' never varies"):
        TEST.run(Candidate("cka", sm.cka), constant)


def test_few_rows_and_neurons_have_fewer_components():
    narrow = TEST.run(Candidate("cca", sm.cca), network_of(neurons=2))
    short = TEST.run(Candidate("cca", sm.cca), network_of(n=9))
    assert len(narrow["decodability"][0]) == 2 and len(short["decodability"][0]) == 4


def test_cka_is_high_before_small_components_are_decodable():
    of_cka, of_cca = scored(sm.cka), scored(sm.cca)
    assert of_cka < 0.55
    assert of_cca > 0.85
    assert of_cka < scored(sm.procrustes) < of_cca


def test_nothing_depends_on_the_scale_of_the_layer():
    assert scored(sm.cka, network=network_of(scale=1e-6)) == pytest.approx(scored(sm.cka), abs=1e-9)
    assert scored(lambda pair: -np.linalg.norm(np.subtract(*rows(pair)))) == pytest.approx(
        scored(lambda pair: -np.linalg.norm(np.subtract(*rows(pair))), network=network_of(scale=1e3)), abs=1e-9
    )


def test_results_are_plain_values_and_the_details_are_theirs():
    result = TEST.run(Candidate("cka", sm.cka), network_of())
    assert json.loads(json.dumps(result)) == result
    details = TEST.details([result])
    assert details["kind"] == "curves" and details["x"] == [result["scores"]] * 6
    assert [list(step) for step in zip(*details["y"], strict=True)] == result["decodability"]
    assert np.all(np.diff(result["scores"]) > 0) and max(result["scores"][:-1]) < 0.9


def test_the_score_is_read_off_where_it_is_first_high():
    result = {"scores": [0.0, 0.8, 1.0], "decodability": [[0.0, 0.0], [0.4, 0.0], [1.0, 0.2]]}
    below = {"scores": [0.0, 0.5], "decodability": [[0.0, 0.0], [0.5, 0.1]]}
    assert TEST.score([result]) == pytest.approx((0.7 + 0.1) / 2 / 0.9, abs=1e-12)
    assert TEST.score([result, below]) == pytest.approx((0.4 + 0.3) / 0.9 / 2, abs=1e-12)


def test_steps_become_shorter_where_the_score_falls():
    result = TEST.run(Candidate("shape distance", sm.shape_distance, "distance"), network_of())
    length = np.linalg.norm(np.diff(np.arctanh(np.sqrt(result["decodability"])), axis=0), axis=1)
    assert length[0] == pytest.approx(0.5, abs=1e-9) and length[-1] < 0.26
    assert set(np.round(length / 0.5, 6)) <= {1, 0.5, 0.25, 0.125, 0.0625}


def test_a_measure_that_is_blind_to_weak_signals_is_raised_too():
    assert scored(lambda pair: max(truth(pair), 0.1)) == pytest.approx(1, abs=0.05)


def test_every_measure_is_defined():
    test, network = Decodability(n_components=2), network_of(n=48)
    for measure in sm.measures():
        candidate = Candidate(measure.name, measure.function, measure.kind)
        assert 0.3 < test.score([test.run(candidate, network)]) <= 1, measure.name
