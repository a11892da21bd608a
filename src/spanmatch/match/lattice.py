"""The lattice of simple matches at eps = 0.

If the neurons on each side of the maximum match are linearly independent, then |A| = |B| and each
neuron is a unique combination of the neurons of the other side. Draw an edge v -> u wherever u's
coefficient in v is not 0. The only v-minimum match is then the set of neurons reachable from v. The
strongly connected components, ordered by reachability, are the complete lattice of simple matches.
Source: docs/theory.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._plotting import MISSING, SKY, X, axes_for, label, name_ticks, without_frame
from .._threads import few_threads
from .._values import Json
from ..errors import SpanmatchError
from ..moments.pairs import Pair, Unit, checked_pair
from ..moments.spans import Index
from .least_squares import coefficients
from .maximum import MatchResult, maximum_match
from .minimum import Neuron

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ExactStructure(MatchResult):
    """All simple matches of two layers at eps = 0, as a directed graph of neurons.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> structure = sm.exact_structure(pair)
    >>> structure.x.tolist(), structure.y.tolist()
    ([0, 1], [0, 1])
    >>> [[neurons.tolist() for neurons in match] for match in structure.simple_matches()]
    [[[0, 1], [0, 1]]]
    """

    x: Index
    """Sorted indices of the neurons of x in the match, without redundant ones."""
    y: Index
    """Sorted indices of the neurons of y in the match, without redundant ones."""
    redundant: tuple[Neuron, ...]
    """Neurons of the maximum match that were left out, because they are linear combinations of
    neurons of their own layer with smaller indices. With them, minimum matches are not unique."""
    component: NDArray[np.intp]
    """(|x| + |y|,) the strongly connected component of each neuron, x then y."""
    reaches: NDArray[np.bool_]
    """(components, components) whether a component reaches another. Each one reaches itself."""
    needs: NDArray[np.bool_]
    """(|x| + |y|, |x| + |y|) whether neuron v (row) needs neuron u (column) of the other layer: u's
    coefficient in v is not 0."""

    def minimum_match(self, neuron: Neuron) -> tuple[Index, Index] | None:
        """Return the only v-minimum match of a neuron v.

        Parameters
        ----------
        neuron : tuple of str and int
            The neuron v: ("x", index) or ("y", index).

        Returns
        -------
        tuple of two arrays of int, or None
            The sorted indices of the neurons of x and of y; None if v is redundant or not in the
            exact match.
        """
        side, index = neuron
        members = self.x if side == "x" else self.y
        place = int(np.searchsorted(members, index))
        if place == len(members) or members[place] != index:
            return None
        number = place + (len(self.x) if side == "y" else 0)
        return self._members(int(self.component[number]))

    def simple_matches(self) -> list[tuple[Index, Index]]:
        """Return all simple matches: one for each strongly connected component.

        Returns
        -------
        list of tuple of two arrays of int
            The sorted indices of the neurons of x and of y in each match.
        """
        return [self._members(c) for c in range(len(self.reaches))]

    def edges(self) -> list[tuple[Neuron, Neuron]]:
        """Return the edges v -> u of the graph, in the form that `networkx.DiGraph` accepts.

        Returns
        -------
        list of tuple of two neurons
            (v, u) wherever u has a coefficient in v that is not 0. A neuron is ("x", index) or
            ("y", index).
        """
        names = [("x", int(i)) for i in self.x] + [("y", int(j)) for j in self.y]
        return [(names[v], names[u]) for v, u in np.argwhere(self.needs)]

    def order(self) -> list[tuple[int, int]]:
        """Return the partial order of the components, without edges that follow by transitivity.

        Returns
        -------
        list of tuple of two ints
            (a, b) where component a reaches component b directly.
        """
        above = self.reaches & ~np.eye(len(self.reaches), dtype=bool)
        implied = (above.astype(np.int64) @ above.astype(np.int64)) > 0
        return [(int(a), int(b)) for a, b in np.argwhere(above & ~implied)]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw which neuron (row) needs which (column), in the order of the components.

        Dark: the neuron needs it directly. Light: any match with the neuron holds it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If no neuron is in a match, or matplotlib is not installed.
        """
        if not len(self.component):
            raise SpanmatchError("nothing to draw: no neuron is in an exact match")
        ax = axes_for("exact_structure.plot", ax)
        from matplotlib.colors import ListedColormap

        order = np.lexsort((self.component, self.reaches.sum(axis=1)[self.component]))
        held = self.reaches[np.ix_(self.component[order], self.component[order])]
        shades = np.where(self.needs[np.ix_(order, order)], 2, held)
        ax.imshow(shades, cmap=ListedColormap([MISSING, SKY, X]), vmin=0, vmax=2, interpolation="nearest")
        names = [f"x{i}" for i in self.x] + [f"y{j}" for j in self.y]
        for axis in ("x", "y"):
            name_ticks(ax, [names[v] for v in order], axis)
        without_frame(ax)
        label(ax, "is needed", "neuron", f"exact matches of {self.x_layer} and {self.y_layer}")
        return ax

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain Python values.

        Returns
        -------
        dict of str to object
            The neurons, components, partial order and edges, and the fields of the provenance.
        """
        return self._plain() | {
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "redundant": [list(neuron) for neuron in self.redundant],
            "component": self.component.tolist(),
            "order": self.order(),
            "edges": [[list(v), list(u)] for v, u in self.edges()],
        }

    def _summary(self) -> str:
        return (
            f"of {self.x_layer} and {self.y_layer}: {len(self.x)} + {len(self.y)} neurons, "
            f"{len(self.reaches)} simple matches, {len(self.redundant)} redundant neurons"
        )

    def _members(self, component: int) -> tuple[Index, Index]:
        """Return the neurons of x and of y that a component reaches, its own included."""
        inside = self.reaches[component][self.component]
        return self.x[inside[: len(self.x)]], self.y[inside[len(self.x) :]]


@few_threads
def exact_structure(pair: Pair, *, centred: bool = False) -> ExactStructure:
    """Return all simple matches at eps = 0, up to the resolution.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    ExactStructure
        The graph of the coefficients between the two layers, and its strongly connected components.

    Raises
    ------
    SpanmatchError
        If the resolution is too coarse for exact matches.

    Notes
    -----
    A coefficient counts as 0 if it is at most the resolution, for neurons scaled to unit norm.
    Redundant neurons, which are linear combinations of neurons of their own layer with smaller
    indices, are left out and listed. The remaining neurons are matched again. Cost: a maximum match
    and about m^3 operations for m matched neurons.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> structure = sm.exact_structure(pair)
    >>> structure.x.tolist(), structure.y.tolist()
    ([0, 1], [0, 1])
    >>> [[neurons.tolist() for neurons in match] for match in structure.simple_matches()]
    [[[0, 1], [0, 1]]]
    """
    from scipy.sparse.csgraph import connected_components

    checked_pair(pair)
    match = maximum_match(pair, 0.0, centred=centred)
    x, y = match.x, match.y
    redundant: list[Neuron] = []
    while True:
        independent_x, independent_y = _independent(pair, x, y, centred, match.resolution)
        redundant += [("x", int(i)) for i in np.setdiff1d(x, independent_x)]
        redundant += [("y", int(j)) for j in np.setdiff1d(y, independent_y)]
        if len(independent_x) == len(x) and len(independent_y) == len(y):
            break
        x, y = _rematched(pair, independent_x, independent_y, centred, match.resolution)
    needs = _needs(pair, x, y, centred, match.resolution)
    count, component = connected_components(needs, directed=True, connection="strong")
    return ExactStructure(
        x=x,
        y=y,
        redundant=tuple(sorted(redundant)),
        component=component.astype(np.intp),
        reaches=_reaches(needs, component, count),
        needs=needs,
        **match.shared(),
    )


def _independent(pair: Pair, x: Index, y: Index, centred: bool, floor: float) -> tuple[Index, Index]:
    """Return the neurons of each side that are not combinations of earlier ones of that side."""
    unit = pair.unit(x, y, centred=centred)
    a, b = np.arange(len(x)), np.arange(len(x), len(x) + len(y))
    return x[_independent_columns(unit, a, floor)], y[_independent_columns(unit, b, floor) - len(x)]


def _independent_columns(unit: Unit, columns: Index, floor: float) -> Index:
    """Return those of the columns that are farther than `floor` from the span of earlier ones."""
    independent: list[int] = []
    for column in columns.tolist():
        squared_distances, _ = unit.outside(np.array(independent, dtype=np.intp), np.array([column]))
        if squared_distances[0] > floor**2:
            independent.append(column)
    return np.array(independent, dtype=np.intp)


def _rematched(pair: Pair, x: Index, y: Index, centred: bool, floor: float) -> tuple[Index, Index]:
    """Return the maximum match at eps = 0 within two groups of neurons."""
    while True:
        unit = pair.unit(x, y, centred=centred)
        a, b = np.arange(len(x)), np.arange(len(x), len(x) + len(y))
        near_x, near_y = unit.outside(b, a)[0] <= floor**2, unit.outside(a, b)[0] <= floor**2
        if near_x.all() and near_y.all():
            return x, y
        x, y = x[near_x], y[near_y]


def _needs(pair: Pair, x: Index, y: Index, centred: bool, floor: float) -> NDArray[np.bool_]:
    """Return which coefficients between the groups are not 0, for neurons scaled to unit norm."""
    maps = coefficients(pair, x, y, centred=centred)
    a = np.sqrt(pair.energy("x", centred=centred)[x])
    b = np.sqrt(pair.energy("y", centred=centred)[y])
    needs = np.zeros((len(x) + len(y),) * 2, dtype=bool)
    needs[: len(x), len(x) :] = (np.abs(maps.x_from_y) * b[:, None] / a > floor).T
    needs[len(x) :, : len(x)] = (np.abs(maps.y_from_x) * a[:, None] / b > floor).T
    return needs


def _reaches(needs: NDArray[np.bool_], component: Index, count: int) -> NDArray[np.bool_]:
    """Return the transitive closure of the relation between components."""
    reaches = np.eye(count, dtype=bool)
    v, u = np.nonzero(needs)
    reaches[component[v], component[u]] = True
    while True:
        further = (reaches.astype(np.int64) @ reaches.astype(np.int64)) > 0
        if (further == reaches).all():
            return reaches
        reaches = further
