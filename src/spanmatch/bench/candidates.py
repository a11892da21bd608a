"""The measures that are tested: those of spanmatch, s(eps), and functions of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, SupportsFloat

import numpy as np

from ..errors import SpanmatchError
from ..moments.pairs import Pair


@dataclass(frozen=True)
class Candidate:
    """A measure that is tested."""

    name: str
    """Its name in tables."""
    function: Callable[[Pair], SupportsFloat] = field(repr=False)
    """The measure, a function of a pair."""
    kind: Literal["similarity", "distance"] = "similarity"
    """Whether larger values mean more similar, or less similar, layers."""
    needs: Literal["moments", "sample"] = "moments"
    """Whether its value is of the moments of all rows, or of the sampled rows."""
    symmetric: bool = True
    """Whether exchanging the layers leaves the value unchanged."""
    yours: bool = False
    """Whether it was given by the caller."""
    digest: str = ""
    """A short name of its code: results of the same digest are read, not computed again; empty to compute always."""

    def similarity(self, pair: Pair) -> float:
        """Return the value, larger for more similar layers: of a distance, its negative.

        Raises SpanmatchError if the measure is not defined for these layers.
        """
        value = float(self.function(pair))
        if np.isnan(value):
            raise SpanmatchError(f"{self.name}: its value is nan")
        return -value if self.kind == "distance" else value
