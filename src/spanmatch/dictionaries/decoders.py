"""Cosines between the directions that features write to: the rows of the decoders."""

from __future__ import annotations

import sys
from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

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
    """(p,) the feature of y; -1 likewise."""
    y: Array
    y_best: Index
    of_partners: Array
    """(m,)"""


def directions_of(decoders: tuple[ArrayLike, ArrayLike], widths: tuple[int, int]) -> tuple[Directions, Directions]:
    """Return unit vectors in rows, (p, d) and (q, d), zeros for a vector of length 0.

    Raises SpanmatchError for other shapes or values that are not finite real numbers.
    """
    if not isinstance(decoders, Sized) or len(decoders) != 2:
        raise SpanmatchError(f"decoders: {_told(decoders)}; give two arrays, of x and of y")
    a, b = (_directions(name, W, width) for name, W, width in zip("xy", decoders, widths, strict=True))
    if a.shape[1] != b.shape[1]:
        raise SpanmatchError(
            f"decoders: directions of {a.shape[1]} and {b.shape[1]} neurons; dictionaries must be of the same layer"
        )
    return a, b


def cosines(directions: tuple[Directions, Directions], x: Index, y: Index) -> Cosines:
    """Return the largest cosines of unit directions, and those of partners."""
    a, b = directions
    known, known_of_y = np.any(a, axis=1), np.any(b, axis=1)
    best, best_of_y, largest = np.full(len(a), -1), np.full(len(b), -1), np.full(len(b), -np.inf)
    step = max(1, AT_ONCE // len(b))
    for start in range(0, len(a), step):
        part = slice(start, start + step)
        block = a[part] @ b.T
        block[~known[part]], block[:, ~known_of_y] = -np.inf, -np.inf
        best[part] = np.where(known[part] & known_of_y.any(), block.argmax(axis=1), -1)
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
    """Return unit vectors in rows, whatever their scale is."""
    expected = f"give {features} finite directions in rows"
    try:
        W = np.asarray(_on_host(weights))
    except (ValueError, TypeError) as error:
        raise SpanmatchError(f"decoders: that of {name} is no array ({error}); {expected}") from error
    if W.dtype.kind not in "biuf" or W.ndim != 2 or len(W) != features or not W.shape[1]:
        raise SpanmatchError(f"decoders: that of {name} has shape {W.shape} and type {W.dtype}; {expected}")
    W = W.astype(np.result_type(W, np.float32), copy=False)
    largest = np.abs(W).max(axis=1, keepdims=True)
    if not np.isfinite(largest).all():
        row = int(np.argmin(np.isfinite(largest)))
        raise SpanmatchError(f"decoders: that of {name} has nan or infinity in row {row}; {expected}")
    scaled = np.divide(W, largest, out=np.zeros_like(W), where=largest > 0).astype(np.float32)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(np.divide(scaled, lengths, out=scaled, where=lengths > 0))


def _on_host(weights: ArrayLike) -> Any:
    """Return a tensor of PyTorch, such as a parameter, as an array of NumPy; anything else as it is."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(weights, torch.Tensor):
        return weights
    tensor = weights.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _told(decoders: object) -> str:
    """Return what an argument is, for a message."""
    shape = getattr(decoders, "shape", None)
    count = f" of {len(decoders)}" if isinstance(decoders, Sized) and shape is None else ""
    return f"{type(decoders).__name__}{count if shape is None else f' of shape {tuple(shape)}'}"


def _cosine(
    a: Directions,
    b: Directions,
    i: Index,
    j: Index,
) -> Array:
    """Return the cosines of some pairs, in float64; nan if a direction has length 0 or one feature is none."""
    cosine = np.einsum("md,md->m", a[i], b[j], dtype=np.float64)
    known = (i >= 0) & (j >= 0) & a[i].any(axis=1) & b[j].any(axis=1)
    return np.where(known, np.clip(cosine, -1, 1), np.nan)
