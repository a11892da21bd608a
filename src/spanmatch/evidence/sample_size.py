"""Whether there are enough rows: effective sample size and chance distance.

For n independent rows and neurons that span w dimensions, independent layers have a distance of
sqrt(1 - w / n). Rows of one example are dependent. Their effective sample size is derived from the
null pairing, where R^2 = w / (n_effective - 1) on average over neurons. There are enough rows for a
match at eps if the chance distance is at least halfway from eps to 1.
Source: docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Span


@dataclass(frozen=True, eq=False, kw_only=True)
class RowsNeeded(Result):
    """The effective sample size, and the one that a match at eps needs."""

    eps: float
    """Of the match."""
    effective_sample_size: float
    """Number of independent rows that would give the same chance distances; at most the number of
    rows.
    """
    needed: int
    """Effective sample size at which the chance distance is halfway from eps to 1."""
    chance_distance: float
    """The distance of independent layers at the effective sample size, for the layer of more
    dimensions.
    """
    unknown: str = ""
    """Why there is no null pairing, so that the effective sample size is nan; empty if there is
    one.
    """

    @property
    def enough(self) -> bool:
        """Whether the effective sample size is at least the one needed."""
        return self.effective_sample_size >= self.needed

    @property
    def more(self) -> float:
        """The factor by which to increase the number of examples; 1 if there are enough."""
        return float(np.maximum(1.0, self.needed / self.effective_sample_size))

    @property
    def advice(self) -> str:
        """The effective sample size and how many examples would be enough, in words; empty if there
        are enough.
        """
        if self.unknown:
            return f"the effective sample size is unknown, because there is no null pairing: {self.unknown}"
        if self.enough:
            return ""
        return (
            f"the effective sample size of {self.provenance.rows:,} rows of {self.provenance.n_examples:,} examples is "
            f"{self.effective_sample_size:,.0f}; at eps {self.eps:g}, {self.needed:,} are needed so that the "
            f"chance distance ({self.chance_distance:.2f}) is far from eps: use {self.more:.1f} times as many "
            "examples, or a smaller eps"
        )


@few_threads
def rows_needed(pair: Pair, eps: float = 0.3) -> RowsNeeded:
    """Return whether there are enough rows for a match at eps not to be due to chance.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    eps : float
        Of the match, in [0, 1).

    Returns
    -------
    RowsNeeded
        The effective sample size, the one needed, and the chance distance. Without a null pairing,
        every row counts as independent. If the null pairing is refused, the effective sample size
        is nan.

    Raises
    ------
    SpanmatchError
        If `eps` is out of range, or a layer is constant.

    Notes
    -----
    With v the dimensions of a layer and R^2 the mean share of variance of the other layer's neurons
    that it explains under the null, the effective sample size is 1 + v / R^2, the smaller value of
    both layers, and at most the number of rows. With w the dimensions of the wider layer:

        chance distance = sqrt(1 - w / (effective - 1)),   needed = 1 + w / (1 - ((1 + eps) / 2)^2)

    Cost: two regressions.

    Examples
    --------
    >>> import numpy as np, spanmatch as sm
    >>> r = np.random.default_rng(0)
    >>> X, Y = r.standard_normal((60, 40)), r.standard_normal((60, 40))
    >>> result = sm.rows_needed(sm.pair(X, Y), eps=0.5)
    >>> result.enough, result.needed
    (False, 93)
    """
    checked_pair(pair)
    if not 0 <= eps < 1:
        raise SpanmatchError(f"eps={eps:g}: give a number in [0, 1)")
    x, y = pair.active(centred=True)
    if not (len(x) and len(y)):
        layer = pair.y_layer if len(x) else pair.x_layer
        raise SpanmatchError(f"rows needed: layer {layer!r} never varies, so that there is nothing to compare")
    dimensions = max(len(span.dual) for span in pair.all_spans(centred=True))
    null_pair, unknown = pair.null_or_reason()
    sizes = [] if null_pair is None else [_effective_sample_size(span) for span in null_pair.spans(x, y, centred=True)]
    effective = float("nan") if unknown else float(min([pair.rows, *sizes]))
    return RowsNeeded(
        provenance=pair.provenance,
        eps=float(eps),
        effective_sample_size=effective,
        needed=int(np.ceil(dimensions / (1 - ((1 + eps) / 2) ** 2) + 1)),
        chance_distance=float(np.sqrt(np.maximum(0.0, 1 - dimensions / np.maximum(1.0, effective - 1)))),
        unknown=unknown,
    )


def _effective_sample_size(span: Span) -> float:
    """Return the number of independent rows at which a span explains as much of independent neurons
    as under the null.
    """
    explained = float(np.mean(1 - span.outside))
    return 1 + len(span.dual) / explained if explained > 0 else np.inf
