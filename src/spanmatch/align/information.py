"""Mutual information of single neurons between two networks, from joint histograms.

I_ij = sum over bins of p_ab log(p_ab / (p_a p_b)), plus the correction of Miller and Madow for the number of occupied
cells: (K_a + K_b - K_ab - 1) / (2 n). It finds partners whose relation is not linear.
Source: Li et al., ICLR 2016, section 3; Miller 1955; docs/convergent.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..errors import SpanmatchError
from ..factor import Array
from ..joint import Pair
from ..moments import pair as paired
from .about import Aligned, about


@dataclass(frozen=True, eq=False, kw_only=True)
class Information(Aligned):
    """Mutual information of every neuron of one layer with every neuron of the other, in nats."""

    between: Array = field(repr=False)
    """(p, q) corrected for bias: 0 on average for independent neurons, so that it can fall below 0."""
    uncorrected: Array = field(repr=False)
    """(p, q) of the histograms as they are: never negative, too large for few rows."""
    x_entropy: Array = field(repr=False)
    """(p,) of each neuron's bins, corrected: the most that any other can tell of it."""
    y_entropy: Array = field(repr=False)
    """(q,)"""
    x_edges: Array = field(repr=False)
    """(p, bins - 1): a value is in the bin numbered by how many edges it is above."""
    y_edges: Array = field(repr=False)


def mutual_information(
    X: Pair | ArrayLike, Y: ArrayLike | None = None, *, bins: int | tuple[ArrayLike, ArrayLike] = 10
) -> Information:
    """Return the mutual information of all neurons of one layer with all of another, in nats.

    A neuron that is never negative has a bin for zero and quantile bins above it, another has quantile bins.
    Args: X (n, p) and Y (n, q), rows x neurons, with bins, how many, or the edges of X's and Y's. Or, streamed, a pair
    whose joint histograms were counted: of `sm.Moments(bins=10)` or `sm.pair(X, Y, bins=10)`, which have their bins
    already.
    Raises SpanmatchError if the pair has no histograms.
    Cost: counting takes 2 n p q bins^2 operations as matrix products; the rest p q bins^2.
    """
    if isinstance(X, Pair):
        pair = X
    elif Y is None:
        raise SpanmatchError("mutual_information: give two arrays, or a pair made with bins")
    else:
        pair = paired(X, Y, folds=1, null=False, bins=bins)
    if pair.counts is None:
        raise SpanmatchError(
            f"layers {pair.x_layer!r} and {pair.y_layer!r}: no histograms were counted; make the moments with bins=10"
        )
    table, n = pair.counts.table, pair.rows
    own_x, own_y = table[:, :, 0].sum(axis=2), table[0].sum(axis=0)
    x, occupied_x = _entropy(own_x, (1,), n)
    y, occupied_y = _entropy(own_y, (1,), n)
    both, occupied = _entropy(table, (1, 3), n)
    plain = x[:, None] + y - both
    cells = occupied_x[:, None] + occupied_y - occupied - 1
    return Information(
        between=plain + cells / (2 * n),
        uncorrected=plain,
        x_entropy=x + (occupied_x - 1) / (2 * n),
        y_entropy=y + (occupied_y - 1) / (2 * n),
        x_edges=pair.counts.edges[0],
        y_edges=pair.counts.edges[1],
        **about(pair),
    )


def _entropy(counts: Array, bins: tuple[int, ...], n: int) -> tuple[Array, Array]:
    """Return the entropy over the axes of the bins, and how many of them are occupied."""
    share = counts / n
    log = np.log(share, out=np.zeros_like(share), where=share > 0)
    return -(share * log).sum(axis=bins), np.count_nonzero(counts, axis=bins).astype(np.float64)
