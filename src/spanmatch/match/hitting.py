"""Searches that need a map of what is known: the smallest match around a neuron, and all of them.

Both keep linear constraints over one 0/1 variable a neuron and ask an integer programme (SciPy's HiGHS) for the next set to
try. A set that v falls in, made as large as it gets, says: any match that holds v has a neuron outside this set.
Sources: implicit hitting sets, Ignatiev, Previti, Liffiton, Marques-Silva 2015; MARCO, Liffiton, Previti, Malik,
Marques-Silva 2016.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from ..factor import Array, Index
from .within import Within


class _Map:
    """Sets of neurons that hold v and are not ruled out yet."""

    def __init__(self, everyone: Index, v: int) -> None:
        self.everyone = everyone
        self.lower = (everyone == v).astype(np.float64)
        self.rows: list[Array] = []
        self.bounds: list[float] = []

    def ask(self, sign: int) -> Index | None:
        """Return a smallest (sign 1) or largest (sign -1) set, None if all are ruled out."""
        n = len(self.everyone)
        constraints = []
        if self.rows:
            constraints = [LinearConstraint(csr_array(np.array(self.rows)), lb=np.array(self.bounds))]
        answer = milp(np.full(n, float(sign)), integrality=np.ones(n), bounds=Bounds(self.lower, 1), constraints=constraints)
        return None if answer.x is None else self.everyone[answer.x > 0.5]

    def must_leave(self, fallen: Index) -> None:
        """Rule out every subset of a set in which v falls."""
        self.rows.append(~np.isin(self.everyone, fallen) * 1.0)
        self.bounds.append(1.0)

    def must_not_hold(self, found: Index) -> None:
        """Rule out every set that holds a match found."""
        self.rows.append(np.isin(self.everyone, found) * -1.0)
        self.bounds.append(1.0 - len(found))


def smallest_holding(within: Within, v: int, known: Index, time_limit: float | None) -> tuple[Index, bool]:
    """Return a smallest match that holds v, and whether that is proven.

    The smallest set that hits the outside of every set known to fail is a lower bound; once it holds a match, or is
    as large as the smallest match known, the search is over.
    """
    ends = np.inf if time_limit is None else time.monotonic() + time_limit
    map_, everyone = _Map(within.everyone, v), within.everyone
    random = np.random.default_rng(0)
    while time.monotonic() < ends:
        candidate = map_.ask(1)
        assert candidate is not None  # the maximum match itself hits everything
        if len(candidate) >= len(known):
            return known, True
        held = within.surviving(candidate, holding=v)
        if len(held):
            return held, True
        map_.must_leave(_largest_failing(within, v, candidate, random.permutation(everyone)))
    return known, False


def all_holding(
    within: Within, v: int, trim: Callable[[Index], Index], known: Index | None = None
) -> Iterator[Index]:
    """Yield every v-minimum match but a known one; the iterator ends when there is no other."""
    map_ = _Map(within.everyone, v)
    if known is not None:
        map_.must_not_hold(known)
    while (candidate := map_.ask(-1)) is not None:
        held = within.surviving(candidate, holding=v)
        if len(held):
            found = trim(held)
            yield found
            map_.must_not_hold(found)
        else:
            map_.must_leave(_largest_failing(within, v, candidate, within.everyone))


def _largest_failing(within: Within, v: int, fallen: Index, order: Index) -> Index:
    """Return a set around `fallen` in which v falls still, and no neuron can be added to it."""
    for u in np.setdiff1d(order, fallen, assume_unique=True):
        larger = np.sort(np.append(fallen, u))
        if not len(within.surviving(larger, holding=v)):
            fallen = larger
    return fallen
