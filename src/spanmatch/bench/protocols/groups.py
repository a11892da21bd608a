"""Groups of networks that were trained in different ways: are networks of one group the more similar ones?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import average_precision_score

from ..rank_correlation import levels
from ..representation import PairKey, Representation
from .protocol import MOST_POINTS, OfLayersAsTheyAre, Values, at_last_hidden, pairs_at_last_hidden, thinned

if TYPE_CHECKING:
    from ...schema import BenchDetails


@dataclass(frozen=True)
class Groups(OfLayersAsTheyAre):
    """Are networks of one group, which differ in their seed alone, more similar than those of two groups?

    The score is the average precision with which the similarity at the last hidden layer tells pairs
    within a group from pairs of two groups. Networks of one seed, which began with the same weights,
    are not compared. The similarity is the mean over both orders of two networks. Its chance: `chance_of`.

    References
    ----------
    Klabunde, M., et al. (2025). ReSi: a comprehensive benchmark for representational similarity
    measures. ICLR.
    """

    name: str
    question: str
    chance: float
    """See `chance_of`."""
    unit: str = "average precision"
    lowest: float = 0.0
    perfect: float = 1.0

    def pairs(self, networks: Sequence[Representation]) -> Iterator[PairKey]:
        """Return the last hidden layer of every two networks that are compared."""
        return pairs_at_last_hidden(_compared(networks))

    def score(self, values: Values, networks: Sequence[Representation]) -> float:
        """Return the average precision; nan if no pair of a kind is left for which the measure is defined."""
        similarities, alike = _similarities(values, networks)
        if alike.all() or not alike.any():
            return float("nan")
        return float(average_precision_score(alike, levels(similarities)))

    def details(self, values: Values, networks: Sequence[Representation]) -> BenchDetails:
        """Return the similarities within groups and of two groups."""
        similarities, alike = _similarities(values, networks)
        rate = self.violations(values, networks)
        return {
            "kind": "strips",
            "axis": f"similarity (a pair of two groups exceeds one of a group at a rate of {rate:.2f})",
            "labels": ["same group", "two groups"],
            "values": [thinned(similarities[alike], MOST_POINTS), thinned(similarities[~alike], MOST_POINTS)],
        }

    def violations(self, values: Values, networks: Sequence[Representation]) -> float:
        """Return the rate at which a pair of two groups is more similar than one within a group; ties count half."""
        similarities, alike = _similarities(values, networks)
        within, across = similarities[alike], similarities[~alike]
        if not len(within) or not len(across):
            return float("nan")
        return float(np.mean(across[:, None] > within) + np.mean(across[:, None] == within) / 2)


def chance_of(networks: Sequence[Representation]) -> float:
    """Return the expected average precision of a random order of all pairs of networks.

    With m of n pairs within a group and H the n-th harmonic number, it is
    H / n + (1 - H / n) (m - 1) / (n - 1).
    """
    alike = [x.group == y.group for x, y in _compared(networks)]
    n, m = len(alike), sum(alike)
    first = float(np.sum(1 / np.arange(1, n + 1))) / n
    return first + (1 - first) * (m - 1) / (n - 1)


def _similarities(
    values: Values, networks: Sequence[Representation]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return the similarities of networks that are compared, and whether both are of one group."""
    pairs = _compared(networks)
    similarities = at_last_hidden(values, pairs)
    alike = np.array([x.group == y.group for x, y in pairs])
    defined = ~np.isnan(similarities)
    return similarities[defined], alike[defined]


def _compared(networks: Sequence[Representation]) -> list[tuple[Representation, Representation]]:
    """Return every two networks of different seeds."""
    return [(x, y) for x, y in combinations(networks, 2) if x.seed != y.seed]
