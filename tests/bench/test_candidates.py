"""The measures that are tested: names, own functions, and which results of earlier runs serve."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import spanmatch as sm
from spanmatch.bench.candidates import candidates_of
from spanmatch.bench.tasks import ONCE

X, Y = np.random.default_rng(0).standard_normal((2, 60, 5))


def pair_of(x=X, y=Y):
    moments = sm.Moments(pairs=[("a:l", "b:l")], folds=4, null=False, sample=60, method="qr")
    moments.update({"a:l": x, "b:l": y})
    return moments.pair("a:l", "b:l")


def mine(x, y):
    return -float(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)))


def of_pair(pair):
    return sm.cka(pair).value / 2


def test_by_default_all_measures_and_similarities_are_tested():
    names = [candidate.name for candidate in candidates_of()]
    assert names == [*(measure.name for measure in sm.measures()), "s(0.15)", "s(0.2)", "s(0.25)", "s(0.3)", "s(0.5)"]
    assert {c.name for c in candidates_of() if c.maximum_match} == {"match area", *names[-5:]}
    assert len({candidate.digest for candidate in candidates_of()}) == len(names)


def test_each_gives_its_value_and_a_distance_its_negative():
    pair, known = pair_of(), {measure.name: measure for measure in sm.measures()}
    for candidate in candidates_of():
        if candidate.name in known:
            sign = -1 if candidate.kind == "distance" else 1
            assert candidate.similarity(pair) == sign * known[candidate.name](pair).value
    (at,) = candidates_of(["s(0.5)"])
    assert at.similarity(pair) == sm.match_profile(pair).similarity(0.5)


def test_functions_are_tested_beside_all_and_names_choose():
    assert [c.name for c in candidates_of([mine])][-1] == "mine"
    assert len(candidates_of([mine])) == len(candidates_of()) + 1
    assert [c.name for c in candidates_of(["cka", mine, of_pair])] == ["cka", "mine", "of_pair"]
    assert [c.yours for c in candidates_of(["cka", mine])] == [False, True]


def test_functions_of_a_pair_and_of_two_arrays_are_told_apart():
    arrays, pair = candidates_of(["cka", mine, of_pair])[1:]
    assert arrays.similarity(pair_of()) == pytest.approx(mine(X, Y), rel=1e-6)
    assert pair.similarity(pair_of()) == sm.cka(pair_of()).value / 2


def test_a_distance_of_ones_own_is_declared():
    distance = sm.Measure("far", lambda x, y: -mine(x, y), frozenset({"orthogonal"}), kind="distance")
    candidate = candidates_of(["cka", distance])[1]
    assert candidate.similarity(pair_of()) == pytest.approx(mine(X, Y), rel=1e-6)
    assert candidate.rotatable


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["ckaa"], "no measure 'ckaa'; there is 'cka'"),
        (["cka", "cka"], "two are called 'cka'"),
        ([mine, mine], "two are called 'mine'"),
        ([3], "3; give a name, or a function of a pair or of two arrays"),
        ([lambda a, b, c: 0], "needs a, b, c; give a function of a pair, or of two arrays"),
        ([lambda: 0], "needs no arguments"),
        ([lambda x, *, y: 0], "needs x, y"),
    ],
)
def test_what_cannot_be_tested_is_refused(given, message):
    with pytest.raises(sm.SpanmatchError, match=message):
        candidates_of(given)


def test_failures_of_ones_own_function_name_it():
    def broken(x, y):
        return x @ y

    def undefined(x, y):
        return float("nan")

    for function, message in ((broken, "broken: ValueError"), (undefined, "undefined: its value is nan")):
        with pytest.raises(sm.SpanmatchError, match=message):
            candidates_of(["cka", function])[1].similarity(pair_of())


def test_results_serve_again_only_if_the_code_is_the_same():
    def first():
        def measure(x, y):
            return 1.0

        return measure

    def second():
        def measure(x, y):
            return 2.0

        return measure

    def closed_over(factor):
        def measure(x, y):
            return factor

        return measure

    digests = [candidates_of(["cka", function])[1].digest for function in (first(), first(), second())]
    assert digests[0] == digests[1] != digests[2]
    once = [candidates_of(["cka", closed_over(2)])[1].digest for _ in range(2)]
    assert once[0] != once[1] and all(digest.startswith(ONCE) for digest in once)


def test_candidates_of_spanmatch_reach_other_processes():
    for candidate in candidates_of():
        assert pickle.loads(pickle.dumps(candidate)).similarity(pair_of()) == candidate.similarity(pair_of())
