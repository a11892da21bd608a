"""The value of a measure in a world where nothing corresponds.

Rows of x are paired with rows of other examples of y: both layers stay as they are, only what they have in common is
gone.
Source: docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import SupportsFloat

from ..errors import SpanmatchError
from ..joint import Pair, checked_pair

Statistic = Callable[[Pair], SupportsFloat]
"""A measure, or any function of a pair that gives a number."""


@dataclass(frozen=True)
class Null:
    """A measure beside what it would be by chance."""

    name: str
    value: float
    """In the null world."""
    estimate: float
    """In this one."""
    rows: int

    @property
    def excess(self) -> float:
        """What there is beyond chance: estimate - value."""
        return self.estimate - self.value

    def __float__(self) -> float:
        """Return the value in the null world."""
        return self.value


def null(pair: Pair, measure: Statistic) -> Null:
    """Return a measure of the null pairing, beside that of the pair itself.

    Args: measure, any function of a pair that gives a number, as `sm.cka`. Raises SpanmatchError if no null pairing
    was kept.
    Cost: of the measure, twice.

    >>> import numpy as np, spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((1000, 5))
    >>> result = sm.null(sm.pair(X, X), sm.cka)
    >>> result.estimate > 0.999, result.value < 0.01
    (True, True)
    """
    checked_pair(pair)
    name = name_of(measure)
    return Null(name, float(measure(pair.null)), float(measure(pair)), pair.rows)


def null_of(pair: Pair) -> Pair | None:
    """Return the null world, None if no null pairing was kept, or not of all rows."""
    try:
        return pair.null
    except SpanmatchError:
        return None


def name_of(measure: Statistic) -> str:
    """Return what to call a measure.  Raises SpanmatchError for what is no function."""
    if not callable(measure):
        raise SpanmatchError(f"measure={measure!r}: give a function of a pair, as sm.cka")
    return str(getattr(measure, "name", None) or getattr(measure, "__name__", None) or type(measure).__name__)
