"""Threads of linear algebra: one policy for every public function.

Matrices of a few hundred neurons take longer on several threads than on one: threads that wait for work spin, and take
the core from the one that has some. `as_many_as_help` is for a block of code, `few_threads` for a function of a pair of
layers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

SMALL = 1024
"""Neurons of two layers together, up to which one thread is as fast or faster: docs/benchmarks.md."""

P = ParamSpec("P")
R = TypeVar("R")


@contextlib.contextmanager
def as_many_as_help(neurons: int) -> Iterator[None]:
    """Let NumPy and SciPy use one thread meanwhile, if matrices of so many neurons gain nothing from more.

    The number of threads belongs to the whole process. Of several callers at a time, the first one sets it, and puts
    it back when it is done: threadpoolctl sees to that.
    """
    if neurons > SMALL:
        yield
        return
    with _libraries().limit(limits=1, user_api="blas"):
        yield


def few_threads(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function, whose first argument is a pair of layers, on as many threads as help."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        pair = args[0] if args else kwargs.get("pair")
        with as_many_as_help(sum(getattr(pair, "neurons", ()))):  # the function itself refuses what is no pair
            return function(*args, **kwargs)

    return limited


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
