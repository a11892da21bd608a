"""Moments on disk while they are made, so that a pass that was stopped goes on where it was."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._files import Path_, locked
from ..errors import SpanmatchError
from ..moments.example_ranges import count_in
from ..moments.moments import Moments
from ..moments.options import MomentsOptions
from .layouts import Layout

CHECKPOINT_SECONDS = 300.0


class Checkpoint:
    """A file of moments, written every so often in one step, with what it was made from and the examples in it.

    Without a path the same with no file.
    """

    def __init__(self, path: Path_ | None, seconds: float, fresh: Moments, source: Mapping[str, Any]) -> None:
        """Take the moments in the file, or fresh ones if there is none.

        Raises SpanmatchError if it is damaged, or made from something else.
        """
        self.path, self.seconds, self.moments = path if path is None else Path(path), seconds, fresh
        if self.path is not None:
            words = json.dumps(source, sort_keys=True, default=str)
            self._take(self.path, words)
            self.moments.describe(source=words)
        self.seen = self.moments.example_ids
        self.written = time.monotonic()

    def _take(self, path: Path, source: str) -> None:
        if path.exists():
            self.moments = Moments.load(path)
            if self.moments.source != source:
                different = _difference(self.moments.source, source)
                raise SpanmatchError(f"{path}: {different}; give another checkpoint file")

    def holds(self, examples: NDArray[np.int64]) -> bool:
        """Tell whether a batch is in the file.  Raises SpanmatchError if it is in part."""
        held = count_in(self.seen, examples)
        if 0 < held < len(examples):
            raise SpanmatchError(
                f"{self.path}: {held} of the {len(examples)} examples {examples[0]} to {examples[-1]} are in it; "
                "give the same batches as before"
            )
        return held > 0

    def write_if_due(self) -> None:
        """Write the file if the last time is long enough ago."""
        if self.path is not None and time.monotonic() - self.written >= self.seconds:
            self.write()

    def write(self) -> None:
        """Write the file."""
        if self.path is not None:
            self.moments.save(self.path)
            self.written = time.monotonic()


@contextlib.contextmanager
def checkpointed(
    path: Path_ | None, seconds: float, options: MomentsOptions, source: Mapping[str, Any]
) -> Iterator[Checkpoint]:
    """Give a checkpoint of new moments, and let no other process work with the same file meanwhile.

    Raises SpanmatchError as `Checkpoint` does, if another process works with it, or if it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        if path is not None:
            path = Path(path)
            stack.enter_context(locked(path.with_name(f".{path.name}.lock"), path))
        yield Checkpoint(path, seconds, Moments(**options), source)


def made_from(networks: Any, layout: Layout, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file must have been made from to be gone on with.

    Args: networks, what JSON can hold that tells the networks and the layers of theirs from others.
    """
    return {
        "networks or layers": networks,
        "layout": vars(layout),
        "options": {name: str(value) for name, value in options.items() if name != "memory"},
    }


def _difference(before: str, now: str) -> str:
    """Say what differs between two descriptions of what moments were made from."""
    try:
        old, new = json.loads(before), json.loads(now)
        changed = [part for part in new if old[part] != new[part]]
    except (ValueError, KeyError, TypeError):
        return "not a checkpoint of a capture"
    return f"made from other {' and '.join(changed)}"
