"""The principal axes of two layers: orthonormal bases of their spans, and the sizes along them.

A layer's centred activations are X = Q U diag(s) V' with an orthonormal basis Q of its span. The
columns of Q U are its principal axes, in the space of the rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..moments.pairs import Pair
from ..moments.spans import Array, Span


class PrincipalAxes(NamedTuple):
    """The principal axes of a centred layer of unit Frobenius norm."""

    sizes: Array
    """(r,) the singular values of the layer, in descending order; their squares sum to 1."""
    axes: Array
    """(r, r) U, the principal axes in the coordinates of the span's basis."""


def between_bases(pair: Pair, *, centred: bool) -> Array:
    """Return the inner products of orthonormal bases of the layers' spans.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    array of float, (r_x, r_y)
        Qx' Qy. Its singular values are the cosines of the principal angles of the spans.
    """
    of_x, of_y = pair.all_spans(centred=centred)
    return np.asarray(of_x.inside @ of_y.dual.T)  # Qy = Y W' for the dual basis W


def principal_axes(pair: Pair) -> tuple[PrincipalAxes, PrincipalAxes, Array]:
    """Return the principal axes of both centred layers, and their inner products.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    of_x, of_y : PrincipalAxes
        The axes of each layer.
    between : array of float, (r_x, r_y)
        The inner products of the principal axes of x with those of y.

    Notes
    -----
    Cost: two singular value decompositions, about 20 (p^3 + q^3) operations.
    """
    spans = pair.all_spans(centred=True)
    of_x, of_y = (_axes_of(side, span) for side, span in zip((pair, pair.swapped), spans, strict=True))
    return of_x, of_y, of_x.axes.T @ between_bases(pair, centred=True) @ of_y.axes


def _axes_of(pair: Pair, span: Span) -> PrincipalAxes:
    """Return the principal axes of the first layer of a pair, in the basis of its span."""
    x, y = pair.active(centred=True)
    gram = pair.unit(x, y[:0], centred=True).gram
    norms = np.sqrt(pair.energy("x", centred=True)[x])
    axes, sizes, _ = np.linalg.svd(span.dual @ gram * (norms / np.linalg.norm(norms)), full_matrices=False)
    return PrincipalAxes(sizes, axes)
