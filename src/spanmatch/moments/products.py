"""Products and orthonormal bases by the BLAS of SciPy's LAPACK, in place where that can be.

NumPy's BLAS has its own pool of threads, and two pools that spin while they wait for work compete
for the cores. Matrices are in Fortran order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack, qr

Array = NDArray[np.float64]

LEAF = 128
"""The size up to which LAPACK factors a matrix."""
CHOLESKY_LIMIT = 1e-5
"""The smallest relative pivot for which QR by Cholesky is used. Two rounds of it are as orthogonal
as Householder's QR up to a condition number of about 1e8."""


def orthonormal(columns: Array) -> tuple[Array, Array]:
    """Return Q and R, by two rounds of Cholesky QR if that is accurate, else by Householder QR."""
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


def inverse_factor(gram: Array) -> Array | None:
    """Return the inverse L^-1 of the Cholesky factor of a symmetric matrix L L^T.

    Parameters
    ----------
    gram : array of float, (m, m)
        The matrix.

    Returns
    -------
    array of float, (m, m), or None
        The inverse; None if the matrix is not positive definite.

    Notes
    -----
    By halves, so that nearly all of the 2 m^3 / 3 operations are products of large matrices, which
    are two to three times as fast as LAPACK's factorisation and inverse.
    """
    factor = _factor_by_halves(gram.T if gram.flags.c_contiguous else np.asfortranarray(gram))
    return None if factor is None else factor[1]


def _factor_by_halves(gram: Array) -> tuple[Array, Array] | None:
    """Return L and L^-1, or None."""
    m = len(gram)
    if m <= LEAF:
        L, failed = lapack.dpotrf(gram, lower=1)
        return None if failed else (L, lapack.dtrtri(L, lower=1)[0] if m else L)
    h = m // 2
    first = _factor_by_halves(np.asfortranarray(gram[:h, :h]))
    if first is None:
        return None
    below = blas.dtrsm(1.0, first[0], np.asfortranarray(gram[h:, :h]), side=1, lower=1, trans_a=1)
    rest = blas.dsyrk(-1.0, below, beta=1.0, c=np.asfortranarray(gram[h:, h:]), lower=1)
    second = _factor_by_halves(rest)
    if second is None:
        return None
    inverse_below = blas.dtrmm(1.0, second[1], blas.dtrmm(-1.0, first[1], below, side=1, lower=1), lower=1)
    return _lower(first[0], below, second[0]), _lower(first[1], inverse_below, second[1])


def _lower(first: Array, below: Array, second: Array) -> Array:
    """Return a lower triangular matrix of four blocks."""
    h, m = len(first), len(first) + len(second)
    lower = np.zeros((m, m), order="F")
    lower[:h, :h], lower[h:, :h], lower[h:, h:] = first, below, second
    return lower


def product(A: Array, B: Array) -> Array:
    """Return A^T B."""
    if not A.size or not B.size:
        return np.zeros((A.shape[1], B.shape[1]), order="F")
    return np.asarray(blas.dgemm(1.0, A, B, trans_a=1))


def times(A: Array, B: Array) -> Array:
    """Return A B."""
    if not A.size or not B.size:
        return np.zeros((A.shape[0], B.shape[1]), order="F")
    return np.asarray(blas.dgemm(1.0, A, B))


def subtract(C: Array, A: Array, B: Array) -> None:
    """Compute C -= A B in place, for C in Fortran order."""
    if A.size and B.size:
        blas.dgemm(-1.0, A, B, beta=1.0, c=C, overwrite_c=1)


def row(u: Array, A: Array) -> Array:
    """Return u^T A."""
    return np.asarray(blas.dgemv(1.0, A, u, trans=1)) if A.size else np.zeros(A.shape[1])


def subtract_outer(A: Array, u: Array, v: Array) -> None:
    """Compute A -= u v^T in place, for A in Fortran order."""
    if A.size:
        blas.dger(-1.0, u, v, a=A, overwrite_a=1)
