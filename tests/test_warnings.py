"""Ignored warnings: those of the category alone, in several threads at once, and never afterwards."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from spanmatch._warnings import ignoring


def test_only_warnings_that_fit_are_ignored():
    with ignoring(FutureWarning, "an old name"):
        warnings.warn("an old name of it", FutureWarning, stacklevel=1)
        with pytest.raises(FutureWarning, match="another"):
            warnings.warn("another", FutureWarning, stacklevel=1)
        with pytest.raises(UserWarning, match="an old name"):
            warnings.warn("an old name", UserWarning, stacklevel=1)
    with pytest.raises(FutureWarning):
        warnings.warn("an old name of it", FutureWarning, stacklevel=1)


def test_callers_in_several_threads_do_not_wait_for_each_other():
    """Each leaves when all are in, in another order than they came."""
    before, count = list(warnings.filters), 4
    all_in, leaving = threading.Barrier(count), [threading.Event() for _ in range(count)]
    leaving[-1].set()

    def work(k: int) -> None:
        with ignoring((UserWarning, FutureWarning)[k % 2]):
            all_in.wait(timeout=30)
            assert leaving[k].wait(timeout=30)
            warnings.warn("not heard", (UserWarning, FutureWarning)[k % 2], stacklevel=1)
        if k:
            leaving[k - 1].set()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))
    assert list(warnings.filters) == before


def test_filters_are_restored_after_an_error_and_inside_another_block():
    before = list(warnings.filters)
    with ignoring(UserWarning):
        with pytest.raises(ZeroDivisionError), ignoring(FutureWarning):
            raise ZeroDivisionError
        warnings.warn("not heard", UserWarning, stacklevel=1)
    assert list(warnings.filters) == before
