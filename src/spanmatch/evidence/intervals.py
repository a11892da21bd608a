"""Intervals over examples: the delete-a-group jackknife over folds, on a scale without bounds.

With theta on all rows, theta_j without fold j, and h_j = n / n_j, the pseudo-values are h_j theta -
(h_j - 1) theta_j. Their mean t, weighted by size, is an estimate without bias of order 1/n, and
variance = mean over j of (pseudo-value_j - t)^2 / (h_j - 1). The interval is theta +- Student's t
with k - 1 degrees of freedom, times the standard error. It is computed of a transformed value, and
its ends are transformed back, so that it stays in the measure's range.
Sources: Tukey 1958; Busing, Meijer, van der Leeden 1999 (folds of unequal size); docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._plotting import axes_for, interval_row, label, size_for_rows
from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result, name_of_pair
from ..moments.spans import Array
from ..similarity import Measure, declared_measure
from .null_pairing import Statistic, name_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Interval(Result):
    """A measure with its interval over examples.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> interval = sm.jackknife(pair, sm.debiased_cka)
    >>> interval.low < interval.value < interval.high, interval.level
    (True, 0.95)
    """

    name: str
    """The measure's name."""
    value: float
    """The value on all rows."""
    low: float
    """Lower end of the interval; nan if all folds give the same value, as a step function may."""
    high: float
    """Upper end of the interval."""
    level: float
    """Level of the interval."""
    scale: str
    """The scale on which the interval is symmetric: "linear", "logit", "Fisher z" or "log"."""
    error: float
    """Standard error of the value itself."""
    bias: float
    """Estimated bias of the value, to first order in 1 / rows. It is not subtracted."""
    folds: int
    """Number of folds."""

    def plot(self, ax: Axes | None = None, *, name: str | None = None) -> Axes:
        """Draw the value with its interval as a row, below the rows that are there.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        name : str, optional
            The row's name; by default that of the measure and of the layers.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("interval.plot", ax, size_for_rows(6))
        row = name or f"{self.name}, {name_of_pair(self.x_layer, self.y_layer)}"
        interval_row(ax, row, self.value, self.low, self.high)
        label(ax, f"value, with its {self.level:.0%} interval over examples")
        return ax

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
        A smooth function of a `Pair` that returns a number, such as `sm.cka`. If it is one of
        `sm.measures()`, the interval stays in its range.
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

    For k folds the interval is f^-1(f(theta) +- t(k - 1) error of f(theta)), where the range of the
    measure determines f:

        [0, 1]: logit;   [-1, 1]: Fisher z, artanh;   up to 1: -log(1 - theta);   unknown: identity

    It covers sampling error only, not the bias of a measure with few rows, such as CKA's (see
    `Interval.bias` and `Measure.estimator`). Of unrelated layers it is conservative.

    Cost: the measure, and the sum of moments, once for each fold.

    References
    ----------
    Tukey, Annals of Mathematical Statistics 29, 1958; Busing, Meijer, van der Leeden, Statistics
    and Computing 9, 1999.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 1000, 5))
    >>> interval = sm.jackknife(sm.pair(X, X + noise), sm.linear_regression)
    >>> interval.low < 0.5 < interval.high
    True
    """
    checked_pair(pair)
    check_level(level)
    name, declared = name_of(measure), declared_measure(measure)
    value = float(measure(pair))
    without, sizes = values_without_folds(pair, lambda rest: np.array(float(measure(rest))))
    mean, error = pseudo_value_statistics(np.array(value), without, sizes)
    scale = _scale_of(declared, [value, *without.tolist()])
    low, high = _ends(scale, value, without, sizes, level)
    if declared:
        low, high = (float(np.clip(end, *declared.range)) for end in (low, high))
    if error == 0 and not (declared and value == declared.itself):
        low = high = float("nan")
    return Interval(
        name=name,
        value=value,
        low=low,
        high=high,
        level=level,
        scale=scale.name,
        error=float(error),
        bias=value - float(mean),
        folds=pair.n_folds,
        provenance=pair.provenance,
    )


class _Scale(NamedTuple):
    """A scale on which the interval of a measure is symmetric."""

    name: str
    forward: Callable[[Array], Array]
    back: Callable[[Array], Array]


LINEAR = _Scale("linear", np.asarray, np.asarray)
SCALES: dict[tuple[float, float], _Scale] = {
    (0.0, 1.0): _Scale("logit", lambda v: np.log(v / (1 - v)), lambda z: 0.5 * (1 + np.tanh(z / 2))),
    (-1.0, 1.0): _Scale("Fisher z", np.arctanh, np.tanh),
    (-np.inf, 1.0): _Scale("log", lambda v: -np.log1p(-v), lambda z: -np.expm1(-z)),
}
"""The scales by the range of a measure."""


def _scale_of(declared: Measure | None, values: Sequence[float]) -> _Scale:
    """Return the scale of a measure; linear if its range is unknown, or a value is at its end."""
    if declared is None or declared.range not in SCALES:
        return LINEAR
    low, high = declared.range
    return SCALES[declared.range] if all(low < value < high for value in values) else LINEAR


def _ends(scale: _Scale, value: float, without: Array, sizes: Array, level: float) -> tuple[float, float]:
    """Return the ends of the interval, which is symmetric on a scale."""
    middle = scale.forward(np.array(value))
    _, error = pseudo_value_statistics(middle, scale.forward(without), sizes)
    reach = reach_of(level, len(sizes)) * error
    return float(scale.back(middle - reach)), float(scale.back(middle + reach))


def reach_of(level: float, folds: int) -> float:
    """Return the half-width of an interval in standard errors, by Student's t."""
    from scipy.special import stdtrit  # slow to import

    return float(stdtrit(folds - 1, (1 + level) / 2))


def check_level(level: float) -> None:
    """Raise SpanmatchError if a level is not in (0, 1)."""
    if not 0 < level < 1:
        raise SpanmatchError(f"level={level!r}: give a number between 0 and 1, as 0.95")


def values_without_folds(pair: Pair, function: Callable[[Pair], Array]) -> tuple[Array, Array]:
    """Return the values that a function gives without each fold, and the folds' numbers of rows."""
    if not pair.n_folds:
        raise SpanmatchError(
            f"layers {pair.x_layer!r} and {pair.y_layer!r}: 0 folds; intervals need moments with folds=8"
        )
    values, rows = [], []
    for rest, fold in pair.splits():
        values.append(function(rest))
        rows.append(fold.rows)
    return np.array(values), np.array(rows)


def pseudo_value_statistics(value: Array, without: Array, sizes: Array) -> tuple[Array, Array]:
    """Return the mean of the pseudo-values and the standard error of a value, from its values
    without each fold (k, ...) and the sizes of the folds (k,).
    """
    h = (sizes.sum() / sizes).reshape(-1, *(1 for _ in value.shape))
    pseudo_values = h * value - (h - 1) * without
    mean = np.sum(pseudo_values / h, axis=0)  # weighs folds by their size
    return np.asarray(mean), np.sqrt(np.mean((pseudo_values - mean) ** 2 / (h - 1), axis=0))
