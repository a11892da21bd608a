"""Training of all networks of a study, several at a time in processes of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress, TaskID

from .._progress import progress_bar
from ..errors import SpanmatchError
from .datasets import read_data
from .runs import DECODED
from .train import Run, train

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from ..schema import RunEpochRecord

    Message = tuple[str, RunEpochRecord, float]
    """The name of a run, the loss and accuracy of an epoch that it has finished, and the seconds it took."""

_send: Callable[[Message], object]
"""In a training process: sends a message to the study."""

LOG = "training.log"
"""In the folder of a study's results: a line for each epoch that was trained."""


def train_all(runs: Sequence[Run], folder: Path, place: Path, workers: int) -> None:
    """Train every network that is not yet trained to its end, those that others start from first.

    A line for each epoch is added to a log file, and printed on standard error if that is not a terminal, where there
    is no progress bar.

    Parameters
    ----------
    runs : sequence of Run
        The networks of a study.
    folder : Path
        The folder that paths of data are taken from.
    place : Path
        The folder of the study's results, for decoded images and the log.
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
            _train_together(ready, folder, place, workers, bar, total)
            unfinished = [run for run in unfinished if run not in ready]


def _train_together(runs: Sequence[Run], folder: Path, place: Path, workers: int, bar: Progress, total: TaskID) -> None:
    """Train networks that wait for no others, each in a process."""
    context = multiprocessing.get_context("spawn")
    messages: SimpleQueue[Message | None] = context.SimpleQueue()
    tasks = {
        run.name: bar.add_task(run.name, total=run.variant.training.epochs, completed=max(len(run.history()) - 1, 0))
        for run in runs
    }
    epochs = {run.name: run.variant.training.epochs for run in runs}
    errors: list[OSError] = []
    listener = threading.Thread(
        target=_show, args=(messages, bar, tasks, total, epochs, place / LOG, errors), daemon=True
    )
    listener.start()
    pool = ProcessPoolExecutor(min(workers, len(runs)), context, initializer=_start, initargs=(messages,))
    try:
        futures = [pool.submit(_work, run, folder, place) for run in runs]
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
    if errors:
        raise SpanmatchError(f"cannot write {place / LOG}: {errors[0].strerror}; finished epochs are kept")


def _show(
    messages: SimpleQueue[Message | None],
    bar: Progress,
    tasks: dict[str, TaskID],
    total: TaskID,
    epochs: dict[str, int],
    log: Path,
    errors: list[OSError],
) -> None:
    """Show and log the progress that training processes report, until the message None.

    An error of writing the log is added to a list: training processes would wait forever if no one took their messages.
    """
    while (message := messages.get()) is not None:
        name, epoch, seconds = message
        bar.update(tasks[name], completed=epoch["epoch"], description=f"{name}  {epoch['test_accuracy']:.1%}")
        bar.advance(total)
        line = _log_line(name, epoch, epochs[name], seconds)
        try:
            with log.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            errors.append(error)
        if bar.disable:
            with contextlib.suppress(OSError):  # no one reads it any longer
                sys.stderr.write(line + "\n")


def _log_line(name: str, epoch: RunEpochRecord, epochs: int, seconds: float) -> str:
    """Return an epoch in one line."""
    return (
        f"{datetime.now():%Y-%m-%d %H:%M:%S}  {name}  epoch {epoch['epoch']} of {epochs}  "
        f"train loss {epoch['train_loss']:.4f} accuracy {epoch['train_accuracy']:.2%}  "
        f"test loss {epoch['test_loss']:.4f} accuracy {epoch['test_accuracy']:.2%}  {seconds:.1f} s"
    )


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


def _work(run: Run, folder: Path, place: Path) -> None:
    """Train one network, in a training process."""
    try:
        data = read_data(run.variant.data, folder, place / DECODED)
        train(run, data, lambda epoch, seconds: _send((run.name, epoch, seconds)))
    except SystemExit:  # the study ended; the pool would take it for a failure of this run alone, and continue
        os._exit(1)
