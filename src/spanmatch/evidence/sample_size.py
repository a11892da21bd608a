"""Are there enough rows?

By chance, n independent rows and neurons that span w dimensions leave a distance of sqrt(1 - w / n). Rows of one
example are not independent; how many they are worth is read off the null pairing, in which only chance is left: R^2 =
w / (n_effective - 1) on average over neurons. A match at eps is far from chance if the chance distance is at least
halfway from eps to 1.
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
    """How many rows there are, what they are worth, and how many a match at eps needs."""

    eps: float
    effective_sample_size: float
    """Independent rows that would leave the same chance distances; at most the rows there are."""
    needed: int
    """Effective rows for the chance distance to be halfway from eps to 1."""
    chance_distance: float
    """At the effective number of rows, for the layer of more dimensions."""
    unknown: str = ""
    """Why there is no null to read the effective rows off, which are then nan; empty if there is one."""

    @property
    def enough(self) -> bool:
        """Whether the effective rows are as many as needed."""
        return self.effective_sample_size >= self.needed

    @property
    def more(self) -> float:
        """How many times as many examples would be enough; 1 if there are enough."""
        return float(np.maximum(1.0, self.needed / self.effective_sample_size))

    @property
    def advice(self) -> str:
        """Say in words what there is, and what would be enough; empty if there is enough."""
        if self.unknown:
            return f"the effective sample size is not known, as there is no null: {self.unknown}"
        if self.enough:
            return ""
        return (
            f"the effective sample size of {self.provenance.rows:,} rows of {self.provenance.n_examples:,} examples is "
            f"{self.effective_sample_size:,.0f}; at eps {self.eps:g}, {self.needed:,} are needed for the chance "
            f"distance ({self.chance_distance:.2f}) to be far from eps: use {self.more:.1f} times as many examples, "
            "or a smaller eps"
        )


@few_threads
def rows_needed(pair: Pair, eps: float = 0.3) -> RowsNeeded:
    """Return whether there are enough rows for a match at eps to be far from chance.

    Args: eps in [0, 1). Raises SpanmatchError for another, or if a layer never varies. If no null pairing was kept,
    every row counts as independent; if it is refused, the effective rows are nan. Cost: of two regressions.

    >>> import numpy as np, spanmatch as sm
    >>> r = np.random.default_rng(0)
    >>> found = sm.rows_needed(sm.pair(r.standard_normal((60, 40)), r.standard_normal((60, 40))), eps=0.5)
    >>> found.enough, found.needed
    (False, 93)
    """
    checked_pair(pair)
    if not 0 <= eps < 1:
        raise SpanmatchError(f"eps={eps:g}: give a number in [0, 1)")
    x, y = pair.active(centred=True)
    if not (len(x) and len(y)):
        layer = pair.y_layer if len(x) else pair.x_layer
        raise SpanmatchError(f"rows needed: layer {layer!r} never varies, so that there is nothing to compare")
    wide = max(len(span.dual) for span in pair.all_spans(centred=True))
    world, unknown = pair.null_or_reason()
    worth = [] if world is None else [_worth(span) for span in world.spans(x, y, centred=True)]
    effective = float("nan") if unknown else float(min([pair.rows, *worth]))
    return RowsNeeded(
        provenance=pair.provenance,
        eps=float(eps),
        effective_sample_size=effective,
        needed=int(np.ceil(wide / (1 - ((1 + eps) / 2) ** 2) + 1)),
        chance_distance=float(np.sqrt(np.maximum(0.0, 1 - wide / np.maximum(1.0, effective - 1)))),
        unknown=unknown,
    )


def _worth(span: Span) -> float:
    """Return how many independent rows would explain as much by chance as a span does in the null world."""
    explained = float(np.mean(1 - span.outside))
    return 1 + len(span.dual) / explained if explained > 0 else np.inf
