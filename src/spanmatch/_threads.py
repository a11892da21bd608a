"""Number of threads of linear algebra: one policy for every public function.

Matrices of a few hundred neurons take longer on several threads than on one, because waiting
threads spin and occupy the cores of working ones. `as_many_as_help` limits the threads of a block
of code, `few_threads` those of a function of a pair of layers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

from ._process_state import ProcessState

SMALL, MEDIUM = 1024, 2048
"""Total numbers of neurons of two layers that bound the number of threads.

Up to the first, one thread is as fast or faster. Up to the second, more threads gain little, and
lose much if one of them shares its core: docs/benchmarks.md.
"""

P = ParamSpec("P")
R = TypeVar("R")

_thread_counts = ProcessState()


@contextlib.contextmanager
def as_many_as_help(neurons: int) -> Iterator[None]:
    """Limit NumPy and SciPy to the number of threads that matrices of this many neurons gain from.

    The number of threads belongs to the process. The first of several simultaneous callers, in any
    thread, sets it, and the last one restores it.
    """
    if neurons > MEDIUM:
        yield
        return
    with _thread_counts.changed(partial(_limited, 1 if neurons <= SMALL else _all_cores_but_one())):
        yield


def run_side_by_side(tasks: Sequence[Callable[[], object]]) -> None:
    """Run tasks that each gain nothing from several threads of linear algebra, on as many threads as it may use."""
    workers = min(len(tasks), _thread_count())
    with as_many_as_help(0):
        if workers < 2:
            for task in tasks:
                task()
            return
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(copy_context().run, task) for task in tasks]:
                done.result()


def few_threads(function: Callable[P, R]) -> Callable[P, R]:
    """Limit a function, whose first argument is a pair of layers, to the number of threads that it
    gains from.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        pair = args[0] if args else kwargs.get("pair")
        with as_many_as_help(sum(getattr(pair, "neurons", ()))):  # the function itself checks its argument
            return function(*args, **kwargs)

    return limited


def _limited(threads: int) -> Callable[[], object]:
    """Limit the number of threads, and return a function that restores it from whatever thread."""
    limits = _libraries().limit(limits=threads, user_api="blas")

    def restore() -> None:
        for library in _libraries().lib_controllers:
            if hasattr(library, "clear_controlling_thread"):  # otherwise only the first caller's thread can
                library.clear_controlling_thread(force=True)
        limits.restore_original_limits()

    return restore


def _all_cores_but_one() -> int:
    """Return the present number of threads minus one: a thread that shares its core delays all
    others.
    """
    return max(1, _thread_count() - 1)


def _thread_count() -> int:
    """Return the present number of threads of linear algebra."""
    threads = (library.num_threads for library in _libraries().lib_controllers if library.user_api == "blas")
    return max(threads, default=1)


@cache
def _libraries() -> ThreadpoolController:
    """Return the controller of the thread pools of loaded libraries."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
