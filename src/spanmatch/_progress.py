"""Progress bars of long operations, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
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


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """Return the rate as text."""
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.3g}/s" if rate else "", style="progress.data.speed")


def progress_bar() -> Progress:
    """Return a progress display on standard error, disabled if that is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def tracked(steps: Iterable[T], description: str) -> Iterator[T]:
    """Yield the steps while displaying their progress."""
    with progress_bar() as bar:
        yield from bar.track(steps, total=len(steps) if isinstance(steps, Sized) else None, description=description)


def announce(text: str) -> None:
    """Print a message on standard error, on a terminal only."""
    if sys.stderr.isatty():
        Console(stderr=True, highlight=False).print(text)
