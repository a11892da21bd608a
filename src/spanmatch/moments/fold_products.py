"""Cross products of single folds, about the means of the rows of all folds."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .pairs import Pair
from .spans import Array

Sides = Literal["xy", "xx", "yy"]


def fold_product(pair: Pair, fold: Pair, sides: Sides) -> Array:
    """Return a fold's cross product of two layers, both of unit Frobenius norm over all rows.

    Parameters
    ----------
    pair : Pair
        The pair of all folds, whose means are subtracted.
    fold : Pair
        One of its folds.
    sides : {"xy", "xx", "yy"}
        The layers: x with y, or one of them with itself.

    Returns
    -------
    array of float, (p, q), (p, p) or (q, q)
        sum over the fold's rows of (x - mean)(y - mean)^T / (||X||_F ||Y||_F).
    """
    u, v = (scaled_offset(pair, fold, side) for side in sides)
    norms = [norm(pair, side) for side in sides]
    centred: Array = getattr(fold, sides)
    return np.asarray(centred / norms[0] / norms[1] + np.outer(fold.rows * u, v))


def scaled_offset(pair: Pair, fold: Pair, side: str) -> Array:
    """Return a layer's mean over a fold minus that over all rows, for a layer of unit Frobenius norm.

    Parameters
    ----------
    pair : Pair
        The pair of all folds.
    fold : Pair
        One of its folds.
    side : {"x", "y"}
        The layer.

    Returns
    -------
    array of float, (neurons,)
    """
    offset: Array = getattr(fold, f"{side}_mean") - getattr(pair, f"{side}_mean")
    return offset / norm(pair, side)


def norm(pair: Pair, side: str) -> float:
    """Return the Frobenius norm of a centred layer.

    Parameters
    ----------
    pair : Pair
        The pair.
    side : {"x", "y"}
        The layer.

    Returns
    -------
    float
    """
    return float(np.sqrt(np.trace(pair.xx if side == "x" else pair.yy)))
