"""Which layers of two networks correspond, and one score for both, from a matrix of all layers.

With the similarities S (L, M) of the layers of two networks:

- a layer's best counterpart is the most similar layer of the other network;
- a monotone path goes from the first layers of both to the last ones, each step forward in one
  network or in both, so that every layer of both is on it (dynamic time warping);
- a soft coupling is a distribution over pairs of layers whose marginals are uniform, of the least
  mean cost 1 - S (optimal transport).

Sources: Sakoe and Chiba, IEEE TASSP 26, 1978; docs/measures.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .._display import Displayed
from .._plotting import (
    SQUARE,
    X,
    Y,
    axes_for,
    colour_bar,
    heat_map,
    label,
    legend,
    name_ticks,
    side_names,
    without_frame,
)
from .._values import data_frame, plain, short
from ..errors import SpanmatchError
from ..moments.provenance import network_and_layer
from ..moments.spans import Array
from .transport import soft_coupling

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..schema import CorrespondenceRecord, CounterpartRecord, ScoreRecord
    from .matrices import LayerMatrix


@dataclass(frozen=True, repr=False)
class Counterpart(Displayed):
    """A layer, its counterpart in another network, and how clear it is.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> networks = {"a": {"fc1": X, "fc2": X**2}, "b": {"fc1": X + noise, "fc2": X**2}}
    >>> comparison = sm.compare(networks, match="best", evidence=False)
    >>> first, second = comparison.correspondence()
    >>> second.y_layer, second.next_best, round(second.margin, 2)
    ('b:fc2', 'b:fc1', 0.98)
    """

    x_layer: str
    """The layer, "network:layer"."""
    y_layer: str
    """Its counterpart, "network:layer"."""
    similarity: float
    """The measure of both; nan if it is not defined for them."""
    margin: float
    """By how much the counterpart is more similar than every other layer of its network. Negative if
    another layer is more similar; nan if not all pairs are known, or there is no other layer."""
    next_best: str
    """The most similar of the other layers; empty if the margin is nan."""

    @property
    def networks(self) -> tuple[str, str]:
        """The networks of both layers."""
        return network_and_layer(self.x_layer)[0], network_and_layer(self.y_layer)[0]


@dataclass(frozen=True, eq=False, repr=False)
class Correspondence(Displayed):
    """Layers with their counterparts in another network: a sequence of `Counterpart`s.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> networks = {"a": {"fc1": X, "fc2": X**2}, "b": {"fc1": X + noise, "fc2": X**2}}
    >>> comparison = sm.compare(networks, match="best", evidence=False)
    >>> [(found.x_layer, found.y_layer) for found in comparison.correspondence()]
    [('a:fc1', 'b:fc1'), ('a:fc2', 'b:fc2')]
    """

    measure: str
    """The measure's name."""
    counterparts: tuple[Counterpart, ...] = field(repr=False)
    """One for each pair of layers."""
    layers: tuple[str, ...] = field(default=(), repr=False)
    """The names of all layers, "network:layer", in the order in which they run."""

    def plot(self, ax: Axes | None = None, *, networks: tuple[str, str] | None = None) -> Axes:
        """Draw a line from each layer to its counterpart, darker for more similar ones.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        networks : tuple of two strs, optional
            The network at the left and the one at the right; by default those of the first counterpart.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If there are no counterparts of these networks, or matplotlib is not installed.
        """
        left, right = networks or (self.counterparts[0].networks if self.counterparts else ("", ""))
        drawn = [one for one in self if one.networks == (left, right)]
        if not drawn:
            raise SpanmatchError(f"no layers of {left!r} have counterparts in {right!r}")
        ax = axes_for("correspondence.plot", ax)
        sides = self._layers_of(left), self._layers_of(right)
        heights = [{name: (k + 0.5) / len(side) for k, name in enumerate(side)} for side in sides]
        lines = [(heights[0][one.x_layer], heights[1][one.y_layer], one.similarity) for one in drawn]
        _draw_lines(ax, lines, self.measure)
        for column, places, colour in zip((0, 1), heights, (X, Y), strict=True):
            ax.plot(np.full(len(places), column), list(places.values()), "o", color=colour, markersize=4)
        names = [[network_and_layer(name)[1] or name for name in side] for side in sides]
        side_names(ax, names[0], "left")
        side_names(ax, names[1], "right")
        ax.set(xlim=(-0.05, 1.05), ylim=(1, 0), xticks=[0, 1], yticks=[])
        ax.set_xticklabels([left, right])
        without_frame(ax)
        label(ax, title=f"counterparts by {self.measure}")
        return ax

    def _layers_of(self, network: str) -> list[str]:
        """Return the names of a network's layers, in their order; without that, those with counterparts."""
        layers = self.layers or [layer for one in self for layer in (one.x_layer, one.y_layer)]
        return list(dict.fromkeys(layer for layer in layers if network_and_layer(layer)[0] == network))

    def __len__(self) -> int:
        return len(self.counterparts)

    def __iter__(self) -> Iterator[Counterpart]:
        return iter(self.counterparts)

    def __getitem__(self, index: int) -> Counterpart:
        return self.counterparts[index]

    def _records(self) -> list[dict[str, object]]:
        return [dict(vars(counterpart)) for counterpart in self]

    def _summary(self) -> str:
        return f"of {len(self)} pairs of layers by {self.measure}"

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with one row for each layer and its counterpart.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("correspondence.to_frame", [vars(counterpart) for counterpart in self])

    def to_dict(self) -> CorrespondenceRecord:
        """Return everything as plain Python values; nan as None."""
        counterparts: list[CounterpartRecord] = [
            {
                "x_layer": one.x_layer,
                "y_layer": one.y_layer,
                "similarity": short(one.similarity),
                "margin": short(one.margin),
                "next_best": one.next_best,
            }
            for one in self
        ]
        return {"measure": self.measure, "counterparts": counterparts}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class NetworkScore(Displayed):
    """Three scores of two networks: best counterparts, the best monotone path, the soft coupling.

    Notes
    -----
    best >= path_score, and the difference is what it costs that both networks only go forward. The
    soft coupling is the strictest where one layer is the counterpart of many, because every layer has
    the same mass.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> networks = {"a": {"fc1": X, "fc2": X**2}, "b": {"fc1": X + noise, "fc2": X**2}}
    >>> comparison = sm.compare(networks, match="best", evidence=False)
    >>> score = comparison.score()
    >>> round(score.best, 3), round(score.path_score, 3), score.path
    (0.747, 0.747, (('a:fc1', 'b:fc1'), ('a:fc2', 'b:fc2')))
    """

    measure: str
    """The measure's name."""
    x_network: str
    """The first network."""
    y_network: str
    """The second network."""
    x_layers: tuple[str, ...]
    """The L layers of the first network, "network:layer"."""
    y_layers: tuple[str, ...]
    """The M layers of the second network."""
    x_best: float
    """Mean over the first network's layers of the similarity to the best counterpart."""
    y_best: float
    """The same of the second network's layers."""
    path: tuple[tuple[str, str], ...] = field(repr=False)
    """The pairs of layers on the best monotone path."""
    path_score: float
    """Mean over the layers of both networks of the similarity where the path first reaches them."""
    coupling: Array = field(repr=False)
    """(L, M) the soft coupling; rows sum to 1 / L, columns to 1 / M."""
    coupling_score: float
    """Mean similarity under the coupling."""

    @property
    def best(self) -> float:
        """Mean over the layers of both networks of the similarity to the best counterpart."""
        counts = len(self.x_layers), len(self.y_layers)
        return float(np.average([self.x_best, self.y_best], weights=counts))

    def _summary(self) -> str:
        return (
            f"of {self.x_network} and {self.y_network} by {self.measure}: best counterparts "
            f"{self.best:.3f}, path {self.path_score:.3f}, coupling {self.coupling_score:.3f}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the soft coupling as a heat map, with the best monotone path as a line.

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
            If matplotlib is not installed.
        """
        ax = axes_for("score.plot", ax, SQUARE)
        mass = self.coupling * len(self.x_layers)
        heat_map(ax, mass, "Greys", f"share of the layer of {self.x_network}", aspect="auto", vmin=0, vmax=1)
        places = np.array([(self.y_layers.index(y), self.x_layers.index(x)) for x, y in self.path])
        ax.plot(*places.T, color=Y, linewidth=2, marker="o", markersize=4, label="best monotone path")
        for axis, layers in (("x", self.y_layers), ("y", self.x_layers)):
            name_ticks(ax, [network_and_layer(layer)[1] or layer for layer in layers], axis)
        scores = f"best {self.best:.2f}, path {self.path_score:.2f}, coupling {self.coupling_score:.2f}"
        label(ax, self.y_network, self.x_network, f"{self.measure}: {scores}")
        legend(ax, loc="lower left", frameon=True)
        return ax

    def to_frame(self) -> pd.DataFrame:
        """Return the soft coupling as a data frame, the first network's layers as index.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("score.to_frame", self.coupling, index=list(self.x_layers), columns=list(self.y_layers))

    def to_dict(self) -> ScoreRecord:
        """Return everything as plain Python values."""
        return {
            "measure": self.measure,
            "x_network": self.x_network,
            "y_network": self.y_network,
            "x_layers": list(self.x_layers),
            "y_layers": list(self.y_layers),
            "x_best": self.x_best,
            "y_best": self.y_best,
            "best": self.best,
            "path": [list(pair) for pair in self.path],
            "path_score": self.path_score,
            "coupling": plain(self.coupling),
            "coupling_score": self.coupling_score,
        }


def correspondence_of(matrix: LayerMatrix, pairs: Sequence[tuple[str, str]]) -> Correspondence:
    """Return the similarity of each pair of layers, and its margin to the next best.

    Parameters
    ----------
    matrix : LayerMatrix
        A measure, of these pairs at least. Margins need all pairs.
    pairs : sequence of pairs of names
        Layers with their counterparts.

    Returns
    -------
    Correspondence
    """
    return Correspondence(matrix.name, tuple(_counterpart(matrix, x, y) for x, y in pairs), matrix.layers)


def _draw_lines(ax: Axes, lines: Sequence[tuple[float, float, float]], measure: str) -> None:
    """Draw lines from the left to the right, each with a value that is its colour; grey where it is nan."""
    from matplotlib.collections import LineCollection

    segments = [[(0, start), (1, end)] for start, end, _ in lines]
    values = np.array([value for *_, value in lines])
    collection = LineCollection(segments, cmap="viridis_r", linewidths=2)
    collection.set_array(np.ma.masked_invalid(values))
    collection.set_clim(min(0.0, float(np.nanmin(values, initial=0))), max(1.0, float(np.nanmax(values, initial=0))))
    ax.add_collection(collection)
    colour_bar(ax, collection, measure)


def _counterpart(matrix: LayerMatrix, x: str, y: str) -> Counterpart:
    """Return a layer's counterpart with its margin."""
    others = [layer for layer in layers_of_network(matrix, network_and_layer(y)[0]) if layer not in (x, y)]
    similarity, values = matrix.value(x, y), np.array([matrix.value(x, other) for other in others])
    known = all(matrix.is_known(x, other) for other in others)
    if not known or np.isnan(similarity) or not np.isfinite(values).any():
        return Counterpart(x, y, similarity, float("nan"), "")
    best = int(np.nanargmax(values))
    return Counterpart(x, y, similarity, similarity - float(values[best]), others[best])


def best_counterparts(matrix: LayerMatrix, x_network: str, y_network: str) -> list[tuple[str, str]]:
    """Return each layer of a network with its most similar layer of another.

    Parameters
    ----------
    matrix : LayerMatrix
        A measure of all layers of both networks.
    x_network, y_network : str
        Their names.

    Returns
    -------
    list of pairs of names
        Without layers for which the measure is not defined. Of layers that are as similar, the
        earlier one.
    """
    pairs = []
    for x in layers_of_network(matrix, x_network):
        candidates = {y: matrix.value(x, y) for y in layers_of_network(matrix, y_network)}
        defined = {y: value for y, value in candidates.items() if not np.isnan(value)}
        if defined:
            pairs.append((x, max(defined, key=defined.__getitem__)))
    return pairs


def network_score(matrix: LayerMatrix, x_network: str, y_network: str) -> NetworkScore:
    """Return the scores of two networks.

    Parameters
    ----------
    matrix : LayerMatrix
        A measure of all layers of both networks. If it is not symmetric, x_best and y_best are of the
        measure from the layer to its counterpart, and the path and the coupling are of the mean of
        both directions.
    x_network, y_network : str
        Their names.

    Returns
    -------
    NetworkScore

    Raises
    ------
    SpanmatchError
        If a pair of layers is not known, or the measure is not defined for it.

    Notes
    -----
    Cost: L M for the best counterparts and the path; a linear program of L M variables.
    """
    x_layers, y_layers = layers_of_network(matrix, x_network), layers_of_network(matrix, y_network)
    forward = np.array([[_known_value(matrix, x, y) for y in y_layers] for x in x_layers])
    backward = np.array([[_known_value(matrix, y, x) for y in y_layers] for x in x_layers])
    similarities = (forward + backward) / 2
    path, path_score = monotone_path(similarities)
    coupling = soft_coupling(similarities)
    return NetworkScore(
        measure=matrix.name,
        x_network=x_network,
        y_network=y_network,
        x_layers=tuple(x_layers),
        y_layers=tuple(y_layers),
        x_best=float(forward.max(axis=1).mean()),
        y_best=float(backward.max(axis=0).mean()),
        path=tuple((x_layers[i], y_layers[j]) for i, j in path),
        path_score=path_score,
        coupling=coupling,
        coupling_score=float(np.sum(coupling * similarities)),
    )


def _known_value(matrix: LayerMatrix, x: str, y: str) -> float:
    """Return the value of two layers.  Raises SpanmatchError if it is nan, with the reason."""
    value = matrix.value(x, y)
    if not matrix.is_known(x, y):
        raise SpanmatchError(
            f"network score: {x!r} and {y!r} were not compared; it needs all layers of both networks: pairs='all' "
            "(--pairs all)"
        )
    if np.isnan(value):
        raise SpanmatchError(f"network score: {matrix.refusal(x, y)}; leave that layer out")
    return value


def layers_of_network(matrix: LayerMatrix, network: str) -> list[str]:
    """Return the names of a network's layers in a matrix, in their order."""
    return [layer for layer in matrix.layers if network_and_layer(layer)[0] == network]


def monotone_path(similarities: Array) -> tuple[list[tuple[int, int]], float]:
    """Return the best monotone path, and its score.

    Parameters
    ----------
    similarities : array of float, (L, M)
        Of the layers of two networks, in the order in which they run.

    Returns
    -------
    path : list of pairs of int
        From (0, 0) to (L - 1, M - 1) by steps (1, 0), (0, 1) and (1, 1).
    score : float
        Mean over all L + M layers of the similarity where the path first reaches them. A step in
        both networks reaches two layers, so that every path has the same weight.

    Notes
    -----
    Cost: L M operations. Of paths with the same score, one with steps in both networks.
    """
    L, M = similarities.shape
    total = np.full((L + 1, M + 1), -np.inf)
    total[0, 0] = 0.0
    for i in range(1, L + 1):
        for j in range(1, M + 1):
            value = similarities[i - 1, j - 1]
            total[i, j] = max(total[i - 1, j - 1] + 2 * value, total[i - 1, j] + value, total[i, j - 1] + value)
    path = [(L, M)]
    while path[-1] != (1, 1):
        i, j = path[-1]
        value = similarities[i - 1, j - 1]
        came_from = {
            (i - 1, j - 1): total[i - 1, j - 1] + 2 * value,
            (i - 1, j): total[i - 1, j] + value,
            (i, j - 1): total[i, j - 1] + value,
        }
        path.append(max(came_from, key=came_from.__getitem__))
    return [(i - 1, j - 1) for i, j in reversed(path)], float(total[L, M] / (L + M))
