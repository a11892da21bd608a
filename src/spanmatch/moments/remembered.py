"""Results that a pair of layers caches: pairs are immutable, so nothing is computed twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a pure function of a pair so that the pair caches its results.

    Parameters
    ----------
    function : callable
        A pure function whose first argument is a `Pair`. All other arguments must be hashable.

    Returns
    -------
    callable
        The same function. It is computed once for each pair and choice of the other arguments.

    Notes
    -----
    Results are stored in `Pair.results` and released with the pair. All callers share them, so
    their arrays are made read-only. Exceptions are not cached.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def once(*args: P.args, **kwargs: P.kwargs) -> R:
        pair = args[0] if args else kwargs.get("pair")
        results: dict[Hashable, R] | None = getattr(pair, "results", None)
        if results is None:
            return function(*args, **kwargs)  # The function raises an error that says what is wrong.
        as_called = (function, args[1:], *kwargs.items())
        if as_called not in results:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            key = (function, *list(bound.arguments.values())[1:])
            if key not in results:
                results[key] = _read_only(function(*args, **kwargs))
            results[as_called] = results[key]  # so that the next call of this form need not be bound
        return results[as_called]

    return once


def _read_only(result: R) -> R:
    """Return a result with all its arrays, also in tuples and dataclasses but pairs, made
    read-only.
    """
    if isinstance(result, np.ndarray):
        result.flags.writeable = False
    elif isinstance(result, tuple):
        for part in result:
            _read_only(part)
    elif is_dataclass(result) and not hasattr(result, "results"):
        for field in fields(result):
            _read_only(getattr(result, field.name))
    return result
