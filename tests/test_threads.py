"""Threads of linear algebra: one where matrices are small, as many as there were otherwise, and afterwards."""

from __future__ import annotations

import sys

import layers
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

import spanmatch as sm
from spanmatch.threads import SMALL, as_many_as_help


def used() -> set[int]:
    return {library.num_threads for library in ThreadpoolController().lib_controllers if library.user_api == "blas"}


def test_small_matrices_take_one_thread():
    with threadpool_limits(2, user_api="blas"):
        with as_many_as_help(SMALL):
            assert used() == {1}
        assert used() == {2}
        with as_many_as_help(SMALL + 1):
            assert used() == {2}
        with pytest.raises(ZeroDivisionError), as_many_as_help(1):
            raise ZeroDivisionError
        assert used() == {2}


def test_comparisons_do_so(monkeypatch):
    module, seen = sys.modules["spanmatch.compare"], []
    for name in ("match_profile", "convergence", "assess", "simple_matches"):
        whole = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, _whole=whole, **k: seen.append(used()) or _whole(*a, **k))
    X, Y = layers.related()
    with threadpool_limits(2, user_api="blas"):
        sm.compare({"a": {"l": X}, "b": {"l": Y}}, simple=[0.5])
        assert used() == {2}
    assert seen == [{1}] * 4
