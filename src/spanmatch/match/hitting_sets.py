"""Searches that need a map of what is known: the smallest match around a neuron, and all of them.

Both keep linear constraints over one 0/1 variable a neuron and ask an integer programme (SciPy's HiGHS) for the next
set to try. A set that v falls in, made as large as it gets, says: any match that holds v has a neuron outside this set.
Sources: implicit hitting sets, Ignatiev, Previti, Liffiton, Marques-Silva 2015; MARCO, Liffiton, Previti, Malik,
Marques-Silva 2016.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..moments.spans import Array, Index
from .within import Basis, Within

CONSTRAINTS_AT_ONCE = 3
INFEASIBLE = 2  # milp's status


class _Map:
    """What is known of sets of neurons, as linear constraints on 0/1 variables."""

    def __init__(self, everyone: Index, v: int) -> None:
        self.everyone = everyone
        self.lower = (everyone == v).astype(np.float64)
        self.rows: list[Array] = []
        self.bounds: list[float] = []

    def largest(self) -> Index | None:
        """Return a largest set that holds v and is not ruled out, None if there is none."""
        return self._solve(-np.ones(len(self.everyone)), [])[0]

    def below(self, size: int, seconds: float) -> tuple[Index | None, bool]:
        """Return some set of fewer than `size` neurons that is not ruled out; none, and whether that is proven."""
        few = np.ones((1, len(self.everyone))), -np.inf, size - 1
        return self._solve(np.zeros(len(self.everyone)), [few], seconds)

    def _solve(
        self, costs: Array, constraints: list[tuple[Any, Any, Any]], seconds: float = np.inf
    ) -> tuple[Index | None, bool]:
        """Return what the integer programme gives; constraints are (matrix, lower, upper)."""
        from scipy.optimize import Bounds, milp  # takes a quarter of a second to load
        from scipy.sparse import csr_array

        if self.rows:
            constraints = [*constraints, (csr_array(np.array(self.rows)), np.array(self.bounds), np.inf)]
        answer = milp(
            costs,
            integrality=np.ones(len(costs)),
            bounds=Bounds(self.lower, np.ones(len(costs))),
            constraints=constraints,
            options={} if np.isinf(seconds) else {"time_limit": max(seconds, 0.01)},
        )
        return (None if answer.x is None else self.everyone[answer.x > 0.5]), answer.status == INFEASIBLE

    def require(self, outside: Index, whenever: int | None = None) -> None:
        """Rule out every set with none of some neurons, or only those of such sets that hold a certain one."""
        row: Array = np.isin(self.everyone, outside).astype(np.float64)
        if whenever is not None:
            row -= self.everyone == whenever
        self.rows.append(row)
        self.bounds.append(1.0 if whenever is None else 0.0)

    def completed(self, group: Index) -> Index:
        """Return a larger set that meets every constraint, by adding what meets the most."""
        rows, bounds = np.array(self.rows), np.array(self.bounds)
        inside = np.isin(self.everyone, group) * 1.0
        while len(unmet := np.flatnonzero(rows @ inside < bounds - 0.5)):
            inside[np.argmax((rows[unmet] > 0).sum(axis=0) * (1 - inside))] = 1.0
        return self.everyone[inside > 0.5]

    def rule_out(self, found: Index) -> None:
        """Rule out every set that holds all of some neurons."""
        self.rows.append(-np.isin(self.everyone, found).astype(np.float64))
        self.bounds.append(1.0 - len(found))


def smallest_holding(within: Within, v: int, known: Index, time_limit: float | None) -> tuple[Index, bool]:
    """Return a smallest match that holds v, and whether that is proven.

    A match that holds u has a neuron outside every set of the other side that leaves u farther than eps. A set of
    fewer neurons than the smallest match known, which meets all such constraints found so far, is either a match, and
    then smaller, or some of its neurons are farther than eps and give new ones. No such set: the proof.
    """
    ends = np.inf if time_limit is None else time.monotonic() + time_limit
    map_, random = _Map(within.everyone, v), np.random.default_rng(0)
    candidate: Index | None = np.array([v])
    proven = False
    while candidate is not None:
        # A candidate is completed until it is a match, with constraints on the way, before the next is asked for.
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
    """Return the neurons of a group that are farther than eps from its other side."""
    return [int(u) for u in group if within.is_far(int(u), group)]


def _indispensable(within: Within, u: int, group: Index, random: np.random.Generator) -> Index:
    """Return neurons of the other side, few, such that without all of them u is farther than eps.

    What is useless to u is added to the group's other side, as long as u stays far: the rest is wanted. A little
    chance in what counts as useless makes the sets differ. What the basis says of inner products is checked by
    factoring them. Empty if the group has all of the other side, when u is far by rounding alone.
    """
    side = 1 if u < within.split else 0
    chosen = within.sides(group)[side]
    left = np.setdiff1d(within.sides(within.everyone)[side], chosen)
    basis = Basis(within.unit.gram)
    for neuron in chosen:
        basis.add(int(neuron))
    useless: list[int] = []
    while len(left) > 1:
        gains = basis.gains(left, np.array([u]))
        fits = np.flatnonzero(basis.left[u] - gains > within.threshold)
        if not len(fits):
            break
        least = fits[np.argmin(gains[fits] * random.uniform(0.5, 1, len(fits)))]
        basis.add(int(left[least]))
        useless.append(int(left[least]))
        left = np.delete(left, least)
    while useless and not within.is_far(u, np.concatenate([chosen, np.array(useless, dtype=np.intp)])):
        left = np.append(left, useless.pop())
    return left


def all_holding(
    within: Within, v: int, trim: Callable[[Index], Index], known: Index, ends: float
) -> Iterator[Index | None]:
    """Yield every v-minimum match but a known one; the iterator ends when there is no other, or with None at a time.

    The largest set not ruled out is tried: if it holds v's match, that is trimmed and its supersets are ruled out;
    if not, the set is made as large as it gets, and its subsets are.
    """
    map_ = _Map(within.everyone, v)
    map_.rule_out(known)
    while (candidate := map_.largest()) is not None:
        if time.monotonic() >= ends:
            yield None
            return
        held = within.surviving(candidate, holding=v)
        if len(held):
            found = trim(held)
            yield found
            map_.rule_out(found)
        else:
            for u in np.setdiff1d(within.everyone, candidate):
                larger = np.sort(np.append(candidate, u))
                if not len(within.surviving(larger, holding=v)):
                    candidate = larger
            map_.require(np.setdiff1d(within.everyone, candidate))
