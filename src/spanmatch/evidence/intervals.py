"""Intervals over examples: the delete-a-group jackknife over folds.

With theta on all rows, theta_j without fold j, and h_j = n / n_j, the pseudo-values are h_j theta -
(h_j - 1) theta_j. Their mean t, weighted by size, is an estimate without bias of order 1/n, and
variance = mean over j of (pseudo-value_j - t)^2 / (h_j - 1). The interval is theta +- Student's t
with k - 1 degrees of freedom, times the standard error.
Sources: Tukey 1958; Busing, Meijer, van der Leeden 1999 (folds of unequal size); docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Array
from .null_pairing import Statistic, name_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Interval(Result):
    """A measure with its interval over examples."""

    name: str
    """The measure's name."""
    value: float
    """The value on all rows."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    level: float
    """Level of the interval."""
    error: float
    """Standard error."""
    bias: float
    """Estimated bias of the value, to first order in 1 / rows. It is not subtracted."""
    folds: int
    """Number of folds."""

    def __float__(self) -> float:
        """Return the value."""
        return self.value


@few_threads
def jackknife(pair: Pair, measure: Statistic, level: float = 0.95) -> Interval:
    """Return a measure with an interval over examples.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q), with folds of complete examples.
    measure : callable
        A smooth function of a `Pair` that returns a number, such as `sm.cka`.
    level : float
        Level of the interval, in (0, 1).

    Returns
    -------
    Interval
        The value, its interval, standard error and bias.

    Raises
    ------
    SpanmatchError
        If `level` is out of range, or the moments have fewer than two folds with rows.

    Notes
    -----
    With theta on all rows, theta_j without fold j, h_j = n / n_j and the pseudo-values v_j = h_j
    theta - (h_j - 1) theta_j, whose mean weighted by size is t:

        error^2 = mean over j of (v_j - t)^2 / (h_j - 1),   bias = theta - t

    The interval is theta +- t(k - 1) error for k folds. It covers sampling error only, not the bias
    of a measure with few rows, such as CKA's (see `Interval.bias`).

    Cost: the measure, and the sum of moments, once for each fold.

    References
    ----------
    Tukey, Annals of Mathematical Statistics 29, 1958; Busing, Meijer, van der Leeden, Statistics
    and Computing 9, 1999.

    Examples
    --------
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
    mean, error = pseudo_value_statistics(pair, np.array(value), lambda rest: np.array(float(measure(rest))))
    reach = float(reach_of(level, pair.n_folds) * error)
    return Interval(
        name=name,
        value=value,
        low=value - reach,
        high=value + reach,
        level=level,
        error=float(error),
        bias=value - float(mean),
        folds=pair.n_folds,
        provenance=pair.provenance,
    )


def reach_of(level: float, folds: int) -> float:
    """Return the half-width of an interval in standard errors, by Student's t."""
    from scipy.special import stdtrit  # slow to import

    return float(stdtrit(folds - 1, (1 + level) / 2))


def check_level(level: float) -> None:
    """Raise SpanmatchError if a level is not in (0, 1)."""
    if not 0 < level < 1:
        raise SpanmatchError(f"level={level!r}: give a number between 0 and 1, as 0.95")


def pseudo_value_statistics(pair: Pair, value: Array, function: Callable[[Pair], Array]) -> tuple[Array, Array]:
    """Return the mean of the pseudo-values and the standard error of a value that a function gives
    of a pair, from its values without each fold.
    """
    if not pair.n_folds:
        raise SpanmatchError(
            f"layers {pair.x_layer!r} and {pair.y_layer!r}: 0 folds; intervals need moments with folds=8"
        )
    values, rows = [], []
    for rest, fold in pair.splits():
        values.append(function(rest))
        rows.append(fold.rows)
    without, sizes = np.array(values), np.array(rows)
    h = (sizes.sum() / sizes).reshape(-1, *(1 for _ in value.shape))
    pseudo_values = h * value - (h - 1) * without
    mean = np.sum(pseudo_values / h, axis=0)  # weighs folds by their size
    return np.asarray(mean), np.sqrt(np.mean((pseudo_values - mean) ** 2 / (h - 1), axis=0))
