"""What changed between two networks that are nearly the same, such as a base and its fine-tune.

Columns that resolve small differences, each with the smallest value that can be told from 0. Values
below it are 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .._display import Displayed
from .._plotting import NULL, X, Y, axes_for, label, legend, name_ticks
from .._values import data_frame, short
from ..errors import SpanmatchError
from ..match import MatchProfile
from ..moments.pairs import PRODUCTS, Pair
from ..moments.provenance import name_of_pair
from ..moments.spans import UNIT, Array
from ..similarity import one_minus_cka
from .listed_eps import all_active

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..schema import ChangesRecord, LayerChangeRecord

ROUNDINGS = 64
"""How many roundings of a sum of products the error of a squared difference may amount to."""
LARGE_LEVEL = 0.05
"""The level above which a neuron counts as changed."""
LARGEST_OF_NEAR = 0.05
"""The largest 1 - CKA of networks that count as nearly the same without an identical layer."""


@dataclass(frozen=True, kw_only=True, repr=False)
class LayerChange(Displayed):
    """How much a layer of one network differs from its counterpart in the other.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> networks = {"a": {"fc1": X, "fc2": X**2}, "b": {"fc1": X + noise, "fc2": X**2}}
    >>> comparison = sm.compare(networks, evidence=False)
    >>> first, second = comparison.changes()
    >>> first.identical, second.identical, second.one_minus_cka
    (False, True, 0.0)
    """

    x_layer: str
    """The layer, "network:layer"."""
    y_layer: str
    """Its counterpart."""
    identical: bool
    """Whether both have equally many neurons, and no neuron differs from the one at the same place by
    more than the resolution."""
    difference: float
    """The root of the mean squared difference of neurons at the same place, relative to their root
    mean square; nan if the layers have different numbers of neurons."""
    difference_resolution: float
    """The smallest difference that can be told from 0."""
    one_minus_cka: float
    """1 - CKA; nan if a layer is constant."""
    cka_resolution: float
    """The smallest 1 - CKA that can be told from 0."""
    median_level: float
    """The median level of the neurons of both layers that are not silent."""
    largest_level: float
    """Their largest level."""
    share_above: float
    """The share of them with a level above 0.05; nan where levels cannot be resolved."""
    level_resolution: float
    """The smallest level that can be told from 0."""

    @property
    def name(self) -> str:
        """The layers' name without the networks; if they differ both, as in "conv1 ~ conv2"."""
        return name_of_pair(self.x_layer, self.y_layer)


@dataclass(frozen=True, eq=False, repr=False)
class Changes(Displayed):
    """What changed between two networks: a sequence of `LayerChange`s, in the order of layers.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> networks = {"a": {"fc1": X, "fc2": X**2}, "b": {"fc1": X + noise, "fc2": X**2}}
    >>> comparison = sm.compare(networks, evidence=False)
    >>> changes = comparison.changes()
    >>> [change.identical for change in changes]
    [False, True]
    """

    x_network: str
    """The first network."""
    y_network: str
    """The second network."""
    layers: tuple[LayerChange, ...] = field(repr=False)
    """One for each pair of layers."""

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[LayerChange]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> LayerChange:
        return self.layers[index]

    def _summary(self) -> str:
        return f"from {self.x_network} to {self.y_network}: {self.sentence}"

    def _records(self) -> list[dict[str, object]]:
        return [dict(vars(layer)) for layer in self]

    @property
    def sentence(self) -> str:
        """Up to which layer the networks are identical, and how much they differ from there on."""
        identical = [layer.identical for layer in self]
        if all(identical):
            return f"identical in all {len(self)} layers" if len(self) > 1 else f"identical in {self.layers[0].name}"
        first = identical.index(False)
        if not any(identical):
            return f"no layer is identical; {_spread(self.layers)}"
        if not first:
            names = [layer.name for layer in self if layer.identical]
            return f"identical in {', '.join(names)} alone; {_spread([one for one in self if not one.identical])}"
        rest = self.layers[first:]
        again = sum(layer.identical for layer in rest)
        also = f" ({again} of the {len(rest)} layers from there on are identical too)" if again else ""
        last, changed = self.layers[first - 1].name, [layer for layer in rest if not layer.identical]
        return f"identical up to {last}; from {rest[0].name} on {_spread(changed)}{also}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how much each layer differs, on a logarithmic scale; dotted what can be told from 0.

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
        ax = axes_for("changes.plot", ax)
        places = np.arange(len(self))
        lines = (
            ("one_minus_cka", "cka_resolution", "1 - CKA", "o", X),
            ("difference", "difference_resolution", "difference, neuron by neuron", "s", Y),
        )
        for name, resolution, words, mark, colour in lines:
            values, limits = (np.array([getattr(layer, field) for layer in self]) for field in (name, resolution))
            ax.plot(places, np.where(values > 0, values, np.nan), marker=mark, markersize=4, color=colour, label=words)
            ax.plot(places, limits, ":", color=colour, linewidth=1)
        identical = [place for place, layer in enumerate(self) if layer.identical]
        if identical:
            foot = ax.get_xaxis_transform()
            ax.plot(identical, [0.03] * len(identical), "D", color=NULL, transform=foot, label="identical")
        ax.set(yscale="log", xlim=(-0.5, len(self) - 0.5))
        name_ticks(ax, [layer.name for layer in self])
        label(ax, "layer", "difference; dotted: resolution", f"{self.x_network} and {self.y_network}")
        legend(ax)
        return ax

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with one row for each pair of layers.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("changes.to_frame", [vars(layer) for layer in self])

    def to_dict(self) -> ChangesRecord:
        """Return everything as plain Python values; nan as None."""
        return {
            "x_network": self.x_network,
            "y_network": self.y_network,
            "sentence": self.sentence,
            "layers": [_record(layer) for layer in self],
        }


def _spread(layers: Sequence[LayerChange]) -> str:
    """Return the smallest and the largest 1 - CKA of some layers, in words."""
    known = [layer for layer in layers if not np.isnan(layer.one_minus_cka)]
    if not known:
        return "1 - CKA is not defined"
    largest = max(known, key=lambda layer: layer.one_minus_cka)
    smallest = min(known, key=lambda layer: layer.one_minus_cka)
    if len(known) == 1:
        return f"1 - CKA is {told(largest.one_minus_cka, largest.cka_resolution)}"
    ends = (f"{told(one.one_minus_cka, one.cka_resolution)} ({one.name})" for one in (smallest, largest))
    return f"1 - CKA is {' to '.join(ends)}"


def told(value: float, resolution: float) -> str:
    """Return a number to two significant digits; "-" for nan, and for 0 that it is below a resolution."""
    if np.isnan(value):
        return "-"
    return f"{value:.2g}" if value > resolution else f"<{resolution:.0e}"


def _record(layer: LayerChange) -> LayerChangeRecord:
    return {
        "x_layer": layer.x_layer,
        "y_layer": layer.y_layer,
        "identical": layer.identical,
        "difference": short(layer.difference),
        "difference_resolution": short(layer.difference_resolution),
        "one_minus_cka": short(layer.one_minus_cka),
        "cka_resolution": short(layer.cka_resolution),
        "median_level": short(layer.median_level),
        "largest_level": short(layer.largest_level),
        "share_above": short(layer.share_above),
        "level_resolution": short(layer.level_resolution),
    }


def layer_change(pair: Pair, profile: MatchProfile) -> LayerChange:
    """Return how much two layers differ.

    Parameters
    ----------
    pair : Pair
        The layers.
    profile : MatchProfile
        Of that pair, in sample.

    Returns
    -------
    LayerChange
    """
    squares, energy, resolution = _squared_differences(pair)
    largest_share = np.sqrt(np.max(squares / np.where(energy > 0, energy, 1.0))) if len(squares) else np.inf
    total = float(np.sum(energy))
    difference = float(np.sqrt(np.sum(squares) / total)) if total > 0 else 0.0 if len(squares) else float("nan")
    cka, cka_resolution = _one_minus_cka(pair)
    levels = np.concatenate([profile.x_levels, profile.y_levels])
    levels = levels[~np.isnan(levels)]
    levels = np.where(levels > profile.resolution, levels, 0.0)
    return LayerChange(
        x_layer=pair.x_layer,
        y_layer=pair.y_layer,
        identical=bool(largest_share <= resolution),
        difference=difference if not difference <= resolution else 0.0,
        difference_resolution=resolution,
        one_minus_cka=cka,
        cka_resolution=cka_resolution,
        median_level=float(np.median(levels)) if len(levels) else float("nan"),
        largest_level=float(levels.max()) if len(levels) else float("nan"),
        share_above=float(np.mean(levels > LARGE_LEVEL))
        if len(levels) and profile.resolution <= LARGE_LEVEL
        else float("nan"),
        level_resolution=profile.resolution,
    )


def _squared_differences(pair: Pair) -> tuple[Array, Array, float]:
    """Return, for neurons at the same place, ||x - y||^2 and the mean of ||x||^2 and ||y||^2, and the resolution of
    the relative difference; nothing if the layers have different numbers of neurons.
    """
    p, q = pair.neurons
    if p != q:
        return np.empty(0), np.empty(0), float("nan")
    moved = pair.rows * (pair.x_mean - pair.y_mean) ** 2
    energy = (pair.energy("x") + pair.energy("y")) / 2
    if pair.factor is not None:
        centred = np.sum((pair.factor[:, :p] - pair.factor[:, p:]) ** 2, axis=0)
        return centred + moved, energy, ROUNDINGS * UNIT
    centred = np.maximum(pair.xx.diagonal() + pair.yy.diagonal() - 2 * pair.xy.diagonal(), 0.0)
    return centred + moved, energy, float(np.sqrt(ROUNDINGS * PRODUCTS[pair.method]))


def _one_minus_cka(pair: Pair) -> tuple[float, float]:
    """Return 1 - CKA with its resolution; nan if a layer is constant."""
    try:
        return one_minus_cka(pair)
    except SpanmatchError:
        return float("nan"), float("nan")


def are_near(changes: Changes, profiles: Sequence[MatchProfile], eps: Sequence[float]) -> bool:
    """Tell whether two networks are so near that s(eps) does not show what changed.

    Parameters
    ----------
    changes : Changes
        Of the networks.
    profiles : sequence of MatchProfile
        Of each pair of layers.
    eps : sequence of float
        Those that are listed by default or by the user.

    Returns
    -------
    bool
        If a layer is identical; or if in every layer, all neurons that are not silent are in the
        match at every eps, and CKA is 0.95 or more.
    """
    if any(layer.identical for layer in changes):
        return True
    if any(layer.one_minus_cka > LARGEST_OF_NEAR for layer in changes):
        return False
    return all((profile.similarity(list(eps)) == all_active(profile)).all() for profile in profiles)
