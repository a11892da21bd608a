"""Hashes of whole numbers: what is drawn for an example is a function of a seed and the example's id alone.

SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a counter times the golden ratio, through a bijection of 64 bits in which
every bit of the argument changes about half of the bits of the result.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
GOLDEN, FIRST, SECOND = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
A, B, C = (np.uint64(shift) for shift in (30, 27, 31))


def hashes(ids: NDArray[np.int64], keys: Iterable[int] = ()) -> Hashes:
    """Return one hash for each id; different ids have different hashes.

    Parameters
    ----------
    ids : (n,) whole numbers, 0 or more.
    keys : whole numbers from 0 to 2^64 - 1, as a seed; other keys give hashes that are independent of these.
    """
    start = np.zeros(1, dtype=np.uint64)
    for key in keys:
        start = _mixed(start ^ np.uint64(key))
    return _mixed(ids.astype(np.uint64) ^ start)


def streams(starts: Hashes, length: int) -> Hashes:
    """Return (n, length) hashes, a row for each start: the generator SplitMix64 with that state."""
    return _mixed(starts[:, None] + np.arange(length, dtype=np.uint64) * GOLDEN)


def _mixed(values: Hashes) -> Hashes:
    mixed = values + GOLDEN
    mixed ^= mixed >> A
    mixed *= FIRST
    mixed ^= mixed >> B
    mixed *= SECOND
    mixed ^= mixed >> C
    return mixed
