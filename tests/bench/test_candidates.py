"""The measures that are tested: names, own functions, and which results of earlier runs serve."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys

import numpy as np
import pytest

import spanmatch as sm
from spanmatch.bench.chosen_measures import chosen_measures as candidates_of
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
        (mine, "give a list"),
        ("cka", "give a list"),
        ([lambda x, y: x + y], "called with two arrays .* TypeError"),
        ([lambda x, y=None: x.T], "called with a pair .* AttributeError"),
        ([lambda x, y: float("nan")], "its value is nan"),
        ([3], "3; give a name, or a function of a pair or of two arrays"),
        ([lambda a, b, c: 0], "needs a, b, c; give a function of a pair, or of two arrays"),
        ([lambda: 0], "needs no arguments"),
        ([lambda x, *, y: 0], "needs x, y"),
    ],
)
def test_what_cannot_be_tested_is_refused(given, message):
    with pytest.raises(sm.SpanmatchError, match=message):
        candidates_of(given)


FACTOR = 1.0


def scaled(x, y):
    return FACTOR * float(np.abs(x).sum())


def through_another(x, y):
    return scaled(x, y)


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def measure(self, x, y):
        return self.factor


def digest(function):
    return candidates_of(["cka", function])[1].digest


def test_results_serve_again_only_if_all_that_a_function_uses_is_the_same(monkeypatch):
    def closed_over(factor):
        def measure(x, y):
            return factor

        return measure

    assert digest(closed_over(2)) == digest(closed_over(2)) != digest(closed_over(3))
    before = digest(scaled), digest(through_another)
    assert before == (digest(scaled), digest(through_another))
    assert not any(name.startswith(ONCE) for name in before)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 2.0)
    assert all(new != old for new, old in zip((digest(scaled), digest(through_another)), before, strict=True))


def test_results_of_what_is_not_known_serve_once():
    several = [Scale(1).measure, functools.partial(lambda a, x, y: a, 1.0), lambda x, y, state=[]: len(state)]
    for function in several:
        one = sm.Measure("one", function, frozenset())
        first, second = digest(one), digest(one)
        assert first != second and first.startswith(ONCE)


def test_a_distance_has_results_of_its_own():
    kinds = [sm.Measure("far", mine, frozenset(), kind=kind) for kind in ("similarity", "distance")]
    assert digest(kinds[0]) != digest(kinds[1])


def test_files_beside_a_function_count(tmp_path):
    script = (
        "from spanmatch.bench.chosen_measures import chosen_measures as c; print(c(['cka', 'f.py:near'])[1].digest)"
    )

    def found():
        command = [sys.executable, "-B", "-c", script]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    (tmp_path / "beside.py").write_text("def value():\n    return 1.0\n")
    (tmp_path / "f.py").write_text("import beside\n\n\ndef near(x, y):\n    return beside.value()\n")
    first, again = found(), found()
    (tmp_path / "beside.py").write_text("def value():\n    return 222.0\n")
    assert first == again != found()
    assert not first.startswith(ONCE)


def test_s_at_any_eps_is_tested():
    (at,) = candidates_of(["s(0.41)"])
    assert at.similarity(pair_of()) == sm.match_profile(pair_of()).similarity(0.41)


def test_candidates_of_spanmatch_reach_other_processes():
    for candidate in candidates_of():
        assert pickle.loads(pickle.dumps(candidate)).similarity(pair_of()) == candidate.similarity(pair_of())
