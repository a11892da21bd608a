"""The lattice of simple matches at eps = 0.

With independent neurons on each side of the maximum match, |A| = |B| and each neuron is a unique combination of the
other side. Draw an edge v -> u wherever u's coefficient in v is not 0: then the one v-minimum match is what v reaches.
The strongly connected components, ordered by who reaches whom, are the whole lattice of simple matches. Source:
docs/theory.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._threads import few_threads
from ..moments.pairs import Pair, checked_pair
from ..moments.spans import Index
from .least_squares import coefficients
from .maximum import MatchResult, maximum_match
from .minimum import Neuron


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ExactStructure(MatchResult):
    """Who needs whom in the exact maximum match of two layers."""

    x: Index
    """Neurons of x in the match, sorted; those that were redundant are left out."""
    y: Index
    redundant: tuple[Neuron, ...]
    """Neurons of the maximum match that are combinations of those before them in their own layer: left out, as with
    them minimum matches are not unique."""
    component: NDArray[np.intp]
    """(|x| + |y|,) the strongly connected component of each neuron, x then y."""
    reaches: NDArray[np.bool_]
    """(components, components) whether a component needs another; every component reaches itself."""
    needs: NDArray[np.bool_]
    """(|x| + |y|, |x| + |y|) whether a neuron has another, of the other side, in its combination."""

    def minimum_match(self, neuron: Neuron) -> tuple[Index, Index] | None:
        """Return the neurons x and y of the one v-minimum match, None if v is not in the exact match."""
        side, index = neuron
        members = self.x if side == "x" else self.y
        place = int(np.searchsorted(members, index))
        if place == len(members) or members[place] != index:
            return None
        number = place + (len(self.x) if side == "y" else 0)
        return self._members(int(self.component[number]))

    def simple_matches(self) -> list[tuple[Index, Index]]:
        """Return neurons x and y of every simple match: one for each component."""
        return [self._members(c) for c in range(len(self.reaches))]

    def edges(self) -> list[tuple[Neuron, Neuron]]:
        """Return the edges v -> u, "v needs u", as `networkx.DiGraph` takes them."""
        names = [("x", int(i)) for i in self.x] + [("y", int(j)) for j in self.y]
        return [(names[v], names[u]) for v, u in np.argwhere(self.needs)]

    def order(self) -> list[tuple[int, int]]:
        """Return the edges between components of the partial order, without those that follow from others."""
        above = self.reaches & ~np.eye(len(self.reaches), dtype=bool)
        implied = (above.astype(np.int64) @ above.astype(np.int64)) > 0
        return [(int(a), int(b)) for a, b in np.argwhere(above & ~implied)]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return self._plain() | {
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "redundant": [list(neuron) for neuron in self.redundant],
            "component": self.component.tolist(),
            "order": self.order(),
            "edges": [[list(v), list(u)] for v, u in self.edges()],
        }

    def __repr__(self) -> str:
        return (
            f"<ExactStructure of {self.x_layer} and {self.y_layer}: {len(self.x)} + {len(self.y)} neurons, "
            f"{len(self.reaches)} simple matches, {len(self.redundant)} redundant neurons>"
        )

    def _members(self, component: int) -> tuple[Index, Index]:
        inside = self.reaches[component][self.component]
        return self.x[inside[: len(self.x)]], self.y[inside[len(self.x) :]]


@few_threads
def exact_structure(pair: Pair, *, centred: bool = False) -> ExactStructure:
    """Return who needs whom in the exact maximum match, eps = 0 up to the resolution.

    A coefficient counts as 0 if, in units of unit-norm neurons, it is below the resolution. Neurons that are
    combinations of their own layer's, taken in the order of indices, are left out and named; the rest is matched again.
    Cost: of a maximum match, and |match|^3.
    """
    from scipy.sparse.csgraph import connected_components

    checked_pair(pair)
    match = maximum_match(pair, 0.0, centred=centred)
    x, y = match.x, match.y
    redundant: list[Neuron] = []
    while True:
        independent = [_independent(pair, x, y, side, centred, match.resolution) for side in (0, 1)]
        redundant += [("x", int(i)) for i in np.setdiff1d(x, independent[0])]
        redundant += [("y", int(j)) for j in np.setdiff1d(y, independent[1])]
        if len(independent[0]) == len(x) and len(independent[1]) == len(y):
            break
        x, y = _rematched(pair, independent[0], independent[1], centred, match.resolution)
    needs = _needs(pair, x, y, centred, match.resolution)
    count, component = connected_components(needs, directed=True, connection="strong")
    about = match.shared()
    return ExactStructure(
        x=x,
        y=y,
        redundant=tuple(sorted(redundant)),
        component=component.astype(np.intp),
        reaches=_reaches(needs, component, count),
        needs=needs,
        **about,
    )


def _independent(pair: Pair, x: Index, y: Index, side: int, centred: bool, floor: float) -> Index:
    """Return the neurons of one side that are not combinations of those before them."""
    unit = pair.unit(x, y, centred=centred)
    members, offset = ((x, 0), (y, len(x)))[side]
    kept: list[int] = []
    for k in range(len(members)):
        chosen = np.array(kept, dtype=np.intp) + offset
        if unit.outside(chosen, np.array([k + offset]))[0][0] > floor**2:
            kept.append(k)
    return members[kept]


def _rematched(pair: Pair, x: Index, y: Index, centred: bool, floor: float) -> tuple[Index, Index]:
    """Return the maximum match at eps = 0 within some neurons."""
    while True:
        unit = pair.unit(x, y, centred=centred)
        a, b = np.arange(len(x)), np.arange(len(x), len(x) + len(y))
        near_x, near_y = unit.outside(b, a)[0] <= floor**2, unit.outside(a, b)[0] <= floor**2
        if near_x.all() and near_y.all():
            return x, y
        x, y = x[near_x], y[near_y]


def _needs(pair: Pair, x: Index, y: Index, centred: bool, floor: float) -> NDArray[np.bool_]:
    """Return whose coefficient in whom is not 0, on unit columns."""
    maps = coefficients(pair, x, y, centred=centred)
    a = np.sqrt(pair.energy("x", centred=centred)[x])
    b = np.sqrt(pair.energy("y", centred=centred)[y])
    needs = np.zeros((len(x) + len(y),) * 2, dtype=bool)
    needs[: len(x), len(x) :] = (np.abs(maps.x_from_y) * b[:, None] / a > floor).T
    needs[len(x) :, : len(x)] = (np.abs(maps.y_from_x) * a[:, None] / b > floor).T
    return needs


def _reaches(needs: NDArray[np.bool_], component: Index, count: int) -> NDArray[np.bool_]:
    """Return the transitive closure between components."""
    reaches = np.eye(count, dtype=bool)
    v, u = np.nonzero(needs)
    reaches[component[v], component[u]] = True
    while True:
        further = (reaches.astype(np.int64) @ reaches.astype(np.int64)) > 0
        if (further == reaches).all():
            return reaches
        reaches = further
