"""The maximum match within a set of neurons: the predicate of all searches for small matches.

The neurons of the maximum match are numbered: first those of x, then those of y. "v is in the
maximum match within S" is monotone in S, so sets that contain a v-minimum match are found by
evaluating it (docs/theory.md).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..moments.pairs import Pair
from ..moments.spans import Array, Index
from .maximum import Match, maximum_match, threshold_of

FLOW_STEPS, FLOW_KEPT = 6, 0.5
SPANNED = 1e-10
"""A squared distance that may be rounding of the inner products alone."""


class Within:
    """The maximum match of two layers at one eps, prepared for questions about sets of its neurons.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    eps : float
        The largest distance that a match allows, in [0, 1).
    centred : bool
        Whether to subtract each neuron's mean first.

    Attributes
    ----------
    match : Match
        The maximum match.
    threshold : float
        The squared distance up to which neurons count as within eps.
    unit : Unit
        The neurons of the maximum match as unit columns.
    split : int
        The number of neurons of x in the maximum match: the number of the first neuron of y.
    everyone : array of int
        The numbers of all neurons that take part in the searches, sorted.
    """

    def __init__(self, pair: Pair, eps: float, *, centred: bool = False) -> None:
        self.match: Match = maximum_match(pair, eps, centred=centred)
        self.threshold = threshold_of(self.match) ** 2
        self.unit = pair.unit(self.match.x, self.match.y, centred=centred)
        self.split = len(self.match.x)
        self.everyone = np.arange(self.split + len(self.match.y))
        # Neurons within rounding of eps may drop out here; the searches leave them out.
        self.everyone = self.surviving(self.everyone)

    def number(self, side: str, index: int) -> int | None:
        """Return the number of a neuron in the maximum match.

        Parameters
        ----------
        side : {"x", "y"}
            The layer of the neuron.
        index : int
            The index of the neuron in its layer.

        Returns
        -------
        int or None
            The number of the neuron; None if it is not in `everyone`.
        """
        members = self.match.x if side == "x" else self.match.y
        place = int(np.searchsorted(members, index))
        if place == len(members) or members[place] != index:
            return None
        number = place + (self.split if side == "y" else 0)
        return number if number in self.everyone else None

    def name(self, number: int) -> tuple[Literal["x", "y"], int]:
        """Return the layer and the index of a numbered neuron.

        Parameters
        ----------
        number : int
            The number of a neuron.

        Returns
        -------
        tuple of str and int
            ("x", index) or ("y", index).
        """
        if number < self.split:
            return "x", int(self.match.x[number])
        return "y", int(self.match.y[number - self.split])

    def sides(self, neurons: Index) -> tuple[Index, Index]:
        """Separate the neurons of x and of y.

        Parameters
        ----------
        neurons : array of int
            Numbers of neurons.

        Returns
        -------
        x : array of int
            The numbers of those of x, in the given order.
        y : array of int
            The numbers of those of y, in the given order.
        """
        return neurons[neurons < self.split], neurons[neurons >= self.split]

    def indices(self, neurons: Index) -> tuple[Index, Index]:
        """Return the indices of numbered neurons in their layers.

        Parameters
        ----------
        neurons : array of int
            Numbers of neurons.

        Returns
        -------
        x : array of int
            The sorted indices of those of x.
        y : array of int
            The sorted indices of those of y.
        """
        x, y = self.sides(np.sort(neurons))
        return self.match.x[x], self.match.y[y - self.split]

    def surviving(self, neurons: Index, containing: int | None = None) -> Index:
        """Return the maximum match within some neurons.

        Parameters
        ----------
        neurons : array of int, (s,)
            Numbers of neurons.
        containing : int, optional
            The number of a neuron that the match has to contain. The computation stops as soon as
            this neuron drops out.

        Returns
        -------
        array of int
            The numbers of the neurons in the match; empty if there is none, or none that contains
            the neuron.

        Notes
        -----
        Cost: two triangular factors and solves for each round of drops, about 4 s^3 / 3 operations.
        """
        groups = list(self.sides(neurons))
        first = 0 if containing is None or containing < self.split else 1
        while len(groups[0]) and len(groups[1]):
            group, other_group = groups[first], groups[1 - first]
            near = self.unit.outside(other_group, group)[0] <= self.threshold
            if containing is not None and not near[group == containing].all():
                break
            other_near = self.unit.outside(group, other_group)[0] <= self.threshold
            if near.all() and other_near.all():
                return np.concatenate(groups)
            groups[first], groups[1 - first] = group[near], other_group[other_near]
        return neurons[:0]

    def is_far(self, v: int, group: Index) -> bool:
        """Return whether a neuron is farther than eps from the other layer's neurons in a group.

        Parameters
        ----------
        v : int
            The number of a neuron.
        group : array of int
            Numbers of neurons; those of v's own layer are ignored.

        Returns
        -------
        bool
            True if the distance is above eps.
        """
        regressors = self.sides(group)[1 if v < self.split else 0]
        return bool(self.unit.outside(regressors, np.array([v]))[0][0] > self.threshold)

    def is_certain(self, group: Index) -> bool:
        """Return whether all distances in a match are within eps or cannot be distinguished from 0.

        Parameters
        ----------
        group : array of int
            The numbers of the neurons of a match.

        Returns
        -------
        bool
            False if a distance is above both eps and the rounding of the distances in this group.

        Notes
        -----
        If eps is below the resolution of the maximum match, distances up to that resolution count
        as within eps. The resolution within a smaller group is finer, and this method uses it.
        """
        x, y = self.sides(group)
        for regressors, targets in ((y, x), (x, y)):
            squared_distances, noise = self.unit.outside(regressors, targets)
            if (squared_distances > max(self.match.eps, noise) ** 2).any():
                return False
        return True

    def flow(self, neurons: Index, v: int) -> Array:
        """Return how much each neuron contributes to v, directly and through other neurons.

        Parameters
        ----------
        neurons : array of int, (s,)
            Numbers of neurons: those of x, then those of y.
        v : int
            The number of one of them.

        Returns
        -------
        array of float, (s,)
            The total flow that reaches each neuron from v, v's own initial flow of 1 included.

        Notes
        -----
        In each step, half of the flow of a neuron is distributed over the neurons of the other
        layer, in proportion to its absolute coefficients on them. Direct contributions therefore
        count more than indirect ones.
        """
        x, y = self.sides(neurons)
        to_x, to_y = self._coefficients(x, y), self._coefficients(y, x)
        step = np.zeros((len(neurons), len(neurons)))
        step[: len(x), len(x) :] = to_x
        step[len(x) :, : len(x)] = to_y
        current = (np.concatenate([x, y]) == v).astype(np.float64)
        total = current.copy()
        for _ in range(FLOW_STEPS):
            current = FLOW_KEPT * (step @ current)
            total += current
        return np.asarray(total)

    def _coefficients(self, regressors: Index, targets: Index) -> Array:
        """Return the absolute coefficients of targets on regressors, scaled to sum 1 per target."""
        size = np.abs(self.unit.coefficients(regressors, targets))
        return np.asarray(size / size.sum(axis=0))


class Basis:
    """An orthonormal basis of a growing group of neurons, and the coordinates of all neurons.

    Parameters
    ----------
    gram : array of float, (m, m)
        The inner products of m unit columns.

    Attributes
    ----------
    gram : array of float, (m, m)
        The inner products.
    rows : array of float, (rank, m)
        The coordinates of all neurons in the basis.
    squared_distances : array of float, (m,)
        The squared distance of each neuron to the span of the group.
    """

    def __init__(self, gram: Array) -> None:
        self.gram = gram
        self.rows = np.empty((0, len(gram)))
        self.squared_distances = np.ones(len(gram))

    def add(self, neuron: int) -> None:
        """Add a neuron to the group. A neuron that the group already spans changes nothing.

        Parameters
        ----------
        neuron : int
            The index of a column of `gram`.

        Notes
        -----
        Cost: rank x m operations.
        """
        if self.squared_distances[neuron] <= SPANNED:
            return
        row = (self.gram[neuron] - self.rows[:, neuron] @ self.rows) / np.sqrt(self.squared_distances[neuron])
        self.rows = np.vstack([self.rows, row])
        self.squared_distances = np.maximum(self.squared_distances - row**2, 0.0)

    def gains(self, candidates: Index, targets: Index) -> Array:
        """Return by how much each candidate would reduce the squared distances of the targets.

        Parameters
        ----------
        candidates : array of int, (c,)
            Indices of columns that may be added to the group.
        targets : array of int, (t,)
            Indices of columns whose distances to the group's span matter.

        Returns
        -------
        array of float, (c,)
            The reduction, summed over the targets, if this candidate alone is added.
        """
        shared = self.gram[candidates[:, None], targets] - self.rows[:, candidates].T @ self.rows[:, targets]
        return np.asarray((shared**2).sum(axis=1) / np.maximum(self.squared_distances[candidates], SPANNED))
