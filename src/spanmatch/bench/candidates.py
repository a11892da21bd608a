"""The measures that are tested: those of spanmatch, s(eps), and functions of the user's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Literal, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from ..errors import BadArgument, SpanmatchError, among
from ..match import match_profile
from ..moments.pairs import Pair
from ..similarity import Measure, measures

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


def known_measures() -> dict[str, Candidate]:
    """Return the measures of spanmatch by name: all that are declared, and s(eps) at some eps."""
    return {candidate.name: candidate for candidate in (*map(_declared, measures()), *map(_at, EPS))}


def named_measure(name: str) -> Candidate:
    """Return a measure of spanmatch; s(eps) at any eps.  Raises BadArgument if there is none of this name."""
    known, at = known_measures(), re.fullmatch(r"s\((0?\.\d+)\)", name)
    if at and name not in known:
        return _at(float(at[1]))
    if name not in known:
        raise BadArgument(f"measures: no measure {name!r}{among(name, known)}")
    return known[name]


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
        digest=digest_of(measure.name, code_of_spanmatch()),
    )


def _at(eps: float) -> Candidate:
    """Return s(eps) as a candidate."""
    name = f"s({eps:g})"
    return Candidate(
        name, partial(_similarity_at, eps), maximum_match=True, digest=digest_of(name, code_of_spanmatch())
    )


def _similarity_at(eps: float, pair: Pair) -> float:
    return match_profile(pair).similarity(eps)


@cache
def code_of_spanmatch() -> str:
    """Return a digest of the code that the values of measures depend on."""
    here, package = Path(__file__).parent, Path(__file__).parents[1]
    files = [here / name for name in ("similarities.py", "components.py", "protocols/decodability.py")]
    files += [file for name in ("match", "moments", "similarity") for file in (package / name).rglob("*.py")]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in sorted(files))).hexdigest()


def digest_of(*parts: str) -> str:
    """Return a short name of some texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
