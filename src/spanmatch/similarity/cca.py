"""Canonical correlations, and the measures made of them.

With orthonormal bases Qx, Qy of the centred spans of both layers, the canonical correlations are the singular values
of Qx' Qy.
Sources: Hotelling 1936; Raghu et al., NeurIPS 2017 (SVCCA); Morcos, Raghu, Bengio, NeurIPS 2018 (PWCCA);
Yanai 1974 and Ramsay, ten Berge, Styan 1984 (Yanai's coefficient); Pillai 1955; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg import eigh, qr

from ..errors import SpanmatchError
from ..factor import UNIT, Array
from ..joint import Pair
from .measure import Measured, cross_of_unit_layers, few_rows, seen


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


def cca(pair: Pair) -> CCA:
    """Return the canonical correlations of the centred layers, with their mean as value.

    Exact for rank-deficient layers: only the dimensions that are there count. Raises SpanmatchError if a layer never
    varies. Cost: about 20 (p^3 + q^3) operations.

    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> sm.cca(sm.pair(X, X @ X[:5] + 1)).coefficients.round(6).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    about = seen(pair, "cca")
    return _result(about, _between(pair)[0], pair)


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
    about = seen(pair, "svcca")
    whitened = []
    for own in (pair.xx, pair.yy):
        size, directions = eigh(own / np.trace(own))
        size, directions = size[::-1], directions[:, ::-1]
        rank = int(np.count_nonzero(size > 4 * len(size) * pair.rounding * size[0]))
        share = np.cumsum(size[:rank]) / np.sum(size[:rank])
        kept = min(rank, int(np.searchsorted(share, variance * (1 - 1e-12))) + 1)
        whitened.append(directions[:, :kept] / np.sqrt(size[:kept]))
    return _result(about, whitened[0].T @ cross_of_unit_layers(pair) @ whitened[1], pair)


def pwcca(pair: Pair) -> CCA:
    """Return CCA with each canonical correlation weighted by how much of x its direction carries.

    value = sum_i w_i rho_i / sum_i w_i with w_i = sum_j |<h_i, x_j>|, h_i the i-th canonical variable of x. It is not
    symmetric: `sm.pwcca(pair.swapped)` weighs by y. Raises SpanmatchError if a layer never varies.

    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(sm.pwcca(sm.pair(X, X[:, ::-1])).value, 6)
    1.0
    """
    about = seen(pair, "pwcca")
    between, inside = _between(pair)
    u, rho, _ = np.linalg.svd(between, full_matrices=False)
    norms = np.sqrt(pair.energy("x", centred=True))
    weights = np.abs(u.T @ inside * norms[norms > 0] / norms.max()).sum(axis=1)
    rho = np.minimum(rho, 1.0)
    value = float(np.sum(weights * rho) / np.sum(weights))
    return CCA(value=value, coefficients=rho, **_size(between, pair), **about)


def _between(pair: Pair) -> tuple[Array, Array]:
    """Return Qx' Qy, and x's unit neurons in the basis Qx."""
    x, y = pair.active(centred=True)
    unit, p = pair.unit(x, y, centred=True), len(x)
    if unit.columns is not None:
        Qx, Qy = (_orthonormal(columns) for columns in (unit.columns[:, :p], unit.columns[:, p:]))
        return Qx.T @ Qy, Qx.T @ unit.columns[:, :p]
    own = unit.gram[:p, :p], unit.gram[p:, p:]
    (x_basis, x_inside), (y_basis, _) = (_whitened(gram, unit.rounding) for gram in own)
    return x_basis.T @ unit.gram[:p, p:] @ y_basis, x_inside


def _orthonormal(columns: Array) -> Array:
    Q, R, _ = qr(columns, mode="economic", pivoting=True)
    size = np.abs(np.diag(R))
    return np.asarray(Q[:, size > 4 * max(columns.shape) * UNIT * size[0]])


def _whitened(gram: Array, rounding: float) -> tuple[Array, Array]:
    """Return what makes an orthonormal basis of neurons with these inner products, and the neurons in that basis."""
    size, directions = eigh(gram)
    kept = size > 4 * len(size) * rounding * size[-1]
    root = np.sqrt(size[kept])
    return directions[:, kept] / root, root[:, None] * directions[:, kept].T


def _result(about: dict[str, Any], between: Array, pair: Pair) -> CCA:
    rho = np.minimum(np.linalg.svd(between, compute_uv=False), 1.0)
    return CCA(value=float(rho.mean()), coefficients=rho, **_size(between, pair), **about)


def _size(between: Array, pair: Pair) -> dict[str, Any]:
    # Independent layers have a mean squared canonical correlation of max(p, q) / (n - 1).
    chance = float(np.sqrt(max(between.shape) / max(1, pair.rows - 1)))
    return {"dimensions": between.shape, "warnings": few_rows(pair, between.shape, chance)}
