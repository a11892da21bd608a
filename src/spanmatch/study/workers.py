"""Training of all networks of a study, several at a time in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from .._progress import progress_bar
from ..errors import SpanmatchError
from .datasets import read_data
from .train import Run, train

_tell: Callable[[tuple[str, dict[str, float]]], object]
"""In a worker: how it says what an epoch gave."""


def train_all(runs: Sequence[Run], folder: Path, workers: int) -> None:
    """Train every network that is not yet trained to its end, those that others start from first.

    Paths of data are taken from `folder`. Raises SpanmatchError if a run fails, when those under way have ended; what
    they have done is kept.
    """
    left = [run for run in runs if len(run.history()) <= run.variant.training.epochs]
    done = sum(max(len(run.history()) - 1, 0) for run in runs)
    with progress_bar() as bar:
        whole = bar.add_task("all epochs", total=sum(run.variant.training.epochs for run in runs), completed=done)
        while left:
            waiting = {run.weights() for run in left}
            ready = [run for run in left if run.start not in waiting]
            _train_together(ready, folder, workers, bar, whole)
            left = [run for run in left if run not in ready]


def _train_together(runs: Sequence[Run], folder: Path, workers: int, bar: Progress, whole: TaskID) -> None:
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    tasks = {
        run.name: bar.add_task(run.name, total=run.variant.training.epochs, completed=max(len(run.history()) - 1, 0))
        for run in runs
    }
    listener = threading.Thread(target=_show, args=(told, bar, tasks, whole), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(min(workers, len(runs)), context, initializer=_start, initargs=(told,))
    try:
        futures = [pool.submit(_work, run, folder) for run in runs]
        for future in futures:
            future.result()
    except BrokenProcessPool as error:
        raise SpanmatchError(
            "a training process was killed (out of memory?); what was done is kept: run the study again, perhaps with "
            "fewer workers"
        ) from error
    except KeyboardInterrupt:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        told.put(None)
        listener.join()
        for task in tasks.values():
            bar.remove_task(task)


def _show(told: Any, bar: Progress, tasks: dict[str, TaskID], whole: TaskID) -> None:
    while (said := told.get()) is not None:
        name, epoch = said
        bar.update(tasks[name], completed=epoch["epoch"], description=f"{name}  {epoch['test_accuracy']:.1%}")
        bar.advance(whole)


def _start(told: Any) -> None:
    """Make a process ready to train: it says what it does through a queue, and ends when the study does.

    Ctrl-C reaches every process of a terminal; the study answers it, and ends these with no file half-written.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    global _tell  # noqa: PLW0603 - the one thing that a process of the pool is given beside its work
    _tell = told.put
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _work(run: Run, folder: Path) -> None:
    try:
        train(run, read_data(run.variant.data, folder), lambda epoch: _tell((run.name, epoch)))
    except SystemExit:  # the study ended; the pool would take it for a failure of this run alone, and go on
        os._exit(1)
