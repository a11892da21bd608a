"""Places of measures: ranks in each test, mean ranks over tests, and which differences are significant."""

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
    scores: Mapping[str, Score]
    """By measure; those that are defined."""
    ranked: bool = True
    """Whether the mean rank counts it."""

    def ranks(self, measures: Sequence[str]) -> dict[str, float]:
        """Return the rank of each measure, 1 the best; ties share their mean rank, and measures without a score the
        last ranks.
        """
        values = [self.scores[name].value if name in self.scores else -np.inf for name in measures]
        return dict(zip(measures, map(float, rankdata(-np.array(values))), strict=True))

    @property
    def best(self) -> set[str]:
        """The measure with the highest score, and those that it does not exceed significantly."""
        if not self.scores:
            return set()
        top = max(self.scores, key=lambda name: self.scores[name].value)
        value = self.scores[top].value
        return {
            name
            for name, score in self.scores.items()
            if score.value == value or (not np.isnan(score.error) and not self._exceeds(top, name))
        }

    def won(self, measure: str) -> int:
        """Return how many measures one exceeds significantly."""
        return sum(self._exceeds(measure, other) for other in self.scores)

    def lost(self, measure: str) -> int:
        """Return how many measures exceed one significantly."""
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
    """In how many comparisons with another measure, over tests and sets, it is significantly better, or worse."""


def places(measures: Sequence[str], columns: Sequence[Column]) -> dict[str, Place]:
    """Return the place of each measure, the best mean rank first."""
    counted = [column for column in columns if column.ranked] or list(columns)
    ranks = [(column.test, column.ranks(measures)) for column in counted]
    found = {}
    for measure in measures:
        by_test: dict[str, list[float]] = defaultdict(list)
        for test, of_test in ranks:
            by_test[test].append(of_test[measure])
        found[measure] = Place(
            over_seeds([float(np.mean(values)) for values in by_test.values()], bounds=(1.0, max(2, len(measures)))),
            sum(column.won(measure) for column in counted),
            sum(column.lost(measure) for column in counted),
        )
    return dict(sorted(found.items(), key=lambda item: item[1].rank.value))
