"""The maximum match within a set of neurons: the question that every search for small matches asks, many times.

Neurons are numbered through the maximum match: first those of x, then those of y. "v is in the maximum match within S"
is monotone in S, so that the sets that hold a v-minimum match are found by asking it (docs/theory.md).
"""

from __future__ import annotations

import numpy as np

from ..moments.pairs import Pair
from ..moments.spans import Array, Index
from .maximum import Match, maximum_match, threshold_of

FLOW_STEPS, FLOW_KEPT = 6, 0.5
SPANNED = 1e-10  # a squared distance that the rounding of inner products may leave


class Within:
    """The maximum match of two layers at one eps, ready for questions about sets of its neurons."""

    def __init__(self, pair: Pair, eps: float, *, centred: bool = False) -> None:
        self.match: Match = maximum_match(pair, eps, centred=centred)
        self.threshold = threshold_of(self.match) ** 2
        self.unit = pair.unit(self.match.x, self.match.y, centred=centred)
        self.split = len(self.match.x)
        self.everyone = np.arange(self.split + len(self.match.y))
        # What is within rounding of eps may fall by this route: it is left out of all that follows.
        self.everyone = self.surviving(self.everyone)

    def number(self, side: str, index: int) -> int | None:
        """Return the number of a neuron, None if it is not in the maximum match."""
        members = self.match.x if side == "x" else self.match.y
        place = int(np.searchsorted(members, index))
        if place == len(members) or members[place] != index:
            return None
        number = place + (self.split if side == "y" else 0)
        return number if number in self.everyone else None

    def name(self, number: int) -> tuple[str, int]:
        """Return ("x", index) or ("y", index)."""
        if number < self.split:
            return "x", int(self.match.x[number])
        return "y", int(self.match.y[number - self.split])

    def sides(self, neurons: Index) -> tuple[Index, Index]:
        """Return the numbers of x and those of y."""
        return neurons[neurons < self.split], neurons[neurons >= self.split]

    def indices(self, neurons: Index) -> tuple[Index, Index]:
        """Return sorted indices of x and of y in their layers."""
        x, y = self.sides(np.sort(neurons))
        return self.match.x[x], self.match.y[y - self.split]

    def surviving(self, neurons: Index, holding: int | None = None) -> Index:
        """Return the maximum match within some neurons; empty as soon as one that it should hold has fallen.

        Cost: of two triangular factors and solves a round, about 4 |S|^3 / 3 operations.
        """
        groups = list(self.sides(neurons))
        first = 0 if holding is None or holding < self.split else 1
        while len(groups[0]) and len(groups[1]):
            mine, others = groups[first], groups[1 - first]
            near = self.unit.outside(others, mine)[0] <= self.threshold
            if holding is not None and not near[mine == holding].all():
                break
            near_others = self.unit.outside(mine, others)[0] <= self.threshold
            if near.all() and near_others.all():
                return np.concatenate(groups)
            groups[first], groups[1 - first] = mine[near], others[near_others]
        return neurons[:0]

    def is_far(self, v: int, group: Index) -> bool:
        """Tell whether a neuron is farther than eps from the other side's neurons in a group."""
        others = self.sides(group)[1 if v < self.split else 0]
        return bool(self.unit.outside(others, np.array([v]))[0][0] > self.threshold)

    def is_certain(self, group: Index) -> bool:
        """Tell whether every distance in a match is within eps, or as near to 0 as its own rounding.

        Where eps is below the resolution, distances count as within eps up to the resolution. It is that of the whole
        maximum match; in a smaller group more is resolved.
        """
        x, y = self.sides(group)
        for others, mine in ((y, x), (x, y)):
            squared, noise = self.unit.outside(others, mine)
            if (squared > max(self.match.eps, noise) ** 2).any():
                return False
        return True

    def flow(self, neurons: Index, v: int) -> Array:
        """Return how much of v each neuron carries: what flows from v along absolute coefficients, side to side.

        A neuron's flow goes to the other side's neurons in proportion to its coefficients in their span; each step
        passes a half on, so that near needs count more than far ones.
        """
        x, y = self.sides(neurons)
        to_x, to_y = self._coefficients(x, y), self._coefficients(y, x)
        step = np.zeros((len(neurons), len(neurons)))
        step[: len(x), len(x) :] = to_x
        step[len(x) :, : len(x)] = to_y
        now = (np.concatenate([x, y]) == v).astype(np.float64)
        total = now.copy()
        for _ in range(FLOW_STEPS):
            now = FLOW_KEPT * (step @ now)
            total += now
        return np.asarray(total)

    def _coefficients(self, regressors: Index, targets: Index) -> Array:
        """Return |coefficients| of unit targets in the span of unit regressors, each target's summing to 1."""
        size = np.abs(self.unit.coefficients(regressors, targets))
        return np.asarray(size / size.sum(axis=0))


class Basis:
    """An orthonormal basis of a growing group of neurons, and everyone's coordinates in it, from inner products."""

    def __init__(self, gram: Array) -> None:
        self.gram = gram
        self.rows = np.empty((0, len(gram)))
        self.left = np.ones(len(gram))
        """What each neuron has outside the group's span, squared."""

    def add(self, neuron: int) -> None:
        """Add a neuron to the group; one that the group spans already changes nothing.  Cost: |group| |everyone|."""
        if self.left[neuron] <= SPANNED:
            return
        row = (self.gram[neuron] - self.rows[:, neuron] @ self.rows) / np.sqrt(self.left[neuron])
        self.rows = np.vstack([self.rows, row])
        self.left = np.maximum(self.left - row**2, 0.0)

    def gains(self, candidates: Index, needy: Index) -> Array:
        """Return how much of the needy's squared distances each candidate would take, beside the group."""
        shared = self.gram[candidates[:, None], needy] - self.rows[:, candidates].T @ self.rows[:, needy]
        return np.asarray((shared**2).sum(axis=1) / np.maximum(self.left[candidates], SPANNED))
