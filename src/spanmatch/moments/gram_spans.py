"""Spans in inner products: what removing neurons needs, in half the operations of a dual basis.

A `Span` keeps the dual basis W and the targets' coordinates C, which have r rows however many
neurons were removed. A `GramSpan` keeps their inner products instead, which shrink with the layers:

    products   P = W^T W (m, m)   the inverse of A^T A, for independent regressors
    cross      A^T T     (m, t)   the inner products of the regressors and the targets

C = W A^T T, so that the components of the targets along a lost direction u are (W^T u)^T A^T T, and
W -= u u^T W is P -= (W^T u) (W^T u)^T, of which one triangle is computed. The cross products never
change.

P is wrong by the square of the error of W. Squared distances from inner products are so already, by
the rounding of the inner products themselves: see `Rounding`. Where columns are known, a `Span` is
used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from .panels import Panel, Removal
from .products import orthonormal, product, subtract
from .spans import CLEAR, Array, Compaction, Factor, Index, Noise

FULL = 0.85
"""The share of rows and columns in use below which the arrays are compacted."""


@dataclass
class GramSpan:
    """The span of a layer's neurons (regressors), in inner products, and the other layer's neurons
    (targets).

    Notes
    -----
    Rows and columns of removed neurons stay in the arrays until a good part of them is unused.
    """

    products: Array
    """(s, s) P, the inner products of the dual basis; only the lower triangle is used."""
    null: Array
    """(d, m) Z, the linear relations of the regressors."""
    cross: Array
    """(s, u) the inner products of the regressors and the targets, which are not changed."""
    outside: Array
    """(t,) the squared distances of the targets to the span."""
    noise: Noise
    """Bounds on the error of distances, relative to `condition`."""
    clear: bool
    """Whether the rank is clear: rounding could not have changed which directions count."""
    cutoff: float
    """The size below which directions, and coefficients of relations, count as rounding."""
    rows: Index
    """(m,) the row of each regressor in `products` and `cross`."""
    columns: Index
    """(t,) the column of each target in `cross`."""
    rank: int
    """The number of dimensions of the span before any regressor was removed."""

    def __post_init__(self) -> None:
        self.unused = np.zeros(len(self.products), dtype=bool)
        """Which rows are of removed regressors."""

    @property
    def condition(self) -> float:
        """||W||_F, at least 1 / (smallest singular value) of the unit columns; at least 1."""
        return float(np.sqrt(max(1.0, self.products.diagonal()[self.rows].sum())))

    @property
    def resolution(self) -> float:
        """The smallest distance that can be distinguished from 0; 1 if the rank is not clear."""
        return self.noise.resolution(self.condition, self.clear)

    def panel(self, regressors: Index, targets: Index) -> Panel:
        """Return the span restricted to some neurons, in smaller coordinates.

        Parameters
        ----------
        regressors : array of int, (j,)
            Some regressors J.
        targets : array of int, (k,)
            Some targets.

        Returns
        -------
        Panel
            The span of at most j dimensions in which the removal of these regressors has the same
            effect on these targets.

        Notes
        -----
        With P_JJ = T^T T, the basis is W_J T^-1, and its inner products with W are P_:J T^-1.
        Cost: O(m j (j + k)) operations.
        """
        chosen = self.rows[regressors]
        images = self._of_rows(chosen)
        T, pivots = root(images[chosen])
        images = images if len(pivots) == images.shape[1] else np.asfortranarray(images[:, pivots])
        basis = blas.dtrsm(1.0, np.asfortranarray(T[:, pivots]), images, side=1) if images.size else images
        relation_basis, S = orthonormal(self.null[:, regressors])
        inside = against(basis, _columns(self.cross, self.columns[targets]))
        return Panel.of(T, S, inside, self.outside[targets], basis, relation_basis, self.cutoff / CLEAR)

    def lost_components(self, removal: Removal) -> Array:
        """Return the components of the targets along the lost directions.

        Parameters
        ----------
        removal : Removal
            The effect of the removal of some regressors.

        Returns
        -------
        array of float, (k, t)
            The components.
        """
        return np.asarray(against(removal.lost, self.cross).T[self.columns].T)

    def apply(self, removal: Removal, components: Array) -> None:
        """Apply a removal in place: to the inner products, the relations, and the distances.

        Parameters
        ----------
        removal : Removal
            The effect of the removal of some regressors.
        components : array of float, (k, t)
            The components of the targets along the lost directions: see `lost_components`.

        Notes
        -----
        Cost: m^2 k operations.
        """
        lost = removal.lost
        if removal.relations.size:
            used = np.zeros((len(self.products), removal.relations.shape[1]), order="F")
            used[self.rows] = product(removal.relations, self.null).T
            subtract(self.null, removal.relations, np.asfortranarray(used[self.rows].T))
            lost = lost - used @ removal.lost_carriers.T
            halves = removal.carriers - used @ removal.carrier_products / 2
            blas.dsyr2k(-1.0, used, halves, beta=1.0, c=self.products, lower=1, overwrite_c=1)
        if lost.size:
            blas.dsyrk(-1.0, lost, beta=1.0, c=self.products, lower=1, overwrite_c=1)
            self.outside += np.einsum("kt,kt->t", components, components)

    def drop(self, regressors: Index, targets: Index) -> None:
        """Delete neurons; the last ones move to their places (see `Compaction`).

        Parameters
        ----------
        regressors : array of int
            The regressors to delete.
        targets : array of int
            The targets to delete.
        """
        of_regressors = Compaction.of(len(self.rows), regressors)
        of_targets = Compaction.of(len(self.columns), targets)
        self.unused[self.rows[regressors]] = True
        self.null, self.rows = of_regressors(self.null), of_regressors(self.rows)
        self.outside, self.columns = of_targets(self.outside), of_targets(self.columns)
        if len(self.rows) < FULL * len(self.products) or len(self.columns) < FULL * self.cross.shape[1]:
            self._compact()

    def _of_rows(self, chosen: Index) -> Array:
        """Return columns of the symmetric products, zero in unused rows."""
        images = np.empty((len(self.products), len(chosen)), order="F")
        for image, row in zip(images.T, chosen.tolist(), strict=True):
            image[:row] = self.products[row, :row]
            image[row:] = self.products[row:, row]
        images[self.unused] = 0
        return images

    def _compact(self) -> None:
        """Leave out unused rows and columns."""
        rows, columns = np.sort(self.rows), np.sort(self.columns)
        self.products = self.products.T[np.ix_(rows, rows)].T
        if self.cross.flags.c_contiguous:
            self.cross = self.cross[np.ix_(rows, columns)]
        else:
            self.cross = self.cross.T[np.ix_(columns, rows)].T
        self.rows, self.columns = np.searchsorted(rows, self.rows), np.searchsorted(columns, self.columns)
        self.unused = np.zeros(len(rows), dtype=bool)


def gram_spans(factors: tuple[Factor, Factor], cross: Array) -> tuple[GramSpan, GramSpan]:
    """Return the spans of two layers from their factors.

    Parameters
    ----------
    factors : tuple of two Factors
        The factors of x and y.
    cross : array of float, (p, q)
        The inner products of unit neurons of x and of y.

    Returns
    -------
    of_x : GramSpan
        The span of x, with y as targets.
    of_y : GramSpan
        The span of y, with x as targets.

    Notes
    -----
    Cost: (p^3 + q^3) / 3 + p q (p + q) operations.
    """
    of_x, of_y = factors
    shared = cross[np.ix_(of_x.order, of_y.order)] if any(map(_is_permuted, factors)) else cross
    return _gram_span(of_x, shared, of_y.order), _gram_span(of_y, shared.T, of_x.order)


def _is_permuted(factor: Factor) -> bool:
    """Return whether the pivots are in another order than the columns."""
    return not np.array_equal(factor.order, np.arange(len(factor.order)))


def _gram_span(factor: Factor, cross: Array, target_order: Index) -> GramSpan:
    """Return the span of a factor, given the inner products in the orders of the pivots."""
    products = factor.inverse.copy(order="F")
    if factor.rank:
        products, _ = lapack.dlauum(products, lower=1, overwrite_c=1)
    if factor.rank < len(factor.order):
        products = np.pad(products, (0, len(factor.order) - factor.rank))
    null, outside = factor.null(), _outside(factor, cross)
    rows, columns = np.argsort(factor.order), np.argsort(target_order)
    return GramSpan(
        np.asfortranarray(products),
        np.asfortranarray(null[:, rows]),
        cross,
        outside[columns],
        factor.noise,
        factor.clear,
        factor.cutoff,
        rows,
        columns,
        factor.rank,
    )


def _outside(factor: Factor, cross: Array) -> Array:
    """Return the squared distances of the targets, in the order of `cross`."""
    if not factor.rank:
        return np.ones(cross.shape[1])
    if cross.flags.c_contiguous:
        inside = blas.dtrmm(1.0, factor.inverse, cross.T[:, : factor.rank], side=1, lower=1, trans_a=1)
        return np.asarray(np.maximum(1.0 - np.einsum("tk,tk->t", inside, inside), 0.0))
    inside = blas.dtrmm(1.0, factor.inverse, cross[: factor.rank], lower=1)
    return np.asarray(np.maximum(1.0 - np.einsum("kt,kt->t", inside, inside), 0.0))


def root(gram: Array) -> tuple[Array, NDArray[np.intp]]:
    """Return T (rank, j) with T^T T = gram, and the columns in which it is upper triangular."""
    if not gram.size:
        return np.zeros((0, len(gram)), order="F"), np.arange(0)
    root, failed = lapack.dpotrf(gram)
    if not failed:
        return root, np.arange(len(gram))
    root, order, rank, _ = lapack.dpstrf(gram, tol=-1.0)
    T = np.zeros((rank, len(gram)), order="F")
    T[:, order - 1] = np.triu(root[:rank])
    return T, order[:rank] - 1


def _columns(cross: Array, columns: Index) -> Array:
    """Return columns in the memory order of the array."""
    return np.take(cross, columns, axis=1) if cross.flags.c_contiguous else cross.T[columns].T


def against(A: Array, B: Array) -> Array:
    """Return A^T B for B in either memory order."""
    if not A.size or not B.size:
        return np.zeros((A.shape[1], B.shape[1]), order="F")
    if B.flags.f_contiguous:
        return np.asarray(blas.dgemm(1.0, A, B, trans_a=1))
    return np.asarray(blas.dgemm(1.0, A, B.T, trans_a=1, trans_b=1))
