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
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack, qr

from ..errors import SpanmatchError

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Kind = TypeVar("Kind", bound=np.generic)

UNIT = float(np.finfo(np.float64).eps)
SINGLE = float(np.finfo(np.float32).eps)
# Columns of Z below this are rounding: Z comes from an orthonormal basis, so that it is relative.
RELATION_TOLERANCE = 1e-7
CLEAR = 2.0
"""A rank is clear if no direction is within this factor of the cutoff."""
LARGEST_CUTOFF = 1e-4
"""A direction of this size, relative to a neuron, is no rounding: a cutoff above it may not cut anything off."""
# Two rounds of Cholesky QR are as orthogonal as Householder's up to a condition number of about 1e8.
CHOLESKY_LIMIT = 1e-5


@dataclass(frozen=True)
class Noise:
    """What distances can be wrong by, times the condition of the regressors (||W||_F)."""

    of_distances: float
    """At any distance: rounding of columns, and relations that hold only so far."""
    of_squares: float
    """At distance 0; squared distances are wrong by the square of this, whatever the distance."""


@dataclass(frozen=True)
class Rounding:
    """How much of a layer's unit columns is rounding, so that their rank can be told.

    A direction counts as rounding if it is below what rounds the numbers given, or what rounds the sums made of them:
    8 u sqrt(m) of m columns with unit roundoff u, and 8 sqrt(m e) from inner products of relative rounding e, which are
    squares. Types coarser than float32 count as float32: what their rounding adds is far above what sums in float64
    resolve, and the results are exact for the numbers as they are.
    """

    data: float = UNIT / 2
    """Unit roundoff of the numbers given: 2^-53 or 2^-24."""
    products: float = 0.0
    """Relative rounding of inner products; 0 where columns are kept instead."""

    def cutoff(self, n: int, m: int) -> float:
        """Return the size below which a direction of m unit columns of n coordinates is rounding."""
        return float(max(8 * np.sqrt(m) * max(self.data, np.sqrt(self.products)), 4 * max(n, m) * UNIT))

    def noise(self, dropped: Array) -> Noise:
        """Return what distances can be wrong by, given what each direction that was dropped leaves of a relation."""
        rounded = 2 * self.data if dropped.size and self.data > UNIT else 0.0
        largest = float(dropped.max(initial=rounded))
        return Noise(32 * UNIT + largest, float(8 * np.sqrt(self.products)))

    def is_clear(self, kept: Array, dropped: Array, cutoff: float) -> bool:
        """Tell whether a rank decision is clear, from the sizes of the directions kept and dropped."""
        if dropped.size and cutoff > LARGEST_CUTOFF:
            return False
        return bool(kept.min(initial=np.inf) > CLEAR * cutoff and dropped.max(initial=0.0) < cutoff / CLEAR)


@dataclass
class Removal:
    """What taking some regressors away does to a span, in the coordinates of its basis."""

    lost: Array
    """(r, k) orthonormal directions that leave the span, in the order of removal."""
    relations: Array
    """(d, s) orthonormal directions of the relations that are used up."""
    carriers: Array
    """(r, s) the dual vectors that take over: w_i -= carriers (relations^T z_i)."""
    reach: float = 0.0
    """How large the dual basis can become by it; infinite if it is not clear which relations there are."""


@dataclass
class Span:
    """The span of a layer's neurons (regressors) and what it holds of the other layer's (targets)."""

    dual: Array
    null: Array
    inside: Array
    outside: Array
    noise: Noise
    clear: bool
    """Whether it is clear which directions are there, and which are rounding."""
    cutoff: float
    """The size below which directions, and so coefficients of relations, are rounding."""

    @property
    def condition(self) -> float:
        """||W||_F, at least 1 / (smallest singular value) of the regressors' unit columns; at least 1."""
        return float(np.sqrt(max(1.0, np.einsum("ij,ij->", self.dual, self.dual))))

    @property
    def resolution(self) -> float:
        """The distance that cannot be told from 0: noise x condition, and 1 if the rank is not clear."""
        return min(1.0, (self.noise.of_distances + self.noise.of_squares) * self.condition) if self.clear else 1.0

    def reach(self, regressor: int) -> float:
        """Return how large the dual basis can become where a regressor's removal uses up a relation; 0 if it does not.

        A regressor that the others give only with enormous coefficients, as the difference of two that nearly repeat
        each other: without it, the rest is as badly conditioned. Infinite if rounding may hide such a relation.
        """
        if not len(self.null):
            return 0.0
        size = float(np.linalg.norm(self.null[:, regressor]))
        if size > RELATION_TOLERANCE:
            return float(np.linalg.norm(self.dual[:, regressor])) / size
        return np.inf if size > self.cutoff / CLEAR else 0.0

    def removal(self, gone: Index) -> Removal:
        """Return what taking the regressors `gone` away does, all at once.  Cost: O(r |gone|^2)."""
        W, Z = self.dual[:, gone], self.null[:, gone]
        if not len(Z):
            return Removal(_qr(W)[0], np.empty((0, 0)), np.empty((len(W), 0)))
        left, size, right = np.linalg.svd(Z, full_matrices=True)
        s = int(np.count_nonzero(size > RELATION_TOLERANCE))
        carriers = W @ (right[:s].T / size[:s])
        hidden = (size[s:] > self.cutoff / CLEAR).any()
        reach = np.inf if hidden else float(np.linalg.norm(carriers, axis=0).max(initial=0.0))
        return Removal(_qr(W @ right[s:].T)[0], left[:, :s], carriers, reach)

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
        size = np.sqrt(z @ z) if len(z) else 0.0
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
        """Forget columns; the last columns move into the holes (see `Compaction`)."""
        of_regressors = Compaction.of(self.dual.shape[1], regressors)
        of_targets = Compaction.of(len(self.outside), targets)
        self.dual, self.null = of_regressors(self.dual), of_regressors(self.null)
        self.inside, self.outside = of_targets(self.inside), of_targets(self.outside)

    def copy(self) -> Span:
        """Return the same span in memory of its own."""
        dual, null, inside = (array.copy(order="F") for array in (self.dual, self.null, self.inside))
        return Span(dual, null, inside, self.outside.copy(), self.noise, self.clear, self.cutoff)

    def panel(self, regressors: Index, targets: Index) -> tuple[Span, Array, Array]:
        """Return the same span restricted to some neurons, and the bases of its coordinates.

        The small span answers for the removal of these regressors what the large one would, at a size
        of |regressors| only: W_J = B T, Z_J = E S and the small span has T, S and B^T C.
        """
        basis, T = _qr(self.dual[:, regressors])
        relations, S = _qr(self.null[:, regressors])
        inside = _product(basis, self.inside[:, targets])
        small = Span(T, S, inside, self.outside[targets].copy(), self.noise, self.clear, self.cutoff)
        return small, basis, relations


def span_from_gram(aa: Array, at: Array, rounding: Rounding) -> Span:
    """Return the span of unit regressors from inner products: R by pivoted Cholesky of A^T A.

    Args: aa (m, m) and at (m, t), inner products of unit columns, and their rounding. Squared distances
    carry it, so distances below about its root x condition, 1e-8 x condition in float64, are noise.
    Cost: 2 m^3 / 3 + m^2 t.
    """
    if not len(aa):
        return _empty_span(at.shape[1])
    factored = _by_cholesky(aa, at, rounding)
    # Below the rounding of the products there is nothing to be seen of what was dropped.
    seen = factored.dropped**2 > 4 * len(aa) * rounding.products
    return _span(factored, np.where(seen, factored.dropped, 0.0), rounding)


def outside_from_gram(aa: Array, at: Array, rounding: Rounding) -> tuple[Array, float]:
    """Return the squared distances of unit targets to the span of unit regressors, and what distances can be wrong by.

    As `span_from_gram`, without the span. Raises SpanmatchError if the rank is not clear.
    """
    if not len(aa):
        return np.ones(at.shape[1]), 0.0
    factored = _by_cholesky(aa, at, rounding)
    _check_clear(factored)
    return factored.outside, 8 * np.sqrt(rounding.products) / factored.smallest


def span_from_columns(A: Array, T: Array, rounding: Rounding) -> Span:
    """Return the span of unit regressors from columns: R by pivoted QR of A.

    Args: A (n, m) and T (n, t), unit columns in any common orthonormal coordinates. Distances are norms
    of residuals, not differences, so that they are resolved to about 1e-15 x condition. Cost: 2 n m (m + 2 t).
    """
    if not A.shape[1]:
        return _empty_span(T.shape[1])
    factored = _by_qr(A, T, rounding)
    return _span(factored, factored.dropped, rounding)


def outside_from_columns(A: Array, T: Array, rounding: Rounding) -> tuple[Array, float]:
    """Return what `outside_from_gram` does, from columns."""
    if not A.shape[1]:
        return np.ones(T.shape[1]), 0.0
    factored = _by_qr(A, T, rounding)
    _check_clear(factored)
    return factored.outside, 32 * UNIT / factored.smallest


def cholesky(gram: Array) -> Array:
    """Return R (r, m) with R^T R = gram, a matrix of inner products of columns of at most unit norm, of any rank."""
    L, order, rank = _cholesky(gram, 4 * len(gram) * UNIT)
    root = np.zeros((rank, len(gram)))
    root[:, order] = L.T
    return root


@dataclass(frozen=True)
class Compaction:
    """How columns that stay become a prefix of the same memory: the last ones fill the holes."""

    stay: int
    holes: Index
    movers: Index

    @classmethod
    def of(cls, count: int, gone: Index) -> Compaction:
        """Return how to forget the columns `gone` of so many."""
        stays = np.ones(count, dtype=bool)
        stays[gone] = False
        stay = count - len(gone)
        return cls(stay, gone[gone < stay], stay + np.flatnonzero(stays[stay:]))

    def __call__(self, columns: NDArray[Kind]) -> NDArray[Kind]:
        """Return the columns that stay, in the memory of all."""
        columns[..., self.holes] = columns[..., self.movers]
        return columns[..., : self.stay]


class _Factored(NamedTuple):
    """Regressors A[:, order] = Q L^T by pivoting, what Q holds of the targets, and how the rank was decided."""

    L: Array
    """(m, rank) lower trapezoidal."""
    order: Index
    inside: Array
    """(rank, t) the targets' coordinates Q^T T."""
    outside: Array
    """(t,) the targets' squared distances."""
    dropped: Array
    """(m - rank,) the sizes of what the regressors that were dropped have outside the span."""
    cutoff: float
    clear: bool

    @property
    def smallest(self) -> float:
        """The smallest direction that was kept."""
        return float(abs(self.L.diagonal()).min())


def _check_clear(factored: _Factored) -> None:
    if not factored.clear:
        raise SpanmatchError(
            "a group of neurons is so nearly dependent that rounding decides which directions it spans; "
            "use method='qr', or leave out neurons that nearly repeat others"
        )


def _by_qr(A: Array, T: Array, rounding: Rounding) -> _Factored:
    """Factor regressors A (n, m), with targets T (n, t)."""
    live = A.any(axis=1)  # a triangular factor has rows that only the targets reach
    n, m = int(live.sum()), A.shape[1]
    R, order, tau, work, _ = lapack.dgeqp3(np.asfortranarray(A[live]))
    cutoff = rounding.cutoff(n, m)
    rank = int(np.count_nonzero(abs(R.diagonal()) > cutoff))
    top = np.asfortranarray(T[live])
    _, work, _ = lapack.dormqr("L", "T", R[:, : len(tau)], tau, top, -1)
    top, _, _ = lapack.dormqr("L", "T", R[:, : len(tau)], tau, top, int(work[0]), overwrite_c=True)
    rest = T[~live]
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
    left = aa.diagonal()[order[rank:]] - np.einsum("jk,jk->j", L[rank:], L[rank:])
    dropped = np.sqrt(np.maximum(left, 0.0))
    clear = rounding.is_clear(L.diagonal()[:rank], dropped, cutoff)
    return _Factored(L, order, inside, outside, dropped, cutoff, clear)


def _span(factored: _Factored, dropped: Array, rounding: Rounding) -> Span:
    """Return the span of factored regressors.

    Args: dropped (m - r,), what can be seen of the regressors that were dropped outside the others' span.
    """
    L, order, inside, outside, _, cutoff, clear = factored
    m, rank = L.shape
    inverse, _ = lapack.dtrtri(np.asfortranarray(L[:rank, :rank]), lower=1)
    if rank == m:
        nothing = np.empty((0, m), order="F")
        return Span(_placed(inverse, order), nothing, inside, outside, rounding.noise(dropped), clear, cutoff)
    W = np.zeros((rank, m), order="F")
    W[:, order[:rank]] = inverse
    relations = np.vstack([-inverse.T @ L[rank:, :rank].T, np.eye(m - rank)])
    # A relation among unit columns holds to what was dropped, over the norm of its coefficients.
    noise = rounding.noise(dropped / np.linalg.norm(relations, axis=0))
    return Span(W, _placed(_qr(relations)[0].T, order), inside, outside, noise, clear, cutoff)


def _empty_span(targets: int) -> Span:
    nothing = np.zeros((0, 0), order="F")
    inside = np.zeros((0, targets), order="F")
    return Span(nothing, nothing.copy(), inside, np.ones(targets), Noise(0.0, 0.0), True, 0.0)


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
    # Always with pivoting: without it, amplified rounding can pass for a direction, depending on the neurons' order.
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
