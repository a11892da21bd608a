"""What measures cost: seconds for one pair of layers, each on pairs of its own, so that none gains from another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice, pairwise

import numpy as np

from .._threads import as_many_as_help
from ..errors import SpanmatchError
from .candidates import Candidate
from .representation import PairKey, Representation
from .similarities import pair_of_layers

PAIRS = 3
"""The number of pairs of layers of which the median is taken."""


def seconds_of(candidates: Sequence[Candidate], networks: Sequence[Representation], sample: int) -> dict[str, float]:
    """Return the median seconds of each measure for one pair of layers; those that are not defined are left out.

    Parameters
    ----------
    candidates : sequence of Candidate
        The measures.
    networks : sequence of Representation
        Of which the middle layers are taken.
    sample : int
        How many examples to sample.
    """
    middle = [(one.network, list(one.layers)[len(one.layers) // 2]) for one in networks]
    keys = list(islice(pairwise(middle), PAIRS + 1))  # the first one only loads what is needed
    found = {}
    for candidate in candidates:
        seconds = [second for key in keys if (second := _seconds(candidate, networks, key, sample)) is not None]
        if seconds:
            found[candidate.name] = float(np.median(seconds[1:] or seconds))
    return found


def _seconds(candidate: Candidate, networks: Sequence[Representation], key: PairKey, sample: int) -> float | None:
    """Return how long a measure takes for two layers, without their moments; None if it is not defined."""
    rows = {one.network: one.layers for one in networks}
    pair = pair_of_layers(key, {layer: rows[layer[0]][layer[1]] for layer in key}, sample)
    with as_many_as_help(sum(pair.neurons)):
        start = time.perf_counter()
        try:
            candidate.similarity(pair)
        except SpanmatchError:
            return None
        return time.perf_counter() - start
