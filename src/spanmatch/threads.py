"""Threads of linear algebra: matrices of a few hundred neurons take longer on several than on one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any

SMALL = 1024
"""Neurons of two layers together, up to which one thread is as fast or faster: docs/benchmarks.md."""


@contextlib.contextmanager
def as_many_as_help(neurons: int) -> Iterator[None]:
    """Let NumPy and SciPy use one thread meanwhile, if matrices of so many neurons gain nothing from more."""
    if neurons > SMALL:
        yield
        return
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
