"""Peeling: the level of every neuron, by taking neurons away in the order of their distance.

M(eps), the maximum match, grows with eps, so each neuron has a level: the smallest eps at which it is in. The
levels come from one peeling (docs/theory.md): take the neuron with the largest distance r, lower the
threshold t to min(t, r), give the neuron the level t, update the distances of the other side.

Done one at a time, that is a matrix times a vector per neuron, bound by memory. Here it goes in panels: the
neurons with the largest distances are ordered among themselves, in a small span of their own; one matrix product then
tells how far that order holds before a neuron outside the panel would have come first, and that much of
it is taken. The levels are those of the one-at-a-time algorithm: nothing is approximated.

Distances, radii and thresholds are squared throughout this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas

from ..moments.spans import Array, Compaction, Index, Removal, Span

X, Y = 0, 1
SMALLEST_PANEL, LARGEST_PANEL = 48, 256
GROWTH = 30.0
"""Once the dual bases have grown so many times, what they hold is rounding: the layers are factored again."""


@dataclass
class Peeling:
    """Two layers while neurons are taken away: spans[X] has regressors X and targets Y, spans[Y] the reverse."""

    spans: tuple[Span, Span]
    neurons: list[Index]
    stale: bool = False
    """Whether the spans have to be factored again, as removals would amplify their rounding."""

    def __post_init__(self) -> None:
        self.resolution = max(span.resolution for span in self.spans)
        """The distance that could not be told from 0, at its largest so far."""
        self.noise = max(span.noise.of_distances * span.condition for span in self.spans)
        """What distances, however large, could be wrong by beside the rounding of their squares."""
        self.largest_reach = GROWTH * max(span.condition for span in self.spans)

    @property
    def dimensions(self) -> int:
        """Those of the larger span."""
        return max(len(span.dual) for span in self.spans)

    def wrong_by(self, distance: float) -> float:
        """Return what levels down to a distance can be wrong by."""
        return min(1.0, self.noise + self.resolution**2 / distance)

    def distances(self, side: int) -> Array:
        """Return the squared distances of the remaining neurons of one side to the other side."""
        return self.spans[1 - side].outside

    def largest(self) -> float:
        """Return the largest squared distance of all."""
        return max(float(self.distances(side).max(initial=0.0)) for side in (X, Y))

    def fall(self, threshold: float) -> None:
        """Drop every neuron farther than the threshold, again and again: what is left is the maximum match."""
        while self.largest() > threshold and not self.stale:
            gone = [np.flatnonzero(self.distances(side) > threshold) for side in (X, Y)]
            removals = [self.spans[side].removal(gone[side]) for side in (X, Y)]
            self.stale = any(removal.reach > self.largest_reach for removal in removals)
            if not self.stale:
                for span, removal in zip(self.spans, removals, strict=True):
                    span.apply(removal, span.held(removal))
            self.drop(gone)
            self._watch()

    def peel(self, levels: tuple[Array, Array], threshold: float) -> float:
        """Peel until no distance is above the resolution, writing squared levels; return the threshold reached.

        Cost: about 4 (p^3 + q^3) + 4 p q (p + q) operations to take all of p + q neurons, as matrix products.
        """
        width = SMALLEST_PANEL
        while self.largest() > self.resolution**2 and len(self.neurons[X]) and len(self.neurons[Y]) and not self.stale:
            panel = _Panel(self, width)
            panel.order(threshold, self.resolution**2)
            taken = panel.valid_steps(threshold)
            threshold = panel.commit(taken, levels)
            width = int(np.clip(2 * taken, SMALLEST_PANEL, LARGEST_PANEL))
            self._watch()
        if not len(self.neurons[X]) or not len(self.neurons[Y]):  # nothing is left to hold the other side
            for side in (X, Y):
                levels[side][self.neurons[side]] = min(threshold, 1.0)
            self.drop([np.arange(len(neurons)) for neurons in self.neurons])
        return threshold

    def _watch(self) -> None:
        """Take note of how large the dual bases have become."""
        if self.stale:
            return
        self.resolution = max(self.resolution, *(span.resolution for span in self.spans))
        self.noise = max(self.noise, *(span.noise.of_distances * span.condition for span in self.spans))
        self.stale = max(span.condition for span in self.spans) > self.largest_reach

    def drop(self, gone: list[Index]) -> None:
        """Forget neurons, by their positions among the remaining ones of each side."""
        self.spans[X].drop(gone[X], gone[Y])
        self.spans[Y].drop(gone[Y], gone[X])
        self.neurons = [
            Compaction.of(len(neurons), places)(neurons) for neurons, places in zip(self.neurons, gone, strict=True)
        ]


@dataclass(frozen=True)
class _Step:
    """One neuron taken from a panel, and how many directions and relations each side had lost before it."""

    side: int
    member: int
    radius: float
    threshold: float
    lost: tuple[int, int]
    relations: tuple[int, int]


class _Panel:
    """The neurons with the largest distances, ordered among themselves."""

    def __init__(self, peeling: Peeling, width: int) -> None:
        self.peeling = peeling
        self.members = _farthest([peeling.distances(side) for side in (X, Y)], width)
        self.sides = [_Side(peeling.spans[side], self.members[side], self.members[1 - side]) for side in (X, Y)]
        self.steps: list[_Step] = []
        self.ends_stale = False
        """Whether the last step is one that the spans cannot follow."""

    def order(self, threshold: float, floor: float) -> None:
        """Peel the panel alone, one neuron at a time."""
        of_x, of_y = distances = (self.sides[Y].small.outside, self.sides[X].small.outside)
        for _ in range(len(of_x) + len(of_y)):
            radius, side = max((float(of_x.max(initial=-1.0)), X), (float(of_y.max(initial=-1.0)), Y))
            if radius <= floor:
                return
            threshold = min(threshold, radius)
            member = int(np.argmax(distances[side]))
            self.steps.append(_Step(side, member, radius, threshold, *self._counts()))
            if self.sides[side].small.reach(member) > self.peeling.largest_reach:
                self.ends_stale = True
                return
            self.sides[side].take(member)
            distances[side][member] = -np.inf

    def valid_steps(self, threshold: float) -> int:
        """Return how many steps come before one at which a neuron outside the panel was farther."""
        peaks = [side.peaks() for side in self.sides]
        outside = np.array([max(peaks[X][s.lost[X]], peaks[Y][s.lost[Y]]) for s in self.steps])
        radii = np.array([s.radius for s in self.steps])
        before = np.array([threshold, *(s.threshold for s in self.steps[:-1])])
        wrong = (radii < before) & (radii < outside)
        return int(np.argmax(wrong)) if wrong.any() else len(radii)

    def commit(self, taken: int, levels: tuple[Array, Array]) -> float:
        """Take the first steps for good: write their levels, remove them, return the threshold reached."""
        lost, relations = (
            (self.steps[taken].lost, self.steps[taken].relations) if taken < len(self.steps) else self._counts()
        )
        gone = []
        for side in (X, Y):
            steps = [s for s in self.steps[:taken] if s.side == side]
            positions = self.members[side][[s.member for s in steps]]
            levels[side][self.peeling.neurons[side][positions]] = [s.threshold for s in steps]
            self.sides[side].commit(lost[side], relations[side])
            gone.append(positions)
        self.peeling.drop(gone)
        self.peeling.stale = self.ends_stale and taken == len(self.steps)
        return self.steps[taken - 1].threshold

    def _counts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        x, y = self.sides
        return (len(x.lost), len(y.lost)), (len(x.relations), len(y.relations))


class _Side:
    """One layer's panel members as regressors, the other's as targets, in coordinates of their own."""

    def __init__(self, span: Span, regressors: Index, targets: Index) -> None:
        self.span = span
        self.targets = targets
        self.small, self.basis, self.relation_basis = span.panel(regressors, targets)
        self.lost: list[Array] = []
        self.relations: list[Array] = []
        self.carriers: list[Array] = []

    def take(self, member: int) -> None:
        """Take one regressor away: it loses a direction, or uses up a relation."""
        direction, relation, carrier = self.small.take(member)
        if relation is None:
            self.lost.append(direction)
        else:
            self.relations.append(relation)
            self.carriers.append(carrier)

    def peaks(self) -> Array:
        """Return the largest distance among the targets outside the panel, after 0, 1, 2, ... lost directions."""
        lost = _columns(self.lost, self.basis)
        self.removal = Removal(lost, _columns(self.relations, self.relation_basis), _columns(self.carriers, self.basis))
        self.held = self.span.held(self.removal)
        outsiders = np.ones(len(self.span.outside), dtype=bool)
        outsiders[self.targets] = False
        grown = np.vstack([self.span.outside[outsiders], self.held[:, outsiders] ** 2]).cumsum(axis=0)
        return np.asarray(grown.max(axis=1, initial=-1.0))

    def commit(self, lost: int, relations: int) -> None:
        """Apply the first directions and relations to the whole span."""
        full = self.removal
        part = Removal(full.lost[:, :lost], full.relations[:, :relations], full.carriers[:, :relations])
        self.span.apply(part, self.held[:lost])


def _farthest(distances: list[Array], width: int) -> list[Index]:
    """Return the positions, by side, of the `width` neurons with the largest distances."""
    both = np.concatenate(distances)
    first = np.argpartition(-both, width)[:width] if width < len(both) else np.arange(len(both))
    split = len(distances[X])
    return [first[first < split], first[first >= split] - split]


def _columns(vectors: list[Array], basis: Array) -> Array:
    """Return basis @ [vectors], Fortran-ordered, with no columns if there are no vectors."""
    if not vectors:
        return np.zeros((basis.shape[0], 0), order="F")
    return np.asarray(blas.dgemm(1.0, basis, np.asfortranarray(np.column_stack(vectors))))
