"""Do a layer's weights share principal directions with its inputs?  Source: Maennel et al., NeurIPS 2020."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import SpanmatchError

SMALLEST = 1e-6
"""Of the largest eigenvalue: directions in which the data vary less are left out."""


def misalignment(data: ArrayLike, weights: ArrayLike) -> float:
    """Return how far two covariances are from having the same eigenvectors: 0 if they have.

    Parameters
    ----------
    data : array_like, shape (d, d)
        The covariance A of a layer's inputs. Only its eigenvectors count, not its eigenvalues.
    weights : array_like, shape (d, d)
        The covariance B of the layer's weights over its neurons.

    Returns
    -------
    float
        The misalignment, 0 or more.

    Raises
    ------
    SpanmatchError
        If these are not two matrices of that shape, if the data do not vary, or if B has no inverse over the
        directions in which the data vary (fewer neurons than inputs).

    Notes
    -----
    With v_i the eigenvectors of A, the misalignment is

        sum_i sqrt(v_i' B v_i  v_i' B^-1 v_i) - d.

    By the inequality of Cauchy and Schwarz every term is 1 or more, and it is 1 if and only if v_i is an eigenvector
    of B. Directions in which the data do not vary are left out of A and B. Cost: d^3.

    References
    ----------
    Maennel, H., et al. (2020). What do neural networks learn when trained with random labels? NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> data = np.diag([3.0, 2.0, 1.0])
    >>> round(sm.misalignment(data, data @ data), 6)  # the same eigenvectors
    0.0
    >>> turn = np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    >>> sm.misalignment(data, turn @ data @ turn.T) > 0.01
    True
    """
    A, B = (np.asarray(matrix, dtype=np.float64) for matrix in (data, weights))
    if A.ndim != 2 or A.shape != B.shape or A.shape[0] != A.shape[1]:
        raise SpanmatchError(f"misalignment: covariances of shapes {A.shape} and {B.shape}; give two (d, d)")
    values, directions = np.linalg.eigh((A + A.T) / 2)
    if not np.isfinite(values).all() or values[-1] <= 0:
        raise SpanmatchError("misalignment: the data do not vary")
    V = directions[:, values > SMALLEST * values[-1]]
    rotated = V.T @ B @ V
    if np.linalg.matrix_rank(rotated, hermitian=True) < len(rotated):
        raise SpanmatchError(
            f"misalignment: the weights' covariance has no inverse over the {len(rotated)} directions in which the "
            "data vary; it takes more neurons than that"
        )
    terms = np.sqrt(np.diag(rotated) * np.diag(np.linalg.inv(rotated)))
    return float(terms.sum() - len(rotated))
