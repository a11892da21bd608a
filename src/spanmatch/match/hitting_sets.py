"""Searches by integer programmes: the smallest match that contains a neuron, and all minimal ones.

Both searches keep linear constraints over one 0/1 variable per neuron. An integer programme (HiGHS,
through SciPy) proposes the next set to test. A set in which v drops out gives a constraint: every
match that contains v has a neuron outside this set. The set is enlarged first, as far as v still
drops out, because a larger set gives a stronger constraint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..moments.spans import Array, Index
from .within import Basis, Within

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    _Constraint: TypeAlias = tuple[Array | csr_array, Array | float, float]

CONSTRAINTS_AT_ONCE = 3
INFEASIBLE = 2
"""The status of `scipy.optimize.milp` that says that no solution exists."""


class _Map:
    """The sets of neurons that are not ruled out, as linear constraints on 0/1 variables."""

    def __init__(self, everyone: Index, v: int) -> None:
        self.everyone = everyone
        self.lower = (everyone == v).astype(np.float64)
        self.rows: list[Array] = []
        self.bounds: list[float] = []

    def largest(self) -> Index | None:
        """Return a largest set that contains v and is not ruled out; None if there is none."""
        return self._solve(-np.ones(len(self.everyone)), [])[0]

    def below(self, size: int, seconds: float) -> tuple[Index | None, bool]:
        """Return a set of fewer than `size` neurons, if any, and whether there is provably none."""
        size_limit = np.ones((1, len(self.everyone))), -np.inf, size - 1
        return self._solve(np.zeros(len(self.everyone)), [size_limit], seconds)

    def _solve(
        self, costs: Array, constraints: list[_Constraint], seconds: float = np.inf
    ) -> tuple[Index | None, bool]:
        """Return a cheapest set, if any, under more constraints, each (matrix, lower, upper)."""
        from scipy.optimize import Bounds, milp  # Importing it takes a quarter of a second.
        from scipy.sparse import csr_array

        if self.rows:
            constraints = [*constraints, (csr_array(np.array(self.rows)), np.array(self.bounds), np.inf)]
        solution = milp(
            costs,
            integrality=np.ones(len(costs)),
            bounds=Bounds(self.lower, np.ones(len(costs))),
            constraints=constraints,
            options={} if np.isinf(seconds) else {"time_limit": max(seconds, 0.01)},
        )
        return (None if solution.x is None else self.everyone[solution.x > 0.5]), solution.status == INFEASIBLE

    def require(self, outside: Index, whenever: int | None = None) -> None:
        """Rule out the sets with none of `outside`; if given, only those with `whenever`."""
        row: Array = np.isin(self.everyone, outside).astype(np.float64)
        if whenever is not None:
            row -= self.everyone == whenever
        self.rows.append(row)
        self.bounds.append(1.0 if whenever is None else 0.0)

    def completed(self, group: Index) -> Index:
        """Return a superset that meets every constraint, by adding greedily what meets the most."""
        rows, bounds = np.array(self.rows), np.array(self.bounds)
        inside = np.isin(self.everyone, group) * 1.0
        while len(unmet := np.flatnonzero(rows @ inside < bounds - 0.5)):
            inside[np.argmax((rows[unmet] > 0).sum(axis=0) * (1 - inside))] = 1.0
        return self.everyone[inside > 0.5]

    def rule_out(self, group: Index) -> None:
        """Rule out every superset of a group, the group included."""
        self.rows.append(-np.isin(self.everyone, group).astype(np.float64))
        self.bounds.append(1.0 - len(group))


def smallest_holding(within: Within, v: int, known: Index, time_limit: float | None) -> tuple[Index, bool]:
    """Return a smallest match that contains v, and whether it is proven to be smallest.

    Parameters
    ----------
    within : Within
        The maximum match.
    v : int
        The number of a neuron in it.
    known : array of int
        The numbers of a known match that contains v.
    time_limit : float or None
        Seconds after which the search ends without a proof; None for no limit.

    Returns
    -------
    match : array of int
        The numbers of the neurons of the smallest match found.
    proven : bool
        Whether no match that contains v has fewer neurons.

    Notes
    -----
    The search uses implicit hitting sets [1]_. A match that contains u needs a neuron outside every
    set of the other layer's neurons that leaves u farther than eps. The integer programme proposes
    a set that has fewer neurons than the smallest known match and meets all such constraints. The
    set is either a smaller match, or some of its neurons are farther than eps and give new
    constraints. If there is no such set, the smallest known match is proven smallest.

    References
    ----------
    .. [1] Ignatiev, Previti, Liffiton, Marques-Silva, "Smallest MUS extraction with minimal hitting
       set dualization", CP 2015.
    """
    ends = np.inf if time_limit is None else time.monotonic() + time_limit
    map_, random = _Map(within.everyone, v), np.random.default_rng(0)
    candidate: Index | None = np.array([v])
    proven = False
    while candidate is not None:
        # A candidate is completed to a match, with new constraints, before the next is proposed.
        while len(far := _far(within, candidate)):
            constraints = [
                (u, _indispensable(within, u, candidate, random)) for u in far for _ in range(CONSTRAINTS_AT_ONCE)
            ]
            useful = [(u, outside) for u, outside in constraints if len(outside)]
            if not useful or time.monotonic() >= ends:
                return known, False
            for u, outside in useful:
                map_.require(outside, whenever=u)
            candidate = map_.completed(candidate)
        if len(candidate) < len(known):
            known = candidate
        candidate, proven = map_.below(len(known), ends - time.monotonic())
    return known, proven


def _far(within: Within, group: Index) -> list[int]:
    """Return the neurons of a group that are farther than eps from the group's other side."""
    return [int(u) for u in group if within.is_far(int(u), group)]


def _indispensable(within: Within, u: int, group: Index, random: np.random.Generator) -> Index:
    """Return few neurons of the other layer, one of which is in every match that contains u.

    Neurons that help u little are added to the group's other side as long as u stays farther than
    eps; the remaining ones are the result. The choice is slightly random, so that repeated calls
    give different sets. Distances from the basis are verified by a factorisation. The result is
    empty if the group contains all of the other side, where u is far by rounding alone.
    """
    side = 1 if u < within.split else 0
    chosen = within.sides(group)[side]
    remaining = np.setdiff1d(within.sides(within.everyone)[side], chosen)
    basis = Basis(within.unit.gram)
    for neuron in chosen:
        basis.add(int(neuron))
    useless: list[int] = []
    while len(remaining) > 1:
        gains = basis.gains(remaining, np.array([u]))
        still_far = np.flatnonzero(basis.squared_distances[u] - gains > within.threshold)
        if not len(still_far):
            break
        least = still_far[np.argmin(gains[still_far] * random.uniform(0.5, 1, len(still_far)))]
        basis.add(int(remaining[least]))
        useless.append(int(remaining[least]))
        remaining = np.delete(remaining, least)
    while useless and not within.is_far(u, np.concatenate([chosen, np.array(useless, dtype=np.intp)])):
        remaining = np.append(remaining, useless.pop())
    return remaining


def all_holding(
    within: Within, v: int, trim: Callable[[Index], Index], known: Index, ends: float
) -> Iterator[Index | None]:
    """Yield every v-minimum match except a known one.

    Parameters
    ----------
    within : Within
        The maximum match.
    v : int
        The number of a neuron in it.
    trim : callable
        Returns a v-minimum match within a given match that contains v.
    known : array of int
        The numbers of the known v-minimum match.
    ends : float
        The time, by `time.monotonic`, at which the search ends.

    Yields
    ------
    array of int or None
        The numbers of the neurons of another v-minimum match; None, as the last item, if the time
        ended before the enumeration did.

    Notes
    -----
    The method is MARCO [1]_. The largest set that is not ruled out is tested. If v is in a match
    within it, the match is trimmed and its supersets are ruled out. Otherwise the set is enlarged
    as far as v still drops out, and its subsets are ruled out.

    References
    ----------
    .. [1] Liffiton, Previti, Malik, Marques-Silva, "Fast, flexible MUS enumeration", Constraints
       2016.
    """
    map_ = _Map(within.everyone, v)
    map_.rule_out(known)
    while (candidate := map_.largest()) is not None:
        if time.monotonic() >= ends:
            yield None
            return
        match = within.surviving(candidate, containing=v)
        if len(match):
            minimum = trim(match)
            yield minimum
            map_.rule_out(minimum)
        else:
            for u in np.setdiff1d(within.everyone, candidate):
                larger = np.sort(np.append(candidate, u))
                if not len(within.surviving(larger, containing=v)):
                    candidate = larger
            map_.require(np.setdiff1d(within.everyone, candidate))
