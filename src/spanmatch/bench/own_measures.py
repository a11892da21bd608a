"""Measures of the user's own: functions of a pair or of two arrays, tried once before anything is trained."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import SupportsFloat
from uuid import uuid4

import numpy as np
from joblib import wrap_non_picklable_objects

from ..activations.from_names import function as function_named
from ..errors import BadArgument, SpanmatchError
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..similarity import Measure
from .candidates import Candidate, OfArrays, code_of_spanmatch, digest_of
from .function_digests import function_digest
from .tasks import ONCE

TRIED_ON = (100, 8)
"""Rows and neurons of the random layers that a measure is tried on."""


def own_measure(given: object) -> Candidate:
    """Return a measure of the caller's own as a candidate.

    Parameters
    ----------
    given : Measure, callable or str
        A function of a pair, or of two arrays (examples, neurons); a measure with its properties; or
        "file.py:function".

    Raises
    ------
    BadArgument
        If it is not a function of a pair or of two arrays, fails on random layers, or cannot be sent to
        other processes.
    """
    candidate = _coded(given) if isinstance(given, str) else _candidate(given)
    _check(candidate)
    return candidate


def _candidate(given: object) -> Candidate:
    """Return a function, or a measure with its properties, as a candidate."""
    if not callable(given):
        raise BadArgument(f"measures: {given!r}; give a name, or a function of a pair or of two arrays")
    function: Callable[..., SupportsFloat] = given.function if isinstance(given, Measure) else given
    name = given.name if isinstance(given, Measure) else str(getattr(function, "__name__", type(function).__name__))
    is_of_pair = _n_arguments(name, function) == 1
    candidate = Candidate(
        name,
        function if is_of_pair else partial(_of_rows, function),
        needs="moments" if is_of_pair else "sample",
        symmetric=False,
        yours=True,
    )
    if isinstance(given, Measure):
        rotatable = "orthogonal" in given.invariances
        needs = given.needs if is_of_pair else "sample"
        candidate = replace(candidate, kind=given.kind, needs=needs, symmetric=given.symmetric, rotatable=rotatable)
    known = function_digest(function)
    parts = (name, candidate.kind, str(candidate.symmetric), known, code_of_spanmatch())
    return replace(candidate, digest=digest_of(*parts) if known else f"{ONCE}{uuid4()}")


@dataclass(frozen=True)
class _Coded:
    """A function in a file of code, which each process runs for itself."""

    text: str
    digest: str

    def __call__(self, *arguments: object) -> SupportsFloat:
        """Call the function.  Raises SpanmatchError if the file is another one by now."""
        if _digest_of_named(self.text) != self.digest:
            raise SpanmatchError(f"{self.text}: the file has changed since it was read; start again")
        value: SupportsFloat = function_named(self.text)(*arguments)
        return value


@cache
def _digest_of_named(text: str) -> str:
    return function_digest(function_named(text))


def _coded(text: str) -> Candidate:
    """Return a function in a file of code as a candidate."""
    function = function_named(text)
    candidate, called = _candidate(function), _Coded(text, _digest_of_named(text))
    is_of_pair = candidate.needs == "moments"
    return replace(candidate, function=called if is_of_pair else partial(_of_rows, called))


def _n_arguments(name: str, function: Callable[..., object]) -> int:
    """Return how many arguments a function needs: 1, a pair, or 2, arrays."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise BadArgument(f"measures: what {name} takes is not known; wrap it: lambda x, y: {name}(x, y)") from error
    needed = [
        parameter
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    keywords = [parameter.name for parameter in needed if parameter.kind is parameter.KEYWORD_ONLY]
    if keywords or len(needed) not in (1, 2):
        raise BadArgument(
            f"measures: {name} needs {', '.join(parameter.name for parameter in needed) or 'no arguments'}; give a "
            "function of a pair, or of two arrays (examples, neurons)"
        )
    return len(needed)


def _of_rows(function: OfArrays, pair: Pair) -> SupportsFloat:
    """Call a function of two arrays with the sampled rows."""
    return function(pair.sample.X.astype(np.float64), pair.sample.Y.astype(np.float64))


def _check(candidate: Candidate) -> None:
    """Raise BadArgument if a measure fails on random layers of equal width, or cannot be sent to other processes."""
    rng, (rows, neurons) = np.random.default_rng(0), TRIED_ON
    moments = Moments(pairs=[("a:1", "b:1")], folds=4, null=False, sample=rows, method="qr")
    moments.update({name: rng.standard_normal((rows, neurons)) for name in ("a:1", "b:1")})
    takes = "a pair" if candidate.needs == "moments" else f"two arrays ({rows}, {neurons})"
    try:
        candidate.similarity(moments.pair("a:1", "b:1"))
    except SpanmatchError as error:
        raise BadArgument(f"measures: called with {takes} of random numbers, it failed: {error}") from error
    try:
        pickle.dumps(wrap_non_picklable_objects(candidate))
    except Exception as error:
        raise BadArgument(
            f"measures: {candidate.name} cannot be sent to other processes ({type(error).__name__}: {error}); give a "
            "function, or file.py:function"
        ) from error
