"""The measures that are tested: those of spanmatch, s(eps), and functions of the user's own."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Literal, SupportsFloat
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..activations.code_names import is_code, parsed
from ..activations.from_names import function as function_named
from ..errors import BadArgument, SpanmatchError, among
from ..match import match_profile
from ..moments.pairs import Pair
from ..similarity import Measure, measures
from .tasks import ONCE

EPS = (0.15, 0.2, 0.25, 0.3, 0.5)
"""The eps at which s(eps) is tested."""

OfPair = Callable[[Pair], SupportsFloat]
OfArrays = Callable[[NDArray[np.float64], NDArray[np.float64]], SupportsFloat]

Given = str | Measure | OfPair | OfArrays
"""What a caller names or gives as a measure."""


@dataclass(frozen=True)
class Candidate:
    """A measure that is tested."""

    name: str
    """Its name in tables."""
    function: OfPair = field(repr=False)
    """The measure, a function of a pair."""
    kind: Literal["similarity", "distance"] = "similarity"
    """Whether larger values mean more similar, or less similar, layers."""
    needs: Literal["moments", "sample"] = "moments"
    """Whether its value is of the moments of all rows, or of the sampled rows."""
    symmetric: bool = True
    """Whether exchanging the layers leaves the value unchanged."""
    maximum_match: bool = False
    """Whether it is of the maximum match: the match area or s(eps)."""
    rotatable: bool = False
    """Whether rotations of the neurons leave the value unchanged, so that principal components do for them."""
    yours: bool = False
    """Whether it was given by the caller."""
    digest: str = ""
    """A short name of its code: results of the same digest are read, not computed again."""

    def similarity(self, pair: Pair) -> float:
        """Return the value, larger for more similar layers: of a distance, its negative.

        Raises SpanmatchError if the measure is not defined for these layers, or fails.
        """
        try:
            value = float(self.function(pair))
        except SpanmatchError:
            raise
        except Exception as error:
            if not self.yours:
                raise
            raise SpanmatchError(f"{self.name}: {type(error).__name__}: {error}") from error
        if np.isnan(value):
            raise SpanmatchError(f"{self.name}: its value is nan")
        return -value if self.kind == "distance" else value


def candidates_of(given: Sequence[Given] | None = None) -> list[Candidate]:
    """Return the measures to test.

    Parameters
    ----------
    given : sequence of str, Measure or callable, optional
        Names of measures, of which s(eps) is called "s(0.3)", and measures of the caller's own, also as
        "file.py:function". Without names, all measures are tested, with the caller's own.

    Returns
    -------
    list of Candidate

    Raises
    ------
    BadArgument
        If there is no measure of a name, a name is given twice, or a function is one of neither a pair
        nor two arrays.
    """
    known = {candidate.name: candidate for candidate in (*map(_declared, measures()), *map(_at, EPS))}
    given = list(given or ())
    names = [item for item in given if isinstance(item, str) and not is_code(item)]
    for name in names:
        if name not in known:
            raise BadArgument(f"measures: no measure {name!r}{among(name, known)}")
    chosen = [known[name] for name in names] if names else list(known.values())
    own = [item for item in given if not isinstance(item, str) or is_code(item)]
    chosen += [_coded(item) if isinstance(item, str) else _own(item) for item in own]
    _check_distinct(candidate.name for candidate in chosen)
    return chosen


def _check_distinct(names: Iterable[str]) -> None:
    """Raise BadArgument if two measures have one name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadArgument(
                f"measures: two are called {name!r}; give one another name: sm.Measure('name', function, ...)"
            )
        seen.add(name)


def _declared(measure: Measure) -> Candidate:
    """Return a declared measure of spanmatch as a candidate."""
    return Candidate(
        measure.name,
        measure.function,
        measure.kind,
        measure.needs,
        measure.symmetric,
        maximum_match=measure.name == "match area",
        rotatable="orthogonal" in measure.invariances,
        digest=_digest(measure.name, _code_of_spanmatch()),
    )


def _at(eps: float) -> Candidate:
    """Return s(eps) as a candidate."""
    name = f"s({eps:g})"
    return Candidate(name, partial(_similarity_at, eps), maximum_match=True, digest=_digest(name, _code_of_spanmatch()))


def _similarity_at(eps: float, pair: Pair) -> float:
    return match_profile(pair).similarity(eps)


def _own(measure: object) -> Candidate:
    """Return a measure of the caller's own as a candidate."""
    if not callable(measure):
        raise BadArgument(f"measures: {measure!r}; give a name, or a function of a pair or of two arrays")
    function: Callable[..., SupportsFloat] = measure.function if isinstance(measure, Measure) else measure
    name = measure.name if isinstance(measure, Measure) else str(getattr(function, "__name__", type(function).__name__))
    n_arguments = _n_arguments(name, function)
    of_pair: OfPair = function if n_arguments == 1 else partial(_of_rows, function)
    digest = _digest(name, _source(function), _code_of_spanmatch()) if _source(function) else f"{ONCE}{uuid4()}"
    if not isinstance(measure, Measure):
        return Candidate(name, of_pair, symmetric=False, yours=True, digest=digest)
    rotatable = "orthogonal" in measure.invariances
    return Candidate(
        name,
        of_pair,
        measure.kind,
        measure.needs,
        measure.symmetric,
        rotatable=rotatable,
        yours=True,
        digest=digest,
    )


@dataclass(frozen=True)
class _Coded:
    """A function in a file of code, which each process runs for itself."""

    text: str

    def __call__(self, *arguments: object) -> SupportsFloat:
        """Call the function."""
        value: SupportsFloat = function_named(self.text)(*arguments)
        return value


def _coded(text: str) -> Candidate:
    """Return a function in a file of code as a candidate."""
    candidate, code = _own(function_named(text)), parsed(text)
    called = _Coded(text)
    of_pair: OfPair = partial(_of_rows, called) if isinstance(candidate.function, partial) else called
    source = Path(code.place).read_text(encoding="utf-8") if code.is_file else ""
    digest = _digest(candidate.name, source, _code_of_spanmatch()) if source else candidate.digest
    return replace(candidate, function=of_pair, digest=digest)


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


def _source(function: Callable[..., object]) -> str:
    """Return the source of a function; empty if it is not known, or what the function does depends on more."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return ""
    closed_over = getattr(function, "__closure__", None) or getattr(function, "__defaults__", None)
    return "" if closed_over else source


@cache
def _code_of_spanmatch() -> str:
    """Return a digest of the code that the values of measures depend on."""
    here, package = Path(__file__).parent, Path(__file__).parents[1]
    files = [here / name for name in ("similarities.py", "protocols/decodability.py")]
    files += [file for name in ("match", "moments", "similarity") for file in (package / name).rglob("*.py")]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in sorted(files))).hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
