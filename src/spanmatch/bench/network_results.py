"""What every measure does in a test that calls it itself, for one network at a time; kept in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import Progress

from .._threads import as_many_as_help
from .._values import Json
from ..errors import SpanmatchError
from .candidates import Candidate
from .protocols.protocol import NetworkTest
from .representation import Representation
from .similarities import Digested
from .tasks import ResultsFile, run_tasks

CASE = "result"
"""The only case in a file: the test of the network."""


@dataclass
class NetworkResults:
    """What a measure does on each network, as far as it is defined there."""

    results: list[Any] = field(default_factory=list)
    reason: str = ""
    """Why it is not defined on the first network on which it is not."""


def network_results(
    test: NetworkTest[Any],
    candidates: Sequence[Candidate],
    networks: Sequence[Representation],
    folder: Path,
    workers: int,
    bar: Progress,
) -> dict[str, NetworkResults]:
    """Return what each measure does on each network, by the measure's name.

    Parameters
    ----------
    test : NetworkTest
        The test.
    candidates : sequence of Candidate
        The measures.
    networks : sequence of Representation
        The networks.
    folder : Path
        A folder in which results are kept, a file for each network: what is there is not computed again.
    workers : int
        How many processes compute at once.
    bar : Progress
        A progress display, of networks.
    """
    tasks = [_NetworkTask(test, candidates, network, _file(folder, network)) for network in networks]
    run_tasks(tasks, workers, bar, f"{test.name}, networks")
    found = {candidate.name: NetworkResults() for candidate in candidates}
    for task in tasks:
        kept = task.file.read()
        for candidate in candidates:
            result = kept[candidate.digest][CASE]
            of_candidate = found[candidate.name]
            if isinstance(result, str):
                of_candidate.reason = of_candidate.reason or result
            else:
                of_candidate.results.append(result)
    return found


@dataclass(frozen=True)
class _NetworkTask:
    """A test of all measures on one network."""

    test: NetworkTest[Any]
    candidates: Sequence[Candidate]
    network: Representation
    file: ResultsFile

    def __call__(self) -> None:
        """Compute what is not kept yet, and keep it."""
        kept = self.file.read()
        missing = [candidate for candidate in self.candidates if candidate.digest not in kept]
        if missing:
            self.file.add({candidate.digest: {CASE: self._result(candidate)} for candidate in missing})

    def _result(self, candidate: Candidate) -> Json:
        """Return what the measure does, or why it is not defined."""
        with as_many_as_help(0):
            try:
                result: Json = self.test.run(candidate, self.network)
            except SpanmatchError as error:
                result = str(error)
        return result


def _file(folder: Path, network: Representation) -> ResultsFile:
    """Return the file of the results on a network."""
    return ResultsFile(folder / f"{network.network.replace('/', '-')}.json", Digested(network).digest)
