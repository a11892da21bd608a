"""A complete benchmark: train networks, compute similarities, test every measure, write the results.

Everything is kept: networks by the study that trains them, similarities by what they were made from and
the code of the measure. A benchmark that was stopped is continued, and a new measure costs only its own
time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from .. import __about__
from .._files import Path_, locked
from .._progress import announce, progress_bar
from .._values import short
from ..errors import BadArgument, SpanmatchError, among
from ..study.runs import TrainedVariant
from ..study.seed_intervals import shares_over_seeds
from .candidates import Candidate, Given
from .chosen_measures import chosen_measures
from .costs import seconds_of
from .network_sets import ROWS, TESTS, NetworkSet, network_sets, trained
from .protocols.protocol import About
from .ranking import Column, places
from .representation import Representation
from .representing import representations
from .result import Bench
from .scores import LEVEL
from .testing import Outcome, Outcomes, outcomes, tests_of

if TYPE_CHECKING:
    from ..schema import BenchMeasureRecord, BenchNetworksRecord, BenchRecord, BenchScoreRecord

RUNNING = ".spanmatch-bench"
"""The lock of a run."""
NETWORKS, SIMILARITIES = "networks", "similarities"
"""In the folder of the results: trained networks, and what is kept of each measure."""


@dataclass(frozen=True, eq=False)
class Tested:
    """A set of networks with how measures did on it."""

    network_set: NetworkSet
    variants: Mapping[str, TrainedVariant]
    networks: Sequence[Representation]
    outcomes: Outcomes


def run(
    measures: Sequence[Given] | None,
    tests: Sequence[str] | None,
    networks: Sequence[str] | None,
    data: Path_ | None,
    out: Path_,
    quick: bool,
    workers: int | None,
) -> Bench:
    """Run a benchmark to its end, from where it was stopped; see `sm.run_bench`."""
    candidates, folder = chosen_measures(measures), Path(out)
    _check_tests(tests)
    sets = [
        network_set
        for network_set in network_sets(networks, data, quick=quick)
        if not tests or set(tests) & set(network_set.tests)
    ]
    if not sets:
        raise BadArgument(f"tests: {', '.join(tests or ())}: none of them is a test of the chosen sets of networks")
    workers = workers or os.cpu_count() or 1
    with _alone_in(folder):
        tested = [
            _tested(network_set, candidates, tests, data, folder, workers, f"{i} of {len(sets)}")
            for i, network_set in enumerate(sets, 1)
        ]
        announce("seconds for one pair of layers")
        seconds = seconds_of(candidates, tested[0].networks, tested[0].network_set.sample)
        bench = Bench(folder, _record(candidates, tested, seconds, quick=quick))
        bench.save()
    return bench


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, which is made if it is missing.  Raises SpanmatchError if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpanmatchError(f"{folder}: {error.strerror}; give another folder") from error
    with locked(folder / RUNNING, folder):
        yield


def _check_tests(tests: Sequence[str] | None) -> None:
    """Raise BadArgument if there is no test of a name."""
    known = list(dict.fromkeys(name for names in TESTS.values() for name in names))
    if isinstance(tests, str):
        raise BadArgument(f"tests={tests!r}: give a list")
    for name in tests or ():
        if name not in known:
            raise BadArgument(f"tests: none is called {name!r}{among(name, known)}")


def _tested(
    network_set: NetworkSet,
    candidates: Sequence[Candidate],
    names: Sequence[str] | None,
    data: Path_ | None,
    folder: Path,
    workers: int,
    progress: str,
) -> Tested:
    """Return how measures do on a set of networks."""
    announce(f"{network_set.name} ({progress}): networks")
    variants = trained(network_set, data, folder / NETWORKS, workers)
    networks = list(representations(network_set, variants))
    tests = tests_of(network_set, networks).chosen(names)
    announce(f"{network_set.name} ({progress}): {len(candidates)} measures in {len(tests.all)} tests")
    with progress_bar() as bar:
        place = folder / SIMILARITIES / (network_set.kept_as or network_set.name)
        return Tested(
            network_set, variants, networks, outcomes(network_set, networks, tests, candidates, place, workers, bar)
        )


def _record(
    candidates: Sequence[Candidate], tested: Sequence[Tested], seconds: Mapping[str, float], *, quick: bool
) -> BenchRecord:
    """Return everything that bench.json holds."""
    columns = [_columns(of_set) for of_set in tested]
    tests: dict[str, About] = {test.name: test for of_set in tested for test in of_set.outcomes.tests.all}
    return {
        "format": "spanmatch.bench",
        "version": 1,
        "spanmatch": __about__.VERSION,
        "torch": torch.__version__,
        "quick": quick,
        "level": LEVEL,
        "tests": [
            {"name": test.name, "question": test.question, "score": test.unit, "perfect": test.perfect}
            for test in tests.values()
        ],
        "networks": [_networks_record(of_set) for of_set in tested],
        "measures": _measure_records(candidates, [column for of_set in columns for column in of_set], seconds),
        "scores": [
            record
            for of_set, of_columns in zip(tested, columns, strict=True)
            for test, column in zip(of_set.outcomes.tests.all, of_columns, strict=True)
            for record in _score_records(candidates, of_set, test, column)
        ],
    }


def _columns(tested: Tested) -> list[Column]:
    """Return the scores of all measures in each test on a set of networks."""
    found = []
    for test in tested.outcomes.tests.all:
        outcomes = {m: o for (name, m), o in tested.outcomes.by_test.items() if name == test.name}
        scores = {measure: outcome.score for measure, outcome in outcomes.items() if outcome.score is not None}
        found.append(Column(test.name, scores, tested.network_set.ranked))
    return found


def _networks_record(tested: Tested) -> BenchNetworksRecord:
    """Return what a set of networks is."""
    variants, networks = list(tested.variants.values()), tested.networks
    words = f"{variants[0].architecture} on {variants[0].data.words}"
    if len(variants) > 1:
        words += f"; {len(variants)} groups: {', '.join(tested.variants)}"
    accuracies = [network.accuracy for network in networks]
    return {
        "name": tested.network_set.name,
        "words": words,
        "rows": ROWS[tested.network_set.rows],
        "networks": [network.network for network in networks],
        "layers": list(networks[0].layers),
        "n_rows": len(networks[0].labels),
        "sample_size": min(tested.network_set.sample, len(networks[0].labels)),
        "ranked": tested.network_set.ranked,
        "accuracy": shares_over_seeds(accuracies, len(networks[0].labels)).to_dict(),
        "tests": [test.name for test in tested.outcomes.tests.all],
    }


def _measure_records(
    candidates: Sequence[Candidate], columns: Sequence[Column], seconds: Mapping[str, float]
) -> list[BenchMeasureRecord]:
    """Return the measures with their places and costs, the best first."""
    by_name = {candidate.name: candidate for candidate in candidates}
    records: list[BenchMeasureRecord] = []
    for name, place in places(list(by_name), columns).items():
        records.append(
            {
                "name": name,
                "kind": by_name[name].kind,
                "needs": by_name[name].needs,
                "maximum_match": by_name[name].maximum_match,
                "yours": by_name[name].yours,
                "rank": place.rank.to_dict(),
                "won": place.won,
                "lost": place.lost,
                "seconds": short(seconds[name]) if name in seconds else None,
            }
        )
    return records


def _score_records(
    candidates: Sequence[Candidate], tested: Tested, test: About, column: Column
) -> Iterator[BenchScoreRecord]:
    """Return the scores of measures in one test on one set of networks."""
    names, best = [candidate.name for candidate in candidates], column.best
    ranks = column.ranks(names)
    for candidate in candidates:
        outcome = tested.outcomes.by_test.get((test.name, candidate.name), Outcome(None, NOT_ROTATABLE, 0.0))
        score = outcome.score
        low, high = (None, None) if score is None else map(short, score.interval(test.lowest, test.perfect))
        yield {
            "measure": candidate.name,
            "test": test.name,
            "networks": tested.network_set.name,
            "value": None if score is None else short(score.value),
            "low": low,
            "high": high,
            "chance": test.chance,
            "rank": None if score is None else ranks[candidate.name],
            "among_best": candidate.name in best,
            "defined": short(outcome.defined),
            "reason": outcome.reason,
            "details": outcome.details,
        }


NOT_ROTATABLE = "it depends on the axes of the neurons, and these rows are principal components"
"""Why some measures are not tested on flattened feature maps."""
