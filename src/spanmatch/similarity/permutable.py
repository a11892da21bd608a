"""Measures of a sample in forms that are computed again fast when the examples of y are permuted.

Kernels, distances and neighbours of a layer stay what they are when its examples are permuted, so that
they are computed once. `statistic_of` in `sampled_statistics` gives the form of every measure.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..moments.spans import Array, Index


@dataclass(frozen=True, eq=False)
class Quadratic:
    """A measure that is an increasing function of the sum over i, j of A_ij B_ij."""

    A: Array = field(repr=False)
    """(m, m) symmetric, of x."""
    B: Array = field(repr=False)
    """(m, m) symmetric, of y."""
    value_of: Callable[[Array], Array]
    """Returns the measure's values for sums."""

    def value(self, order: Index | None = None) -> float:
        """Return the measure with y's examples in another order.

        Parameters
        ----------
        order : array of int, (m,), optional
            Example i of x corresponds to example order[i] of y; by default to i.

        Returns
        -------
        float
        """
        B = self.B if order is None else self.B[np.ix_(order, order)]
        return float(self.value_of(np.asarray(np.vdot(self.A, B))))


class Relabelled(ABC):
    """A measure of neighbours, whose labels change when examples are permuted."""

    @abstractmethod
    def value(self, order: Index | None = None) -> float:
        """Return the measure with y's examples in another order.

        Parameters
        ----------
        order : array of int, (m,), optional
            Example i of x corresponds to example order[i] of y; by default to i.

        Returns
        -------
        float
        """

    @abstractmethod
    def values(self, orders: Index, shared: dict[Hashable, Any] | None = None) -> Array:
        """Return the measure with y's examples in other orders.

        Parameters
        ----------
        orders : array of int, (K, m)
            As of `value`.
        shared : dict, optional
            What measures of the same neighbours have in common for these orders: the first one puts it there.

        Returns
        -------
        array of float, (K,)
        """


def at_most_one(sums: Array) -> Array:
    """Return the sums of matrices with norm 1, of which none is over 1 but by rounding."""
    return np.minimum(sums, 1.0)


def square_roots(sums: Array) -> Array:
    """Return the roots of such sums, of which none is below 0 but by rounding."""
    return np.asarray(np.sqrt(np.clip(sums, 0.0, 1.0)))
