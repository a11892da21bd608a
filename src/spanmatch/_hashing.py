"""Hashes of integers: what is drawn for an example depends only on a seed and the example's id.

SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a counter times the golden ratio, mapped by a
bijection of 64 bits in which every bit of the argument changes about half of the bits of the
result.
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
    ids : ndarray of shape (n,)
        Non-negative integers.
    keys : iterable of int
        Integers from 0 to 2^64 - 1, such as a seed. Different keys give independent hashes.

    Returns
    -------
    ndarray of shape (n,) and type uint64
    """
    start = np.zeros(1, dtype=np.uint64)
    for key in keys:
        start = _mixed(start ^ np.uint64(key))
    return _mixed(ids.astype(np.uint64) ^ start)


def streams(starts: Hashes, length: int) -> Hashes:
    """Return (n, length) hashes, one row for each start: SplitMix64 with that state."""
    return _mixed(starts[:, None] + np.arange(length, dtype=np.uint64) * GOLDEN)


def _mixed(values: Hashes) -> Hashes:
    """Return the bijection of SplitMix64."""
    mixed = values + GOLDEN
    mixed ^= mixed >> A
    mixed *= FIRST
    mixed ^= mixed >> B
    mixed *= SECOND
    mixed ^= mixed >> C
    return mixed
