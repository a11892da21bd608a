"""Sparse features in files: matrices of SciPy in `.npz`, or a folder of `SparseFeatures`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadArgument, SpanmatchError
from .feature_rows import STATE, SparseFeatures

UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError, BadZipFile, zlib.error)
"""What NumPy and SciPy raise for files of another kind, or damaged ones."""
EXPECTED = "give a .npz of scipy.sparse.save_npz for each dictionary, or one folder of sm.SparseFeatures"
NEEDED = (
    "two are needed: give the .npz of scipy.sparse.save_npz of each, as in `spanmatch features A.npz B.npz`, or one "
    "folder in which sm.SparseFeatures has the rows of both"
)


def features_of_files(paths: Sequence[Path], example_ids: ArrayLike | None = None) -> SparseFeatures:
    """Return the features of some files, one dictionary each, or those of a folder.

    Layers of files are called by what differs between their paths, "NAME:features". Raises
    SpanmatchError if there are fewer than two dictionaries, a file cannot be read, or rows do not
    correspond.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise BadArgument(f"{missing[0]}: no such file or folder")
    if len(paths) == 1 and (paths[0] / STATE).exists():
        if example_ids is not None:
            raise BadArgument(f"{paths[0]}: its rows have ids of examples already; leave out --examples")
        features = SparseFeatures(paths[0])
        if len(features.layers) < 2:
            there = ", ".join(features.layers) or "no dictionary"
            raise SpanmatchError(f"{paths[0]}: only {there}, {features.rows:,} rows; {NEEDED}")
        return features
    if len(paths) < 2:
        kind = "a folder without features.json" if paths[0].is_dir() else "only one dictionary"
        raise BadArgument(f"{paths[0]}: {kind}; {NEEDED}")
    features = SparseFeatures()
    matrices = {f"{name}:features": _matrix(path) for name, path in zip(names_of(paths), paths, strict=True)}
    features.update(matrices, example_ids)
    return features


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return a name for each path: the file's, or as much of the end of the path as tells them apart."""
    parts = [path.with_suffix("").parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise BadArgument(f"{paths[0]}: given twice; give files of different dictionaries")


def _matrix(path: Path) -> object:
    """Return the sparse matrix of a file."""
    from scipy.sparse import load_npz

    if path.is_file() and not is_zipfile(path):
        raise SpanmatchError(f"{path}: not a sparse matrix (no .npz, or cut short); {EXPECTED}")
    try:
        return load_npz(path)
    except UNREADABLE as error:
        raise SpanmatchError(f"{path}: not a sparse matrix ({error}); {EXPECTED}") from error


def ids_of_file(path: Path) -> NDArray[np.generic]:
    """Return the ids of examples in a .npy file."""
    expected = "give a .npy with one whole number a row"
    try:
        with path.open("rb") as file:  # which NumPy leaves open if it is a damaged .npz
            ids = np.load(file, allow_pickle=False)
    except UNREADABLE as error:
        raise SpanmatchError(f"{path}: not an array of ids of examples ({error}); {expected}") from error
    if not isinstance(ids, np.ndarray):
        ids.close()
        raise SpanmatchError(f"{path}: several arrays instead of ids of examples; {expected}")
    return ids
