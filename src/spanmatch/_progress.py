"""Progress of long operations: bars on a terminal, a line now and then in a log."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 60.0


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """Return the rate as text."""
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.3g}/s" if rate else "", style="progress.data.speed")


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """Give a progress display on standard error; where that is no terminal, a line is printed every minute."""
    is_terminal = sys.stderr.isatty()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not is_terminal,
        transient=True,
    ) as bar:
        if is_terminal:
            yield bar
            return
        is_over = threading.Event()
        thread = threading.Thread(target=_print_lines, args=(bar, is_over), daemon=True)
        thread.start()
        try:
            yield bar
        finally:
            is_over.set()
            thread.join()


def tracked(steps: Iterable[T], description: str) -> Iterator[T]:
    """Yield the steps while displaying their progress; where that is no terminal, a line a minute, between steps.

    No thread prints these: a loop that is stopped leaves its generator as it is, and threads would stay.
    """
    total = len(steps) if isinstance(steps, Sized) else None
    if sys.stderr.isatty():
        with progress_bar() as bar:
            yield from bar.track(steps, total=total, description=description)
        return
    start = printed = time.monotonic()
    for done, step in enumerate(steps, 1):
        yield step
        now = time.monotonic()
        if now - printed >= SECONDS_BETWEEN_LINES:
            left = None if total is None else (now - start) / done * (total - done)
            sys.stderr.write(_line(description, done, total, now - start, left) + "\n")
            printed = now


def _print_lines(bar: Progress, is_over: threading.Event) -> None:
    """Print where the unfinished tasks of a display are, every minute until it is over."""
    while not is_over.wait(SECONDS_BETWEEN_LINES):
        unfinished = [task for task in bar.tasks if not task.finished]
        lines = (
            _line(task.description, task.completed, task.total, task.elapsed or 0, task.time_remaining)
            for task in unfinished
        )
        sys.stderr.write("; ".join(lines) + "\n")


def _line(description: str, done: float, total: float | None, elapsed: float, left: float | None) -> str:
    """Return how far something is, in words."""
    of_total = "" if total is None else f" of {total:,.0f}"
    remaining = "" if left is None else f", about {timedelta(seconds=round(left))} left"
    return f"{description}: {done:,.0f}{of_total}, {timedelta(seconds=round(elapsed))}{remaining}"


def announce(text: str) -> None:
    """Print a message on standard error, on a terminal only."""
    if sys.stderr.isatty():
        Console(stderr=True, highlight=False).print(text)
