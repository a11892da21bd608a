"""Threads of linear algebra: one policy for every public function.

Matrices of a few hundred neurons take longer on several threads than on one: threads that wait for work spin, and take
the core from the one that has some. `as_many_as_help` is for a block of code, `few_threads` for a function of a pair of
layers.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

SMALL = 1024
"""Neurons of two layers together, up to which one thread is as fast or faster: docs/benchmarks.md."""

P = ParamSpec("P")
R = TypeVar("R")
_lock = threading.Lock()
_users = 0
_limits: Any = None


@contextlib.contextmanager
def as_many_as_help(neurons: int) -> Iterator[None]:
    """Let NumPy and SciPy use one thread meanwhile, if matrices of so many neurons gain nothing from more.

    The number of threads belongs to the whole process: it is set by the first of several callers at a time, in
    whatever threads they are, and put back by the last.
    """
    if neurons > SMALL:
        yield
        return
    _limit()
    try:
        yield
    finally:
        _restore()


def few_threads(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function, whose first argument is a pair of layers, on as many threads as help."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        pair = args[0] if args else kwargs.get("pair")
        with as_many_as_help(sum(getattr(pair, "neurons", ()))):  # the function itself refuses what is no pair
            return function(*args, **kwargs)

    return limited


def _limit() -> None:
    global _users, _limits  # noqa: PLW0603  # the libraries' own count is global
    with _lock:
        if not _users:
            _limits = _libraries().limit(limits=1, user_api="blas")
        _users += 1


def _restore() -> None:
    global _users  # noqa: PLW0603
    with _lock:
        _users -= 1
        if not _users:
            _limits.restore_original_limits()


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
