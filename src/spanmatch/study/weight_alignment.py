"""Do a layer's weights share principal directions with its inputs?  Source: Maennel et al., NeurIPS 2020."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import SpanmatchError

SMALLEST = 1e-6
"""Of the largest eigenvalue: directions in which the data vary less are left out."""


def misalignment(data: ArrayLike, weights: ArrayLike) -> float:
    """Return how far the eigenvectors of two covariances are from being the same: 0 if they are.

    For covariances A (d, d) of the data, with eigenvectors v_i, and B (d, d) of the weights,
        sum_i sqrt(v_i' B v_i  v_i' B^-1 v_i) - d.
    By Cauchy and Schwarz every term is 1 or more, and 1 if and only if v_i is an eigenvector of B. It does not
    depend on the eigenvalues of A. Directions in which the data do not vary are left out of both.
    Raises SpanmatchError if these are not two such matrices, or B has no inverse where the data vary (fewer neurons
    than inputs).  Cost: d^3.
    """
    A, B = (np.asarray(matrix, dtype=np.float64) for matrix in (data, weights))
    if A.ndim != 2 or A.shape != B.shape or A.shape[0] != A.shape[1]:
        raise SpanmatchError(f"misalignment: covariances of shapes {A.shape} and {B.shape}; give two (d, d)")
    values, directions = np.linalg.eigh((A + A.T) / 2)
    if not np.isfinite(values).all() or values[-1] <= 0:
        raise SpanmatchError("misalignment: the data do not vary")
    V = directions[:, values > SMALLEST * values[-1]]
    own = V.T @ B @ V
    if np.linalg.matrix_rank(own, hermitian=True) < len(own):
        raise SpanmatchError(
            f"misalignment: the weights' covariance has no inverse over the {len(own)} directions in which the data "
            "vary; it takes more neurons than that"
        )
    terms = np.sqrt(np.diag(own) * np.diag(np.linalg.inv(own)))
    return float(terms.sum() - len(own))
