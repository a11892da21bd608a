"""Distances of a match on rows that its coefficients were not fitted on.

With coefficients B of the other layer's neurons from all folds but one, and the second moments G of
that fold, distance^2 = diag(Gxx - 2 B' Gyx + B' Gyy B) / diag(Gxx). Numerators and denominators are
summed over folds.
Source: docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._plotting import FAINT, NULL, X, Y, axes_for, label, legend
from .._threads import few_threads
from ..errors import SpanmatchError
from ..match import Match
from ..match.maximum import check_match
from ..moments.held_out_squares import Squares, held_out_squares
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Array, Index

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class HeldOut(Result):
    """The distances of a match's neurons on held-out rows.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> held_out = sm.held_out(pair, sm.maximum_match(pair, eps=0.8))
    >>> held_out.share, held_out.optimism > 0
    (1.0, True)
    """

    eps: float
    """Of the match."""
    x: Index
    """(|x|,) the match's neurons of x."""
    y: Index
    """(|y|,) the match's neurons of y."""
    x_distances: Array
    """(|x|,) over all folds. They exceed 1 where the prediction is worse than 0 (the mean if
    centred).
    """
    y_distances: Array
    """(|y|,) over all folds."""
    x_folds: Array
    """(folds, |x|) in each fold; nan where a neuron is silent in it."""
    y_folds: Array
    """(folds, |y|) in each fold."""
    x_in_sample: Array
    """(|x|,) on the rows fitted."""
    y_in_sample: Array
    """(|y|,) on the rows fitted."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each neuron's distance on held-out rows over that on the rows fitted; dashed is eps.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("held_out.plot", ax)
        sides = (
            (self.x_in_sample, self.x_distances, self.x_layer, X, "o"),
            (self.y_in_sample, self.y_distances, self.y_layer, Y, "s"),
        )
        for in_sample, distances, layer, colour, mark in sides:
            name = f"{len(distances)} of {layer}"
            ax.plot(in_sample, distances, mark, color=colour, markersize=4, alpha=0.7, label=name)
        ends = np.concatenate([self.x_distances, self.y_distances, [self.eps]])
        end = 1.05 * float(np.nanmax(ends))
        ax.plot([0, end], [0, end], color=FAINT, zorder=0)
        ax.axhline(self.eps, color=NULL, linestyle="--", linewidth=1, label=f"eps {self.eps:g}")
        ax.set(xlim=(0, end), ylim=(0, end))
        none = np.isnan(self.share)
        title = "no neuron is in the match" if none else f"{self.share:.0%} within eps on held-out rows"
        label(ax, "distance on the rows fitted", "distance on held-out rows", title)
        legend(ax)
        return ax

    def _summary(self) -> str:
        count = len(self.x) + len(self.y)
        return (
            f"of a match at eps={self.eps:g} of {count} neurons: share {self.share:.3f} within eps, "
            f"optimism {self.optimism:.3g}, {self.provenance.rows:,} rows"
        )

    @property
    def share(self) -> float:
        """The share of the match's neurons whose held-out distance is at most eps; nan for an empty
        match.
        """
        distances = np.concatenate([self.x_distances, self.y_distances])
        return float(np.mean(distances <= self.eps)) if len(distances) else float("nan")

    @property
    def optimism(self) -> float:
        """Mean held-out distance minus mean in-sample distance; nan for an empty match."""
        held_out = np.concatenate([self.x_distances, self.y_distances])
        in_sample = np.concatenate([self.x_in_sample, self.y_in_sample])
        return float(np.mean(held_out - in_sample)) if len(held_out) else float("nan")


@few_threads
def held_out(pair: Pair, match: Match) -> HeldOut:
    """Return the distances of a match's neurons on held-out folds.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q), with folds.
    match : Match
        Of that pair.

    Returns
    -------
    HeldOut
        Distances held out and in sample, the share within eps, and the optimism.

    Raises
    ------
    SpanmatchError
        If no folds were kept, or the match is of other layers.

    Notes
    -----
    With coefficients B from all folds but one, and the second moments G of that fold:

        distance^2 = diag(Gxx - 2 B' Gyx + B' Gyy B) / diag(Gxx)

    Numerators and denominators are summed over folds.

    Cost: for each fold, two triangular factorisations and solves of the match's size.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> r = np.random.default_rng(0)
    >>> pair = sm.pair(r.standard_normal((60, 25)), r.standard_normal((60, 25)))
    >>> result = sm.held_out(pair, sm.maximum_match(pair, 0.9))
    >>> result.share, result.optimism > 0.3
    (0.0, True)
    """
    checked_pair(pair)
    check_match(pair, match)
    centred = match.provenance.centred
    folds = [held_out_squares(rest, fold, match.x, match.y, centred=centred) for rest, fold in pair.splits()]
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


def _distances(folds: Sequence[Squares]) -> Array:
    """Return distances from the squares of several folds; nan where a neuron is silent in all of
    them.
    """
    residuals, totals = (np.sum([fold[i] for fold in folds], axis=0) for i in (0, 1))
    return np.asarray(np.sqrt(np.divide(residuals, totals, out=np.full_like(residuals, np.nan), where=totals > 0)))
