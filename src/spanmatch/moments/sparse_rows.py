"""Sparse rows of activations: matrices of SciPy and tensors of PyTorch, checked, lifted and multiplied."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from .packed import Packed

if TYPE_CHECKING:
    import torch
    from scipy.sparse import csr_array

DENSEST = 0.02
"""The density above which products of dense rows are as fast: benchmarks/sparse.py."""


def is_sparse(array: object) -> TypeGuard[csr_array]:
    """Tell whether something is a sparse matrix or array of SciPy."""
    return type(array).__module__.startswith("scipy.sparse")


def is_sparse_tensor(array: object) -> bool:
    """Tell whether something is a tensor of PyTorch that is not stored densely."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor) and array.layout != torch.strided


def checked_csr(name: str, array: object) -> csr_array:
    """Return a sparse matrix or tensor by rows, without duplicates, on the host.

    Shares memory with the argument where it is in that form, and changes nothing of it. Raises
    SpanmatchError for other shapes, numbers that are not real, and indices that lead out of the
    matrix; `name` is what messages begin with.
    """
    from scipy.sparse import csr_array  # slow to load: taken where it is used

    matrix: Any = _scipy_matrix(name, cast("torch.Tensor", array)) if is_sparse_tensor(array) else array
    if len(matrix.shape) != 2:
        raise SpanmatchError(f"{name}: sparse, of shape {tuple(matrix.shape)}; give rows x neurons")
    if matrix.dtype.kind not in "biuf":
        raise SpanmatchError(f"{name}: sparse activations of type {matrix.dtype}; give real numbers")
    if hasattr(matrix, "check_format"):  # before SciPy follows its indices, wherever they lead
        try:
            matrix.check_format(full_check=True)
        except ValueError as error:
            raise SpanmatchError(f"{name}: not a valid sparse matrix ({error})") from error
    if matrix.dtype == np.float16:  # which SciPy neither converts nor multiplies
        matrix = matrix.astype(np.float32)
    rows = csr_array(matrix.tocsr())
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows


def _scipy_matrix(name: str, tensor: torch.Tensor) -> Any:
    """Return a tensor of any sparse layout as a matrix of SciPy."""
    import torch
    from scipy.sparse import coo_array, csr_array

    tensor, by_rows = tensor.detach().cpu(), tensor.layout == torch.sparse_csr
    if tensor.ndim != 2 or tensor.dense_dim() or tensor.is_complex():
        raise SpanmatchError(
            f"{name}: a sparse tensor of type {tensor.dtype}, of {tensor.sparse_dim()} sparse and {tensor.dense_dim()} "
            "dense dimensions; give real numbers in two sparse dimensions, rows x neurons"
        )
    if not by_rows:
        tensor = (tensor if tensor.is_sparse else tensor.to_sparse_coo()).coalesce()  # type: ignore[no-untyped-call]
    values = tensor.values()
    data = (values.float() if values.dtype in (torch.bfloat16, torch.float16) else values).numpy()
    if by_rows:
        index = (tensor.col_indices().numpy(), tensor.crow_indices().numpy())
        return csr_array((data, *index), shape=tuple(tensor.shape))
    return coo_array((data, tuple(tensor.indices().numpy())), shape=tuple(tensor.shape))


def taken(array: NDArray[Any] | csr_array, index: NDArray[np.intp]) -> NDArray[Any]:
    """Return rows of a dense or a sparse matrix as a dense array."""
    rows = array[index]
    return np.asarray(rows.toarray() if is_sparse(rows) else rows)


def lifted(array: csr_array, index: NDArray[np.intp], *, single: bool) -> csr_array | None:
    """Return rows and, as one more column, their squared norms; None if they are dense enough for dense products."""
    from scipy.sparse import csr_array

    rows = array[index]
    n, p = rows.shape
    if rows.nnz > DENSEST * n * p:
        return None
    values = rows.data.astype(np.float64)
    per_row = np.diff(rows.indptr)
    norms = np.bincount(np.repeat(np.arange(n), per_row), weights=values * values, minlength=n)
    data = np.insert(values, rows.indptr[1:], norms).astype(np.float32 if single else np.float64)
    columns = np.insert(rows.indices, rows.indptr[1:], p)
    return csr_array((data, columns, rows.indptr + np.arange(n + 1)), shape=(n, p + 1))


def with_norms(rows: csr_array, *, single: bool) -> csr_array | NDArray[np.floating]:
    """Return rows and, as one more column, their squared norms, whichever form is faster."""
    sparse = lifted(rows, np.arange(rows.shape[0]), single=single)
    if sparse is not None:
        return sparse
    dense = rows.toarray()
    return np.column_stack([dense, np.einsum("np,np->n", dense, dense)])


def column_sums(A: csr_array) -> NDArray[np.float64]:
    """Return the sum of each column, in float64."""
    return np.bincount(A.indices, weights=A.data, minlength=A.shape[1]).astype(np.float64, copy=False)


def add_product(total: NDArray[np.float64], A: Any, B: Any) -> None:
    """Add A^T B, of which at least one is sparse."""
    if not is_sparse(A):
        total += (B.T @ A).T
        return
    product = A.T @ B
    if not is_sparse(product):
        total += product
        return
    product = product.tocsr()
    rows = np.repeat(np.arange(len(total)), np.diff(product.indptr))
    total[rows, product.indices] += product.data


def add_gram(total: NDArray[np.float64], A: csr_array) -> None:
    """Add A^T A to a packed matrix."""
    product = (A.T @ A).tocsr()
    rows, columns = np.repeat(np.arange(A.shape[1]), np.diff(product.indptr)), product.indices
    kept = columns <= rows
    total[Packed(A.shape[1]).places(rows[kept], columns[kept])] += product.data[kept]
