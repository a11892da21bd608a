"""Results that a pair of layers caches: pairs are immutable, so nothing is computed twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])
R = TypeVar("R")


def remembered(function: Function) -> Function:
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
    def once(pair: Any, *args: Any, **kwargs: Any) -> Any:
        results = getattr(pair, "results", None)
        if results is None:
            return function(pair, *args, **kwargs)  # The function raises an error that says what is wrong.
        bound = signature.bind(pair, *args, **kwargs)
        bound.apply_defaults()
        key = (function, *list(bound.arguments.values())[1:])
        if key not in results:
            results[key] = _read_only(function(pair, *args, **kwargs))
        return results[key]

    return cast("Function", once)


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
