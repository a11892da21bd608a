"""Checkpoints: the moments of a pass on disk, from which an interrupted pass continues."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._files import Path_, locked
from .._values import Json
from ..errors import SpanmatchError
from ..moments.example_ranges import count_in
from ..moments.moments import Moments
from ..moments.options import SeededOptions
from .layouts import Layout

CHECKPOINT_SECONDS = 300.0


class Checkpoint:
    """The moments of a pass, and the file to which they are written every so often.

    Parameters
    ----------
    path
        The file; None for moments that are not written.
    seconds
        How many seconds pass between two writes.
    fresh
        The moments to begin with if there is no file.
    source
        What the pass is of, as JSON can hold it: it is written too, and compared with that of the
        file.

    Raises
    ------
    SpanmatchError
        If the file is damaged, or is of another pass.
    """

    def __init__(self, path: Path_ | None, seconds: float, fresh: Moments, source: Json) -> None:
        self.path = None if path is None else Path(path)
        self.seconds, self.moments = seconds, fresh
        if self.path is not None:
            source_text = json.dumps(source, sort_keys=True, default=str)
            if self.path.exists():
                self.moments = _load(self.path, source_text)
            self.moments.describe(source=source_text)
        self.loaded_ids = self.moments.example_ids
        self.last_write = time.monotonic()

    def holds(self, example_ids: NDArray[np.int64]) -> bool:
        """Tell whether a batch was in the file when the pass began; refuse one that was in part."""
        held = count_in(self.loaded_ids, example_ids)
        if 0 < held < len(example_ids):
            raise SpanmatchError(
                f"{self.path}: {held} of the {len(example_ids)} examples {example_ids[0]} to {example_ids[-1]} are in "
                "it; give the same batches as before"
            )
        return held > 0

    def write_if_due(self) -> None:
        """Write the file if the last time is long enough ago."""
        if self.path is not None and time.monotonic() - self.last_write >= self.seconds:
            self.write()

    def write(self) -> None:
        """Write the file, in one step."""
        if self.path is not None:
            self.moments.save(self.path)
            self.last_write = time.monotonic()


@contextlib.contextmanager
def checkpointed(path: Path_ | None, seconds: float, options: SeededOptions, source: Json) -> Iterator[Checkpoint]:
    """Give a checkpoint of new moments, and let no other process work with the same file meanwhile.

    Raises SpanmatchError as `Checkpoint` does, if another process works with it, or if it cannot be
    written.
    """
    with contextlib.ExitStack() as stack:
        if path is not None:
            path = Path(path)
            stack.enter_context(locked(path.with_name(f".{path.name}.lock"), path))
        yield Checkpoint(path, seconds, moments_with(options), source)


def moments_with(options: SeededOptions) -> Moments:
    """Return moments of no rows; a sample that was not asked for is left out if it takes too much memory."""
    moments = Moments(**options)
    moments._needs_sample = "sample" in options
    return moments


def made_from(networks: Json, layout: Layout, options: Mapping[str, object]) -> Json:
    """Return what a pass is of: one that continues must be of the same.

    Parameters
    ----------
    networks
        What JSON can hold that tells the networks and their layers from others.
    layout, options
        Of the rows and of the moments; the memory that they may take makes no difference.
    """
    return {
        "networks or layers": networks,
        "layout": vars(layout),
        "options": {name: str(value) for name, value in options.items() if name != "max_memory_gb"},
    }


def _load(path: Path, source: str) -> Moments:
    """Return the moments in a file.  Raises SpanmatchError if they are of another pass."""
    moments = Moments.load(path)
    if moments.source != source:
        raise SpanmatchError(f"{path}: {_difference(moments.source, source)}; give another checkpoint file")
    return moments


def _difference(before: str, now: str) -> str:
    """Say what differs between two descriptions of what moments were made from."""
    try:
        old, new = json.loads(before), json.loads(now)
        changed = [part for part in new if old[part] != new[part]]
    except (ValueError, KeyError, TypeError):
        return "not a checkpoint of a capture"
    return f"made from other {' and '.join(changed)}"
