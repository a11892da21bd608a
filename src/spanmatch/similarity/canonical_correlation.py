"""Canonical correlations, and the measures made of them.

With orthonormal bases Qx, Qy of the centred spans of both layers, the canonical correlations are the singular values
of Qx' Qy.
Sources: Hotelling 1936; Raghu et al., NeurIPS 2017 (SVCCA); Morcos, Raghu, Bengio, NeurIPS 2018 (PWCCA);
Yanai 1974 and Ramsay, ten Berge, Styan 1984 (Yanai's coefficient); Pillai 1955; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import eigh

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import Pair
from ..moments.remembered import remembered
from ..moments.spans import UNIT, Array
from .measure import Measured, cross_of_unit_layers, few_rows, measured_fields, resolved_spans

TIED = 1e-6
"""Canonical correlations nearer than this tie: their variables are not determined."""
UNSEEN = 1e-9
"""The most of a layer's variance that SVCCA may leave out beside what it was asked to."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CCA(Measured):
    """Canonical correlations; the value is their mean."""

    coefficients: Array = field(repr=False)
    """Canonical correlations, descending, as many as the smaller dimension of the two spans."""
    dimensions: tuple[int, int]
    """Dimensions of the two spans compared."""

    @property
    def yanai(self) -> float:
        """Yanai's generalised coefficient of determination: sum of squares / sqrt(product of dimensions)."""
        return float(np.sum(self.coefficients**2) / np.sqrt(self.dimensions[0] * self.dimensions[1]))

    @property
    def pillai(self) -> float:
        """Pillai's trace over the smaller dimension: mean of squares."""
        return float(np.mean(self.coefficients**2))


@few_threads
def cca(pair: Pair) -> CCA:
    """Return the canonical correlations of the centred layers, with their mean as value.

    Exact for rank-deficient layers: only the dimensions that are there count. Raises SpanmatchError if a layer never
    varies, or rounding decides the value. Cost: about 20 (p^3 + q^3) operations.

    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.cca(sm.pair(X, X @ X[:5] + 1)).coefficients.round(6).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    fields = measured_fields(pair, "cca")
    resolved_spans(pair, "cca")
    canonical = _canonical(pair)
    value, size = float(canonical.rho.mean()), _size(canonical.dimensions, pair)
    return CCA(value=value, coefficients=canonical.rho, **size, **fields)


@few_threads
def svcca(pair: Pair, variance: float = 0.99) -> CCA:
    """Return CCA of the principal components that hold a share of each layer's variance.

    Args: variance, in (0, 1]. Raises SpanmatchError for another, or if a layer never varies.

    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.svcca(sm.pair(X * [9, 9, 9, 0.1, 0.1], X)).dimensions
    (3, 5)
    """
    if not 0 < variance <= 1:
        raise SpanmatchError(f"variance={variance!r}: give a share in (0, 1]")
    fields = measured_fields(pair, "svcca")
    whitened = []
    for layer, own, rounding in zip((pair.x_layer, pair.y_layer), (pair.xx, pair.yy), pair.rounding, strict=True):
        size, directions = eigh(own / np.trace(own))
        size, directions = size[::-1], directions[:, ::-1]
        rank = int(np.count_nonzero(size > max(rounding.cutoff(0, len(size)) ** 2, 4 * len(size) * UNIT) * size[0]))
        share = np.cumsum(size[:rank]) / np.sum(size[:rank])
        if np.sum(size[rank:]) > 1 - variance + UNSEEN:
            raise SpanmatchError(
                f"svcca: variance={variance:g}, but in layer {layer!r} rounding hides a share of "
                f"{np.sum(size[rank:]):.1g}; give a smaller one, or use method='qr'"
            )
        kept = min(rank, int(np.searchsorted(share, variance * (1 - 1e-12))) + 1)
        whitened.append(directions[:, :kept] / np.sqrt(size[:kept]))
    between = whitened[0].T @ cross_of_unit_layers(pair) @ whitened[1]
    rho = np.minimum(np.linalg.svd(between, compute_uv=False), 1.0)
    return CCA(value=float(rho.mean()), coefficients=rho, **_size(between.shape, pair), **fields)


@few_threads
def pwcca(pair: Pair) -> CCA:
    """Return CCA with each canonical correlation weighted by how much of x its direction carries.

    value = sum_i w_i rho_i / sum_i w_i with w_i = sum_j |<h_i, x_j>|, h_i the i-th canonical variable of x. It is not
    symmetric: `sm.pwcca(pair.swapped)` weighs by y. Where canonical correlations tie, as those of what both layers
    span, their variables are the principal axes of x in the subspace that they span, so that the value is unique.
    Raises SpanmatchError if a layer never varies, or rounding decides the value.

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
    carried = canonical.variables @ canonical.neurons * norms[norms > 0] / norms.max()
    weights = np.concatenate([_weights(carried[tied]) for tied in _ties(rho)])
    value = float(weights @ rho / weights.sum())
    return CCA(value=value, coefficients=rho, **_size(canonical.dimensions, pair), **fields)


def _ties(rho: Array) -> list[slice]:
    """Return the runs of canonical correlations, in descending order, that are the same up to rounding."""
    breaks = np.flatnonzero(-np.diff(rho) > TIED) + 1
    ends = [0, *breaks.tolist(), len(rho)]
    return [slice(a, b) for a, b in pairwise(ends)]


def _weights(carried: Array) -> Array:
    """Return how much of x some canonical variables carry, given their products (k, p) with x's neurons.

    Variables whose correlations tie can be rotated among themselves: they are taken along the principal axes of what
    they carry of x.
    """
    if len(carried) > 1:
        carried = np.linalg.svd(carried, full_matrices=False)[0].T @ carried
    return np.asarray(np.abs(carried).sum(axis=1))


@dataclass(frozen=True, eq=False)
class _Canonical:
    """Canonical correlations of two layers, and the canonical variables of x."""

    rho: Array
    """(k,) descending."""
    variables: Array
    """(k, r) the variables of x in an orthonormal basis Qx of its span."""
    neurons: Array
    """(r, p) the unit neurons of x that vary, in the same basis."""
    dimensions: tuple[int, int]


@remembered
def _canonical(pair: Pair) -> _Canonical:
    """Return the canonical correlations, from the singular values of Qx' Qy."""
    of_x, of_y = pair.all_spans(centred=True)
    x, y = pair.active(centred=True)
    unit, of_layer = pair.unit(x, y, centred=True), np.arange(len(x))
    # Qx = X W' for the dual basis W, and the same of y.
    between = of_x.inside @ of_y.dual.T
    u, rho, _ = np.linalg.svd(between, full_matrices=False)
    neurons = of_x.dual @ unit.gram[np.ix_(of_layer, of_layer)]
    return _Canonical(np.minimum(rho, 1.0), u.T, neurons, (between.shape[0], between.shape[1]))


def _size(dimensions: tuple[int, int], pair: Pair) -> dict[str, Any]:
    # Independent layers have a mean squared canonical correlation of max(p, q) / (n - 1).
    chance = float(np.sqrt(max(dimensions) / max(1, pair.rows - 1)))
    return {"dimensions": dimensions, "warnings": few_rows(pair, dimensions, chance)}
