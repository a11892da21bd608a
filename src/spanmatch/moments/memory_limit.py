"""How much memory moments may take, said and checked before the first batch is added."""

from __future__ import annotations

import os

import numpy as np

from .._progress import announce
from ..errors import SpanmatchError

ANNOUNCED = 1e8
"""Bytes from which on it is said, on a terminal, how much memory the moments will take."""


def limit_in_bytes(max_memory_gb: float | None) -> float:
    """Return the most bytes that moments may take, by default half of the machine's memory.

    Raises SpanmatchError for what is no number above 0.
    """
    if max_memory_gb is not None:
        if not isinstance(max_memory_gb, int | float | np.number) or not max_memory_gb > 0:
            raise SpanmatchError(f"max_memory_gb={max_memory_gb!r}: give a number of GB, above 0")
        return 1e9 * float(max_memory_gb)
    try:
        return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told on this system
        return float("inf")


def sample_over_limit(needed: int, limit: float, layers: int, examples: int) -> str:
    """Say on a terminal how many bytes the sample of the examples needs, if many; return why there is
    none, if it is more than the limit, else an empty text.
    """
    if needed <= limit:
        if needed > ANNOUNCED:
            announce(f"sample of {examples:,} examples at {layers} layers: up to {needed / 1e9:.2g} GB")
        return ""
    fitting = max(1, int(examples * max(limit, 0.0) // needed))
    return (
        f"the sample of {examples:,} examples at {layers} layers would take {needed / 1e9:.3g} GB, over the "
        f"{max(limit, 0.0) / 1e9:.3g} left; choose sample={fitting} or less (0 for none), sample_rows='mean', fewer "
        "layers, or a higher max_memory_gb="
    )


def check_memory(needed: int, limit: float, layers: int, pairs: int) -> None:
    """Say on a terminal how many bytes are needed, if many.  Raises SpanmatchError if it is more
    than the limit.
    """
    if needed > ANNOUNCED:
        announce(f"moments of {layers} layers and {pairs} pairs: {needed / 1e9:.2g} GB, however many rows")
    if needed > limit:
        raise SpanmatchError(
            f"moments of {layers} layers and {pairs} pairs would take {needed / 1e9:.3g} GB, over "
            f"the limit of {limit / 1e9:.3g}; choose fewer layers, fewer folds, null=False, "
            "or a higher max_memory_gb="
        )
