"""Canonical correlations and the measures derived from them: CCA, SVCCA and PWCCA.

With orthonormal bases Qx and Qy of the centred spans of both layers, the canonical correlations are
the singular values of Qx' Qy.
Sources: Hotelling 1936; Raghu et al., NeurIPS 2017 (SVCCA); Morcos, Raghu, Bengio, NeurIPS 2018
(PWCCA); Yanai 1974 and Ramsay, ten Berge, Styan 1984 (Yanai's coefficient); Pillai 1955;
docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from scipy.linalg import eigh

from .._plotting import X, axes_for, label, legend, whole_ticks
from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.effective_sample_size import effective_sample_sizes
from ..moments.pairs import Pair
from ..moments.remembered import of_each_layer, remembered
from ..moments.spans import UNIT, Array, Rounding
from .measure import Measured, check_sample_size, cross_of_unit_layers, few_rows, measured_fields, resolved_spans
from .principal_axes import between_bases

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TIED = 1e-6
"""Canonical correlations with a smaller difference are tied: their variables are not uniquely
determined.
"""
UNRESOLVED = 1e-9
"""The largest share of a layer's variance below the resolution that SVCCA accepts in addition to
what `variance` leaves out.
"""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class CCA(Measured):
    """Canonical correlations of two layers, with their mean (weighted for PWCCA) as the value.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> result = sm.cca(pair)
    >>> round(result.value, 3), result.coefficients.round(2).tolist(), result.dimensions
    (0.702, [0.75, 0.72, 0.68, 0.66], (4, 4))
    """

    coefficients: Array = field(repr=False)
    """Canonical correlations in descending order, as many as the smaller dimension of the two
    spans.
    """
    dimensions: tuple[int, int]
    """Dimensions of the two spans that were compared."""

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw the canonical correlations in descending order, and the value as a dashed line.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        **line
            Keyword arguments of matplotlib's `plot`.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("cca.plot", ax)
        ranks = np.arange(1, len(self.coefficients) + 1)
        name = f"{self.x_layer} and {self.y_layer}"
        (drawn,) = ax.plot(ranks, self.coefficients, **{"label": name, "color": X} | line)
        value = f"{self.name} {self.value:.3f}"
        ax.axhline(self.value, linestyle="--", linewidth=1, color=drawn.get_color(), label=value)
        ax.set(ylim=(0, 1.02))
        whole_ticks(ax, "x")
        label(ax, "canonical variable", "canonical correlation")
        legend(ax)
        return ax

    @property
    def yanai(self) -> float:
        """Yanai's generalised coefficient of determination: sum of squares / sqrt(product of
        dimensions).
        """
        return float(np.sum(self.coefficients**2) / np.sqrt(self.dimensions[0] * self.dimensions[1]))

    @property
    def pillai(self) -> float:
        """Pillai's trace over the smaller dimension: the mean of squares."""
        return float(np.mean(self.coefficients**2))


@few_threads
def cca(pair: Pair) -> CCA:
    """Return the canonical correlations of the centred layers, with their mean as the value.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    CCA
        `.value`, `.coefficients` and `.dimensions`.

    Raises
    ------
    SpanmatchError
        If a layer is constant, or rounding decides the value.

    Notes
    -----
    The value is the mean of the singular values of Qx' Qy, where Qx and Qy are orthonormal bases of
    the centred spans. It is exact for rank-deficient layers, because the bases have as many columns
    as the layers have dimensions.

    Cost: the singular values of a p x q matrix, without its vectors, and about 5 (p^3 + q^3) / 3 operations.

    References
    ----------
    Hotelling, Biometrika 28, 1936.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.cca(sm.pair(X, X @ X[:5] + 1)).coefficients.round(6).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    fields = measured_fields(pair, "cca")
    resolved_spans(pair, "cca")
    between = between_bases(pair, centred=True)
    rho = np.minimum(np.linalg.svd(between, compute_uv=False), 1.0)
    return CCA(value=float(rho.mean()), coefficients=rho, **_dimension_fields(between.shape, pair), **fields)


@few_threads
def adjusted_pillai(pair: Pair) -> Measured:
    """Return the mean squared canonical correlation, corrected for its bias.

    It estimates Pillai's trace of the population over the smaller dimension, the share of a
    layer's information, in whitened coordinates, that the other one has.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    Measured
        About 0 on average for independent layers, so that negative values occur.

    Raises
    ------
    SpanmatchError
        If a layer is constant, rounding decides the value, or the effective sample size is unknown
        or less than 1.5 times the sum of the layers' dimensions.

    Notes
    -----
    With the sum V of squared canonical correlations in sample, layers of p and q dimensions and m =
    n - 1 for the effective sample size n of the whitened layers, the mean of both directions:

        value = (m V - p q) / (m - p - q + V) / min(p, q)

    To first order in 1 / n, the bias of V is (p - V)(q - V) / m; the correction is exact on average
    for independent layers, and for layers of which one is a function of the other. Yanai's
    coefficient is the same numerator over sqrt(p q) instead of min(p, q).

    Cost: about 5 (p^3 + q^3) / 3 operations; of dependent rows, two regressions for each fold.

    References
    ----------
    Pillai 1955; Yanai 1974; docs/measures.md for the correction.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, Y = np.random.default_rng(0).standard_normal((2, 100, 10))
    >>> in_sample, corrected = sm.cca(sm.pair(X, Y)).pillai, sm.adjusted_pillai(sm.pair(X, Y)).value
    >>> in_sample > 0.08, abs(corrected) < 0.02
    (True, True)
    """
    name = "adjusted pillai"
    fields = measured_fields(pair, name)
    resolved_spans(pair, name)
    between = between_bases(pair, centred=True)
    p, q = between.shape
    m, squares = float(np.mean(effective_sample_sizes(pair, "spans"))) - 1, float(np.sum(between**2))
    check_sample_size(pair, name, m, p + q)
    return Measured(value=(m * squares - p * q) / (m - p - q + squares) / min(p, q), **fields)


@few_threads
def svcca(pair: Pair, variance: float = 0.99) -> CCA:
    """Return CCA of the leading principal components of each layer.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    variance : float
        Share of each layer's variance that the components must hold, in (0, 1].

    Returns
    -------
    CCA
        `.dimensions` are the numbers of components.

    Raises
    ------
    SpanmatchError
        If `variance` is not in (0, 1], a layer is constant, or rounding hides more variance than
        may be left out.

    Notes
    -----
    Of each layer, the smallest number of principal components that hold the given share of variance
    is kept. The value is the mean of their canonical correlations.

    Cost: about 10 (p^3 + q^3) operations.

    References
    ----------
    Raghu et al., NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.svcca(sm.pair(X * [9, 9, 9, 0.1, 0.1], X)).dimensions
    (3, 5)
    """
    if not 0 < variance <= 1:
        raise SpanmatchError(f"variance={variance!r}: give a share in (0, 1]")
    fields = measured_fields(pair, "svcca")
    x, y = _components_of_layers(pair, variance)
    between = x.T @ cross_of_unit_layers(pair) @ y
    rho = np.minimum(np.linalg.svd(between, compute_uv=False), 1.0)
    return CCA(value=float(rho.mean()), coefficients=rho, **_dimension_fields(between.shape, pair), **fields)


@remembered
@of_each_layer
def _components_of_layers(pair: Pair, variance: float) -> tuple[Array, Array]:
    """Return the whitened leading principal components of both layers."""
    return (
        _leading_components(pair.xx, variance, pair.rounding[0], pair.x_layer),
        _leading_components(pair.yy, variance, pair.rounding[1], pair.y_layer),
    )


def _leading_components(moments: Array, variance: float, rounding: Rounding, layer: str) -> Array:
    """Return whitened principal components (neurons, k) of a layer of unit Frobenius norm.

    Raises SpanmatchError if rounding hides more variance than may be left out.
    """
    variances, directions = eigh(moments / np.trace(moments))
    variances, directions = variances[::-1], directions[:, ::-1]
    cutoff = max(rounding.cutoff(0, len(variances)) ** 2, 4 * len(variances) * UNIT)
    rank = int(np.count_nonzero(variances > cutoff * variances[0]))
    unresolved = np.sum(variances[rank:])
    if unresolved > 1 - variance + UNRESOLVED:
        raise SpanmatchError(
            f"svcca: variance={variance:g}, but in layer {layer!r} rounding hides a share of {unresolved:.1g}; give a "
            "smaller one, or use method='qr'"
        )
    share = np.cumsum(variances[:rank]) / np.sum(variances[:rank])
    k = min(rank, int(np.searchsorted(share, variance * (1 - 1e-12))) + 1)
    return np.asarray(directions[:, :k] / np.sqrt(variances[:k]))


@few_threads
def pwcca(pair: Pair) -> CCA:
    """Return CCA with the canonical correlations weighted by their importance for x.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    CCA
        `.coefficients` are not weighted; `.value` is.

    Raises
    ------
    SpanmatchError
        If a layer is constant, or rounding decides the value.

    Notes
    -----
    With h_i the i-th canonical variable of x and x_j the centred neurons of x:

        value = sum_i w_i rho_i / sum_i w_i,   w_i = sum_j |<h_i, x_j>|

    It is not symmetric: `sm.pwcca(pair.swapped)` uses weights from y. Where canonical correlations
    are tied, for example in a subspace that both layers span, their variables are chosen as the
    principal axes of x in the tied subspace, so that the value is unique.

    Cost: about 20 (p^3 + q^3) operations.

    References
    ----------
    Morcos, Raghu, Bengio, NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(sm.pwcca(sm.pair(X, X[:, ::-1])).value, 6)
    1.0
    """
    fields = measured_fields(pair, "pwcca")
    resolved_spans(pair, "pwcca")
    canonical = _canonical(pair)
    rho = canonical.rho
    norms = np.sqrt(pair.energy("x", centred=True))
    projections = canonical.variables @ canonical.neurons * norms[norms > 0] / norms.max()
    weights = np.concatenate([_weights(projections[tied]) for tied in _ties(rho)])
    value = float(weights @ rho / weights.sum())
    return CCA(value=value, coefficients=rho, **_dimension_fields(canonical.dimensions, pair), **fields)


def _ties(rho: Array) -> list[slice]:
    """Return the runs of tied canonical correlations, in descending order."""
    breaks = np.flatnonzero(-np.diff(rho) > TIED) + 1
    ends = [0, *breaks.tolist(), len(rho)]
    return [slice(a, b) for a, b in pairwise(ends)]


def _weights(projections: Array) -> Array:
    """Return the weights of tied canonical variables, given their products (k, p) with x's neurons.

    Tied variables are determined only up to a rotation. They are chosen along the principal axes of
    their projections of x.
    """
    if len(projections) > 1:
        projections = np.linalg.svd(projections, full_matrices=False)[0].T @ projections
    return np.asarray(np.abs(projections).sum(axis=1))


@dataclass(frozen=True, eq=False)
class _Canonical:
    """Canonical correlations of two layers, and the canonical variables of x."""

    rho: Array
    """(k,) canonical correlations in descending order."""
    variables: Array
    """(k, r) canonical variables of x in an orthonormal basis Qx of its span."""
    neurons: Array
    """(r, p) the normalised non-constant neurons of x in the same basis."""
    dimensions: tuple[int, int]
    """Dimensions of the two spans."""


@remembered
def _canonical(pair: Pair) -> _Canonical:
    """Return the canonical correlations from the singular values of Qx' Qy."""
    of_x, _ = pair.all_spans(centred=True)
    x, y = pair.active(centred=True)
    of_neurons = pair.unit(x, y[:0], centred=True).gram
    between = between_bases(pair, centred=True)
    u, rho, _ = np.linalg.svd(between, full_matrices=False)
    neurons = of_x.dual @ of_neurons
    return _Canonical(np.minimum(rho, 1.0), u.T, neurons, (between.shape[0], between.shape[1]))


class _DimensionFields(TypedDict):
    """The fields of `CCA` that come from the dimensions, as keyword arguments."""

    dimensions: tuple[int, int]
    warnings: tuple[str, ...]


def _dimension_fields(dimensions: tuple[int, int], pair: Pair) -> _DimensionFields:
    # Independent layers have a mean squared canonical correlation of max(p, q) / (n - 1).
    """Return the dimensions, with a warning if there are few rows for them."""
    expected = float(np.sqrt(max(dimensions) / max(1, pair.rows - 1)))
    return {"dimensions": dimensions, "warnings": few_rows(pair, dimensions, expected)}
