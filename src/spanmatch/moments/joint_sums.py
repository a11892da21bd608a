"""Sums over the lifted rows of two layers, from which a pair is made, and the products that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from .packed import Packed
from .spans import Array

Parts = tuple[Array, ...]
"""Arrays whose sum counts; it is taken where it is needed, so that folds share their memory with it."""


@dataclass(frozen=True, eq=False)
class Joint:
    """Sums over lifted rows of two layers, from which a pair is made.

    Notes
    -----
    The lifted row of x is (x - c, ||x - c||^2) with a fixed shift c; that of y is (y - d, ||y -
    d||^2) with a fixed shift d. With p and q neurons, P = p + 1 and Q = q + 1. There are either the
    sums of products (`within` and `cross`) or the triangular factor (`factor`).
    """

    rows: int
    """The number of rows."""
    n_examples: int
    """The number of examples that the rows come from."""
    shift: tuple[Array, Array]
    """c (p,) and d (q,)."""
    sums: tuple[Array, Array]
    """(P,) and (Q,) the sums of the lifted rows."""
    within: tuple[Parts, Parts] | None
    """The sums of x x^T (P, P) and of y y^T (Q, Q) of lifted rows, as `Packed` stores them."""
    cross: Parts | None
    """(P, Q) the sum of x y^T of lifted rows."""
    factor: Array | None
    """(1 + P + Q, 1 + P + Q) the triangular factor of the rows [1, x - c, y - d, ||x - c||^2,
    ||y - d||^2]."""

    def swapped(self) -> Joint:
        """Return the same sums with the layers exchanged.

        Returns
        -------
        Joint
            The sums of y and x.
        """
        within = None if self.within is None else self.within[::-1]
        cross = None if self.cross is None else tuple(part.T for part in self.cross)
        p, q = (len(shift) for shift in self.shift)
        order = [0, *range(1 + p, 1 + p + q), *range(1, 1 + p), 2 + p + q, 1 + p + q]
        factor = None if self.factor is None else stacked_factor(self.factor[:, order])
        return Joint(self.rows, self.n_examples, self.shift[::-1], self.sums[::-1], within, cross, factor)

    def products(self) -> Products:
        """Return the sums of products of rows.

        Returns
        -------
        Products
            In new memory.
        """
        p, q = (len(shift) for shift in self.shift)
        if self.factor is not None:
            return _products_of_factor(self.factor, p, q)
        assert self.within is not None and self.cross is not None
        x, y = Packed(p + 1), Packed(q + 1)
        of_x, of_y = self.within
        return Products(
            xy=_added([part[:-1, :-1] for part in self.cross]),
            xx=x.dense(*of_x, size=p),
            yy=y.dense(*of_y, size=q),
            x_norms=x.last_row(*of_x),
            y_norms=y.last_row(*of_y),
            x_norms_of_y=_added([part[:, -1] for part in self.cross]),
            y_norms_of_x=_added([part[-1] for part in self.cross]),
        )


@dataclass(frozen=True, eq=False)
class Products:
    """Sums of products of rows about the shifts c and d, with a = ||x - c||^2 and b = ||y - d||^2."""

    xx: Array
    """(p, p) sum (x - c)(x - c)^T."""
    xy: Array
    """(p, q) sum (x - c)(y - d)^T."""
    yy: Array
    """(q, q) sum (y - d)(y - d)^T."""
    x_norms: Array
    """(p + 1,) sum a (x - c), and sum a^2."""
    y_norms: Array
    """(q + 1,) sum b (y - d), and sum b^2."""
    x_norms_of_y: Array
    """(p + 1,) sum b (x - c), and sum a b."""
    y_norms_of_x: Array
    """(q + 1,) sum a (y - d), and sum a b."""


def total(parts: Sequence[Joint]) -> Joint:
    """Return the sums over the rows of all parts.

    Parameters
    ----------
    parts : sequence of Joint
        Sums over different rows, with the same shifts.

    Returns
    -------
    Joint
        The sums over all rows. Sums of products share the memory of the parts.
    """
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    sums = (_added([part.sums[0] for part in parts]), _added([part.sums[1] for part in parts]))
    count = sum(part.rows for part in parts), sum(part.n_examples for part in parts)
    if first.factor is not None:
        factor = stacked_factor(*(part.factor for part in parts if part.factor is not None))
        return Joint(*count, first.shift, sums, None, None, factor)
    of_x = tuple(array for part in parts if part.within for array in part.within[0])
    of_y = tuple(array for part in parts if part.within for array in part.within[1])
    cross = tuple(array for part in parts if part.cross for array in part.cross)
    return Joint(*count, first.shift, sums, (of_x, of_y), cross, None)


def stacked_factor(*factors: Array) -> Array:
    """Return the triangular factor of stacked matrices.

    Parameters
    ----------
    *factors : array of float, (rows, m)
        Matrices with the same number of columns.

    Returns
    -------
    array of float, (at most m, m)
        Upper triangular R, with R^T R the sum of the matrices' F^T F.
    """
    width = factors[0].shape[1]
    return np.asarray(qr(np.vstack(factors), mode="r", check_finite=False)[0][:width])


def _products_of_factor(factor: Array, p: int, q: int) -> Products:
    """Return the sums of products of rows whose triangular factor is known."""
    X = factor[:, [*range(1, 1 + p), 1 + p + q]]
    Y = factor[:, [*range(1 + p, 1 + p + q), 2 + p + q]]
    xx, xy, yy = X.T @ X, X.T @ Y, Y.T @ Y
    return Products(
        xx=xx[:-1, :-1],
        xy=xy[:-1, :-1],
        yy=yy[:-1, :-1],
        x_norms=xx[-1].copy(),
        y_norms=yy[-1].copy(),
        x_norms_of_y=xy[:, -1].copy(),
        y_norms_of_x=xy[-1].copy(),
    )


def _added(arrays: Sequence[Array]) -> Array:
    """Return the sum of arrays, in new memory."""
    result = arrays[0].copy()
    for array in arrays[1:]:
        result += array
    return result
