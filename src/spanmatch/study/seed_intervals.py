"""Intervals over seeds: how far a mean over networks, or over pairs of networks, would move with other seeds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .._values import short
from ..evidence.intervals import reach_of

if TYPE_CHECKING:
    from ..schema import SpreadRecord

LEVEL = 0.95

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Spread:
    """A mean over seeds or pairs of seeds, with its interval and the range of the values."""

    value: float
    """The mean."""
    low: float
    high: float
    """The ends of the interval; nan for fewer than three seeds of pairs, or two of single networks."""
    minimum: float
    maximum: float
    """The smallest and the largest value."""

    def to_dict(self) -> SpreadRecord:
        """Return the numbers, rounded to four significant digits; nan becomes None."""
        return {
            "value": short(self.value),
            "low": short(self.low),
            "high": short(self.high),
            "minimum": short(self.minimum),
            "maximum": short(self.maximum),
        }


def over_seeds(values: Mapping[Key, float] | Sequence[float], level: float = LEVEL) -> Spread:
    """Return the mean of values of networks, or of pairs of networks, with its interval over seeds.

    Parameters
    ----------
    values : sequence of float, or mapping of seed to float or of (seed, seed) to float
        One value for each network, or one for each pair of networks. Values that are nan are left out.
    level : float, default 0.95
        The confidence level of the interval.

    Returns
    -------
    Spread
        The mean, its interval, and the smallest and largest value. All are nan if no value is left. The ends of the
        interval are nan if leaving out some seed leaves no value.

    Notes
    -----
    The interval is that of the delete-one jackknife over seeds. With m(-i) the mean of all values in which seed i
    has no part, the variance of the mean is

        (S - 1) / S  sum_i (m(-i) - mean_j m(-j))^2,

    and the interval is Student's with S - 1 degrees of freedom. For single networks it is the usual interval of a
    mean. For pairs of networks it accounts for the dependence of pairs that share a seed. Cost: S times the number of
    values.

    References
    ----------
    Efron, B., and Stein, C. (1981). The jackknife estimate of variance. Annals of Statistics 9.
    """
    by_key = dict(values) if isinstance(values, Mapping) else dict(enumerate(values))
    by_seeds = {key if isinstance(key, tuple) else (key,): float(v) for key, v in by_key.items() if not np.isnan(v)}
    if not by_seeds:
        return Spread(*[float("nan")] * 5)
    numbers = np.array(list(by_seeds.values()))
    seeds = list(dict.fromkeys(seed for key in by_seeds for seed in key))
    left_after_deletion = [[v for key, v in by_seeds.items() if seed not in key] for seed in seeds]
    mean, half_width = float(numbers.mean()), float("nan")
    if all(left_after_deletion) and len(seeds) > 1:
        means = np.array([np.mean(rest) for rest in left_after_deletion])
        error = np.sqrt((len(seeds) - 1) / len(seeds) * np.square(means - means.mean()).sum())
        half_width = float(reach_of(level, len(seeds)) * error)
    return Spread(mean, mean - half_width, mean + half_width, float(numbers.min()), float(numbers.max()))
