"""Intervals from folds: how much a measure would vary over other examples.

Delete-a-group jackknife: with theta on all rows, theta_j without fold j, and h_j = n / n_j, the pseudo-values are
h_j theta - (h_j - 1) theta_j; their mean t, weighed by size, estimates without bias of order 1/n, and
variance = mean over j of (pseudo-value_j - t)^2 / (h_j - 1). The interval is theta +- Student's t, k - 1 degrees of
freedom.
Sources: Tukey 1958; Busing, Meijer, van der Leeden 1999 (folds of unequal size); docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Array
from .null_pairing import Statistic, name_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Interval(Result):
    """A measure with its interval."""

    name: str
    value: float
    low: float
    high: float
    level: float
    error: float
    """Standard error."""
    bias: float
    """What the value has too much, to first order in 1 / rows; it is not taken off."""
    folds: int

    def __float__(self) -> float:
        """Return the value."""
        return self.value


@few_threads
def jackknife(pair: Pair, measure: Statistic, level: float = 0.95) -> Interval:
    """Return a measure with an interval from the folds, which are of whole examples.

    The interval is of sampling error around the value: a measure's own bias with few rows, as that of CKA, is not
    in it (see `bias`). Args: measure, any smooth function of a pair that gives a number; level, in (0, 1).
    Raises SpanmatchError for another level, or if the moments have fewer than two folds with rows.
    Cost: of the measure and of adding up the moments, once for each fold.

    >>> import numpy as np, spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 1000, 5))
    >>> interval = sm.jackknife(sm.pair(X, X + noise), sm.linear_regression)
    >>> interval.low < 0.5 < interval.high
    True
    """
    checked_pair(pair)
    check_level(level)
    name = name_of(measure)
    value = float(measure(pair))
    values, sizes = [], []
    for rest, fold in pair.splits():
        values.append(float(measure(rest)))
        sizes.append(fold.rows)
    mean, error = pseudo(np.array(value), np.array(values), np.array(sizes), pair)
    reach = float(reach_of(level, len(values)) * error)
    return Interval(
        name=name,
        value=value,
        low=value - reach,
        high=value + reach,
        level=level,
        error=float(error),
        bias=value - float(mean),
        folds=len(values),
        provenance=pair.provenance,
    )


def reach_of(level: float, folds: int) -> float:
    """Return how many standard errors an interval reaches to each side, by Student's t."""
    from scipy.special import stdtrit  # SciPy's parts beyond linalg are slow to load: taken where they are used

    return float(stdtrit(folds - 1, (1 + level) / 2))


def check_level(level: float) -> None:
    """Raise SpanmatchError if level is not in (0, 1)."""
    if not 0 < level < 1:
        raise SpanmatchError(f"level={level!r}: give a number between 0 and 1, as 0.95")


def pseudo(whole: Array, without: Array, sizes: Any, pair: Pair) -> tuple[Array, Array]:
    """Return the mean of the pseudo-values, and the standard error; folds along the first axis of `without`."""
    if len(without) < 2:
        raise SpanmatchError(
            f"layers {pair.x_layer!r} and {pair.y_layer!r}: {len(without)} folds; intervals need moments with folds=8"
        )
    h = (sizes.sum() / sizes).reshape(-1, *(1 for _ in whole.shape))
    values = h * whole - (h - 1) * without
    mean = np.sum(values / h, axis=0)  # weighs folds by their size
    return np.asarray(mean), np.sqrt(np.mean((values - mean) ** 2 / (h - 1), axis=0))
