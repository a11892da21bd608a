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
from typing import TYPE_CHECKING

from rich.progress import Progress, TaskID

from .._progress import progress_bar
from ..errors import SpanmatchError
from .datasets import read_data
from .train import Run, train

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from ..schema import RunEpochRecord

    Message = tuple[str, RunEpochRecord]
    """The name of a run, and the loss and accuracy of an epoch that it has finished."""

_send: Callable[[Message], object]
"""In a training process: sends a message to the study."""


def train_all(runs: Sequence[Run], folder: Path, workers: int) -> None:
    """Train every network that is not yet trained to its end, those that others start from first.

    Parameters
    ----------
    runs : sequence of Run
        The networks of a study.
    folder : Path
        The folder that paths of data are taken from.
    workers : int
        How many networks to train at once.

    Raises
    ------
    SpanmatchError
        If a run fails; it is raised when the others under way have ended. Their finished epochs are kept.
    """
    unfinished = [run for run in runs if len(run.history()) <= run.variant.training.epochs]
    epochs_done = sum(max(len(run.history()) - 1, 0) for run in runs)
    epochs = sum(run.variant.training.epochs for run in runs)
    with progress_bar() as bar:
        total = bar.add_task("all epochs", total=epochs, completed=epochs_done)
        while unfinished:
            missing_weights = {run.weights() for run in unfinished}
            ready = [run for run in unfinished if run.start not in missing_weights]
            _train_together(ready, folder, workers, bar, total)
            unfinished = [run for run in unfinished if run not in ready]


def _train_together(runs: Sequence[Run], folder: Path, workers: int, bar: Progress, total: TaskID) -> None:
    """Train networks that wait for no others, each in a process."""
    context = multiprocessing.get_context("spawn")
    messages: SimpleQueue[Message | None] = context.SimpleQueue()
    tasks = {
        run.name: bar.add_task(run.name, total=run.variant.training.epochs, completed=max(len(run.history()) - 1, 0))
        for run in runs
    }
    listener = threading.Thread(target=_show, args=(messages, bar, tasks, total), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(min(workers, len(runs)), context, initializer=_start, initargs=(messages,))
    try:
        futures = [pool.submit(_work, run, folder) for run in runs]
        for future in futures:
            future.result()
    except BrokenProcessPool as error:
        raise SpanmatchError(
            "a training process was killed (out of memory?); finished epochs are kept: run the study again, perhaps "
            "with fewer workers"
        ) from error
    except KeyboardInterrupt:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        messages.put(None)
        listener.join()
        for task in tasks.values():
            bar.remove_task(task)


def _show(messages: SimpleQueue[Message | None], bar: Progress, tasks: dict[str, TaskID], total: TaskID) -> None:
    """Show the progress that training processes report, until the message None."""
    while (message := messages.get()) is not None:
        name, epoch = message
        bar.update(tasks[name], completed=epoch["epoch"], description=f"{name}  {epoch['test_accuracy']:.1%}")
        bar.advance(total)


def _start(messages: SimpleQueue[Message | None]) -> None:
    """Prepare a training process: it reports to the study, and ends when the study does.

    Ctrl-C reaches every process of a terminal; the study handles it, and ends these with no file half-written.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    global _send  # noqa: PLW0603 - a queue can be given to a process of the pool only when it starts
    _send = messages.put
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _work(run: Run, folder: Path) -> None:
    """Train one network, in a training process."""
    try:
        train(run, read_data(run.variant.data, folder), lambda epoch: _send((run.name, epoch)))
    except SystemExit:  # the study ended; the pool would take it for a failure of this run alone, and continue
        os._exit(1)
