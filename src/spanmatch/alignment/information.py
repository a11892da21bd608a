"""Mutual information of single neurons between two networks, from joint histograms.

I_ij = sum over bins of p_ab log(p_ab / (p_a p_b)) is too large by chance: the more so the fewer rows there are. With E
its mean over permutations of the rows and H the smaller entropy of the two neurons, (I - E) H / (H - E) is 0 on average
for independent neurons and H for neurons that tell each other. It finds partners whose relation is not linear.
Source: Li et al., ICLR 2016, section 3; Vinh, Epps, Bailey, JMLR 2010; docs/convergent.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.moments import pair as paired
from ..moments.pairs import Pair
from ..moments.spans import Array
from .chance import AlignmentResult, alignment_fields
from .contingency import chance_information, thinned


@dataclass(frozen=True, eq=False, kw_only=True)
class Information(AlignmentResult):
    """Mutual information of every neuron of one layer with every neuron of the other, in nats."""

    between: Array = field(repr=False)
    """(p, q) corrected for chance: 0 on average for independent neurons, so that it can fall below 0."""
    uncorrected: Array = field(repr=False)
    """(p, q) of the histograms as they are: never negative, too large for few rows."""
    p_value: Array = field(repr=False)
    """(p, q) how likely independent neurons with these bin counts have at least this mutual information, at the
    effective number of rows. Each for itself: not corrected for the number of pairs."""
    x_entropy: Array = field(repr=False)
    """(p,) of each neuron's bins: the most that any other can tell of it."""
    y_entropy: Array = field(repr=False)
    """(q,)"""
    x_edges: Array = field(repr=False)
    """(p, bins - 1): a value is in the bin numbered by how many edges it is above."""
    y_edges: Array = field(repr=False)


@few_threads
def mutual_information(
    X: Pair | ArrayLike, Y: ArrayLike | None = None, *, bins: int | tuple[ArrayLike, ArrayLike] = 10
) -> Information:
    """Return the mutual information of all neurons of one layer with all of another, in nats.

    A neuron that is never negative has a bin for zero and quantile bins above it, another has quantile bins.

    Parameters
    ----------
    X, Y : arrays (n, p) and (n, q), rows x neurons; or, streamed, in place of both a pair whose joint histograms were
        counted: of `sm.Moments(bins=10)` or `sm.pair(X, Y, bins=10)`, which have their bins already.
    bins : for arrays, how many, or the edges of X's and Y's, (p, bins - 1) and (q, bins - 1).

    Returns
    -------
    Information, with (p, q) arrays.

    Raises
    ------
    SpanmatchError : if the pair has no histograms.

    Notes
    -----
    The correction for chance, with E the mean of I over permutations of the rows and H the smaller entropy:

        between = (I - E) H / (H - E)

    E is exact (hypergeometric counts), interpolated to 1e-4 of it where bins have many different counts. The test
    compares n I with the gamma distribution of the mean n E; its variance is the larger of that over permutations and
    that of chi^2 with (a - 1)(b - 1) degrees of freedom scaled to the same mean, a and b being the occupied bins. So
    it is the G-test for many rows, and conservative for few.

    Where several rows are of one example, the test takes the effective number of rows, and E a number between
    them and all rows: information about bins dissolves faster than correlation (docs/convergent.md).

    Cost: counting takes 2 n p q bins^2 operations as matrix products; the rest p q bins^2.

    References
    ----------
    Li et al., ICLR 2016, section 3; Vinh, Epps, Bailey, JMLR 2010.
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
    counts = table[:, :, 0].sum(axis=2), table[0].sum(axis=0)
    x, y = _entropy(counts[0], (1,), n), _entropy(counts[1], (1,), n)
    plain = x[:, None] + y - _entropy(table, (1, 3), n)
    facts = alignment_fields(pair)
    tested = round(facts["effective_sample_size"])
    corrected = _rows_of_bins(pair, facts["effective_sample_size"])
    chance = {rows: _by_chance(counts, rows) for rows in {tested, corrected}}
    return Information(
        between=_corrected(plain, chance[corrected].mean, np.minimum(x[:, None], y)),
        uncorrected=plain,
        p_value=_p_values(plain, chance[tested]),
        x_entropy=x,
        y_entropy=y,
        x_edges=pair.counts.edges[0],
        y_edges=pair.counts.edges[1],
        **facts,
    )


def _entropy(counts: Array, bins: tuple[int, ...], n: int) -> Array:
    """Return the entropy over the axes of the bins."""
    share = counts / n
    log = np.log(share, out=np.zeros_like(share), where=share > 0)
    return np.asarray(-(share * log).sum(axis=bins))


def _rows_of_bins(pair: Pair, effective: float) -> int:
    """Return the effective sample size of the mutual information of bins, between that of correlations and all rows.

    With k rows an example that correlate r with each other, a correlation of two layers has the design effect 1 + (k -
    1) r^2. For bins, the share of r that is left when a normal variable is known by its bin alone takes its place.
    """
    size = pair.rows / max(pair.n_examples, 1)
    if not 1 < size < pair.rows:
        return pair.rows
    r = np.sqrt(max(pair.rows / effective - 1, 0) / (size - 1))
    assert pair.counts is not None
    x_bins, _, y_bins = pair.counts.table.shape[1:]
    return round(pair.rows / (1 + (size - 1) * _alike(r, x_bins) * _alike(r, y_bins)))


def _alike(r: float, bins: int) -> float:
    """Return how alike the bins of two normal values are that correlate r: 0 if independent, 1 if always the same."""
    from scipy.special import ndtr, ndtri

    if r >= 1:
        return 1.0
    points = (np.arange(64 * bins) + 0.5) / (64 * bins)
    edges, own = ndtri(np.arange(bins + 1) / bins), np.arange(64 * bins) // 64
    low, high = ((edges[own + i] - r * ndtri(points)) / np.sqrt(1 - r * r) for i in (0, 1))
    return float((bins * np.mean(ndtr(high) - ndtr(low)) - 1) / (bins - 1))


class _Chance(NamedTuple):
    """Mutual information (p, q) of independent neurons with some bin counts, and their degrees of freedom."""

    mean: Array
    variance: Array
    degrees: Array


def _by_chance(counts: tuple[Array, Array], rows: int) -> _Chance:
    a, b = (thinned(own, rows) for own in counts)
    mean, variance = chance_information(a, b)
    degrees = np.outer(*(np.maximum(np.count_nonzero(own, axis=1) - 1, 0) for own in (a, b)))
    return _Chance(mean / rows, variance / rows**2, degrees)


def _corrected(information: Array, chance: Array, most: Array) -> Array:
    excess, room = information - chance, most - chance
    return excess * np.divide(most, room, out=np.ones_like(room), where=room > 1e-9 * most)


def _p_values(information: Array, chance: _Chance) -> Array:
    from scipy.special import gammaincc

    known = (chance.degrees > 0) & (chance.mean > 0)
    mean = np.where(known, chance.mean, 1.0)
    scale = np.maximum(chance.variance / mean, 2 * mean / np.maximum(chance.degrees, 1))
    return np.where(known, gammaincc(mean / scale, np.maximum(information, 0) / scale), 1.0)
