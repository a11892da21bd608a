"""Results that a pair of layers remembers: a pair never changes, so that nothing has to be computed twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from .pairs import Pair

Function = TypeVar("Function", bound=Callable[..., Any])
R = TypeVar("R")


def remembered(function: Function) -> Function:
    """Compute a pure function of a pair once for each choice of its other arguments, which must be hashable.

    The results are kept by the pair and released with it. They are shared by all callers, so that their arrays are
    made read-only. What raises an exception is not remembered.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def once(pair: Pair, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(pair, Pair):
            return function(pair, *args, **kwargs)  # which refuses it
        bound = signature.bind(pair, *args, **kwargs)
        bound.apply_defaults()
        key = (function, *list(bound.arguments.values())[1:])
        if key not in pair.results:
            pair.results[key] = _read_only(function(pair, *args, **kwargs))
        return pair.results[key]

    return cast("Function", once)


def _read_only(result: R) -> R:
    """Return a result whose arrays cannot be written to: an array, a tuple or a dataclass of them, or neither."""
    if isinstance(result, np.ndarray):
        result.flags.writeable = False
    elif isinstance(result, tuple):
        for part in result:
            _read_only(part)
    elif is_dataclass(result) and not isinstance(result, Pair):
        for field in fields(result):
            _read_only(getattr(result, field.name))
    return result
