"""SciPy's sparse matrices, in memory or in a .npz of `scipy.sparse.save_npz`: rows become dense when read."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import SpanmatchError
from .arrays import UNNAMED, StoredArray

MEMBERS_OF_SPARSE = {"format.npy", "shape.npy", "data.npy"}
"""Members that every .npz of `scipy.sparse.save_npz` has."""


class SparseRows(Protocol):
    """What is used of a sparse matrix."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    def tocsr(self) -> SparseRows:
        """Return the matrix by rows."""

    def check_format(self, full_check: bool) -> None:
        """Raise ValueError if an index leads out of the matrix."""

    def __getitem__(self, rows: slice | NDArray[np.intp], /) -> SparseRows:
        """Return some rows."""

    def toarray(self) -> NDArray[np.generic]:
        """Return the matrix as a dense array."""


def is_sparse(source: object) -> TypeGuard[SparseRows]:
    """Tell whether something is a sparse matrix or array of SciPy."""
    return type(source).__module__.startswith("scipy.sparse")


def open_sparse(path: Path) -> StoredArray:
    """Return the sparse matrix of a file, whose indices are checked."""
    from scipy.sparse import load_npz

    return sparse_array(UNNAMED, cast(SparseRows, load_npz(path)))


def sparse_array(name: str, matrix: SparseRows) -> StoredArray:
    """Return a sparse matrix whose rows become dense when they are read."""
    if len(matrix.shape) != 2:
        raise SpanmatchError(f"array {name!r} is sparse, of shape {matrix.shape}; give rows x neurons")
    if hasattr(matrix, "check_format"):  # before SciPy follows its indices, wherever they lead
        matrix.check_format(full_check=True)
    rows = matrix.tocsr()

    def read(start: int, stop: int) -> NDArray[np.generic]:
        return rows[start:stop].toarray()

    def take(index: NDArray[np.intp]) -> NDArray[np.generic]:
        return rows[index].toarray()

    shape = (int(rows.shape[0]), int(rows.shape[1]))
    return StoredArray(name, shape, np.dtype(rows.dtype), read, take=take)
