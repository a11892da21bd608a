"""Spans of neurons: the dual basis of a layer, and the distances of another layer to its span.

The neurons of one layer (the *regressors*, columns A) span a subspace. The neurons of the other
layer (the *targets*, columns T) lie partly inside it. With A = Q R of rank r, matches need only
four arrays, in the coordinates of Q (docs/theory.md):

    dual     W (r, m)   w_i . a_j = 1 if i = j else 0, for independent regressors: W = R^-T
    null     Z (d, m)   the linear relations of the regressors: A n = 0 for n in the row space of Z
    inside   C (r, t)   the coordinates of the targets in the span, C = Q^T T
    outside  (t,)       the squared distances of the targets to the span

Removing the regressors J removes from the span the directions that only they reach, which are the
vectors W_J a with Z_J a = 0. A regressor that takes part in a relation (its column of Z is not 0)
is a combination of the others. Its removal loses no direction; it uses up the relation. Columns
have unit norm, so all tolerances are relative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from ..errors import SpanmatchError
from .panels import Panel, Removal
from .products import inverse_factor, orthonormal, product, row, subtract

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Kind = TypeVar("Kind", bound=np.generic)

UNIT = float(np.finfo(np.float64).eps)
SINGLE = float(np.finfo(np.float32).eps)
CLEAR = 2.0
"""A rank is clear if no direction is within this factor of the cutoff."""
LEAST_OUTSIDE = 1e-4
"""The smallest squared distance of the constant vector to a layer's span from which the resolution
of the centred layer follows."""
LARGEST_CUTOFF = 1e-4
"""The largest cutoff, relative to a neuron's norm, with which directions may be dropped: larger
directions may be real."""
ZEROED_AT_ONCE = 128
"""The number of columns that are zeroed above the diagonal at once."""


@dataclass(frozen=True)
class Noise:
    """Bounds on the error of distances, relative to the regressors' condition ||W||_F."""

    of_distances: float
    """The error of distances of any size, from the rounding of columns and of relations."""
    of_squares: float
    """The error of a distance of 0. Squared distances of any size have the square of this error."""

    def resolution(self, condition: float, clear: bool) -> float:
        """Return the smallest distance that can be distinguished from 0; 1 if the rank is not clear."""
        return min(1.0, (self.of_distances + self.of_squares) * condition) if clear else 1.0


@dataclass(frozen=True)
class Rounding:
    """The rounding errors of a layer's unit columns, which decide its rank.

    Notes
    -----
    A direction of m columns counts as rounding if its size is below one of these cutoffs:

    - 8 u sqrt(m), for given numbers of unit roundoff u;
    - 8 sqrt(m e), for inner products of relative rounding e, which are squares;
    - 4 max(n, m) 2^-52, for a triangular factor of columns of n coordinates.

    Types coarser than float32 count as float32: their rounding errors are far above what sums in
    float64 resolve, and results are exact for the numbers as given.
    """

    data: float = UNIT / 2
    """The unit roundoff of the given numbers: 2^-53 or 2^-24."""
    products: float = 0.0
    """The relative rounding of inner products; 0 if columns are used instead."""

    def cutoff(self, n: int, m: int) -> float:
        """Return the size below which a direction counts as rounding.

        Parameters
        ----------
        n : int
            The number of coordinates of a column; 0 if only inner products are known.
        m : int
            The number of unit columns.

        Returns
        -------
        float
            The cutoff, relative to the norm of a column.
        """
        return float(max(8 * np.sqrt(m) * max(self.data, np.sqrt(self.products)), 4 * max(n, m) * UNIT))

    def noise(self, dropped: Array) -> Noise:
        """Return bounds on the error of distances to a span.

        Parameters
        ----------
        dropped : array of float
            The residual of each relation of the regressors, relative to its coefficients; empty if
            the regressors are independent.

        Returns
        -------
        Noise
            The bounds, relative to the condition.
        """
        rounded = 2 * self.data if dropped.size and self.data > UNIT else 0.0
        largest = float(dropped.max(initial=rounded))
        return Noise(32 * UNIT + largest, float(8 * np.sqrt(self.products)))

    def is_clear(self, retained: Array, dropped: Array, cutoff: float) -> bool:
        """Return whether rounding could not have changed a decision about a rank.

        Parameters
        ----------
        retained : array of float
            The sizes of the directions that count.
        dropped : array of float
            The sizes of the directions that were dropped as rounding.
        cutoff : float
            The size that separates them.

        Returns
        -------
        bool
            True if no size is within a factor of 2 of the cutoff, and the cutoff is so small that
            no dropped direction can be real.
        """
        if dropped.size and cutoff > LARGEST_CUTOFF:
            return False
        return bool(retained.min(initial=np.inf) > CLEAR * cutoff and dropped.max(initial=0.0) < cutoff / CLEAR)


@dataclass
class Span:
    """The span of a layer's neurons (regressors), and the other layer's neurons (targets) in it."""

    dual: Array
    """(r, m) W, the dual basis of the regressors."""
    null: Array
    """(d, m) Z, the linear relations of the regressors."""
    inside: Array
    """(r, t) C, the coordinates of the targets in the span."""
    outside: Array
    """(t,) the squared distances of the targets to the span."""
    noise: Noise
    """Bounds on the error of distances, relative to `condition`."""
    clear: bool
    """Whether the rank is clear: rounding could not have changed which directions count."""
    cutoff: float
    """The size below which directions, and coefficients of relations, count as rounding."""

    @property
    def rank(self) -> int:
        """The number of dimensions of the span before any regressor was removed."""
        return len(self.dual)

    @property
    def condition(self) -> float:
        """||W||_F, at least 1 / (smallest singular value) of the unit columns; at least 1."""
        return float(np.sqrt(max(1.0, np.einsum("ij,ij->", self.dual, self.dual))))

    @property
    def resolution(self) -> float:
        """The smallest distance that can be distinguished from 0; 1 if the rank is not clear."""
        return self.noise.resolution(self.condition, self.clear)

    def apply(self, removal: Removal, components: Array) -> None:
        """Apply a removal in place: to the dual basis, the relations, and the targets.

        Parameters
        ----------
        removal : Removal
            The effect of the removal of some regressors.
        components : array of float, (k, t)
            The components of the targets along the lost directions, lost^T C: see
            `lost_components`.

        Notes
        -----
        W -= lost lost^T W, C -= lost lost^T C, and each squared distance grows by the squares of
        the target's components. Cost: 4 r k (m + t) operations, as matrix products.
        """
        if removal.relations.size:
            used = product(removal.relations, self.null)
            subtract(self.null, removal.relations, used)
            subtract(self.dual, removal.carriers, used)
        if removal.lost.size:
            subtract(self.dual, removal.lost, product(removal.lost, self.dual))
            subtract(self.inside, removal.lost, components)
            self.outside += np.einsum("kt,kt->t", components, components)

    def lost_components(self, removal: Removal) -> Array:
        """Return the components of the targets along the lost directions.

        Parameters
        ----------
        removal : Removal
            The effect of the removal of some regressors.

        Returns
        -------
        array of float, (k, t)
            lost^T C.
        """
        return product(removal.lost, self.inside)

    def drop(self, regressors: Index, targets: Index) -> None:
        """Delete columns; the last columns move to their places (see `Compaction`).

        Parameters
        ----------
        regressors : array of int
            The columns of regressors to delete.
        targets : array of int
            The columns of targets to delete.
        """
        of_regressors = Compaction.of(self.dual.shape[1], regressors)
        of_targets = Compaction.of(len(self.outside), targets)
        self.dual, self.null = of_regressors(self.dual), of_regressors(self.null)
        self.inside, self.outside = of_targets(self.inside), of_targets(self.outside)

    def copy(self) -> Span:
        """Return a copy whose arrays can be overwritten.

        Returns
        -------
        Span
            The same span.
        """
        dual, null, inside = (array.copy(order="F") for array in (self.dual, self.null, self.inside))
        return Span(dual, null, inside, self.outside.copy(), self.noise, self.clear, self.cutoff)

    def panel(self, regressors: Index, targets: Index) -> Panel:
        """Return the span restricted to some neurons, in smaller coordinates.

        Parameters
        ----------
        regressors : array of int, (j,)
            The columns J of some regressors.
        targets : array of int, (k,)
            The columns of some targets.

        Returns
        -------
        Panel
            The span of at most j dimensions in which the removal of these regressors has the same
            effect on these targets.

        Notes
        -----
        Cost: O(r j^2) operations.
        """
        basis, T = orthonormal(self.dual[:, regressors])
        relation_basis, S = orthonormal(self.null[:, regressors])
        inside = product(basis, self.inside[:, targets])
        return Panel.of(T, S, inside, self.outside[targets], basis, relation_basis, self.cutoff / CLEAR)


@dataclass(frozen=True)
class Factor:
    """The inverse triangular factor of a layer's unit columns, and the relations of the others.

    Notes
    -----
    A[:, order] = Q L^T by pivoting, for the `rank` independent columns that come first.
    """

    inverse: Array
    """(rank, rank) L^-1, lower triangular: the dual basis of the independent columns."""
    relations: Array
    """(m, m - rank) linear relations, in the order of the pivots."""
    order: Index
    """(m,) the columns in the order of the pivots."""
    noise: Noise
    """Bounds on the error of distances, relative to `condition`."""
    cutoff: float
    """The size below which directions, and coefficients of relations, count as rounding."""
    clear: bool
    """Whether the rank is clear: rounding could not have changed which directions count."""

    @property
    def rank(self) -> int:
        """The number of dimensions of the span."""
        return len(self.inverse)

    @property
    def condition(self) -> float:
        """||L^-1||_F, at least 1 / (smallest singular value) of the unit columns; at least 1."""
        return float(np.sqrt(max(1.0, np.einsum("ij,ij->", self.inverse, self.inverse))))

    @property
    def resolution(self) -> float:
        """The smallest distance that can be distinguished from 0; 1 if the rank is not clear."""
        return self.noise.resolution(self.condition, self.clear)

    def centred_resolution(self, mean: Array, spread: Array) -> float | None:
        """Return the resolution of the columns less their means, scaled to unit norm again.

        Parameters
        ----------
        mean : array of float, (m,)
            The component of each column along the constant vector of unit norm.
        spread : array of float, (m,)
            The norm of each column less its mean.

        Returns
        -------
        float or None
            The resolution; None if that takes a factor of the centred columns.

        Notes
        -----
        Centring subtracts the outer product of the means from the inner products, which changes
        their inverse P = W^T W by P mean mean^T P / (1 - mean^T P mean). Cost: O(m^2) operations.
        """
        if not self.rank or self.rank < len(self.order) or not self.clear or not spread.all():
            return None
        inside = blas.dgemv(1.0, self.inverse, mean[self.order])
        outside = 1.0 - float(inside @ inside)
        if outside < LEAST_OUTSIDE:
            return None
        squares = np.einsum("ij,ij->j", self.inverse, self.inverse) + row(inside, self.inverse) ** 2 / outside
        condition = max(1.0, float(np.sqrt(squares @ spread[self.order] ** 2)))
        if CLEAR * self.cutoff * condition >= 1:
            return None
        return min(1.0, (self.noise.of_distances + self.noise.of_squares) * condition)

    def span(self, at: Array) -> Span:
        """Return the span with targets.

        Parameters
        ----------
        at : array of float, (m, t)
            Inner products of the columns and unit targets.

        Returns
        -------
        Span
            The span.
        """
        if not self.rank:
            return _empty_span(at.shape[1])
        inside = np.asfortranarray(blas.dtrmm(1.0, self.inverse, at[self.order[: self.rank]], lower=1))
        return self.span_of(inside, np.maximum(1.0 - np.einsum("kt,kt->t", inside, inside), 0.0))

    def span_of(self, inside: Array, outside: Array) -> Span:
        """Return the span with targets of known coordinates.

        Parameters
        ----------
        inside : array of float, (rank, t)
            The coordinates of the targets in the basis Q.
        outside : array of float, (t,)
            The squared distances of the targets.

        Returns
        -------
        Span
            The span.
        """
        W = np.zeros((self.rank, len(self.order)), order="F")
        W[:, self.order[: self.rank]] = self.inverse
        null = self.null()
        placed = np.empty(null.shape, order="F")
        placed[:, self.order] = null
        return Span(W, placed, inside, outside, self.noise, self.clear, self.cutoff)

    def null(self) -> Array:
        """Return an orthonormal basis of the relations.

        Returns
        -------
        array of float, (m - rank, m)
            The basis, as rows, in the order of the pivots.
        """
        return np.asfortranarray(orthonormal(self.relations)[0].T)


def factor_from_gram(aa: Array, rounding: Rounding) -> Factor:
    """Return the factor of unit columns from inner products.

    Parameters
    ----------
    aa : array of float, (m, m)
        Inner products of the columns.
    rounding : Rounding
        The rounding of the inner products.

    Returns
    -------
    Factor
        The inverse triangular factor.

    Notes
    -----
    Without pivoting at first: with it only if the columns are not clearly independent.
    Cost: 2 m^3 / 3 operations.
    """
    if not len(aa):
        nothing = np.zeros((0, 0), order="F")
        return Factor(nothing, nothing, np.arange(0), Noise(0.0, 0.0), 0.0, True)
    cutoff = rounding.cutoff(0, len(aa))
    inverse = inverse_factor(aa)
    if inverse is not None and CLEAR * cutoff * np.linalg.norm(inverse) < 1:
        # No pivot is smaller than 1 / ||L^-1||: with pivoting, the rank would be clear, too.
        nothing = np.zeros((len(aa), 0), order="F")
        return Factor(inverse, nothing, np.arange(len(aa)), rounding.noise(np.empty(0)), cutoff, True)
    L, order, rank = _cholesky(aa, cutoff**2)
    dropped, clear = _dropped(aa, L, order, rank, cutoff, rounding)
    # Dropped directions below the rounding of the inner products count as 0.
    resolved = dropped**2 > 4 * len(aa) * rounding.products
    return _factor(L, order, np.where(resolved, dropped, 0.0), cutoff, clear, rounding)


def span_from_gram(aa: Array, at: Array, rounding: Rounding) -> Span:
    """Return the span of unit regressors from inner products.

    Parameters
    ----------
    aa : array of float, (m, m)
        Inner products of the regressors, A^T A.
    at : array of float, (m, t)
        Inner products of the regressors and the targets, A^T T.
    rounding : Rounding
        The rounding of the inner products.

    Returns
    -------
    Span
        The span of the regressors, with the targets.

    Notes
    -----
    R is the pivoted Cholesky factor of A^T A. The rounding of the inner products is that of squared
    distances, so distances are resolved to about its root times the condition number: 1e-8 x
    condition in float64. Cost: 2 m^3 / 3 + m^2 t operations.
    """
    return factor_from_gram(aa, rounding).span(at)


def outside_from_gram(aa: Array, at: Array, rounding: Rounding) -> tuple[Array, float]:
    """Return the distances of unit targets to the span of unit regressors, from inner products.

    Parameters
    ----------
    aa : array of float, (m, m)
        Inner products of the regressors, A^T A.
    at : array of float, (m, t)
        Inner products of the regressors and the targets, A^T T.
    rounding : Rounding
        The rounding of the inner products.

    Returns
    -------
    squared_distances : array of float, (t,)
        The squared distances of the targets.
    noise : float
        A bound on the error of the distances, not squared.

    Raises
    ------
    SpanmatchError
        If the rank is not clear.
    """
    if not len(aa):
        return np.ones(at.shape[1]), 0.0
    factored = _by_cholesky(aa, at, rounding)
    _check_clear(factored)
    return factored.outside, 8 * np.sqrt(rounding.products) / factored.smallest


def span_from_columns(A: Array, T: Array, rounding: Rounding) -> Span:
    """Return the span of unit regressors from columns.

    Parameters
    ----------
    A : array of float, (n, m)
        The regressors, in any orthonormal coordinates.
    T : array of float, (n, t)
        The targets, in the same coordinates.
    rounding : Rounding
        The rounding of the columns.

    Returns
    -------
    Span
        The span of the regressors, with the targets.

    Notes
    -----
    R is the factor of A by QR with pivoting. Distances are norms of residuals and not differences,
    so they are resolved to about 1e-15 x condition. Cost: 2 n m (m + 2 t) operations.
    """
    if not A.shape[1]:
        return _empty_span(T.shape[1])
    factored = _by_qr(A, T, rounding)
    L, order, inside, outside, dropped, cutoff, clear = factored
    return _factor(L, order, dropped, cutoff, clear, rounding).span_of(inside, outside)


def outside_from_columns(A: Array, T: Array, rounding: Rounding) -> tuple[Array, float]:
    """Return the distances of unit targets to the span of unit regressors, from columns.

    Parameters
    ----------
    A : array of float, (n, m)
        The regressors, in any orthonormal coordinates.
    T : array of float, (n, t)
        The targets, in the same coordinates.
    rounding : Rounding
        The rounding of the columns.

    Returns
    -------
    squared_distances : array of float, (t,)
        The squared distances of the targets.
    noise : float
        A bound on the error of the distances, not squared.

    Raises
    ------
    SpanmatchError
        If the rank is not clear.
    """
    if not A.shape[1]:
        return np.ones(T.shape[1]), 0.0
    factored = _by_qr(A, T, rounding)
    _check_clear(factored)
    return factored.outside, 32 * UNIT / factored.smallest


def cholesky(gram: Array) -> Array:
    """Return a root of a matrix of inner products, which may be singular.

    Parameters
    ----------
    gram : array of float, (m, m)
        Inner products of columns of at most unit norm.

    Returns
    -------
    array of float, (rank, m)
        R with R^T R = gram.
    """
    L, order, rank = _cholesky(gram, 4 * len(gram) * UNIT)
    root = np.zeros((rank, len(gram)))
    root[:, order] = L.T
    return root


@dataclass(frozen=True)
class Compaction:
    """A deletion of columns in place: the last columns move to the places of the deleted ones."""

    remaining: int
    """The number of columns that remain."""
    holes: Index
    """The deleted columns among the first `remaining`."""
    movers: Index
    """The remaining columns beyond the first `remaining`, which move into the holes."""

    @classmethod
    def of(cls, count: int, deleted: Index) -> Compaction:
        """Return the deletion of some columns.

        Parameters
        ----------
        count : int
            The number of columns.
        deleted : array of int
            The columns to delete.

        Returns
        -------
        Compaction
            The deletion, for any array with so many columns.
        """
        remains = np.ones(count, dtype=bool)
        remains[deleted] = False
        remaining = count - len(deleted)
        return cls(remaining, deleted[deleted < remaining], remaining + np.flatnonzero(remains[remaining:]))

    def __call__(self, columns: NDArray[Kind]) -> NDArray[Kind]:
        """Delete the columns of an array, which is overwritten.

        Parameters
        ----------
        columns : array, (..., count)
            The columns, along the last axis.

        Returns
        -------
        array, (..., remaining)
            A view of the remaining columns, in a new order.
        """
        columns[..., self.holes] = columns[..., self.movers]
        return columns[..., : self.remaining]


class _Factored(NamedTuple):
    """Regressors A[:, order] = Q L^T by pivoting, the targets in the coordinates of Q, the rank."""

    L: Array
    """(m, rank) lower trapezoidal."""
    order: Index
    """(m,) the regressors in the order of the pivots."""
    inside: Array
    """(rank, t) the coordinates of the targets, Q^T T."""
    outside: Array
    """(t,) the squared distances of the targets."""
    dropped: Array
    """(m - rank,) the distances of the dropped regressors to the span."""
    cutoff: float
    """The size below which directions count as rounding."""
    clear: bool
    """Whether the rank is clear."""

    @property
    def smallest(self) -> float:
        """The size of the smallest direction that counts."""
        return float(abs(self.L.diagonal()).min())


def _check_clear(factored: _Factored) -> None:
    """Raise SpanmatchError if the rank is not clear."""
    if not factored.clear:
        raise SpanmatchError(
            "a group of neurons is so close to linearly dependent that rounding decides its rank; "
            "use method='qr', or leave out neurons that nearly repeat others"
        )


def _by_qr(A: Array, T: Array, rounding: Rounding) -> _Factored:
    """Factor regressors A (n, m), with targets T (n, t)."""
    nonzero = A.any(axis=1)  # In a triangular factor, some rows are 0 for all regressors.
    n, m = int(nonzero.sum()), A.shape[1]
    R, order, tau, work, _ = lapack.dgeqp3(np.asfortranarray(A[nonzero]))
    cutoff = rounding.cutoff(n, m)
    rank = int(np.count_nonzero(abs(R.diagonal()) > cutoff))
    top = np.asfortranarray(T[nonzero])
    _, work, _ = lapack.dormqr("L", "T", R[:, : len(tau)], tau, top, -1)
    top, _, _ = lapack.dormqr("L", "T", R[:, : len(tau)], tau, top, int(work[0]), overwrite_c=True)
    rest = T[~nonzero]
    outside = np.einsum("kt,kt->t", top[rank:], top[rank:]) + np.einsum("kt,kt->t", rest, rest)
    L = np.tril(R.T)
    dropped = np.linalg.norm(L[rank:, rank:], axis=1)
    clear = rounding.is_clear(abs(L.diagonal()[:rank]), dropped, cutoff)
    return _Factored(L[:, :rank], order - 1, np.asfortranarray(top[:rank]), outside, dropped, cutoff, clear)


def _by_cholesky(aa: Array, at: Array, rounding: Rounding) -> _Factored:
    """Factor regressors, with targets, from their inner products."""
    cutoff = rounding.cutoff(0, len(aa))
    L, order, rank = _cholesky(aa, cutoff**2)
    inside = np.asfortranarray(blas.dtrsm(1.0, np.asfortranarray(L[:rank, :rank]), at[order[:rank]], lower=1))
    outside = np.maximum(1.0 - np.einsum("kt,kt->t", inside, inside), 0.0)
    dropped, clear = _dropped(aa, L, order, rank, cutoff, rounding)
    return _Factored(L, order, inside, outside, dropped, cutoff, clear)


def _dropped(aa: Array, L: Array, order: Index, rank: int, cutoff: float, rounding: Rounding) -> tuple[Array, bool]:
    """Return the distances of the dropped regressors to the span, and whether the rank is clear."""
    residuals = aa.diagonal()[order[rank:]] - np.einsum("jk,jk->j", L[rank:], L[rank:])
    dropped = np.sqrt(np.maximum(residuals, 0.0))
    return dropped, rounding.is_clear(L.diagonal()[:rank], dropped, cutoff)


def _factor(L: Array, order: Index, dropped: Array, cutoff: float, clear: bool, rounding: Rounding) -> Factor:
    """Return the inverse and the relations of factored regressors, given the resolved distances of
    the dropped ones.
    """
    m, rank = L.shape
    inverse, _ = lapack.dtrtri(np.asfortranarray(L[:rank, :rank]), lower=1)
    relations = np.asfortranarray(np.vstack([-inverse.T @ L[rank:, :rank].T, np.eye(m - rank)]))
    # The residual of a relation is the dropped distance, relative to the norm of its coefficients.
    noise = rounding.noise(dropped / np.linalg.norm(relations, axis=0))
    return Factor(inverse, relations, order, noise, cutoff, clear)


def _empty_span(targets: int) -> Span:
    """Return the span of no regressors."""
    nothing = np.zeros((0, 0), order="F")
    inside = np.zeros((0, targets), order="F")
    return Span(nothing, nothing.copy(), inside, np.ones(targets), Noise(0.0, 0.0), True, 0.0)


def _cholesky(gram: Array, tolerance: float) -> tuple[Array, Index, int]:
    """Return L, order, rank of the symmetric gram[order][:, order] = L L^T."""
    symmetric = gram.T if gram.flags.c_contiguous else gram
    # Pivoting is required: without it, amplified rounding can count as a direction, depending on
    # the order of the neurons.
    L, order, rank, _ = lapack.dpstrf(symmetric, tol=tolerance, lower=1)
    for start in range(0, rank, ZEROED_AT_ONCE):
        block = slice(start, start + ZEROED_AT_ONCE)
        L[:start, block] = 0
        L[block, block] = np.tril(L[block, block])
    return L[:, :rank], order - 1, rank
