"""Threads of linear algebra: one where matrices are small, as many as there were otherwise, and afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import layers
import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

import spanmatch as sm
from spanmatch._process_state import ProcessState
from spanmatch._threads import MEDIUM, SMALL, as_many_as_help
from spanmatch.moments.pairs import Pair

PAIR = sm.pair(*layers.related(), bins=4)
MATCH = sm.maximum_match(PAIR, 0.6)


def fresh() -> Pair:
    """The same pair, which remembers nothing."""
    return replace(PAIR, results={})


OF_A_PAIR = {
    "maximum_match": lambda: sm.maximum_match(fresh(), 0.5),
    "match_profile": lambda: sm.match_profile(pair=fresh()),
    "minimum_match": lambda: sm.minimum_match(fresh(), ("x", int(MATCH.x[0])), 0.6),
    "simple_matches": lambda: sm.simple_matches(fresh(), 0.6, time_limit=0),
    "exact_structure": lambda: sm.exact_structure(fresh()),
    "coefficients": lambda: MATCH.coefficients(fresh()),
    "verify": lambda: MATCH.verify(fresh()),
    "correlation": lambda: sm.correlation(fresh()),
    "one_to_one": lambda: sm.one_to_one(fresh()),
    "mutual_information": lambda: sm.mutual_information(fresh()),
    "sparse_map": lambda: sm.sparse_map(fresh(), 3),
    "clusters": lambda: sm.clusters(fresh()),
    "align": lambda: sm.align(fresh()),
    **{measure.name: lambda measure=measure: measure(fresh()) for measure in sm.measures()},
    "null": lambda: sm.null(fresh(), sm.cka),
    "jackknife": lambda: sm.jackknife(fresh(), sm.cka),
    "held_out": lambda: sm.held_out(fresh(), MATCH),
    "profile_evidence": lambda: sm.profile_evidence(fresh(), eps=[0.5]),
    "rows_needed": lambda: sm.rows_needed(fresh()),
    "assess": lambda: sm.assess(fresh(), sm.match_profile(PAIR)),
}


def used() -> set[int]:
    return {library.num_threads for library in ThreadpoolController().lib_controllers if library.user_api == "blas"}


def test_small_matrices_take_one_thread():
    with threadpool_limits(2, user_api="blas"):
        for neurons, threads in ((SMALL, 1), (SMALL + 1, 1), (MEDIUM + 1, 2)):  # all cores but one are one of two
            with as_many_as_help(neurons):
                assert used() == {threads}
            assert used() == {2}
        with pytest.raises(ZeroDivisionError), as_many_as_help(1):
            raise ZeroDivisionError
        assert used() == {2}


def test_a_caller_that_is_stopped_while_it_changes_the_state_leaves_it_as_it_was():
    state, count = ProcessState(), []

    def stop() -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), state.changed(lambda: lambda: count.append("restored"), stop):
            pass
    assert count == ["restored", "restored"]


@pytest.mark.parametrize("name", OF_A_PAIR)
def test_every_function_of_a_pair_does_so(name, monkeypatch):
    seen: list[int] = []
    whole = Pair.active
    monkeypatch.setattr(Pair, "active", lambda *a, **k: seen.extend(used()) or whole(*a, **k))
    energy = Pair.energy
    monkeypatch.setattr(Pair, "energy", lambda *a, **k: seen.extend(used()) or energy(*a, **k))
    with threadpool_limits(2, user_api="blas"):
        OF_A_PAIR[name]()
        assert used() == {2}
    assert set(seen) == {1}


CALLERS = """
import threading, numpy, scipy.linalg
from threadpoolctl import ThreadpoolController
from spanmatch._process_state import ProcessState
from spanmatch._threads import as_many_as_help

def used():
    return {lib.num_threads for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"}

before, entered, first_left, inside = used(), threading.Barrier(2), threading.Event(), []

def first():
    with as_many_as_help(1):
        inside.append(used())
        entered.wait()
    first_left.set()

def last():
    with as_many_as_help(1):
        entered.wait()
        first_left.wait()  # leaves after the one that set the count

workers = [threading.Thread(target=work) for work in (first, last)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(before, inside[0], used())
"""


def test_callers_in_several_threads_leave_the_count_as_it_was():
    # In a process of its own: here, the thread that these tests run in has set the count.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    ended = subprocess.run([sys.executable, "-c", CALLERS], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[0] in ("{2} {1} {2}", "{2} {2} {2}")  # whichever came first had the say


def test_what_is_no_pair_is_still_refused_by_the_function():
    with pytest.raises(sm.SpanmatchError, match="expected a pair of layers, got ndarray"):
        sm.cka(np.ones((3, 2)))
