"""Mutual information of single neurons between two networks, from joint histograms.

I_ij = sum over bins of p_ab log(p_ab / (p_a p_b)) is biased upwards, the more so the fewer rows
there are. With E its mean over permutations of the rows and H the smaller entropy of the two
neurons, (I - E) H / (H - E) is 0 on average for independent neurons and H for neurons that
determine each other. It finds partners whose relation is not linear.
Source: Li et al., ICLR 2016, section 3; Vinh, Epps, Bailey, JMLR 2010; docs/convergent.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._plotting import axes_for, heat_map, neuron_axes
from .._threads import few_threads
from ..activations.pair_of_sources import pair as paired
from ..errors import SpanmatchError
from ..moments.pairs import Pair
from ..moments.spans import Array
from .chance import AlignmentResult, alignment_fields
from .contingency import chance_information, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Information(AlignmentResult):
    """Mutual information (nats) of every neuron of one layer with every neuron of the other.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> Y = X[:, [2, 0, 1]] + 0.1 * noise  # the same neurons in another order
    >>> information = sm.mutual_information(X, Y, bins=5)
    >>> information.between.argmax(axis=1).tolist()  # the partner of each neuron of x
    [1, 2, 0]
    """

    between: Array = field(repr=False)
    """(p, q) corrected for chance: 0 on average for independent neurons, so that values below 0
    occur.
    """
    uncorrected: Array = field(repr=False)
    """(p, q) of the histograms as they are: never negative, and biased upwards for few rows."""
    p_value: Array = field(repr=False)
    """(p, q) probability that independent neurons with these bin counts have at least this mutual
    information.

    It is computed at the effective sample size, and not corrected for the number of pairs of
    neurons.
    """
    x_entropy: Array = field(repr=False)
    """(p,) entropy of each neuron's bins: the upper bound of its mutual information with any other.
    """
    y_entropy: Array = field(repr=False)
    """(q,) entropy of the bins of each neuron of y."""
    x_edges: Array = field(repr=False)
    """(p, bins - 1) edges between the bins: the bin of a value is the number of edges below it."""
    y_edges: Array = field(repr=False)
    """(q, bins - 1) edges between the bins of each neuron of y."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the mutual information between the layers as a heat map.

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
        ax = axes_for("information.plot", ax)
        heat_map(ax, self.between, "viridis", "mutual information (nats)", aspect="auto", vmin=0)
        neuron_axes(ax, self.x_layer, self.y_layer)
        return ax


@few_threads
def mutual_information(
    X: Pair | ArrayLike, Y: ArrayLike | None = None, *, bins: int | tuple[ArrayLike, ArrayLike] = 10
) -> Information:
    """Return the mutual information of all neurons of one layer with all neurons of another, in
    nats.

    A neuron that is never negative has one bin for zero and quantile bins above it. Other neurons
    have quantile bins.

    Parameters
    ----------
    X : array_like of shape (n, p), or Pair
        Rows x neurons; or a pair with joint histograms, of `sm.Moments(bins=10)` or `sm.pair(X, Y,
        bins=10)`, in place of both arrays.
    Y : array_like of shape (n, q), optional
        Rows x neurons; left out if `X` is a pair.
    bins : int or tuple of two array_like
        For arrays: the number of bins, or the edges of X's and Y's bins, (p, bins - 1) and (q, bins
        - 1).

    Returns
    -------
    Information
        Arrays of shape (p, q): corrected, uncorrected, and p-values.

    Raises
    ------
    SpanmatchError
        If one array is missing, or the pair has no histograms.

    Notes
    -----
    The correction for chance, with E the mean of I over permutations of the rows and H the smaller
    entropy:

        between = (I - E) H / (H - E)

    E is exact (hypergeometric counts). Where bins have many different counts, it is interpolated to
    within 1e-4 of its value.

    The test compares n I with a gamma distribution of mean n E. Its variance is the larger of two:
    that over permutations, and that of chi^2 with (a - 1)(b - 1) degrees of freedom scaled to the
    same mean, where a and b are the numbers of occupied bins. For many rows this is the G-test; for
    few rows it is conservative.

    Where examples have several rows, the test uses the effective sample size. E uses a number
    between that and the number of rows, because intraclass correlation affects the information of
    bins less than correlations (docs/convergent.md).

    Cost: counting takes 2 n p q bins^2 operations, as matrix products; the rest p q bins^2.

    References
    ----------
    Li et al., ICLR 2016, section 3; Vinh, Epps, Bailey, JMLR 11, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> Y = X[:, [2, 0, 1]] + 0.1 * noise  # the same neurons in another order
    >>> information = sm.mutual_information(X, Y, bins=5)
    >>> information.between.argmax(axis=1).tolist()  # the partner of each neuron of x
    [1, 2, 0]
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
    uncorrected = x[:, None] + y - _entropy(table, (1, 3), n)
    fields = alignment_fields(pair)
    test_size = round(fields["effective_sample_size"])
    correction_size = _sample_size_of_bins(pair, fields["effective_sample_size"])
    chance_at = {size: _chance_distribution(counts, size) for size in {test_size, correction_size}}
    return Information(
        between=_corrected(uncorrected, chance_at[correction_size].mean, np.minimum(x[:, None], y)),
        uncorrected=uncorrected,
        p_value=_p_values(uncorrected, chance_at[test_size]),
        x_entropy=x,
        y_entropy=y,
        x_edges=pair.counts.edges[0],
        y_edges=pair.counts.edges[1],
        **fields,
    )


def _entropy(counts: Array, bins: tuple[int, ...], n: int) -> Array:
    """Return the entropy (nats) over the axes of the bins."""
    share = counts / n
    log = np.log(share, out=np.zeros_like(share), where=share > 0)
    return np.asarray(-(share * log).sum(axis=bins))


def _sample_size_of_bins(pair: Pair, effective: float) -> int:
    """Return the effective sample size of the mutual information of bins.

    With k rows per example of intraclass correlation r, a correlation of two layers has the design
    effect 1 + (k - 1) r^2. For bins, r is replaced by the agreement of the bins of two normal
    values that correlate r. The result is between the effective sample size of correlations and the
    number of rows.
    """
    size = pair.rows / max(pair.n_examples, 1)
    if not 1 < size < pair.rows:
        return pair.rows
    r = np.sqrt(max(pair.rows / effective - 1, 0) / (size - 1))
    assert pair.counts is not None
    x_bins, _, y_bins = pair.counts.table.shape[1:]
    return round(pair.rows / (1 + (size - 1) * _bin_agreement(r, x_bins) * _bin_agreement(r, y_bins)))


def _bin_agreement(r: float, bins: int) -> float:
    """Return the agreement of the bins of two normal values that correlate r: 0 if independent, 1
    if always equal.
    """
    from scipy.special import ndtr, ndtri

    if r >= 1:
        return 1.0
    points = (np.arange(64 * bins) + 0.5) / (64 * bins)
    edges, bin_of_point = ndtri(np.arange(bins + 1) / bins), np.arange(64 * bins) // 64
    low, high = ((edges[bin_of_point + i] - r * ndtri(points)) / np.sqrt(1 - r * r) for i in (0, 1))
    return float((bins * np.mean(ndtr(high) - ndtr(low)) - 1) / (bins - 1))


class _Chance(NamedTuple):
    """Mean and variance (p, q) of the mutual information of independent neurons, and degrees of
    freedom.
    """

    mean: Array
    variance: Array
    degrees: Array


def _chance_distribution(counts: tuple[Array, Array], rows: int) -> _Chance:
    """Return the chance distribution of mutual information for bin counts scaled to a number of
    rows.
    """
    a, b = (thinned(side, rows) for side in counts)
    mean, variance = chance_information(a, b)
    degrees = np.outer(*(np.maximum(np.count_nonzero(side, axis=1) - 1, 0) for side in (a, b)))
    return _Chance(mean / rows, variance / rows**2, degrees)


def _corrected(information: Array, chance: Array, bound: Array) -> Array:
    """Return mutual information corrected for chance, given its mean under independence and its
    upper bound.
    """
    excess, room = information - chance, bound - chance
    return excess * np.divide(bound, room, out=np.ones_like(room), where=room > 1e-9 * bound)


def _p_values(information: Array, chance: _Chance) -> Array:
    """Return p-values of mutual information from gamma distributions."""
    from scipy.special import gammaincc

    defined = (chance.degrees > 0) & (chance.mean > 0)
    mean = np.where(defined, chance.mean, 1.0)
    scale = np.maximum(chance.variance / mean, 2 * mean / np.maximum(chance.degrees, 1))
    return np.where(defined, gammaincc(mean / scale, np.maximum(information, 0) / scale), 1.0)
