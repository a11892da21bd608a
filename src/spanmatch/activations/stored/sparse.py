"""SciPy's sparse matrices, in memory or in a .npz of `scipy.sparse.save_npz`: rows become dense when read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...moments.sparse_rows import checked_csr, taken
from .arrays import UNNAMED, StoredArray

MEMBERS_OF_SPARSE = {"format.npy", "shape.npy", "data.npy"}
"""Members that every .npz of `scipy.sparse.save_npz` has."""


def open_sparse(path: Path) -> StoredArray:
    """Return the sparse matrix of a file, whose indices are checked."""
    from scipy.sparse import load_npz

    return sparse_array(UNNAMED, load_npz(path))


def sparse_array(name: str, matrix: object) -> StoredArray:
    """Return a sparse matrix whose rows become dense when they are read."""
    rows = checked_csr(f"array {name!r}", matrix)

    def read(start: int, stop: int) -> NDArray[np.generic]:
        return np.asarray(rows[start:stop].toarray())

    def take(index: NDArray[np.intp]) -> NDArray[np.generic]:
        return taken(rows, index)

    shape = (int(rows.shape[0]), int(rows.shape[1]))
    return StoredArray(name, shape, np.dtype(rows.dtype), read, take=take)
