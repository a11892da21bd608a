"""Whether there are enough rows: effective sample size and chance distance.

For n independent rows and neurons that span w dimensions, independent layers have a distance of
sqrt(1 - w / n). Rows of one example are dependent; the effective sample size takes their place
(`effective_sample_size`). There are enough rows for a match at eps if the chance distance is at
least halfway from eps to 1.
Source: docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.effective_sample_size import effective_or_reason
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class RowsNeeded(Result):
    """The effective sample size, and the one that a match at eps needs.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> needed = sm.rows_needed(pair, eps=0.3)
    >>> needed.needed, needed.enough
    (8, True)
    """

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
    """Why the effective sample size is nan; empty if it is known."""

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
            return f"there may be too few rows: {self.unknown}"
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
        The effective sample size, the one needed, and the chance distance. If examples have several
        rows and no folds were kept, the effective sample size is unknown: nan.

    Raises
    ------
    SpanmatchError
        If `eps` is out of range, or a layer is constant.

    Notes
    -----
    With the effective sample size n and w the dimensions of the wider layer:

        chance distance = sqrt(1 - w / (n - 1)),   needed = 1 + w / (1 - ((1 + eps) / 2)^2)

    Cost: of dependent rows, two regressions for each fold.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
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
    effective, unknown = effective_or_reason(pair)
    return RowsNeeded(
        provenance=pair.provenance,
        eps=float(eps),
        effective_sample_size=effective,
        needed=int(np.ceil(dimensions / (1 - ((1 + eps) / 2) ** 2) + 1)),
        chance_distance=float(np.sqrt(np.maximum(0.0, 1 - dimensions / np.maximum(1.0, effective - 1)))),
        unknown=unknown,
    )
