"""Accuracy and outputs: are networks whose outputs differ more also less similar?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import rel_entr

from ...moments.remembered import remembered
from ..rank_correlation import rank_correlation
from ..representation import PairKey, Representation
from .protocol import OfLayersAsTheyAre, Values, at_last_hidden, pairs_at_last_hidden

if TYPE_CHECKING:
    from ...schema import BenchDetails

Difference = Callable[[Representation, Representation], float]


@dataclass(frozen=True)
class Outputs(OfLayersAsTheyAre):
    """Does the dissimilarity of two networks at their last hidden layer go with how much their outputs differ?

    The score is Spearman's correlation over all pairs of networks. The similarity is the mean over both
    orders of the two.

    References
    ----------
    Klabunde, M., et al. (2025). ReSi: a comprehensive benchmark for representational similarity
    measures. ICLR.
    """

    name: str
    question: str
    axis: str
    difference: Difference
    unit: str = "rank correlation"
    lowest: float = -1.0
    chance: float = 0.0
    perfect: float = 1.0

    def pairs(self, networks: Sequence[Representation]) -> Iterator[PairKey]:
        """Return the last hidden layer of every two networks."""
        return pairs_at_last_hidden(list(combinations(networks, 2)))

    def score(self, values: Values, networks: Sequence[Representation]) -> float:
        """Return Spearman's correlation; nan if the measure is defined for fewer than three pairs."""
        return rank_correlation(*self._compared(values, networks))

    def details(self, values: Values, networks: Sequence[Representation]) -> BenchDetails:
        """Return both quantities of each pair of networks."""
        dissimilarities, differences = self._compared(values, networks)
        return {
            "kind": "scatter",
            "x_axis": "dissimilarity (minus similarity)",
            "y_axis": self.axis,
            "x": dissimilarities.tolist(),
            "y": differences.tolist(),
        }

    def _compared(
        self, values: Values, networks: Sequence[Representation]
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
        pairs = list(combinations(networks, 2))
        similarities = at_last_hidden(values, pairs)
        differences = np.array([self.difference(x, y) for x, y in pairs])
        defined = ~np.isnan(similarities)
        return -similarities[defined], differences[defined]


def of_accuracy(x: Representation, y: Representation) -> float:
    """Return the difference of the accuracies of two networks."""
    return abs(x.accuracy - y.accuracy)


def of_predictions(x: Representation, y: Representation) -> float:
    """Return the share of examples for which two networks predict different classes."""
    return float(np.mean(x.probabilities.argmax(axis=1) != y.probabilities.argmax(axis=1)))


@remembered
def of_probabilities(x: Representation, y: Representation) -> float:
    """Return the mean Jensen-Shannon divergence of the probabilities that two networks give to the classes, in nats."""
    middle = (x.probabilities + y.probabilities) / 2
    divergences = rel_entr(x.probabilities, middle) + rel_entr(y.probabilities, middle)
    return float(divergences.sum(axis=1).mean() / 2)


ACCURACY = Outputs(
    "accuracy",
    "Are networks whose accuracies differ more also less similar before their output?",
    "difference of accuracies",
    of_accuracy,
)
PREDICTIONS = Outputs(
    "predictions",
    "Are networks that disagree on more examples also less similar before their output?",
    "share of examples with other predictions",
    of_predictions,
)
PROBABILITIES = Outputs(
    "probabilities",
    "Are networks whose probabilities differ more also less similar before their output?",
    "Jensen-Shannon divergence (nats)",
    of_probabilities,
)
