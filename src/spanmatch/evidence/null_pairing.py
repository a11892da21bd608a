"""The value of a measure under the null, in which nothing corresponds.

Rows of x are paired with rows of other examples of y. Both layers keep their own distribution; only
their relation is removed. The other example is from the same batch, so examples must not be more
similar within batches than over all data.
Source: docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsFloat

from .._plotting import NULL, axes_for, interval_row, label, size_for_rows
from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result, name_of_pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Statistic = Callable[[Pair], SupportsFloat]
"""A measure, or any other function of a pair that returns a number."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Null(Result):
    """The value of a measure, and its value under the null.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> null = sm.null(pair, sm.cka)
    >>> round(null.value, 3), round(null.null_value, 3)
    (0.497, 0.007)
    """

    name: str
    """The measure's name."""
    value: float
    """The value of the pair."""
    null_value: float
    """The value of the null pairing."""
    partner_similarity: float
    """How similar the examples of one batch are, which the null may pair.

    It is their common share of variance, of the layer where it is larger. It is near 0 (of either
    sign) for shuffled data; larger values are refused.
    """

    def plot(self, ax: Axes | None = None, *, name: str | None = None) -> Axes:
        """Draw the value (filled) and its value under the null (open) as a row.

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
        ax = axes_for("null.plot", ax, size_for_rows(6))
        row = name or f"{self.name}, {name_of_pair(self.x_layer, self.y_layer)}"
        interval_row(ax, row, self.value, *sorted((self.value, self.null_value)), capsize=0)
        ax.plot([self.null_value], [row], "o", color=NULL, markerfacecolor="white", markersize=5)
        label(ax, "value (filled), and under the null (open)")
        return ax

    @property
    def excess(self) -> float:
        """The value minus the null value."""
        return self.value - self.null_value

    def __float__(self) -> float:
        """Return the value of the pair."""
        return self.value


@few_threads
def null(pair: Pair, measure: Statistic) -> Null:
    """Return the value of a measure for a pair and for its null pairing.

    It says how large the measure is by chance, over all rows. Whether a value could be due to chance
    is the question of `permutation_test`, which has the distribution of null values.

    .. warning:: If neighbouring examples are alike, as in data sorted by class, the null pairs examples
       that are related, and its value is too high. It is refused where that is noticed: shuffle the
       examples, or use `permutation_test`, which permutes all sampled examples.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q), of moments with ``null=True``.
    measure : callable
        A function of a `Pair` that returns a number, such as `sm.cka`.

    Returns
    -------
    Null
        The value, the null value, and how similar the examples are that the null pairs.

    Raises
    ------
    SpanmatchError
        If no null pairing was kept, most batches had one example, or the examples of one batch are
        more similar than shuffled data. The last is the case for data sorted by class: the null
        would keep what a class has in common.

    Notes
    -----
    Within a batch, examples are ordered by the hashes of their ids, and each is paired with the
    next. With t_e the mean over the rows of example e minus the mean of all examples, and m
    examples in a batch, the partner similarity is

        sum over batches of sum over e != f of t_e . t_f / (m - 1),   over sum over e of t_e . t_e.

    It is refused if it is above 0.01 and above its mean for shuffled examples by eight standard
    deviations.

    Cost: the measure, twice.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((1000, 5))
    >>> result = sm.null(sm.pair(X, X), sm.cka)
    >>> result.value > 0.999, result.null_value < 0.01, abs(result.partner_similarity) < 0.01
    (True, True, True)
    """
    checked_pair(pair)
    name = name_of(measure)
    return Null(
        name=name,
        value=float(measure(pair)),
        null_value=float(measure(pair.null)),
        partner_similarity=pair.partner_similarity,
        provenance=pair.provenance,
    )


def name_of(measure: Statistic) -> str:
    """Return the name of a measure.  Raises SpanmatchError if it is not callable."""
    if not callable(measure):
        raise SpanmatchError(f"measure={measure!r}: give a function of a pair, such as sm.cka")
    return str(getattr(measure, "name", None) or getattr(measure, "__name__", None) or type(measure).__name__)
