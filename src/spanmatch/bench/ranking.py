"""Places of measures: ranks in each test, mean ranks over tests, and which differences are larger than their error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from ..study.seed_intervals import Spread, over_seeds
from .scores import Score


@dataclass(frozen=True, eq=False)
class Column:
    """The scores of all measures in one test on one set of networks."""

    test: str
    networks: str
    scores: Mapping[str, Score]
    """By measure; those that are defined."""
    ranked: bool = True
    """Whether the mean rank counts it."""

    @property
    def ranks(self) -> dict[str, float]:
        """The rank of each measure, 1 the best; ties share their mean rank."""
        ranks = rankdata([-score.value for score in self.scores.values()])
        return dict(zip(self.scores, map(float, ranks), strict=True))

    @property
    def best(self) -> set[str]:
        """The measures that no other exceeds by more than the error of the difference."""
        return {name for name in self.scores if not any(self._exceeds(other, name) for other in self.scores)}

    def won(self, measure: str) -> int:
        """Return how many measures one exceeds by more than the error of the difference."""
        return sum(self._exceeds(measure, other) for other in self.scores)

    def lost(self, measure: str) -> int:
        """Return how many measures exceed one by more than the error of the difference."""
        return sum(self._exceeds(other, measure) for other in self.scores)

    def _exceeds(self, one: str, other: str) -> bool:
        if one not in self.scores or other not in self.scores:
            return False
        return self.scores[one].exceeds(self.scores[other])


@dataclass(frozen=True)
class Place:
    """The place of a measure among all."""

    rank: Spread
    """The mean over tests of its rank, averaged over sets of networks; its interval is over tests."""
    won: int
    lost: int
    """In how many comparisons with another measure, over all tests, it is better, or worse, by more than the error."""


def places(measures: Sequence[str], columns: Sequence[Column]) -> dict[str, Place]:
    """Return the place of each measure, the best mean rank first.

    Measures for which no test is defined come last.
    """
    counted = [column for column in columns if column.ranked] or list(columns)
    ranks = [(column.test, column.ranks) for column in counted]
    found = {}
    for measure in measures:
        by_test: dict[str, list[float]] = defaultdict(list)
        for test, of_test in ranks:
            if measure in of_test:
                by_test[test].append(of_test[measure])
        found[measure] = Place(
            over_seeds([float(np.mean(values)) for values in by_test.values()], bounds=(1.0, float(len(measures)) + 1)),
            sum(column.won(measure) for column in counted),
            sum(column.lost(measure) for column in counted),
        )
    return dict(sorted(found.items(), key=lambda item: (np.isnan(item[1].rank.value), item[1].rank.value)))
