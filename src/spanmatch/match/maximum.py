"""The maximum match of two layers, at one eps and at every eps.

Sets of neurons A of X and B of Y are a match at eps if every neuron of each set is within distance
eps of the span of the other set, where dist(v, S) = min over u in span(S) of ||z_v - u|| / ||z_v||.
The maximum match is the largest match. The share of all neurons that are in it is the similarity
s(eps) = (|A| + |B|) / (|X| + |Y|). Source: Wang et al., NeurIPS 2018; docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict, overload

import numpy as np
from numpy.typing import ArrayLike

from .._display import Displayed
from .._plotting import FAINT, X, Y, axes_for, label, legend, name_ticks, without_frame
from .._threads import few_threads
from .._values import Json, data_frame, plain
from ..errors import SpanmatchError
from ..moments.effective_sample_size import ROWS_PER_DIMENSION, effective_sample_size
from ..moments.pairs import RESOLVED, Pair, checked_pair
from ..moments.provenance import Method, Provenance, Result
from ..moments.remembered import remembered
from ..moments.spans import Array, Index
from .least_squares import Coefficients, coefficients, distances
from .peeling import Peeling, RemovableSpan

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_SQUARES = 160
"""Neurons of a layer that are drawn with a line between each two."""
ROWS_PER_NEURON = 5
"""With fewer rows than this per independent neuron, unrelated layers have distances below 0.9."""

ADVICE: dict[Method, str] = {
    "single": "use method='gram' or 'qr'",
    "gram": "use method='qr'",
    "qr": "leave out neurons that nearly repeat others",
}
"""What error messages suggest for a finer resolution, by the method of the moments."""


class MatchFields(TypedDict):
    """The fields of `MatchResult`, as keyword arguments."""

    provenance: Provenance
    x_silent: tuple[int, ...]
    y_silent: tuple[int, ...]
    chance_distance: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MatchResult(Result):
    """The base class of all results about matches."""

    x_silent: tuple[int, ...]
    """Neurons of x that are 0 on every row (centred: constant). They are in no match, but count in
    the denominator of the similarity."""
    y_silent: tuple[int, ...]
    """Neurons of y that are 0 on every row (centred: constant)."""
    chance_distance: float
    """The distance at which independent Gaussian layers are that have the same number of dimensions
    and of independent rows."""
    warnings: tuple[str, ...]
    """Why the result may not be reliable, and what to do about it."""

    @property
    def resolution(self) -> float:
        """The smallest distance that can be distinguished from 0.

        Smaller distances count as 0 if the resolution is at most 1e-3. Otherwise they are
        unresolved.
        """
        assert self.provenance.resolution is not None
        return self.provenance.resolution

    def shared(self) -> MatchFields:
        """Return the fields that all results about matches have.

        Returns
        -------
        dict of str to object
            The fields of `MatchResult`, as arguments for another result about the same pair.
        """
        return {
            "provenance": self.provenance,
            "x_silent": self.x_silent,
            "y_silent": self.y_silent,
            "chance_distance": self.chance_distance,
            "warnings": self.warnings,
        }

    def _plain(self) -> dict[str, Json]:
        """Return the fields that all results about matches have as plain Python values."""
        return self.provenance.to_dict() | {
            "x_silent": list(self.x_silent),
            "y_silent": list(self.y_silent),
            "chance_distance": self.chance_distance,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Match(MatchResult):
    """A match at one eps: every neuron of groups x and y is within eps of the other's span.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> match = sm.maximum_match(pair, eps=0.1)
    >>> match.x.tolist(), match.verify(pair)
    ([0, 1], True)
    """

    eps: float
    """The largest distance that the match allows."""
    x: Index
    """Sorted indices of the matched neurons of x."""
    y: Index
    """Sorted indices of the matched neurons of y."""

    @property
    def similarity(self) -> float:
        """The share of all neurons of both layers that are matched: (|x| + |y|) / (p + q)."""
        return (len(self.x) + len(self.y)) / sum(self.provenance.neurons)

    def coefficients(self, pair: Pair) -> Coefficients:
        """Return the least-squares maps between the two groups, in both directions.

        Parameters
        ----------
        pair : Pair
            The pair that the match was computed from.

        Returns
        -------
        Coefficients
            The maps, in units of activations.
        """
        return coefficients(pair, self.x, self.y, centred=self.provenance.centred)

    def verify(self, pair: Pair) -> bool:
        """Verify by an independent computation that this is a match.

        Parameters
        ----------
        pair : Pair
            The pair that the match was computed from.

        Returns
        -------
        bool
            True if every distance is within eps, or within the resolution if eps is smaller.

        Notes
        -----
        The least squares of this method share no code with the search.
        """
        eps = threshold_of(self) * (1 + 1e-9)
        return all((side <= eps).all() for side in distances(pair, self.x, self.y, centred=self.provenance.centred))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the neurons of both layers as two rows of squares; the matched ones are coloured.

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
        ax = axes_for("match.plot", ax)
        from matplotlib.colors import ListedColormap

        sides = (
            (self.x_layer, self.provenance.x_neurons, self.x, X),
            (self.y_layer, self.provenance.y_neurons, self.y, Y),
        )
        names = []
        for row, (layer, count, matched, colour) in enumerate(sides):
            squares = np.isin(np.arange(count), matched)[None, :]
            extent = (-0.5, count - 0.5, row + 0.4, row - 0.4)
            ax.imshow(squares, ListedColormap([FAINT, colour]), vmin=0, vmax=1, extent=extent, interpolation="nearest")
            if count <= MOST_SQUARES:
                ax.vlines(np.arange(1, count) - 0.5, row - 0.4, row + 0.4, color="white", linewidth=1)
            names.append(f"{layer}\n{len(matched)} of {count}")
        name_ticks(ax, names, "y")
        ax.set(xlim=(-0.5, max(self.provenance.neurons) - 0.5), ylim=(1.5, -0.5), aspect="auto")
        without_frame(ax)
        label(ax, "neurons", title=f"{self._kind} at eps {self.eps:g}: similarity {self.similarity:.3f}")
        return ax

    @property
    def _kind(self) -> str:
        """What the match is, in a title."""
        return "match"

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain Python values.

        Returns
        -------
        dict of str to object
            The fields of the match and those of its provenance.
        """
        match = {"eps": self.eps, "similarity": self.similarity, "x": self.x.tolist(), "y": self.y.tolist()}
        return match | self._plain()

    def _summary(self) -> str:
        return (
            f"at eps={self.eps:g}: {len(self.x)} of {self.provenance.x_neurons} neurons of {self.x_layer} "
            f"and {len(self.y)} of {self.provenance.y_neurons} of {self.y_layer}, similarity {self.similarity:.3f}"
        )


@dataclass(frozen=True, repr=False)
class Stability(Displayed):
    """The interval [low, high) of eps in which the maximum match is the same as at a given eps.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> stability = sm.match_profile(pair).stability(0.5)
    >>> stability.low, round(stability.high, 2)  # the match is the same in between
    (0.0, 1.0)
    """

    eps: float
    """The given eps."""
    low: float
    """The lower end of the interval, which belongs to it."""
    high: float
    """The upper end of the interval, which does not belong to it."""
    leaving: tuple[tuple[str, int], ...]
    """Neurons ("x", index) or ("y", index) with level low: the first to leave as eps decreases."""
    entering: tuple[tuple[str, int], ...]
    """Neurons with level high: the first to enter as eps increases."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Shade the interval of eps, and mark the given eps: for example over the profile.

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
        ax = axes_for("stability.plot", ax)
        ax.axvspan(self.low, self.high, color=Y, alpha=0.15, linewidth=0, label="the same maximum match")
        ax.axvline(self.eps, color=Y, linewidth=1)
        legend(ax)
        label(ax, "eps")
        return ax


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MatchProfile(MatchResult):
    """The maximum match at every eps, as the level of each neuron.

    Notes
    -----
    The level of a neuron is the smallest eps at which it is in the maximum match M(eps), so
    M(eps) = {v : level(v) <= eps}.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> profile = sm.match_profile(pair)
    >>> profile.x_levels.round(2).tolist()  # a and b are combinations of neurons of y
    [0.0, 0.0, 1.0]
    >>> profile.similarity([0, 0.9]).round(3).tolist()
    [0.667, 0.667]
    """

    x_levels: Array
    """(p,) the level of each neuron of x, in [0, 1]; nan if it is silent."""
    y_levels: Array
    """(q,) the level of each neuron of y, in [0, 1]; nan if it is silent."""
    sample_size: float | None = None
    """The effective sample size that the levels are corrected for; None for levels in sample."""

    @overload
    def similarity(self, eps: float) -> float: ...
    @overload
    def similarity(self, eps: ArrayLike) -> Array: ...
    def similarity(self, eps: ArrayLike) -> float | Array:
        """Return s(eps), the share of all neurons that are in the maximum match at eps.

        Parameters
        ----------
        eps : float or array of float
            Values in [0, 1).

        Returns
        -------
        float or array of float
            The similarity at each eps. If a level is at or below the resolution, the similarity is
            nan for every smaller eps above 0, because it is unknown which neurons are within eps.
            It is nan at eps = 0 too if the resolution is coarser than 1e-3.

        Raises
        ------
        SpanmatchError
            If a value is outside [0, 1).
        """
        values = checked_eps(eps)
        levels = np.sort(np.concatenate([self.x_levels, self.y_levels]))  # nan comes last
        share = np.searchsorted(levels, values, side="right") / len(levels)
        if levels[0] <= self.resolution:
            resolved = (values >= self.resolution) | ((values == 0) & (self.resolution <= RESOLVED))
            share = np.where(resolved, share, np.nan)
        return float(share) if share.ndim == 0 else share

    @property
    def unresolved(self) -> tuple[Index, Index]:
        """Neurons of x and of y with a level at or below a resolution that is coarser than 1e-3."""
        x, y = (
            np.flatnonzero((levels <= self.resolution) & (self.resolution > RESOLVED))
            for levels in (self.x_levels, self.y_levels)
        )
        return x, y

    def at(self, eps: float) -> Match:
        """Return the maximum match at eps.

        Parameters
        ----------
        eps : float
            The largest distance that the match allows, in [0, 1).

        Returns
        -------
        Match
            The matched neurons of both layers.

        Raises
        ------
        SpanmatchError
            If eps is outside [0, 1), or if `similarity` is nan at eps.
        """
        value = self._resolved(eps)
        x, y = (np.flatnonzero(levels <= value) for levels in (self.x_levels, self.y_levels))
        return Match(eps=value, x=x, y=y, **self.shared())

    def stability(self, eps: float) -> Stability:
        """Return the interval of eps in which the maximum match stays the same.

        Parameters
        ----------
        eps : float
            A point in the interval, in [0, 1).

        Returns
        -------
        Stability
            The interval, and the neurons that leave and enter at its ends.

        Raises
        ------
        SpanmatchError
            If eps is outside [0, 1), or if `similarity` is nan at eps.
        """
        value = self._resolved(eps)
        levels = np.concatenate([self.x_levels, self.y_levels])
        low = float(levels[levels <= value].max(initial=0.0))
        high = float(levels[levels > value].min(initial=1.0))

        return Stability(value, low, high, leaving=self._neurons_of_level(low), entering=self._neurons_of_level(high))

    def _neurons_of_level(self, level: float) -> tuple[tuple[str, int], ...]:
        """Return the neurons with exactly this level, as ("x", index) or ("y", index)."""
        x, y = np.flatnonzero(self.x_levels == level), np.flatnonzero(self.y_levels == level)
        return (*(("x", int(i)) for i in x), *(("y", int(j)) for j in y))

    def _resolved(self, eps: float) -> float:
        """Return eps as a number; raise SpanmatchError if s(eps) is nan."""
        value = float(checked_eps(eps))
        if np.isnan(self.similarity(value)):
            raise _unresolved(self, value)
        return value

    def gaps(self, count: int = 5) -> list[tuple[float, float]]:
        """Return the widest intervals of eps in which the maximum match stays the same.

        Parameters
        ----------
        count : int
            The largest number of intervals.

        Returns
        -------
        list of tuple of two floats
            Intervals [low, high), the widest first. The match is not empty in any of them. Values
            inside them are natural choices of eps.
        """
        levels = np.concatenate([self.x_levels, self.y_levels])
        ends = np.unique(np.append(levels[levels < 1], 1.0))
        widest = np.argsort(-np.diff(ends), kind="stable")[:count]
        return [(float(ends[i]), float(ends[i + 1])) for i in widest]

    def plot(self, ax: Axes | None = None, **line: Any) -> Axes:
        """Draw s(eps), the share of all neurons in the maximum match, over every eps.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        **line
            Options of matplotlib's `step`.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("profile.plot", ax)
        levels = np.concatenate([self.x_levels, self.y_levels])
        eps = np.unique(np.append(levels[levels < 1], 0.0))
        share = self.similarity(eps)
        name = f"{self.x_layer} and {self.y_layer}"
        ax.step(np.append(eps, 1.0), np.append(share, share[-1]), **{"where": "post", "label": name} | line)
        ax.set(xlim=(0, 1), ylim=(0, 1.02))
        label(ax, "eps", "s(eps), share of neurons in the match")
        return ax

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain Python values.

        Returns
        -------
        dict of str to object
            The levels, None for silent neurons, and the fields of the provenance.
        """
        return {"x_levels": plain(self.x_levels), "y_levels": plain(self.y_levels)} | self._plain()

    def to_frame(self) -> pd.DataFrame:
        """Return the levels as a table.

        Returns
        -------
        pandas.DataFrame
            One row per neuron, with columns layer, neuron, level and silent.
        """
        return data_frame("profile.to_frame", self._records())

    def _records(self) -> list[dict[str, object]]:
        columns = ("layer", "neuron", "level", "silent")
        return [dict(zip(columns, neuron, strict=True)) for neuron in self.neurons()]

    def neurons(self) -> Iterator[tuple[str, int, float, bool]]:
        """Iterate over all neurons, first those of x, then those of y.

        Yields
        ------
        layer : str
            The name of the layer.
        neuron : int
            The index of the neuron.
        level : float
            Its level; nan if it is silent.
        silent : bool
            Whether it is silent.
        """
        for layer, levels in ((self.x_layer, self.x_levels), (self.y_layer, self.y_levels)):
            for neuron, level in enumerate(levels.tolist()):
                yield layer, neuron, level, bool(np.isnan(level))

    def _summary(self) -> str:
        shares = ", ".join(f"s({eps:g})={self.similarity(eps):.3f}" for eps in (0.3, 0.5))
        p, q = self.provenance.neurons
        warned = f", {len(self.warnings)} warnings" if self.warnings else ""
        return f"of {self.x_layer} ({p}) and {self.y_layer} ({q}): {shares}{warned}"


@few_threads
def maximum_match(pair: Pair, eps: float, *, centred: bool = False) -> Match:
    """Return the maximum match at eps.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    eps : float
        The largest distance that the match allows, in [0, 1). At 0, matches are exact up to the
        resolution that the result states.
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    Match
        The neurons of both layers that are in the maximum match.

    Raises
    ------
    SpanmatchError
        If eps is outside [0, 1), or if it is below the resolution while a neuron is nearer than the
        resolution to the other layer. eps = 0 is accepted if the resolution is at most 1e-3.

    Notes
    -----
    The match is what remains of all neurons after those farther than eps from the span of the other
    side have been dropped, repeatedly, until there are none [1]_.
    Cost: for p = q neurons 4 p^3 operations, and up to 2 p^3 more for the neurons that are dropped;
    about three times as many for `method="qr"`.

    References
    ----------
    .. [1] Wang et al., "Towards understanding learning representations: to what extent do different
       neural networks learn the same representation", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> match = sm.maximum_match(pair, eps=0.1)
    >>> match.x.tolist(), match.y.tolist(), round(match.similarity, 3)
    ([0, 1], [0, 1], 0.667)
    """
    checked_pair(pair)
    value = float(checked_eps(eps))
    neurons, resolution, dimensions = list(pair.active(centred=centred)), 0.0, 0
    for peeling in _sharpened(pair, neurons, centred, enough=value):
        dimensions = max(dimensions, peeling.dimensions)
        peeling.drop_farther(max(value, peeling.resolution) ** 2)
        resolution = peeling.resolution
    fields = _match_result_fields(pair, centred, resolution, dimensions)
    match = Match(eps=value, x=neurons[0], y=neurons[1], **fields)
    exact = value == 0 and resolution <= RESOLVED
    if value < resolution and not exact and (len(match.x) or len(match.y)):
        raise _unresolved(match, value)
    return match


@remembered
@few_threads
def match_profile(pair: Pair, *, centred: bool = False, corrected: bool = False) -> MatchProfile:
    """Return the level of every neuron, which gives the maximum match at every eps.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    centred : bool
        Whether to subtract each neuron's mean first.
    corrected : bool
        Whether to correct distances for the degrees of freedom of the fit, to estimate the levels
        of the population that the examples were sampled from. By default, levels are those of the
        rows themselves, as in [1]_.

    Returns
    -------
    MatchProfile
        The level of every neuron: the smallest eps at which it is in the maximum match.

    Raises
    ------
    SpanmatchError
        If `corrected`, and the effective sample size is unknown, or less than 1.5 times the
        number of dimensions of a layer.

    Notes
    -----
    level(v) = min {eps : v is in M(eps)}, so M(eps) = {v : level(v) <= eps} for the maximum match
    M(eps) [1]_. The levels are computed by peeling: repeatedly remove the neuron with the largest
    distance r to the other side, and give it the smallest r so far as its level.
    Every level is correct to the resolution of the result. A level at or below the resolution is
    reported as 0 if the resolution is at most 1e-3. Otherwise it is unresolved and reported as the
    resolution.
    A distance in sample is too small, because the fit has as many degrees of freedom as the other
    side has dimensions d. With n independent rows (centred: n - 1), a corrected squared distance is
    distance^2 n / (n - d), where d falls as neurons are removed; levels are at most 1.
    Cost: for p = q neurons about 6 p^3 operations, as matrix products; 20 p^3 for `method="qr"`. The
    rows are not read again.

    References
    ----------
    .. [1] Wang et al., "Towards understanding learning representations: to what extent do different
       neural networks learn the same representation", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> profile = sm.match_profile(pair)
    >>> profile.x_levels.round(2).tolist()  # a and b are combinations of neurons of y
    [0.0, 0.0, 1.0]
    >>> profile.similarity([0, 0.9]).round(3).tolist()
    [0.667, 0.667]
    """
    checked_pair(pair)
    sample_size = effective_sample_size(pair) - centred if corrected else np.inf
    if corrected:
        _check_sample_size(pair, max(pair.ranks(centred=centred)), sample_size)
    levels = levels_by_peeling(pair, centred=centred, sample_size=sample_size)
    fields = _match_result_fields(pair, centred, levels.resolution, levels.dimensions)
    return MatchProfile(x_levels=levels.x, y_levels=levels.y, sample_size=sample_size if corrected else None, **fields)


class Removable(Protocol):
    """Two layers whose neurons can be removed: a `Pair`, or what has the same spans."""

    @property
    def neurons(self) -> tuple[int, int]:
        """The numbers of neurons."""

    def active(self, *, centred: bool = False) -> tuple[Index, Index]:
        """Return the neurons that are not silent."""

    def removable_spans(self, x: Index, y: Index, *, centred: bool) -> tuple[RemovableSpan, RemovableSpan]:
        """Return the spans of some neurons."""


class Levels(NamedTuple):
    """The levels of all neurons, not squared, and how far they can be relied on."""

    x: Array
    y: Array
    resolution: float
    dimensions: int
    """The number of dimensions of the larger span."""


def levels_by_peeling(
    layers: Removable, *, centred: bool = False, sample_size: float = np.inf, largest_wave: int | None = None
) -> Levels:
    """Return the level of every neuron, nan for silent ones.

    Parameters
    ----------
    layers : Pair, or another object with its spans
        Two layers.
    centred : bool
        Whether to subtract each neuron's mean first.
    sample_size : float
        The number of independent rows, for corrected distances.
    largest_wave : int, optional
        How many neurons of a side may be removed at once.

    Returns
    -------
    Levels
        The levels, and their resolution.
    """
    neurons, dimensions = list(layers.active(centred=centred)), 0
    resolution = level_error = 0.0
    levels = (np.full(layers.neurons[0], np.nan), np.full(layers.neurons[1], np.nan))
    threshold = np.inf if np.isinf(sample_size) else 1.0
    for peeling in _sharpened(layers, neurons, centred, sample_size=sample_size, largest_wave=largest_wave):
        dimensions = max(dimensions, peeling.dimensions)
        before, threshold = threshold, peeling.peel(levels, threshold)
        # The remaining neurons are a match at the threshold, even if unresolved.
        resolution = min(peeling.resolution, float(np.sqrt(min(threshold, 1.0))))
        if threshold < before:
            level_error = max(level_error, peeling.error_bound(float(np.sqrt(threshold))))
    resolution = max(resolution if len(neurons[0]) or len(neurons[1]) else 0.0, level_error)
    for side_levels, remaining in zip(levels, neurons, strict=True):
        side_levels[remaining] = 0.0
        side_levels[:] = np.sqrt(side_levels)
        side_levels[side_levels <= resolution] = 0.0 if resolution <= RESOLVED else resolution
    return Levels(*levels, resolution, dimensions)


def _check_sample_size(pair: Pair, dimensions: int, sample_size: float) -> None:
    """Raise SpanmatchError if there are too few rows to estimate the population's levels."""
    if sample_size < ROWS_PER_DIMENSION * dimensions:
        raise SpanmatchError(
            f"layers {pair.x_layer!r} and {pair.y_layer!r}: the effective sample size is {sample_size:,.0f} for "
            f"{dimensions:,} dimensions; corrected levels need at least {ROWS_PER_DIMENSION * dimensions:,.0f}: "
            "use more examples, or fewer neurons"
        )


def threshold_of(match: Match) -> float:
    """Return the distance up to which neurons count as within eps of the other side.

    Parameters
    ----------
    match : Match
        A match at some eps.

    Returns
    -------
    float
        eps, or the resolution if that is larger.
    """
    return max(match.eps, match.resolution)


def _unresolved(result: MatchResult, eps: float) -> SpanmatchError:
    """Return the error that eps is below the resolution and distances of neurons are too."""
    exact = ", eps=0 for matches that are exact up to the resolution," if result.resolution <= RESOLVED else ""
    return SpanmatchError(
        f"layers {result.x_layer!r} and {result.y_layer!r}: eps={eps:g} is below the resolution "
        f"{result.resolution:.2g}; smaller distances are rounding, because neurons of a layer are nearly linear "
        f"combinations of others; give a larger eps{exact} or {ADVICE[result.provenance.method]}"
    )


def check_match(pair: Pair, match: Match) -> None:
    """Check that a match and a pair are of the same layers.

    Parameters
    ----------
    match : Match
        A match.
    pair : Pair
        The joint moments of two layers.

    Raises
    ------
    SpanmatchError
        If the names of the layers differ.
    """
    if (match.x_layer, match.y_layer) != (pair.x_layer, pair.y_layer):
        raise SpanmatchError(
            f"a match of {match.x_layer!r} and {match.y_layer!r}, but a pair of {pair.x_layer!r} and {pair.y_layer!r}; "
            "give the pair that the match was computed from"
        )


def checked_eps(eps: ArrayLike) -> Array:
    """Check values of eps.

    Parameters
    ----------
    eps : float or array of float
        Values of eps.

    Returns
    -------
    array of float
        The values.

    Raises
    ------
    SpanmatchError
        If a value is not a number in [0, 1).
    """
    try:
        values = np.asarray(eps, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpanmatchError(f"eps={eps!r}: give numbers in [0, 1)") from error
    outside = values[~((values >= 0) & (values < 1))]
    if outside.size:
        raise SpanmatchError(f"eps={outside.flat[0]:g}: give a number in [0, 1), because distances are sines of angles")
    return values


def _sharpened(
    layers: Removable,
    neurons: list[Index],
    centred: bool,
    enough: float = 0.0,
    sample_size: float = np.inf,
    largest_wave: int | None = None,
) -> Iterator[Peeling]:
    """Yield peelings of the remaining neurons until the resolution is `enough` or does not improve.

    Once distances reach the resolution, or a peeling has become stale, the remaining neurons are
    factored again: without the removed ones they are often better conditioned. The list `neurons`
    is updated to the remaining ones.
    """
    resolution, stale = np.inf, False
    while len(neurons[0]) or len(neurons[1]):
        spans = layers.removable_spans(*neurons, centred=centred)
        peeling = Peeling(spans, list(neurons), sample_size, largest_wave=largest_wave)
        if peeling.resolution > resolution / 2 and not stale:
            return
        resolution = peeling.resolution
        yield peeling
        neurons[:] = [np.sort(side) for side in peeling.neurons]
        stale = peeling.stale
        if resolution <= enough and not stale:
            return


def _match_result_fields(pair: Pair, centred: bool, resolution: float, dimensions: int) -> MatchFields:
    """Return the fields of `MatchResult`, given the number of dimensions of the larger span."""
    silent = [np.flatnonzero(pair.energy(side, centred=centred) == 0).tolist() for side in ("x", "y")]
    chance, warnings = reliability(pair.rows, dimensions, resolution, pair.method)
    return {
        "provenance": replace(pair.provenance, centred=centred, resolution=resolution),
        "x_silent": tuple(silent[0]),
        "y_silent": tuple(silent[1]),
        "chance_distance": chance,
        "warnings": warnings,
    }


def reliability(rows: int, dimensions: int, resolution: float, method: Method) -> tuple[float, tuple[str, ...]]:
    """Return the distance of unrelated layers by chance, and warnings about too few rows or a coarse resolution.

    Parameters
    ----------
    rows : int
        The number of rows.
    dimensions : int
        The number of dimensions of the larger span.
    resolution : float
        The smallest distance that can be distinguished from 0.
    method : str
        How products were computed.

    Returns
    -------
    chance_distance : float
        The distance.
    warnings : tuple of str
        What may not be reliable, and what to do about it.
    """
    chance = float(np.sqrt(max(0.0, 1 - dimensions / rows)))
    warnings = []
    if rows < ROWS_PER_NEURON * dimensions:
        warnings.append(
            f"{rows:,} rows for {dimensions:,} independent neurons: unrelated layers would be at a distance of "
            f"{chance:.2f} by chance; use at least {2 * ROWS_PER_NEURON * dimensions:,} rows, or fewer neurons"
        )
    if resolution > RESOLVED:
        warnings.append(
            f"neurons of a layer are nearly linear combinations of others: distances below {resolution:.2g} are "
            f"rounding, and s(eps) is nan for smaller eps; {ADVICE[method]}"
        )
    return chance, tuple(warnings)
