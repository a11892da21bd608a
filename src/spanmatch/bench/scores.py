"""Scores with their error over networks, and which of two is the better one by more than the error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..evidence.intervals import reach_of
from ..study.seed_intervals import interval_within

LEVEL = 0.95
"""The confidence level of intervals and differences."""
ROUNDING = 1e-12
"""A difference of scores below it is none."""
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Score:
    """The score of a measure in a test, over all networks and with each left out."""

    value: float
    without: NDArray[np.float64]
    """(units,) the score with each network left out in turn, or all of one seed; nan where too little is left."""

    @property
    def error(self) -> float:
        """The jackknife's standard error; nan if the score is not defined without some network."""
        n = len(self.without)
        return float(np.sqrt((n - 1) / n * np.square(self.without - self.without.mean()).sum()))

    def interval(self, lowest: float, highest: float) -> tuple[float, float]:
        """Return the ends of the interval over networks, within bounds; nan where none can be claimed."""
        half_width = reach_of(LEVEL, len(self.without)) * self.error
        return interval_within(self.value, half_width if half_width > ROUNDING else float("nan"), (lowest, highest))

    def exceeds(self, other: Score) -> bool:
        """Tell whether the score is larger than another over the same networks by more than the error of the
        difference.
        """
        difference = Score(self.value - other.value, self.without - other.without)
        reach = reach_of(LEVEL, len(self.without)) * difference.error
        return bool(difference.value > ROUNDING and difference.value > reach)


def scored(score: Callable[[Sequence[Item]], float], items: Sequence[Item], units: Sequence[str]) -> Score:
    """Return a score over all networks, or over a result for each, and with parts of them left out.

    Parameters
    ----------
    score : callable
        The score of some of the networks.
    items : sequence
        The networks, or a result for each.
    units : sequence of str
        What each belongs to: those of one unit, such as networks of one seed, are left out together.

    Returns
    -------
    Score

    Notes
    -----
    The error is that of the delete-one jackknife over the n units: with m(-i) the score without unit i,
    error^2 = (n - 1) / n sum_i (m(-i) - mean_j m(-j))^2; intervals are Student's with n - 1 degrees of
    freedom. Each network is in many pairs: leaving it out removes all of them.
    """
    without = [
        score([item for item, unit in zip(items, units, strict=True) if unit != left_out])
        for left_out in dict.fromkeys(units)
    ]
    return Score(score(list(items)), np.array(without))
