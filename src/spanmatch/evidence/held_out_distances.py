"""Distances on rows that the coefficients did not see.

With coefficients B of the other side's neurons from all folds but one, and G the second moments of that fold,
distance^2 = diag(Gxx - 2 B' Gyx + B' Gyy B) / diag(Gxx), numerators and denominators added up over folds.
Source: docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._threads import few_threads
from ..errors import SpanmatchError
from ..match import Match
from ..match.maximum import check_match
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Array, Index, Span

Squares = tuple[Array, Array]
"""Squared residuals and squared norms, of each neuron."""


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldOut(Result):
    """A match on rows that its coefficients did not see."""

    eps: float
    x: Index
    """The match's neurons."""
    y: Index
    x_distances: Array
    """(|x|,) over all folds; can be above 1, and is so where the coefficients do harm."""
    y_distances: Array
    """(|y|,)"""
    x_folds: Array
    """(folds, |x|) in each fold; nan where a neuron is silent in it."""
    y_folds: Array
    x_in_sample: Array
    """(|x|,) on the rows fitted."""
    y_in_sample: Array

    def __repr__(self) -> str:
        count = len(self.x) + len(self.y)
        return (
            f"<HeldOut of a match at eps={self.eps:g} of {count} neurons: share {self.share:.3f} within eps, "
            f"optimism {self.optimism:.3g}, {self.provenance.rows:,} rows>"
        )

    @property
    def share(self) -> float:
        """The share of the match's neurons whose held-out distance is within eps; nan for an empty match."""
        distances = np.concatenate([self.x_distances, self.y_distances])
        return float(np.mean(distances <= self.eps)) if len(distances) else float("nan")

    @property
    def optimism(self) -> float:
        """How much nearer neurons look in sample: mean of held-out less in-sample distances; nan for an empty match."""
        held = np.concatenate([self.x_distances, self.y_distances])
        seen = np.concatenate([self.x_in_sample, self.y_in_sample])
        return float(np.mean(held - seen)) if len(held) else float("nan")


@few_threads
def held_out(pair: Pair, match: Match) -> HeldOut:
    """Return the distances of a match's neurons on held-out folds.

    Raises SpanmatchError if no folds were kept apart, or the match is of other layers.
    Cost: for each fold, of two triangular factors and solves of the match's size.

    >>> import numpy as np, spanmatch as sm
    >>> r = np.random.default_rng(0)
    >>> pair = sm.pair(r.standard_normal((60, 25)), r.standard_normal((60, 25)))  # chance, and few rows
    >>> result = sm.held_out(pair, sm.maximum_match(pair, 0.9))
    >>> result.share, result.optimism > 0.3
    (0.0, True)
    """
    checked_pair(pair)
    check_match(pair, match)
    folds = [_fold(rest, fold, match.x, match.y, match.provenance.centred) for rest, fold in pair.splits()]
    if not folds:
        raise SpanmatchError(f"layers {pair.x_layer!r} and {pair.y_layer!r}: no folds were kept; use folds=8")
    x, y = [side[0] for side in folds], [side[1] for side in folds]
    inside = pair.spans(match.x, match.y, centred=match.provenance.centred)
    return HeldOut(
        eps=match.eps,
        x=match.x,
        y=match.y,
        x_distances=_distances(x),
        y_distances=_distances(y),
        x_folds=np.array([_distances([fold]) for fold in x]),
        y_folds=np.array([_distances([fold]) for fold in y]),
        x_in_sample=np.sqrt(inside[1].outside),
        y_in_sample=np.sqrt(inside[0].outside),
        provenance=match.provenance,
    )


def _fold(rest: Pair, fold: Pair, x: Index, y: Index, centred: bool) -> tuple[Squares, Squares]:
    """Return the squares of x's neurons from y's, and of y's from x's, on a fold."""
    i, j = (np.isin(side, alive) for side, alive in zip((x, y), rest.active(centred=centred), strict=True))
    of_x, of_y = rest.spans(x[i], y[j], centred=centred)
    return (
        _squares(rest.swapped, fold.swapped, of_y, y[j], x, i, centred),
        _squares(rest, fold, of_x, x[i], y, j, centred),
    )


def _squares(
    rest: Pair, fold: Pair, span: Span, x: Index, y: Index, alive: NDArray[np.bool_], centred: bool
) -> Squares:
    """Return the squared residuals and norms of neurons y on a fold, predicted from the span that x has in the rest.

    A neuron that is silent in the rest, not `alive`, predicts nothing, and is predicted to be silent.
    """
    a, b = rest.energy("x", centred=centred), rest.energy("y", centred=centred)
    W = np.zeros((len(x), len(y)))
    W[:, alive] = (span.dual.T @ span.inside) * np.sqrt(b[y[alive]]) / np.sqrt(a[x])[:, None]
    u, v = (rest.x_mean[x], rest.y_mean[y]) if centred else (np.zeros(len(x)), np.zeros(len(y)))
    return fold.squares(x, y, W, v - u @ W, v)


def _distances(folds: Sequence[Squares]) -> Array:
    left, whole = (np.sum([fold[i] for fold in folds], axis=0) for i in (0, 1))
    return np.asarray(np.sqrt(np.divide(left, whole, out=np.full_like(left, np.nan), where=whole > 0)))
