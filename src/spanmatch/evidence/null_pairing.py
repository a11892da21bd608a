"""The value of a measure under the null, in which nothing corresponds.

Rows of x are paired with rows of other examples of y: both layers stay as they are, only what they have in common is
gone. The other example is of the same batch, so that examples must not be more alike within a batch than over all.
Source: docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import SupportsFloat

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result

Statistic = Callable[[Pair], SupportsFloat]
"""A measure, or any function of a pair that gives a number."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Null(Result):
    """A measure, and its value under the null."""

    name: str
    value: float
    """As observed."""
    null_value: float
    """Under the null."""
    partner_similarity: float
    """The share of their variance that examples have in common which the null may pair, those of one batch; of the
    layer where it is larger. Near 0, on either side of it: a larger one is refused."""

    @property
    def excess(self) -> float:
        """What there is beyond chance: value - null_value."""
        return self.value - self.null_value

    def __float__(self) -> float:
        """Return the value, as observed."""
        return self.value


@few_threads
def null(pair: Pair, measure: Statistic) -> Null:
    """Return a measure of the null pairing, beside that of the pair itself.

    Parameters
    ----------
    pair : two layers, of moments with ``null=True``.
    measure : any function of a pair that gives a number, as `sm.cka`.

    Returns
    -------
    Null : the measure under the null and of the pair, and how alike the examples are that the null pairs.

    Raises
    ------
    SpanmatchError
        If no null pairing was kept; if batches were mostly of one example; if the examples of one batch are more alike
        than those of shuffled data, as in data sorted by class, whose null would hold what a class has in common.

    Notes
    -----
    Within a batch, examples are put in the order of the hashes of their ids, and each is paired with the next. With t_e
    the mean over the rows of example e, less the mean of all examples, the similarity of examples of one batch is

        sum over batches of sum over e != f of t_e . t_f / (m - 1),   over sum over e of t_e . t_e,

    with m examples in a batch. It is refused above 0.01 and eight standard deviations of what it is for shuffled
    examples. Cost: of the measure, twice.

    Examples
    --------
    >>> import numpy as np, spanmatch as sm
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
    """Return what to call a measure.  Raises SpanmatchError for what is no function."""
    if not callable(measure):
        raise SpanmatchError(f"measure={measure!r}: give a function of a pair, as sm.cka")
    return str(getattr(measure, "name", None) or getattr(measure, "__name__", None) or type(measure).__name__)
