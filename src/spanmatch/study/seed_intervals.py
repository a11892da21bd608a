"""Intervals over seeds: how far a mean over networks, or over pairs of networks, would move with other seeds."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._display import Displayed
from .._plotting import NULL, axes_for, interval_row, label, size_for_rows
from .._values import short
from ..errors import SpanmatchError
from ..evidence.intervals import check_level, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..schema import SpreadRecord

LEVEL = 0.95
ROUNDING = 1e-12
"""Of the largest value: a standard error below it is that of equal values."""
UNBOUNDED, SHARE = (-np.inf, np.inf), (0.0, 1.0)

Bounds = tuple[float, float]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, repr=False)
class Spread(Displayed):
    """A mean over seeds or pairs of seeds, with its interval and the range of the values.

    Examples
    --------
    >>> import spanmatch as sm
    >>> spread = sm.over_seeds([0.71, 0.74, 0.72])
    >>> round(spread.value, 3), spread.minimum, spread.maximum
    (0.723, 0.71, 0.74)
    """

    value: float
    """The mean."""
    low: float
    high: float
    """The ends of the interval; nan where no interval can be claimed: too few seeds, or equal values."""
    minimum: float
    maximum: float
    """The smallest and the largest value."""

    def plot(self, ax: Axes | None = None, *, name: str = "mean over seeds") -> Axes:
        """Draw the mean with its interval and, thin, its range as a row, below the rows that are there.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        name : str
            The row's name.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("spread.plot", ax, size_for_rows(6))
        interval_row(ax, name, self.value, self.minimum, self.maximum, color=NULL, linewidth=1, capsize=0)
        interval_row(ax, name, self.value, self.low, self.high)
        label(ax, "mean with its interval; thin, the range of the values")
        return ax

    def to_dict(self) -> SpreadRecord:
        """Return the numbers, rounded to four significant digits; nan becomes None."""
        return {
            "value": short(self.value),
            "low": short(self.low),
            "high": short(self.high),
            "minimum": short(self.minimum),
            "maximum": short(self.maximum),
        }


def over_seeds(
    values: Mapping[Key, float] | Sequence[float], level: float = LEVEL, bounds: Bounds = UNBOUNDED
) -> Spread:
    """Return the mean of values of networks, or of pairs of networks, with its interval over seeds.

    Parameters
    ----------
    values : sequence of float, or mapping of seed to float or of (seed, seed) to float
        One value for each network, or one for each pair of networks. Values that are nan are left out. For pairs of
        networks of two variants, name a seed by its number on both sides: networks of one number may have the same
        start, or the same order of examples.
    level : float, default 0.95
        The confidence level of the interval, in (0, 1).
    bounds : tuple of float, default (-inf, inf)
        The smallest and largest possible value, which the interval does not leave: (0, 1) for s(eps), (-1, 1) for a
        correlation, (-inf, 1) for an adjusted R^2.

    Returns
    -------
    Spread
        The mean, its interval, and the smallest and largest value. All are nan if no value is left. The ends of the
        interval are nan if leaving out some seed leaves no value, if all values are equal, and if the mean is at a
        bound.

    Raises
    ------
    SpanmatchError
        If the level is not in (0, 1), or the bounds do not increase, or only the upper one is infinite.

    Notes
    -----
    The standard error is that of the delete-one jackknife over seeds. With m(-i) the mean of all values in which seed i
    has no part,

        error^2 = (S - 1) / S  sum_i (m(-i) - mean_j m(-j))^2,

    and the interval is Student's with S - 1 degrees of freedom. Where no seed has a part in two values, the values are
    left out one at a time: this is the usual interval of a mean, over networks or over disjoint pairs. Otherwise it
    accounts for the dependence of pairs that share a seed, on the same side or on different sides.

    With finite bounds a and b, the interval is mean +- t error on the scale of log((x - a) / (b - x)), to which the
    error is carried by the derivative at the mean. For (-1, 1) this scale is twice Fisher's z. With (-inf, b) the scale
    is -log(b - x). Cost: S times the number of values.

    References
    ----------
    Efron, B., and Stein, C. (1981). The jackknife estimate of variance. Annals of Statistics 9.

    Examples
    --------
    >>> import spanmatch as sm
    >>> spread = sm.over_seeds([0.71, 0.74, 0.72])
    >>> round(spread.value, 3), round(spread.low, 3), round(spread.high, 3)
    (0.723, 0.685, 0.761)
    >>> sm.over_seeds({(0, 1): 0.71, (0, 2): 0.74, (1, 2): 0.72}).minimum  # pairs of seeds
    0.71
    """
    check_level(level)
    _check_bounds(bounds)
    by_key = dict(values) if isinstance(values, Mapping) else dict(enumerate(values))
    by_seeds = {key if isinstance(key, tuple) else (key,): float(v) for key, v in by_key.items() if not np.isnan(v)}
    if not by_seeds:
        return Spread(*[float("nan")] * 5)
    numbers = np.array(list(by_seeds.values()))
    mean, units = float(numbers.mean()), _units(by_seeds)
    low, high = interval_within(mean, reach_of(level, len(units)) * _error(numbers, units), bounds)
    return Spread(mean, low, high, float(numbers.min()), float(numbers.max()))


def shares_over_seeds(shares: Sequence[float], n: int, level: float = LEVEL) -> Spread:
    """Return the mean of shares of n examples, such as accuracies, one for each network, with its interval over seeds.

    Parameters
    ----------
    shares : sequence of float
        The share of each network, in [0, 1]. Values that are nan are left out.
    n : int
        The number of examples that each is a share of.
    level : float, default 0.95
        The confidence level of the interval, in (0, 1).

    Returns
    -------
    Spread
        The mean, its interval, and the smallest and largest share. The ends of the interval are nan for a single
        network. They are in [0, 1].

    Raises
    ------
    SpanmatchError
        If a share is not in [0, 1], n is not positive, or the level is not in (0, 1).

    Notes
    -----
    With K networks, s the standard deviation of their shares, and p = (hits + 1/2) / (K n + 1) over all networks, the
    interval is

        logit(p) +- max(t(K - 1) s / sqrt(K), z sqrt(p (1 - p) / (K n))) / (p (1 - p)),

    carried back to [0, 1]: over seeds, but never narrower than chance in K n examples makes it. If all shares are 1,
    it is [(1 - level)^(1/n), 1]: at 95% this is the rule of three, [1 - 3/n, 1]. If all are 0, it is the mirror image.
    The interval is about other networks on these examples; other test examples vary more.

    References
    ----------
    Hanley, J. A., and Lippman-Hand, A. (1983). If nothing goes wrong, is everything all right? JAMA 249.

    Examples
    --------
    >>> import spanmatch as sm
    >>> spread = sm.shares_over_seeds([0.98, 0.99, 1.0], 500)
    >>> round(spread.value, 3), round(spread.low, 3), round(spread.high, 3)
    (0.99, 0.894, 0.999)
    """
    from scipy.special import ndtri  # slow to import

    spread = over_seeds(shares, level)
    known = np.array([share for share in shares if not np.isnan(share)])
    if n < 1 or ((known < 0) | (known > 1)).any():
        raise SpanmatchError(
            f"shares {spread.minimum:g} to {spread.maximum:g} of n={n} examples: give shares from 0 to 1, and 1 "
            "example or more"
        )
    if len(known) < 2:
        return spread
    if spread.minimum == 1:
        return replace(spread, low=(1 - level) ** (1 / n), high=1.0)
    if spread.maximum == 0:
        return replace(spread, low=0.0, high=1 - (1 - level) ** (1 / n))
    total = len(known) * n
    p = float((known.sum() * n + 0.5) / (total + 1))
    by_chance = ndtri((1 + level) / 2) * np.sqrt(p * (1 - p) / total)
    half_width = np.fmax((spread.high - spread.low) / 2, by_chance)  # the first is nan for equal shares
    low, high = interval_within(p, float(half_width), SHARE)
    return replace(spread, low=low, high=high)


def _units(keys: Collection[tuple[Hashable, ...]]) -> NDArray[np.bool_]:
    """Return which values are left out together, (units, values): those of a seed, or each alone if none share one."""
    seeds = list(dict.fromkeys(seed for key in keys for seed in key))
    takes_part = np.array([[seed in key for key in keys] for seed in seeds])
    return takes_part if (takes_part.sum(axis=1) > 1).any() else np.eye(len(keys), dtype=bool)


def _error(values: NDArray[np.float64], units: NDArray[np.bool_]) -> float:
    """Return the jackknife's standard error of the mean; nan if none can be had, or it would be zero."""
    remaining = (~units).sum(axis=1)
    if len(units) < 2 or not remaining.all():
        return float("nan")
    means = ~units @ values / remaining
    error = float(np.sqrt((len(units) - 1) / len(units) * np.square(means - means.mean()).sum()))
    return error if error > ROUNDING * np.abs(values).max() else float("nan")


def interval_within(mean: float, half_width: float, bounds: Bounds) -> tuple[float, float]:
    """Return the ends of an interval within the bounds; nan if the mean is at a bound, or the half-width is nan."""
    from scipy.special import expit, logit  # slow to import

    low, high = bounds
    if np.isinf(high):
        return mean - half_width, mean + half_width
    if not low < mean < high:
        return float("nan"), float("nan")
    if np.isinf(low):
        ends = high - (high - mean) * np.exp(np.array([1, -1]) * half_width / (high - mean))
        return float(ends[0]), float(ends[1])
    share, width = (mean - low) / (high - low), half_width / (high - low)
    ends = expit(logit(share) + np.array([-1, 1]) * width / (share * (1 - share)))
    low_end, high_end = low + (high - low) * ends
    return float(low_end), float(high_end)


def _check_bounds(bounds: Bounds) -> None:
    """Raise SpanmatchError if bounds do not increase, or only the upper one is infinite."""
    low, high = bounds
    if not low < high or (np.isinf(high) and not np.isinf(low)):
        raise SpanmatchError(
            f"bounds={bounds!r}: give two finite numbers, the smaller first, or (-inf, number) or (-inf, inf)"
        )
