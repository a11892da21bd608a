"""All tests of all measures on one set of networks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import Progress

from .candidates import Candidate
from .network_results import NetworkResults, network_results
from .network_sets import Kind, NetworkSet
from .protocols.decodability import Decodability
from .protocols.deleted_components import DeletedComponents
from .protocols.depth_order import DepthOrder
from .protocols.groups import Groups, chance_of
from .protocols.outputs import ACCURACY, PREDICTIONS, PROBABILITIES
from .protocols.probe_accuracy import ProbeAccuracy
from .protocols.protocol import About, NetworkTest, PairTest
from .protocols.same_layer import SameLayer
from .representation import Representation
from .scores import Score, scored
from .similarities import Similarities, similarities

if TYPE_CHECKING:
    from ..schema import BenchDetails

LEAST_DEFINED = 0.9
"""A measure has a score if it is defined for at least so large a share of the pairs of layers of a test."""
QUESTIONS: Mapping[Kind, str] = {
    "random labels": "Are networks trained with one share of random labels more similar than those of two shares?",
    "augmentation": "Are networks trained with one strength of noise more similar than those of two strengths?",
    "shortcut": "Are networks trained with one rate of a shortcut more similar than those of two rates?",
}


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a measure did in a test."""

    score: Score | None
    """None if the measure is not defined."""
    reason: str = ""
    """Why not."""
    defined: float = 1.0
    """The share of the pairs of layers for which the measure is defined."""
    details: BenchDetails | None = None


@dataclass(frozen=True)
class Tests:
    """The tests of a set of networks."""

    of_pairs: Sequence[PairTest]
    of_networks: Sequence[NetworkTest[Any]] = ()

    @property
    def all(self) -> list[About]:
        """All tests."""
        return [*self.of_pairs, *self.of_networks]

    def chosen(self, names: Collection[str] | None) -> Tests:
        """Return the tests of some names; all if there are no names."""
        if not names:
            return self
        return Tests(
            [test for test in self.of_pairs if test.name in names],
            [test for test in self.of_networks if test.name in names],
        )


@dataclass
class Outcomes:
    """How all measures did in all tests on a set of networks."""

    tests: Tests
    by_test: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    """By test and measure."""


def tests_of(network_set: NetworkSet, networks: Sequence[Representation]) -> Tests:
    """Return the tests of a set of networks."""
    of_layers: list[PairTest] = [SameLayer(len(networks[0].layers)), DepthOrder()]
    if network_set.kind == "layers":
        return Tests(of_layers)
    if network_set.kind == "seeds":
        of_probes: list[PairTest] = [DeletedComponents(), ProbeAccuracy()]
        return Tests([*of_layers, ACCURACY, PREDICTIONS, PROBABILITIES, *of_probes], [Decodability()])
    return Tests([Groups(network_set.kind, QUESTIONS[network_set.kind], chance_of(networks))])


def outcomes(
    network_set: NetworkSet,
    networks: Sequence[Representation],
    tests: Tests,
    candidates: Sequence[Candidate],
    folder: Path,
    workers: int,
    bar: Progress,
) -> Outcomes:
    """Return how measures do in tests on a set of networks."""
    found = Outcomes(tests)
    applicable = [c for c in candidates if network_set.rows != "flattened" or c.rotatable]
    for place, prepared in _sharing_layers(networks, tests.of_pairs):
        keys = [key for test, of_test in prepared for key in test.pairs(of_test)]
        results = similarities(applicable, prepared[0][1], keys, network_set.sample, folder / place, workers, bar)
        for candidate in applicable:
            for test, of_test in prepared:
                found.by_test[test.name, candidate.name] = _outcome(test, results[candidate.name], of_test)
    for network_test in tests.of_networks:
        by_measure = network_results(network_test, applicable, networks, folder / network_test.name, workers, bar)
        for name, of_measure in by_measure.items():
            found.by_test[network_test.name, name] = _outcome_over_networks(network_test, of_measure, len(networks))
    return found


def _sharing_layers(
    networks: Sequence[Representation], tests: Sequence[PairTest]
) -> Iterator[tuple[str, list[tuple[PairTest, list[Representation]]]]]:
    """Return tests with their networks, together if they need similarities of the same layers, and a name for them."""
    together: dict[tuple[str, ...], list[tuple[PairTest, list[Representation]]]] = defaultdict(list)
    for test in tests:
        prepared = test.prepared(networks)
        together[tuple(prepared[0].layers)].append((test, prepared))
    for layers, of_layers in together.items():
        yield "layers" if layers == tuple(networks[0].layers) else of_layers[0][0].name, of_layers


def _outcome(test: PairTest, results: Similarities, networks: Sequence[Representation]) -> Outcome:
    """Return the outcome of a test of pairs of layers for a measure."""
    keys = list(test.pairs(networks))
    defined = float(np.mean([not np.isnan(results.values[key]) for key in keys]))
    if defined < LEAST_DEFINED:
        return Outcome(None, f"not defined for {1 - defined:.0%} of the pairs of layers: {results.reason}", defined)
    seeds = [str(network.seed) for network in networks]
    score = scored(lambda some: test.score(results.values, some), networks, seeds)
    if np.isnan(score.value):
        return Outcome(None, "there are too few networks or layers", defined)
    return Outcome(score, "", defined, test.details(results.values, networks))


def _outcome_over_networks(test: NetworkTest[Any], results: NetworkResults, n_networks: int) -> Outcome:
    """Return the outcome of a test of one network at a time for a measure, which must be defined on all."""
    defined = len(results.results) / n_networks
    if defined < 1:
        return Outcome(None, f"not defined on {1 - defined:.0%} of the networks: {results.reason}", defined)
    score = scored(test.score, results.results, list(map(str, range(n_networks))))
    return Outcome(score, "", defined, test.details(results.results))
