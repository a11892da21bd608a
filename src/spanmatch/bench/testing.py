"""All tests of all measures on one set of networks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import Progress

from .candidates import Candidate
from .network_sets import Kind, NetworkSet
from .protocols.depth_order import DepthOrder
from .protocols.groups import Groups
from .protocols.outputs import ACCURACY, PREDICTIONS, PROBABILITIES
from .protocols.protocol import PairTest, WithoutFurtherLayers
from .protocols.same_layer import SameLayer
from .representation import Representation
from .scores import Score, scored
from .similarities import Similarities, similarities

if TYPE_CHECKING:
    from ..schema import BenchDetails

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
    details: BenchDetails | None = None


@dataclass
class Outcomes:
    """How all measures did in all tests on a set of networks."""

    tests: list[PairTest]
    by_test: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    """By test and measure."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """What each pair of layers took, by measure."""


def tests_of(one: NetworkSet, networks: Sequence[Representation]) -> list[PairTest]:
    """Return the tests of a set of networks."""
    of_layers: list[PairTest] = [SameLayer(len(networks[0].layers)), DepthOrder()]
    if one.kind == "layers":
        return of_layers
    if one.kind == "seeds":
        return [*of_layers, ACCURACY, PREDICTIONS, PROBABILITIES]
    alike = [x.group == y.group for i, x in enumerate(networks) for y in networks[:i]]
    return [Groups(one.kind, QUESTIONS[one.kind], float(np.mean(alike)))]


def outcomes(
    one: NetworkSet,
    networks: Sequence[Representation],
    tests: Sequence[PairTest],
    candidates: Sequence[Candidate],
    folder: Path,
    workers: int,
    bar: Progress,
) -> Outcomes:
    """Return how measures do in tests on a set of networks."""
    found = Outcomes(list(tests))
    applicable = [c for c in candidates if one.rows != "flattened" or c.rotatable]
    for group in _sharing_layers(tests):
        prepared = group[0].prepared(networks)
        keys = [key for test in group for key in test.pairs(prepared)]
        place = folder / (group[0].name if len(group) == 1 else "layers")
        results = similarities(applicable, prepared, keys, one.sample, place, workers, bar)
        for candidate in applicable:
            found.seconds[candidate.name] += results[candidate.name].seconds
            for test in group:
                found.by_test[test.name, candidate.name] = _outcome(test, results[candidate.name], prepared)
    return found


def _sharing_layers(tests: Sequence[PairTest]) -> Iterator[Sequence[PairTest]]:
    """Return tests in groups that need similarities of the same layers."""
    together: list[PairTest] = [test for test in tests if isinstance(test, WithoutFurtherLayers)]
    if together:
        yield together
    yield from ([test] for test in tests if not isinstance(test, WithoutFurtherLayers))


def _outcome(test: PairTest, results: Similarities, networks: Sequence[Representation]) -> Outcome:
    """Return the outcome of a test for a measure."""
    score = scored(lambda some: test.score(results.values, some), networks)
    if np.isnan(score.value) or np.isnan(score.without).any():
        return Outcome(None, results.reason or "it is defined for too few pairs of layers")
    return Outcome(score, "", test.details(results.values, networks))
