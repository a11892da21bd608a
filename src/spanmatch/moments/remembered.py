"""Results that a pair of layers caches: pairs are immutable, so nothing is computed twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

_OF_EACH_LAYER: set[Callable[..., object]] = set()


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


def remember(pair: object, function: Callable[..., R], result: R, **kwargs: Hashable) -> None:
    """Make a pair remember what a function returned of an equal pair, so that it is not computed again.

    Parameters
    ----------
    pair : Pair
        The pair.
    function : callable
        A `remembered` function.
    result : object
        What it returned.
    **kwargs
        The arguments that it was called with.
    """
    results: dict[Hashable, R] = pair.results  # type: ignore[attr-defined]
    original: Callable[..., R] = function.__wrapped__  # type: ignore[attr-defined]
    bound = inspect.signature(original).bind(pair, **kwargs)
    bound.apply_defaults()
    results[(original, *list(bound.arguments.values())[1:])] = result


def of_each_layer(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function, to be `remembered`, whose result does not depend on which rows of the layers correspond.

    Parameters
    ----------
    function : callable
        A pure function of a pair, which uses the moments within each layer alone.

    Returns
    -------
    callable
        The same function.
    """
    _OF_EACH_LAYER.add(function)
    return function


def results_of_each_layer(results: Mapping[Hashable, object]) -> dict[Hashable, object]:
    """Return those of a pair's results that hold for all ways in which the rows of its layers correspond.

    Parameters
    ----------
    results : mapping
        `Pair.results`.

    Returns
    -------
    dict
    """
    return {key: result for key, result in results.items() if isinstance(key, tuple) and key[0] in _OF_EACH_LAYER}


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
