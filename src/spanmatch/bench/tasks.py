"""Work that is done by several processes, each piece kept in a file so that none is done twice."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from joblib import Parallel, delayed, parallel_config
from rich.progress import Progress

from .._files import write_text
from .._values import Json

ONCE = "once "
"""What the digest of a measure begins with whose code is not known: its results do not serve another run."""
Kept = dict[str, dict[str, Json]]
"""Results in a file: by the digest of the measure, and by what they are of."""


class Task(Protocol):
    """A piece of work."""

    def __call__(self) -> None:
        """Do it, and keep the results."""


def run_tasks(tasks: Sequence[Task], workers: int, bar: Progress, words: str) -> None:
    """Do all tasks, `workers` at a time in processes of their own, or in this one if one at a time.

    Functions that were defined in a notebook or on a prompt reach the processes too.

    Parameters
    ----------
    tasks : sequence of Task
        What is to be done; each keeps its results.
    workers : int
        How many processes to use.
    bar : Progress
        A progress display.
    words : str
        What the tasks are, for the display.
    """
    shown = bar.add_task(words, total=len(tasks))
    for _ in _done_one_by_one(tasks, workers):
        bar.advance(shown)
    bar.remove_task(shown)


def _done_one_by_one(tasks: Sequence[Task], workers: int) -> Iterator[None]:
    """Do all tasks, and yield after each."""
    if workers == 1 or len(tasks) < 2:
        for task in tasks:
            _done(task)
            yield
        return
    with parallel_config(backend="loky", inner_max_num_threads=1):
        done = Parallel(n_jobs=min(workers, len(tasks)), return_as="generator_unordered")(
            delayed(_done)(task) for task in tasks
        )
        yield from done


def _done(task: Task) -> None:
    """Do a task; what a measure prints does not stand among the results."""
    with contextlib.redirect_stdout(sys.stderr):
        task()


@dataclass(frozen=True)
class ResultsFile:
    """Results that were made from the same representations, by measure."""

    path: Path
    made_from: str
    """What all results depend on but the measure: those of a file made from anything else are not read."""

    def read(self) -> Kept:
        """Return the results; none if there is no file, or it was made from something else or damaged."""
        try:
            contents = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        is_known = isinstance(contents, dict) and contents.get("made_from") == self.made_from
        results = contents.get("results") if is_known else None
        if not isinstance(results, dict) or not all(isinstance(by_case, dict) for by_case in results.values()):
            return {}
        return results

    def add(self, results: Mapping[str, Mapping[str, Json]]) -> None:
        """Add results to the file; of the same measure and case, the new one stays."""
        kept = {digest: by_case for digest, by_case in self.read().items() if not digest.startswith(ONCE)}
        for digest, by_case in results.items():
            kept.setdefault(digest, {}).update(by_case)
        text = json.dumps({"made_from": self.made_from, "results": kept}, separators=(",", ":"), allow_nan=False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, text)
