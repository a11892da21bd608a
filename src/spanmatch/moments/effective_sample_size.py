"""The effective sample size of a pair of layers: how many independent rows the rows are equivalent to.

Source: docs/evidence.md.
"""

from __future__ import annotations

import numpy as np

from ..errors import SpanmatchError
from .pairs import Pair
from .remembered import remembered
from .spans import Span


@remembered
def effective_sample_size(pair: Pair) -> float:
    """Return the number of independent rows that would give the same distances by chance.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    float
        The number of rows if each row is an example of its own. Otherwise at most the number of
        rows, from the null pairing.

    Raises
    ------
    SpanmatchError
        If examples have several rows, and there is no null pairing.

    Notes
    -----
    n independent rows of unrelated layers give R^2 = v / (n - 1) on average, for v dimensions of
    the regressors. With R^2 the mean over neurons under the null, the effective sample size is

        1 + v / R^2,

    the smaller value of both layers. Cost: two regressions.
    """
    if pair.rows_are_examples:
        return float(pair.rows)
    x, y = pair.active(centred=True)
    return min([pair.rows, *(_of_span(span) for span in pair.null.spans(x, y, centred=True))])


def effective_or_reason(pair: Pair) -> tuple[float, str]:
    """Return the effective sample size and an empty string, or nan and the reason why it is unknown.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    size : float
    reason : str
    """
    try:
        return effective_sample_size(pair), ""
    except SpanmatchError as error:
        return float("nan"), str(error)


def _of_span(span: Span) -> float:
    """Return the number of independent rows at which a span explains as much of independent neurons
    as under the null.
    """
    explained = float(np.mean(1 - span.outside)) if len(span.outside) else 0.0
    return 1 + len(span.dual) / explained if explained > 0 else float("inf")
