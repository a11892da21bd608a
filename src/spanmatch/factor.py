"""Spans of neurons: dual bases of a layer, and what its span holds of another layer.

The neurons of one layer (the *regressors*, columns A) span a subspace; the neurons of the other (the
*targets*, columns T) lie partly inside it. With A = Q R of rank r, everything a match asks for is in
four small arrays, all in the coordinates of Q (docs/theory.md):

    dual     W (r, m)   w_i . a_j = 1 if i = j else 0, for independent regressors: W = R^-T
    null     Z (d, m)   the linear relations among the regressors: A n = 0 exactly when n is in the row space of Z
    inside   C (r, t)   the targets' coordinates in the span, C = Q^T T
    outside  (t,)       the targets' squared distances to the span

Taking regressors J away loses the directions that only they reach: the vectors W_J a with Z_J a = 0.
A regressor with a relation left (its column of Z is not zero) is a combination of the others, so that its
removal loses nothing and only uses the relation up. Columns are of unit norm, so all tolerances are relative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack, qr

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Kind = TypeVar("Kind", bound=np.generic)

UNIT = float(np.finfo(np.float64).eps)
# Columns of Z below this are rounding: Z comes from an orthonormal basis, so that it is relative.
RELATION_TOLERANCE = 1e-7
# Two rounds of Cholesky QR are as orthogonal as Householder's up to a condition number of about 1e8.
CHOLESKY_LIMIT = 1e-5


@dataclass
class Removal:
    """What taking some regressors away does to a span, in the coordinates of its basis."""

    lost: Array
    """(r, k) orthonormal directions that leave the span, in the order of removal."""
    relations: Array
    """(d, s) orthonormal directions of the relations that are used up."""
    carriers: Array
    """(r, s) the dual vectors that take over: w_i -= carriers (relations^T z_i)."""


@dataclass
class Span:
    """The span of a layer's neurons (regressors) and what it holds of the other layer's (targets)."""

    dual: Array
    null: Array
    inside: Array
    outside: Array

    @property
    def condition(self) -> float:
        """||W||_F, at least 1 / (smallest singular value) of the regressors' unit columns."""
        return float(np.sqrt(np.einsum("ij,ij->", self.dual, self.dual)))

    def removal(self, gone: Index) -> Removal:
        """Return what taking the regressors `gone` away does, all at once.  Cost: O(r |gone|^2)."""
        W, Z = self.dual[:, gone], self.null[:, gone]
        if not len(Z):
            return Removal(_qr(W)[0], np.empty((0, 0)), np.empty((len(W), 0)))
        left, size, right = np.linalg.svd(Z, full_matrices=True)
        s = int(np.count_nonzero(size > RELATION_TOLERANCE))
        carriers = W @ (right[:s].T / size[:s])
        return Removal(_qr(W @ right[s:].T)[0], left[:, :s], carriers)

    def apply(self, removal: Removal, held: Array) -> None:
        """Take the removal's directions out of the span, in place; `held` is lost^T C, (k, t).

        Cost: 4 r k (m + t) operations, as matrix products.
        """
        if removal.relations.size:
            used = _product(removal.relations, self.null)
            _subtract(self.null, removal.relations, used)
            _subtract(self.dual, removal.carriers, used)
        if removal.lost.size:
            _subtract(self.dual, removal.lost, _product(removal.lost, self.dual))
            _subtract(self.inside, removal.lost, held)
            self.outside += np.einsum("kt,kt->t", held, held)

    def take(self, regressor: int) -> tuple[Array, Array | None, Array]:
        """Take one regressor away, in place; for small spans, where the loop costs more than the products.

        Returns (lost direction, None, empty), or (empty, relation used up, carrier): see `Removal`.
        """
        w, z = self.dual[:, regressor], self.null[:, regressor]
        size = np.sqrt(z @ z)
        if size > RELATION_TOLERANCE:
            relation, carrier = z / size, w / size
            used = _row(relation, self.null)
            _subtract_outer(self.null, relation, used)
            _subtract_outer(self.dual, carrier, used)
            return w[:0], relation, carrier
        lost = w / np.sqrt(w @ w)
        held = _row(lost, self.inside)
        _subtract_outer(self.dual, lost, _row(lost, self.dual))
        _subtract_outer(self.inside, lost, held)
        self.outside += held**2
        return lost, None, w[:0]

    def held(self, removal: Removal) -> Array:
        """Return lost^T C (k, t): the part of each target that each lost direction held."""
        return _product(removal.lost, self.inside)

    def drop(self, regressors: Index, targets: Index) -> None:
        """Forget columns; the last columns move into the holes (see `compacted`)."""
        self.dual = compacted(self.dual, regressors)
        self.null = compacted(self.null, regressors)
        self.inside = compacted(self.inside, targets)
        self.outside = compacted(self.outside[None], targets)[0]

    def panel(self, regressors: Index, targets: Index) -> tuple[Span, Array, Array]:
        """Return the same span restricted to some neurons, and the bases of its coordinates.

        The small span answers for the removal of these regressors what the large one would, at a size
        of |regressors| only: W_J = B T, Z_J = E S and the small span has T, S and B^T C.
        """
        basis, T = _qr(self.dual[:, regressors])
        relations, S = _qr(self.null[:, regressors])
        inside = _product(basis, self.inside[:, targets])
        return Span(T, S, inside, self.outside[targets].copy()), basis, relations


def span_from_gram(aa: Array, at: Array, rounding: float = UNIT) -> Span:
    """Return the span of unit regressors from inner products: R by pivoted Cholesky of A^T A.

    Args: aa (m, m) and at (m, t), inner products of unit columns, and their relative rounding. Squared distances
    carry it, so distances below about its root x condition, 1e-8 x condition in float64, are noise.
    Cost: 2 m^3 / 3 + m^2 t.
    """
    if not len(aa):
        return _empty_span(at.shape[1])
    L, order, rank, C = _coordinates(aa, at, rounding)
    return _span(L, order, rank, C, _left(C))


def outside_from_gram(aa: Array, at: Array, rounding: float = UNIT) -> Array:
    """Return the squared distances of unit targets to the span of unit regressors; as `span_from_gram`, without it."""
    if not len(aa):
        return np.ones(at.shape[1])
    return _left(_coordinates(aa, at, rounding)[-1])


def span_from_columns(A: Array, T: Array) -> Span:
    """Return the span of unit regressors from columns: R by pivoted QR of A.

    Args: A (n, m) and T (n, t), unit columns in any common orthonormal coordinates. Distances are norms
    of residuals, not differences, so that they are resolved to about 1e-15 x condition. Cost: 2 n m (m + 2 t).
    """
    if not A.shape[1]:
        return _empty_span(T.shape[1])
    live = A.any(axis=1)  # a triangular factor has rows that only the targets reach
    n, m = int(live.sum()), A.shape[1]
    R, order, tau, work, _ = lapack.dgeqp3(np.asfortranarray(A[live]))
    order = order - 1
    size = np.abs(np.diag(R))
    rank = int(np.count_nonzero(size > 4 * max(n, m) * UNIT * size[:1]))
    top = np.asfortranarray(T[live])
    _, work, _ = lapack.dormqr("L", "T", R[:, : len(tau)], tau, top, -1)
    top, _, _ = lapack.dormqr("L", "T", R[:, : len(tau)], tau, top, int(work[0]), overwrite_c=True)
    rest = T[~live]
    outside = np.einsum("kt,kt->t", top[rank:], top[rank:]) + np.einsum("kt,kt->t", rest, rest)
    return _span(np.tril(R[:rank].T), order, rank, np.asfortranarray(top[:rank]), outside)


def compacted(columns: NDArray[Kind], gone: Index) -> NDArray[Kind]:
    """Return the columns that stay, as a prefix of the same memory: the last ones fill the holes."""
    stay = columns.shape[-1] - len(gone)
    holes = gone[gone < stay]
    movers = np.setdiff1d(np.arange(stay, columns.shape[-1]), gone)
    columns[..., holes] = columns[..., movers]
    return columns[..., :stay]


def _coordinates(aa: Array, at: Array, rounding: float) -> tuple[Array, Index, int, Array]:
    """Return L, order, rank of A^T A = L L^T, and C = L^-1 A^T T."""
    L, order, rank = _cholesky(aa, 4 * len(aa) * rounding)
    held = at if rank == len(aa) else at[order[:rank]]
    return L, order, rank, np.asfortranarray(blas.dtrsm(1.0, np.asfortranarray(L[:rank, :rank]), held, lower=1))


def _left(C: Array) -> Array:
    """Return what unit vectors with coordinates C have outside the span, squared."""
    return np.asarray(np.maximum(1.0 - np.einsum("kt,kt->t", C, C), 0.0))


def _span(L: Array, order: Index, rank: int, C: Array, outside: Array) -> Span:
    """Return the span whose regressors, in `order`, have the triangular factor L^T (r, m)."""
    m = len(order)
    inverse, _ = lapack.dtrtri(np.asfortranarray(L[:rank, :rank]), lower=1)
    if rank == m:
        return Span(_placed(inverse, order), np.empty((0, m), order="F"), C, outside)
    W = np.zeros((rank, m), order="F")
    W[:, order[:rank]] = inverse
    relations = np.vstack([-inverse.T @ L[rank:, :rank].T, np.eye(m - rank)])
    return Span(W, _placed(_qr(relations)[0].T, order), C, outside)


def _empty_span(targets: int) -> Span:
    nothing = np.zeros((0, 0), order="F")
    return Span(nothing, nothing.copy(), np.zeros((0, targets), order="F"), np.ones(targets))


def _placed(columns: Array, order: Index) -> Array:
    """Return the columns with the k-th at place order[k]."""
    if np.array_equal(order, np.arange(len(order))):
        return np.asfortranarray(columns)
    placed = np.empty(columns.shape, order="F")
    placed[:, order] = columns
    return placed


def _cholesky(gram: Array, tolerance: float) -> tuple[Array, Index, int]:
    """Return L, order, rank of the symmetric gram[order][:, order] = L L^T."""
    symmetric = gram.T if gram.flags.c_contiguous else gram
    L, failed = lapack.dpotrf(symmetric, lower=1)  # several times faster than pivoting, and nearly always enough
    if not failed and np.diag(L).min(initial=1.0) ** 2 > tolerance:
        return L, np.arange(len(gram)), len(gram)
    L, order, rank, _ = lapack.dpstrf(symmetric, tol=tolerance, lower=1)
    return np.tril(L)[:, :rank], order - 1, rank


def _qr(columns: Array) -> tuple[Array, Array]:
    """Return Q, R: by two rounds of Cholesky, all matrix products, or by Householder where those would not do."""
    if not columns.size:
        return np.zeros((len(columns), 0), order="F"), np.zeros((0, columns.shape[1]), order="F")
    Q, R = np.asfortranarray(columns), np.eye(columns.shape[1], order="F")
    for _ in range(2):
        gram = blas.dsyrk(1.0, Q, trans=1)
        step, failed = lapack.dpotrf(gram)
        if failed or np.diag(step).min() < CHOLESKY_LIMIT * np.sqrt(gram.diagonal().max()):
            Q, R = qr(columns, mode="economic", check_finite=False)
            return np.asfortranarray(Q), np.asfortranarray(R)
        Q = blas.dtrsm(1.0, step, Q, side=1)
        R = blas.dtrmm(1.0, step, R)
    return Q, R


# All products below go through the BLAS that SciPy's LAPACK uses: NumPy's own has another pool of threads,
# and two pools that wait for work by spinning take the cores from each other.


def _product(A: Array, B: Array) -> Array:
    """Return A^T B."""
    if not A.size or not B.size:
        return np.zeros((A.shape[1], B.shape[1]), order="F")
    return np.asarray(blas.dgemm(1.0, A, B, trans_a=1))


def _subtract(C: Array, A: Array, B: Array) -> None:
    """C -= A B in place, for Fortran-ordered C."""
    if A.size and B.size:
        blas.dgemm(-1.0, A, B, beta=1.0, c=C, overwrite_c=1)


def _row(u: Array, A: Array) -> Array:
    """Return u^T A."""
    return np.asarray(blas.dgemv(1.0, A, u, trans=1)) if A.size else np.zeros(A.shape[1])


def _subtract_outer(A: Array, u: Array, v: Array) -> None:
    """A -= u v^T in place, for Fortran-ordered A."""
    if A.size:
        blas.dger(-1.0, u, v, a=A, overwrite_a=1)
