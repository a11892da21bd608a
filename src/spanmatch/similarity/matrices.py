"""One measure of all layers against all layers, from moments of a single pass.

Each matrix also gives each layer's share of variance in its first principal component, because a
block of similar layers is often due to one dominant component.
Source: Nguyen, Raghu, Kornblith, ICLR 2021; docs/measures.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np
from scipy.linalg import eigh

from .._display import Displayed
from .._plotting import SQUARE, axes_for, group_names, heat_map, label, name_ticks
from .._progress import tracked
from .._values import data_frame, plain
from ..activations.blocks_of_layers import BlocksOfLayers, check_stored
from ..errors import BadArgument, SpanmatchError, among
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.provenance import network_and_layer
from ..moments.spans import Array
from .measure import Kind, Measure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..activations.stored import ActivationSource
    from ..schema import MatrixRecord


@dataclass(frozen=True, eq=False, repr=False)
class LayerMatrix(Displayed):
    """A measure of every two layers that were paired.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> moments = sm.Moments(pairs="all")
    >>> moments.update({"a:fc": X, "b:fc": X + noise})
    >>> matrix = sm.layer_matrix(moments, sm.cka)
    >>> matrix.layers, matrix.values.round(2).tolist()
    (('a:fc', 'b:fc'), [[1.0, 0.5], [0.5, 1.0]])
    """

    name: str
    """The measure's name."""
    layers: tuple[str, ...]
    """Names of the layers."""
    values: Array = field(repr=False)
    """(layers, layers), rows for x and columns for y; nan for layers that were not paired."""
    first_component: Array = field(repr=False)
    """(layers,) share of each layer's variance in its first principal component."""
    layout: str
    """How outputs became rows, in words."""
    refusals: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)
    """Why a value of two layers is nan."""
    kind: Kind = "similarity"
    """"similarity", or "distance": larger values mean less similar layers."""

    def value(self, x: str, y: str) -> float:
        """Return the value of two layers; nan if they were not paired, or it is refused.

        Parameters
        ----------
        x, y : str
            Names of layers.

        Returns
        -------
        float

        Raises
        ------
        SpanmatchError
            If a layer is not there.
        """
        for layer in (x, y):
            if layer not in self.layers:
                raise SpanmatchError(f"no layer {layer!r}{among(layer, self.layers)}")
        return float(self.values[self.layers.index(x), self.layers.index(y)])

    def refusal(self, x: str, y: str) -> str:
        """Return why the value of two layers is nan; empty if it is not, or they were not paired.

        Parameters
        ----------
        x, y : str
            Names of layers.

        Returns
        -------
        str
        """
        return self.refusals.get((x, y), self.refusals.get((y, x), ""))

    def is_known(self, x: str, y: str) -> bool:
        """Tell whether two layers were paired, even if their value is refused.

        Parameters
        ----------
        x, y : str
            Names of layers.

        Returns
        -------
        bool
        """
        return not np.isnan(self.value(x, y)) or bool(self.refusal(x, y))

    def plot(self, ax: Axes | None = None, *, networks: tuple[str, str] | None = None) -> Axes:
        """Draw the matrix as a heat map, brighter for more similar layers, grouped by network.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        networks : tuple of two strs, optional
            The network of the rows and that of the columns; by default all layers against all.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If a network has no layers here, or matplotlib is not installed.
        """
        rows, columns = (self._places(name) for name in networks or (None, None))
        ax = axes_for("matrix.plot", ax, SQUARE)
        colours, largest = ("magma_r", None) if self.kind == "distance" else ("magma", 1)
        heat_map(ax, self.values[np.ix_(rows, columns)], colours, vmin=0, vmax=largest)
        for axis, places in (("x", columns), ("y", rows)):
            parts = [network_and_layer(self.layers[place]) for place in places]
            name_ticks(ax, [layer or network for network, layer in parts], axis)
            group_names(ax, [network for network, _ in parts], axis)
        label(ax, title=self.name)
        return ax

    def _places(self, network: str | None) -> list[int]:
        """Return the places of a network's layers, or of all.  Raises SpanmatchError if it has none."""
        names = [network_and_layer(layer)[0] for layer in self.layers]
        if network is not None and network not in names:
            raise SpanmatchError(f"no network {network!r}{among(network, list(dict.fromkeys(names)))}")
        return [place for place, name in enumerate(names) if network in (None, name)]

    def to_frame(self) -> pd.DataFrame:
        """Return the matrix as a data frame with the layers as index and columns.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("matrix.to_frame", self.values, index=list(self.layers), columns=list(self.layers))

    def to_dict(self) -> MatrixRecord:
        """Return the matrix as plain Python values; nan as None."""
        return {
            "name": self.name,
            "layers": list(self.layers),
            "values": plain(self.values),
            "first_component": plain(self.first_component),
            "layout": self.layout,
        }


def layer_matrix(
    moments: Moments | Mapping[str, ActivationSource],
    measure: Callable[[Pair], SupportsFloat],
    *,
    name: str = "",
    itself: float = 1.0,
    symmetric: bool = False,
    kind: Kind = "similarity",
    **options: Any,
) -> LayerMatrix:
    """Return a measure of every two layers that were paired.

    Moments with pairs="all" give all layers against all, within and between networks. So do stored
    activations, of which the moments of a few layers are kept at a time: memory then does not grow
    with the number of pairs.

    Parameters
    ----------
    moments : Moments, or mapping of str to file, folder or {layer: array}
        Of the layers; or stored activations, by network.
    measure : callable
        A function of a `Pair` that returns a number.
    name : str
        The measure's name.
    itself : float
        The value of a layer with itself.
    symmetric : bool
        Whether the value is the same in both directions, so that one is enough.
    kind : {"similarity", "distance"}
        Whether larger values mean more similar, or less similar, layers.
    **options
        Of stored activations: `layers` and other options of `capture_stored`, of which `folds=1`,
        `null=False` and `max_memory_gb=1` are the default. Each array is read once for every block of
        layers whose moments take so much.

    Returns
    -------
    LayerMatrix
        Entries of constant layers are nan, with the reason in `.refusals`.

    Raises
    ------
    SpanmatchError
        If the measure is not defined for any two layers, for example for want of histograms; or options
        are given with moments.

    Notes
    -----
    Cost: one evaluation of the measure for every pair, or two if it is not symmetric.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> moments = sm.Moments(pairs="all")
    >>> moments.update({"a:fc": X, "b:fc": X + noise})
    >>> matrix = sm.layer_matrix(moments, sm.cka)
    >>> matrix.layers, matrix.values.round(2).tolist()
    (('a:fc', 'b:fc'), [[1.0, 0.5], [0.5, 1.0]])
    """
    (matrix,) = layer_matrices(_source(moments, options), [_MatrixRequest(name, measure, itself, symmetric, kind)])
    return matrix


def matrices_of(
    moments: Moments | Mapping[str, ActivationSource], measures: Sequence[Measure], **options: Any
) -> tuple[LayerMatrix, ...]:
    """Return one matrix for each measure, from one visit of every pair: see `layer_matrix`."""
    requests = [_MatrixRequest(m.name, m, m.itself, m.symmetric, m.kind) for m in measures]
    return layer_matrices(_source(moments, options), requests)


def _source(moments: Moments | Mapping[str, ActivationSource], options: Mapping[str, Any]) -> Moments | BlocksOfLayers:
    """Return moments as they are, or stored activations in blocks.  Raises SpanmatchError if moments have options."""
    if not isinstance(moments, Moments):
        return BlocksOfLayers(check_stored(moments), **options)
    if options:
        raise BadArgument(f"{', '.join(options)}: options are for stored activations; moments are as they are")
    return moments


@dataclass(frozen=True)
class _MatrixRequest:
    """A measure to compute for every pair of layers."""

    name: str
    measure: Callable[[Pair], SupportsFloat]
    itself: float
    symmetric: bool
    kind: Kind


def layer_matrices(source: Moments | BlocksOfLayers, requests: Sequence[_MatrixRequest]) -> tuple[LayerMatrix, ...]:
    """Return a matrix for each measure, from one visit of every pair."""
    layers, title = list(source.layers), ", ".join(request.name for request in requests) or "measuring"
    values = np.full((len(requests), len(layers), len(layers)), np.nan)
    share = np.full(len(layers), np.nan)
    refusals: list[dict[tuple[str, str], str]] = [{} for _ in requests]
    layouts: dict[str, None] = {}
    for _, pair in zip(tracked(source.pairs, title), _pairs(source), strict=True):
        i, j = layers.index(pair.x_layer), layers.index(pair.y_layer)
        layouts[pair.layout] = None
        for layer, moments_of_layer in ((i, pair.xx), (j, pair.yy)):
            if np.isnan(share[layer]):
                share[layer] = _first_component(moments_of_layer)
        for k, request in enumerate(requests):
            values[k, i, j] = values[k, j, i] = _value(request.measure, pair, refusals[k])
            if not request.symmetric:
                values[k, j, i] = _value(request.measure, pair.swapped, refusals[k])
    layout, pairs = "; ".join(filter(None, layouts)), len(source.pairs)
    return tuple(
        _matrix(request, layers, values[k], share, layout, refusals[k], pairs) for k, request in enumerate(requests)
    )


def _pairs(source: Moments | BlocksOfLayers) -> Iterator[Pair]:
    """Yield the pairs of layers, one after another."""
    for moments in [source] if isinstance(source, Moments) else source:
        for x, y in moments.pairs:
            yield moments.pair(x, y)


def _matrix(
    request: _MatrixRequest,
    layers: list[str],
    values: Array,
    share: Array,
    layout: str,
    refusals: dict[tuple[str, str], str],
    pairs: int,
) -> LayerMatrix:
    """Return one measure's matrix.  Raises SpanmatchError if it is not defined for any pair."""
    unordered = {frozenset(layers) for layers in refusals}
    if pairs and len(unordered) == pairs:
        raise SpanmatchError(f"{request.name}: not defined for any two layers: {next(iter(refusals.values()))}")
    np.fill_diagonal(values, request.itself)
    return LayerMatrix(request.name, tuple(layers), values, share, layout, refusals, request.kind)


def _value(measure: Callable[[Pair], SupportsFloat], pair: Pair, refusals: dict[tuple[str, str], str]) -> float:
    """Return the value of a measure; nan if it is refused, with the reason added to `refusals`."""
    try:
        return float(measure(pair))
    except SpanmatchError as error:
        refusals[pair.x_layer, pair.y_layer] = str(error)
        return float("nan")


def _first_component(moments: Array) -> float:
    """Return the share of variance in the first principal component; nan for a constant layer."""
    total, last = float(np.trace(moments)), len(moments) - 1
    if total <= 0:
        return float("nan")
    return float(eigh(moments, eigvals_only=True, subset_by_index=[last, last])[0] / total)
