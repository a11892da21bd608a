"""Intervals over seeds: how far a mean over networks, or over pairs of them, would move with other seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .._values import short
from ..evidence.intervals import reach_of

LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """A mean over seeds or pairs of seeds, its interval, and the values it is of."""

    value: float
    low: float
    high: float
    """The interval's ends; nan for fewer than three seeds of pairs, or two of single networks."""
    minimum: float
    maximum: float
    """The smallest and the largest value."""

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, to four digits; nan as None."""
        return {name: short(value) for name, value in asdict(self).items()}


def over_seeds(values: Mapping[Any, float] | Sequence[float], level: float = LEVEL) -> Spread:
    """Return the mean of values of networks, or of pairs of networks, with its interval over seeds.

    The delete-one jackknife: with m(-i) the mean over everything that seed i has no part in, the variance is
    (S - 1) / S  sum_i (m(-i) - mean of them)^2, the interval Student's with S - 1 degrees of freedom. Of single
    networks that is the usual interval of a mean; of pairs it heeds that those which share a seed are not independent.
    Args: values, one for each network, or {(seed, seed): value} for pairs.  Values that are nan are left out.
    """
    named = dict(values) if isinstance(values, Mapping) else dict(enumerate(values))
    kept = {k if isinstance(k, tuple) else (k,): float(v) for k, v in named.items() if not np.isnan(v)}
    if not kept:
        return Spread(*[float("nan")] * 5)
    found = np.array(list(kept.values()))
    seeds = list(dict.fromkeys(seed for key in kept for seed in key))
    without = [[v for key, v in kept.items() if seed not in key] for seed in seeds]
    mean, half = float(found.mean()), float("nan")
    if all(without) and len(seeds) > 1:
        left = np.array([np.mean(rest) for rest in without])
        error = np.sqrt((len(seeds) - 1) / len(seeds) * np.square(left - left.mean()).sum())
        half = float(reach_of(level, len(seeds)) * error)
    return Spread(mean, mean - half, mean + half, float(found.min()), float(found.max()))
