"""What a test is: which values of a measure it needs, and the score that it makes of them.

A score is a function of the networks that are used, so that its error can be estimated by leaving out
each network in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..candidates import Candidate
from ..representation import PairKey, Representation

if TYPE_CHECKING:
    from ...schema import BenchDetails

Result = TypeVar("Result")
MOST_POINTS = 300
"""The most points of a chart."""
Values = Mapping[PairKey, float]
"""The similarities of pairs of layers by a measure: larger for more similar layers; nan where it is not defined."""


class About(Protocol):
    """What a test asks of a measure."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def question(self) -> str:
        """What it asks, in a sentence."""

    @property
    def unit(self) -> str:
        """What its score is, in a few words."""

    @property
    def lowest(self) -> float:
        """The smallest possible score."""

    @property
    def chance(self) -> float:
        """The expected score of a measure that knows nothing."""

    @property
    def perfect(self) -> float:
        """The score of a measure that returns the truth."""


class PairTest(About, Protocol):
    """A test of the similarities of pairs of layers."""

    def prepared(self, networks: Sequence[Representation]) -> list[Representation]:
        """Return the networks with what the test makes of their layers."""

    def pairs(self, networks: Sequence[Representation]) -> Iterable[PairKey]:
        """Return the pairs of layers whose similarities the test needs."""

    def score(self, values: Values, networks: Sequence[Representation]) -> float:
        """Return the score of a measure over some of the networks, nan if it is not defined."""

    def details(self, values: Values, networks: Sequence[Representation]) -> BenchDetails:
        """Return what is behind the score."""


class NetworkTest(About, Protocol[Result]):
    """A test that calls the measure itself, for one network at a time."""

    def run(self, candidate: Candidate, network: Representation) -> Result:
        """Return what the measure does on a network.  Raises SpanmatchError if it is not defined there."""

    def score(self, results: Sequence[Result]) -> float:
        """Return the score of a measure from its results on some of the networks."""

    def details(self, results: Sequence[Result]) -> BenchDetails:
        """Return what is behind the score."""


def last_hidden(network: Representation) -> str:
    """Return the last layer before the output."""
    layers = list(network.layers)
    return layers[-2] if len(layers) > 1 else layers[-1]


Pairs = Sequence[tuple[Representation, Representation]]


def pairs_at_last_hidden(pairs: Pairs) -> Iterator[PairKey]:
    """Return the last hidden layers of pairs of networks, in both orders."""
    for x, y in pairs:
        key = (x.network, last_hidden(x)), (y.network, last_hidden(y))
        yield from (key, key[::-1])


def at_last_hidden(values: Values, pairs: Pairs) -> NDArray[np.float64]:
    """Return the similarity of the last hidden layers of pairs of networks, the mean over both orders."""
    similarities = np.array([values[key] for key in pairs_at_last_hidden(pairs)]).reshape(-1, 2)
    mean: NDArray[np.float64] = similarities.mean(axis=1)
    return mean


def thinned(values: NDArray[np.float64], most: int) -> list[float]:
    """Return values sorted, at most so many, evenly spaced in rank."""
    places = np.linspace(0, max(len(values) - 1, 0), min(most, len(values))).astype(int)
    return [float(value) for value in np.sort(values)[places]]


class OfLayersAsTheyAre:
    """A test that makes nothing of the layers of networks."""

    def prepared(self, networks: Sequence[Representation]) -> list[Representation]:
        """Return the networks as they are."""
        return list(networks)
