"""Cosines between the directions that features write to: the rows of the decoders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import SpanmatchError
from .feature_rows import Array, Index

Directions = NDArray[np.float32]
AT_ONCE = 1 << 25
"""Cosines that are computed at once."""


@dataclass(frozen=True, eq=False)
class Cosines:
    """The largest cosine of each feature's direction with those of the other layer."""

    x: Array
    """(p,) nan for a direction of length 0."""
    x_best: Index
    """(p,) the feature of y."""
    y: Array
    y_best: Index
    of_partners: Array
    """(m,)"""


def cosines(decoders: tuple[ArrayLike, ArrayLike], widths: tuple[int, int], x: Index, y: Index) -> Cosines:
    """Return the largest cosines of directions, and those of partners.

    `decoders` are (p, d) and (q, d). Raises SpanmatchError for other shapes or values that are not
    finite.
    """
    a, b = (_directions(name, W, width) for name, W, width in zip("xy", decoders, widths, strict=True))
    if a.shape[1] != b.shape[1]:
        raise SpanmatchError(
            f"decoders: directions of {a.shape[1]} and {b.shape[1]} neurons; dictionaries must be of the same layer"
        )
    best, best_of_y, largest = np.zeros(len(a), np.intp), np.zeros(len(b), np.intp), np.full(len(b), -np.inf)
    step = max(1, AT_ONCE // len(b))
    for start in range(0, len(a), step):
        block = a[start : start + step] @ b.T
        best[start : start + step] = block.argmax(axis=1)
        rows = block.argmax(axis=0)
        value = block[rows, np.arange(len(b))]
        better = value > largest
        best_of_y[better], largest[better] = start + rows[better], value[better]
    return Cosines(
        x=_cosine(a, b, np.arange(len(a)), best),
        x_best=best,
        y=_cosine(a, b, best_of_y, np.arange(len(b))),
        y_best=best_of_y,
        of_partners=_cosine(a, b, x, y),
    )


def _directions(name: str, weights: ArrayLike, features: int) -> Directions:
    """Return unit vectors in rows, zeros for a vector of length 0."""
    W = np.asarray(weights, dtype=np.float32)
    if W.ndim != 2 or len(W) != features or not np.isfinite(W).all():
        raise SpanmatchError(f"decoders: that of {name} has shape {W.shape}; give {features} finite directions in rows")
    lengths = np.linalg.norm(W, axis=1, keepdims=True)
    return np.asarray(np.divide(W, lengths, out=np.zeros_like(W), where=lengths > 0))


def _cosine(
    a: Directions,
    b: Directions,
    i: Index,
    j: Index,
) -> Array:
    """Return the cosines of some pairs, in float64; nan if a direction has length 0."""
    cosine = np.einsum("md,md->m", a[i], b[j], dtype=np.float64)
    known = a[i].any(axis=1) & b[j].any(axis=1)
    return np.where(known, np.clip(cosine, -1, 1), np.nan)
