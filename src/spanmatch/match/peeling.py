"""Peeling: the level of every neuron, by removing neurons in the order of their distances.

The maximum match M(eps) grows with eps, so each neuron has a level: the smallest eps at which it is
in M(eps). All levels come from one peeling (docs/theory.md). Repeat: take the neuron with the
largest distance r, lower the threshold t to min(t, r), give the neuron level t, remove it, and
update the distances of the other side.

One removal at a time is a product of a matrix and a vector, which memory bandwidth limits. Neurons
are therefore removed in panels:

1. The neurons with the largest distances are ordered by a peeling among themselves, in small
   coordinates of their own.
2. One matrix product gives the distances of all other neurons after each step.
3. The order is valid up to the first step at which a neuron outside the panel should have been
   removed before. The valid steps are applied to all neurons.

Neurons whose distance is not below the threshold have the threshold as their level, in whatever
order they are removed. If there are many, they are removed at once, without a panel.

The levels are identical to those of single removals.

Distances to a span of d dimensions, fitted to n independent rows, are too small by a factor of
(n - d) / n in the square. If the number of rows is given, distances are multiplied by n / (n - d).
As neurons are removed, d falls, so that a corrected distance can fall, too: neurons are then
removed strictly in the order of their distances.

Distances, radii and thresholds are squared throughout this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..moments.panels import Panel, Removal
from ..moments.spans import Array, Compaction, Index, Noise

X, Y = 0, 1
SMALLEST_PANEL, LARGEST_PANEL = 48, 256
SMALLEST_WAVE = 32
"""The number of neurons not below the threshold from which they are removed at once, without an
order."""
NOTHING = np.empty(0, dtype=np.intp)
GROWTH = 30.0
"""The growth of the dual bases, as a factor, from which the layers are factored again: rounding
errors grow by the same factor."""


class RemovableSpan(Protocol):
    """The span of a layer's neurons, from which they can be removed: `Span`, `GramSpan` or `FileSpan`."""

    outside: Array
    """(t,) the squared distances of the other layer's neurons to the span."""
    noise: Noise
    """Bounds on the error of distances, relative to `condition`."""

    @property
    def rank(self) -> int:
        """The number of dimensions of the span before any neuron was removed."""

    @property
    def condition(self) -> float:
        """A bound on 1 / (smallest singular value) of the unit columns."""

    @property
    def resolution(self) -> float:
        """The smallest distance that can be distinguished from 0."""

    def panel(self, regressors: Index, targets: Index) -> Panel:
        """Return the span restricted to some neurons, in smaller coordinates."""

    def lost_components(self, removal: Removal) -> Array:
        """Return the components of the other layer's neurons along lost directions."""

    def apply(self, removal: Removal, components: Array) -> None:
        """Apply the removal of neurons."""

    def drop(self, regressors: Index, targets: Index) -> None:
        """Delete neurons of both layers."""


@dataclass
class Peeling:
    """Two layers from which neurons are removed.

    Notes
    -----
    spans[X] has the neurons of X as regressors and those of Y as targets; spans[Y] is the reverse.
    """

    spans: tuple[RemovableSpan, RemovableSpan]
    """The spans of the remaining neurons of X and of Y."""
    neurons: list[Index]
    """The indices of the remaining neurons of X and of Y in their layers."""
    sample_size: float = np.inf
    """The number of independent rows, for corrected distances; infinite for distances in sample."""
    stale: bool = False
    """Whether the spans have to be factored again: removals would amplify their rounding."""
    largest_wave: int | None = None
    """How many neurons of a side may be removed at once, if memory limits that."""

    def __post_init__(self) -> None:
        self.is_corrected = bool(np.isfinite(self.sample_size))
        """Whether distances are corrected for the degrees of freedom of the fit."""
        self.remaining = [span.rank for span in self.spans]
        """The numbers of dimensions of the spans of the remaining neurons of X and of Y."""
        self.resolution = max(map(self._resolution, (X, Y)))
        """The smallest distance that can be distinguished from 0, at its largest so far."""
        self.noise = max(map(self._noise, (X, Y)))
        """The error of distances of any size, at its largest so far, without that of squares."""
        self.largest_reach = GROWTH * max(span.condition for span in self.spans)
        """The size of a dual basis from which the layers are factored again."""

    @property
    def dimensions(self) -> int:
        """The number of dimensions of the larger span."""
        return max(span.rank for span in self.spans)

    def error_bound(self, distance: float) -> float:
        """Return a bound on the error of all levels down to a distance.

        Parameters
        ----------
        distance : float
            The smallest level, not squared.

        Returns
        -------
        float
            The bound, at most 1.
        """
        return min(1.0, self.noise + self.resolution**2 / distance)

    def inflation(self, side: int, lost: int | Index = 0) -> float | Array:
        """Return the factor that corrects squared distances to the span of one side.

        Parameters
        ----------
        side : int
            `X` or `Y`.
        lost : int or array of int
            A number of dimensions that the span loses in addition.

        Returns
        -------
        float or array of float
            n / (n - d) for n independent rows and d remaining dimensions; 1 for distances in sample.
        """
        return 1 / (1 - (self.remaining[side] - lost) / self.sample_size) if self.is_corrected else 1.0

    def distances(self, side: int) -> Array:
        """Return the distances of the remaining neurons of one side to the other side.

        Parameters
        ----------
        side : int
            `X` or `Y`.

        Returns
        -------
        array of float
            The squared distances.
        """
        return np.asarray(self.spans[1 - side].outside * self.inflation(1 - side))

    def largest(self) -> float:
        """Return the largest distance of all remaining neurons.

        Returns
        -------
        float
            The squared distance; 0 if no neurons remain.
        """
        return max(float(self.distances(side).max(initial=0.0)) for side in (X, Y))

    def drop_farther(self, threshold: float) -> None:
        """Drop all neurons farther than a threshold, repeatedly, until the maximum match remains.

        Parameters
        ----------
        threshold : float
            The squared distance above which neurons are dropped.

        Notes
        -----
        It stops earlier if the spans become stale.
        """
        while self.largest() > threshold and not self.stale:
            self._remove([np.flatnonzero(self.distances(side) > threshold) for side in (X, Y)])
        if self._is_one_sided():
            self._drop_all()

    def _remove(self, positions: list[Index]) -> None:
        """Remove neurons of both sides at once.

        The spans are not updated if they become stale, or if no neurons of a side remain.
        """
        if len(positions[X]) < len(self.neurons[X]) and len(positions[Y]) < len(self.neurons[Y]):
            removals = [self.spans[side].panel(positions[side], NOTHING).removal_of_all() for side in (X, Y)]
            self.stale = max(removals[X].reach, removals[Y].reach) > self.largest_reach
            if not self.stale:
                for side, removal in enumerate(removals):
                    span = self.spans[side]
                    span.apply(removal, span.lost_components(removal))
                    self.remaining[side] -= removal.lost.shape[1]
        self.drop(positions)
        self._watch()

    def peel(self, levels: tuple[Array, Array], threshold: float) -> float:
        """Remove neurons in the order of their distances until none is above the resolution.

        Parameters
        ----------
        levels : tuple of two arrays of float, (p,) and (q,)
            The squared levels of all neurons. Those of the removed neurons are written.
        threshold : float
            The smallest squared level so far; infinity at the start.

        Returns
        -------
        float
            The new threshold: the smallest squared level so far.

        Notes
        -----
        It stops earlier if the spans become stale. If no neurons of one side remain, those of the
        other side get the threshold as their level.
        Cost: for p = q neurons about 2 p^3 operations to remove all of them from spans in inner
        products, and 8 p^3 from dual bases, as matrix products.
        """
        width = smallest = LARGEST_PANEL if self.is_corrected else SMALLEST_PANEL
        while self.largest() > self.resolution**2 and not self._is_one_sided() and not self.stale:
            wave = [np.flatnonzero(self.distances(side) >= threshold)[: self.largest_wave] for side in (X, Y)]
            if len(wave[X]) + len(wave[Y]) >= SMALLEST_WAVE and not self.is_corrected:
                for side in (X, Y):
                    levels[side][self.neurons[side][wave[side]]] = threshold
                self._remove(wave)
                continue
            panel = _Panel(self, width)
            panel.order(threshold, self.resolution**2)
            n_steps = panel.valid_steps(threshold)
            threshold = panel.commit(n_steps, levels)
            width = int(np.clip(2 * n_steps, smallest, LARGEST_PANEL))
            self._watch()
        if self._is_one_sided():
            for side in (X, Y):
                levels[side][self.neurons[side]] = min(threshold, 1.0)
            self._drop_all()
        return threshold

    def _is_one_sided(self) -> bool:
        """Return whether no neurons of a side remain: then the others are not in a match."""
        return not all(map(len, self.neurons))

    def _drop_all(self) -> None:
        """Drop all remaining neurons."""
        self.drop([np.arange(len(neurons)) for neurons in self.neurons])

    def _watch(self) -> None:
        """Update the resolution, the noise and whether the spans are stale."""
        if self.stale:
            return
        self.resolution = max(self.resolution, *map(self._resolution, (X, Y)))
        self.noise = max(self.noise, *map(self._noise, (X, Y)))
        self.stale = max(span.condition for span in self.spans) > self.largest_reach

    def _resolution(self, side: int) -> float:
        """Return the smallest distance to the span of one side that can be distinguished from 0."""
        return min(1.0, self.spans[side].resolution * float(np.sqrt(self.inflation(side))))

    def _noise(self, side: int) -> float:
        """Return the error of distances of any size to the span of one side."""
        span = self.spans[side]
        return span.noise.of_distances * span.condition * float(np.sqrt(self.inflation(side)))

    def drop(self, positions: list[Index]) -> None:
        """Delete the columns of removed neurons.

        Parameters
        ----------
        positions : list of two arrays of int
            The positions of the neurons among the remaining ones of X and of Y.
        """
        self.spans[X].drop(positions[X], positions[Y])
        self.spans[Y].drop(positions[Y], positions[X])
        self.neurons = [Compaction.of(len(self.neurons[side]), positions[side])(self.neurons[side]) for side in (X, Y)]


@dataclass(frozen=True)
class _Step:
    """The removal of one neuron of a panel, and what each side had lost before it."""

    side: int
    member: int
    """The position of the neuron among the panel's neurons of its side."""
    radius: float
    """The squared distance of the neuron."""
    threshold: float
    """The squared level of the neuron."""
    lost: tuple[int, int]
    """How many directions X and Y had lost before."""
    relations: tuple[int, int]
    """How many relations X and Y had used up before."""


class _Panel:
    """The neurons with the largest distances, peeled among themselves."""

    def __init__(self, peeling: Peeling, width: int) -> None:
        self.peeling = peeling
        self.members = _farthest([peeling.distances(side) for side in (X, Y)], width)
        self.sides = [_Side(peeling.spans[side], self.members[side], self.members[1 - side]) for side in (X, Y)]
        self.steps: list[_Step] = []
        self.ends_stale = False
        """Whether the last step was not applied, because it would make the dual bases too large."""

    def order(self, threshold: float, floor: float) -> None:
        """Peel the panel alone, one neuron at a time, down to a squared distance."""
        distances, is_corrected = (self.sides[Y].panel.outside, self.sides[X].panel.outside), self.peeling.is_corrected
        outside = [self.sides[side].largest_outside() for side in (X, Y)] if is_corrected else [-1.0, -1.0]
        to_x: float | Array = 1.0
        to_y: float | Array = 1.0
        for _ in range(len(distances[X]) + len(distances[Y])):
            if is_corrected:
                to_x, to_y = (self.peeling.inflation(side, len(self.sides[side].lost)) for side in (X, Y))
            (radius_x, of_x), (radius_y, of_y) = _farthest_of(distances[X], to_y), _farthest_of(distances[Y], to_x)
            radius, side, member = (radius_x, X, of_x) if radius_x > radius_y else (radius_y, Y, of_y)
            if radius <= floor:
                return
            if self.steps and is_corrected and radius < max(to_x * outside[X], to_y * outside[Y]):
                return  # A neuron outside comes first: its distance in sample can only have grown.
            threshold = min(threshold, radius)
            self.steps.append(_Step(side, member, radius, threshold, *self._counts()))
            if self.sides[side].panel.reach(member) > self.peeling.largest_reach:
                self.ends_stale = True
                return
            self.sides[side].take(member)
            distances[side][member] = -np.inf

    def valid_steps(self, threshold: float) -> int:
        """Return the number of steps before the first at which a neuron outside should come first.

        A step is valid if its neuron is the farthest of all, or if its distance is not below the
        threshold, where the order of distances in sample does not matter.
        """
        peaks = [self._peaks(side) for side in (X, Y)]
        outside = np.array([max(peaks[X][s.lost[X]], peaks[Y][s.lost[Y]]) for s in self.steps])
        radii = np.array([s.radius for s in self.steps])
        before = np.array([threshold, *(s.threshold for s in self.steps[:-1])])
        wrong = (radii < outside) & ((radii < before) | self.peeling.is_corrected)
        return int(np.argmax(wrong)) if wrong.any() else len(radii)

    def _peaks(self, side: int) -> Array:
        """Return the largest distance outside the panel after 0, 1, 2, ... lost directions of a side."""
        peaks = self.sides[side].peaks()
        return np.asarray(peaks * self.peeling.inflation(side, np.arange(len(peaks))))

    def commit(self, n_steps: int, levels: tuple[Array, Array]) -> float:
        """Apply the first steps to all neurons, write the levels, and return the threshold."""
        if n_steps < len(self.steps):
            lost, relations = self.steps[n_steps].lost, self.steps[n_steps].relations
        else:
            lost, relations = self._counts()
        removed = []
        for side in (X, Y):
            steps = [s for s in self.steps[:n_steps] if s.side == side]
            positions = self.members[side][[s.member for s in steps]]
            levels[side][self.peeling.neurons[side][positions]] = [s.threshold for s in steps]
            self.sides[side].commit(lost[side], relations[side])
            self.peeling.remaining[side] -= lost[side]
            removed.append(positions)
        self.peeling.drop(removed)
        self.peeling.stale = self.ends_stale and n_steps == len(self.steps)
        return self.steps[n_steps - 1].threshold

    def _counts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return how many directions, and how many relations, X and Y have lost."""
        x, y = self.sides
        return (len(x.lost), len(y.lost)), (len(x.relations), len(y.relations))


class _Side:
    """The panel's neurons of one layer as regressors and of the other as targets."""

    def __init__(self, span: RemovableSpan, regressors: Index, targets: Index) -> None:
        self.span = span
        self.targets = targets
        self.panel = span.panel(regressors, targets)
        self.lost: list[Array] = []
        self.relations: list[Array] = []
        self.carriers: list[Array] = []

    def take(self, member: int) -> None:
        """Remove one regressor: the span loses a direction, or a relation is used up."""
        direction, relation, carrier = self.panel.take(member)
        if relation is None:
            self.lost.append(direction)
        else:
            self.relations.append(relation)
            self.carriers.append(carrier)

    def largest_outside(self) -> float:
        """Return the largest distance outside the panel."""
        return float(self.span.outside[self._outsiders()].max(initial=-1.0))

    def _outsiders(self) -> NDArray[np.bool_]:
        """Return which targets are outside the panel."""
        outsiders = np.ones(len(self.span.outside), dtype=bool)
        outsiders[self.targets] = False
        return outsiders

    def peaks(self) -> Array:
        """Return the largest distance outside the panel after 0, 1, 2, ... lost directions."""
        self.removal = self.panel.removal(
            _columns(self.lost, len(self.panel.dual)),
            _columns(self.relations, len(self.panel.null)),
            _columns(self.carriers, len(self.panel.dual)),
        )
        self.components = self.span.lost_components(self.removal)
        outsiders = self._outsiders()
        distances = np.vstack([self.span.outside[outsiders], self.components[:, outsiders] ** 2]).cumsum(axis=0)
        return np.asarray(distances.max(axis=1, initial=-1.0))

    def commit(self, lost: int, relations: int) -> None:
        """Apply the loss of the first directions and relations to the span of all neurons."""
        self.span.apply(self.removal.first(lost, relations), self.components[:lost])


def _farthest_of(distances: Array, inflation: float | Array) -> tuple[float, int]:
    """Return the largest squared distance, times its inflation, and its position; -1 of nothing."""
    if not len(distances):
        return -1.0, -1
    position = int(distances.argmax())
    return float(distances[position] * inflation), position


def _farthest(distances: list[Array], width: int) -> list[Index]:
    """Return the positions, by side, of the `width` neurons with the largest distances."""
    both = np.concatenate(distances)
    farthest = np.argpartition(-both, width)[:width] if width < len(both) else np.arange(len(both))
    split = len(distances[X])
    return [farthest[farthest < split], farthest[farthest >= split] - split]


def _columns(vectors: list[Array], size: int) -> Array:
    """Return vectors of a size as columns, in Fortran order."""
    if not vectors:
        return np.zeros((size, 0), order="F")
    return np.array(vectors).T
