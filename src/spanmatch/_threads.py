"""Threads of linear algebra: one policy for every public function.

Matrices of a few hundred neurons take longer on several threads than on one: threads that wait for work spin, and take
the core from the one that has some. `as_many_as_help` is for a block of code, `few_threads` for a function of a pair of
layers.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

SMALL, MEDIUM = 1024, 2048
"""Neurons of two layers together, up to which one thread is as fast or faster, and up to which threads gain little and
lose much where one of them must share its core: docs/benchmarks.md."""

P = ParamSpec("P")
R = TypeVar("R")


@contextlib.contextmanager
def as_many_as_help(neurons: int) -> Iterator[None]:
    """Let NumPy and SciPy use as many threads meanwhile as matrices of so many neurons gain from.

    The number of threads belongs to the whole process: the first of several callers at a time sets it, in whatever
    threads they are, and the last one puts it back.
    """
    if neurons > MEDIUM:
        yield
        return
    _limit.enter(1 if neurons <= SMALL else _all_cores_but_one())
    try:
        yield
    finally:
        _limit.leave()


def run_side_by_side(tasks: Sequence[Callable[[], object]]) -> None:
    """Run tasks that each gain nothing from several threads of linear algebra, on as many threads as it may use."""
    workers = min(len(tasks), max((library.num_threads for library in _blas_libraries()), default=1))
    with as_many_as_help(0):
        if workers < 2:
            for task in tasks:
                task()
            return
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(copy_context().run, task) for task in tasks]:
                done.result()


def few_threads(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function, whose first argument is a pair of layers, on as many threads as help."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        pair = args[0] if args else kwargs.get("pair")
        with as_many_as_help(sum(getattr(pair, "neurons", ()))):  # the function itself refuses what is no pair
            return function(*args, **kwargs)

    return limited


class _Limit:
    """How many callers want fewer threads now, and what to put back after the last of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.callers = 0
        self.limits: Any = None

    def enter(self, threads: int) -> None:
        with self.lock:
            if not self.callers:
                self.limits = _libraries().limit(limits=threads, user_api="blas")
            self.callers += 1

    def leave(self) -> None:
        with self.lock:
            self.callers -= 1
            if not self.callers:
                for library in _libraries().lib_controllers:
                    if hasattr(library, "clear_controlling_thread"):  # else only the first caller's thread could
                        library.clear_controlling_thread(force=True)
                self.limits.restore_original_limits()


_limit = _Limit()


def _all_cores_but_one() -> int:
    """Return as many threads as there are now, less one: a thread that shares its core holds up all others."""
    threads = [library.num_threads for library in _libraries().lib_controllers if library.user_api == "blas"]
    return max(1, max(threads, default=1) - 1)


def _blas_libraries() -> list[Any]:
    return [library for library in _libraries().lib_controllers if library.user_api == "blas"]


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
