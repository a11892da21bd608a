"""Sets of whole numbers as ranges: which examples have been seen, in few numbers.

(k, 2), each row [start, stop), ascending, with a gap between one and the next.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import SpanmatchError

Ranges = NDArray[np.int64]
NONE: Ranges = np.empty((0, 2), dtype=np.int64)
LARGEST = 2**63 - 2
"""The largest id of an example: where its range stops, one more, is an int64 too."""


def checked_ids(what: str, given: ArrayLike) -> NDArray[np.int64]:
    """Return ids of examples as int64.

    Raises SpanmatchError, which begins with `what`, if they are not whole numbers from 0 to
    `LARGEST` in one axis.
    """
    ids = np.asarray(given)
    if ids.dtype.kind not in "iu" or ids.ndim != 1:
        raise SpanmatchError(f"{what}: examples of type {ids.dtype} and shape {ids.shape}; give one whole number each")
    outside = (ids < 0) | (ids > LARGEST)
    if outside.any():
        raise SpanmatchError(
            f"{what}: example {ids[np.argmax(outside)]}; ids of examples are whole numbers from 0 to 2^63 - 2"
        )
    return ids.astype(np.int64)


def ranges_of(numbers: Iterable[int] | NDArray[np.int64]) -> Ranges:
    """Return the ranges of some numbers."""
    ids = np.unique(np.asarray(numbers, dtype=np.int64))
    if not len(ids):
        return NONE
    breaks = np.flatnonzero(np.diff(ids) != 1)
    return np.stack([ids[np.append(0, breaks + 1)], ids[np.append(breaks, len(ids) - 1)] + 1], axis=1)


def union(a: Ranges, b: Ranges) -> Ranges:
    """Return the ranges of what is in either."""
    if not len(a) or not len(b):
        return b if len(b) else a
    both = np.concatenate([a, b])
    both = both[np.argsort(both[:, 0], kind="stable")]
    reach = np.maximum.accumulate(both[:, 1])
    new = np.append(True, both[1:, 0] > reach[:-1])
    last = np.append(np.flatnonzero(new)[1:] - 1, len(both) - 1)
    return np.stack([both[new, 0], reach[last]], axis=1)


def count_in(ranges: Ranges, numbers: NDArray[np.int64]) -> int:
    """Return how many of some numbers are in the ranges."""
    if not len(ranges):
        return 0
    at = np.searchsorted(ranges[:, 0], numbers, side="right") - 1
    return int(np.count_nonzero((at >= 0) & (numbers < ranges[at, 1])))


def checked_ranges(array: NDArray[np.generic]) -> Ranges:
    """Return an array as ranges.  Raises ValueError if it is none."""
    if array.dtype != np.int64 or array.ndim != 2 or array.shape[1] != 2 or (np.diff(array.ravel()) <= 0).any():
        raise ValueError(f"ranges of examples are {array.dtype} {array.shape}, or do not ascend")
    return array.astype(np.int64)
