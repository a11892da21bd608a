"""What a test is: which values of a measure it needs, and the score that it makes of them.

A score is a function of the networks that are used, so that its error can be estimated by leaving out
each network in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..candidates import Candidate
from ..representation import PairKey, Representation

if TYPE_CHECKING:
    from ...schema import BenchDetails

Result = TypeVar("Result")
Values = Mapping[PairKey, float]
"""The similarities of pairs of layers by a measure: larger for more similar layers; nan where it is not defined."""


class About(Protocol):
    """What a test asks of a measure."""

    name: str
    """Its name."""
    question: str
    """What it asks, in a sentence."""
    unit: str
    """What its score is, in a few words."""
    chance: float
    """The expected score of a measure that knows nothing."""
    perfect: float
    """The score of a measure that returns the truth."""


class PairTest(About, Protocol):
    """A test of the similarities of pairs of layers."""

    def prepared(self, networks: Sequence[Representation]) -> list[Representation]:
        """Return the networks with the further layers that the test makes of theirs."""

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
