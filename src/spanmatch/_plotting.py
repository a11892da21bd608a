"""How pictures of results look: matplotlib axes, colours, sizes and the elements that pictures share.

Matplotlib is imported when something is drawn.  Settings are those of the axes, never of matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import missing_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axes._base import _AxesBase
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = NDArray[np.float64]
X, Y = "#0072b2", "#d55e00"
"""The colours of the first and of the second layer or network, as on the page."""
SKY = "#9ccbe8"
COLOURS = (X, Y, "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#55606b")
"""Colours that people who do not tell red from green can tell apart (Okabe and Ito)."""
NULL, FAINT, MISSING = "0.5", "0.88", "0.93"
"""The greys of chance, of what is not chosen, and of what is not known."""
MARKS = "os^Dv*Xph<>"
TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 10.5, 9.5, 8.5
"""Sizes of type, in points."""
MOST_IN_LEGEND = 10
"""Curves by depth that a legend lists; of more, a colour bar names the layers."""
LONGEST_NAME = 28
"""Characters of a layer's name at a tick."""
WIDTH_OF_CHARACTER = 0.62
"""About the mean width of a character, relative to the size of type."""
SPACING = 1.3
"""Distance of labels that stand in rows, relative to the size of type."""
SIZE, SQUARE = (6.4, 4.8), (7.4, 6.2)
"""Sizes of figures, in inches: of curves, and of square heat maps."""
Axis = str
"""Either x or y."""


def axes_for(purpose: str, ax: Axes | None = None, size: tuple[float, float] = SIZE) -> Axes:
    """Return the axes given, or new ones.  Raises SpanmatchError if matplotlib is not installed."""
    return _styled(_figure(purpose, size).subplots() if ax is None else ax)


def size_for_rows(count: int) -> tuple[float, float]:
    """Return the size of a figure with room for rows of text, in inches."""
    return SIZE[0], max(2.4, 1.2 + 0.21 * count)


def row_of_axes(purpose: str, count: int) -> list[Axes]:
    """Return new axes side by side.  Raises SpanmatchError if matplotlib is not installed."""
    figure = _figure(purpose, (SIZE[0] * count**0.75, SIZE[1]))
    return [_styled(ax) for ax in figure.subplots(1, count, squeeze=False)[0]]


def grid_of_axes(purpose: str, count: int, columns: int = 4) -> list[Axes]:
    """Return new axes in a grid of small panels.  Raises SpanmatchError if matplotlib is not
    installed.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = _figure(purpose, (2.9 * columns, 2.5 * rows))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.set_axis_off()
    return [_styled(ax) for ax in axes[:count]]


def _figure(purpose: str, size: tuple[float, float]) -> Figure:
    """Return a new figure.  Raises SpanmatchError if matplotlib is not installed."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise missing_extra("matplotlib", "plot", purpose) from error
    return plt.figure(figsize=size, layout="constrained")


def _styled(ax: Axes) -> Axes:
    """Return axes without a frame at the top and at the right, and with small labels of ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=TICK_SIZE)
    return ax


def label(ax: Axes, x: str | None = None, y: str | None = None, title: str | None = None) -> None:
    """Set the labels of the axes, and the title; long names lose their middle."""
    if x is not None:
        ax.set_xlabel(_with_short_names(x), fontsize=LABEL_SIZE)
    if y is not None:
        ax.set_ylabel(_with_short_names(y), fontsize=LABEL_SIZE)
    if title is not None:
        ax.set_title(_with_short_names(title), fontsize=TITLE_SIZE)


def legend(ax: Axes, **options: Any) -> None:
    """Name the curves that were drawn; long names lose their middle."""
    for text in ax.legend(**{"fontsize": TICK_SIZE, "frameon": False} | options).get_texts():
        text.set_text(_with_short_names(text.get_text()))


def without_frame(ax: Axes) -> None:
    """Leave out all spines and the marks of ticks."""
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def name_ticks(ax: _AxesBase, names: Sequence[str], axis: Axis = "x") -> None:
    """Name the places 0, 1, ... along an axis; of names that would overlap, only every second, third, ..."""
    from ._thinned_ticks import ThinnedTicks

    of_axis = ax.xaxis if axis == "x" else ax.yaxis
    short = [shorten(name) for name in names]
    spacing = SPACING * TICK_SIZE
    if axis == "x":
        widest = WIDTH_OF_CHARACTER * TICK_SIZE * (max(map(len, short), default=0) + 1.5)
        fits = widest * len(short) <= ax.bbox.width * 72 / ax.figure.dpi
        spacing = widest if fits else spacing
        of_axis.set_tick_params(rotation=0 if fits else 90)
    of_axis.set_major_locator(ThinnedTicks(len(short), spacing))
    of_axis.set_major_formatter(lambda place, _: short[round(place)] if 0 <= round(place) < len(short) else "")
    of_axis.set_tick_params(labelsize=TICK_SIZE)


def side_names(ax: Axes, names: Sequence[str], side: Literal["left", "right"]) -> None:
    """Name places at equal distances down a side of axes of height 1."""

    def place_of(height: Any) -> Any:
        return height * len(names) - 0.5

    def height_of(place: Any) -> Any:
        return (place + 0.5) / len(names)

    other = ax.secondary_yaxis(side, functions=(place_of, height_of))
    name_ticks(other, names, "y")
    other.tick_params(length=0)
    other.spines[:].set_visible(False)


def shorten(name: str) -> str:
    """Return a name without its middle, if it is long."""
    half = (LONGEST_NAME - 1) // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"


def _with_short_names(text: str) -> str:
    """Return words of which long ones, which are names of layers, have lost their middle."""
    return " ".join(map(shorten, text.split(" ")))


def heat_map(ax: Axes, values: NDArray[np.floating], colours: str, meaning: str = "", **options: Any) -> AxesImage:
    """Draw a matrix with a colour bar; nan is grey."""
    from matplotlib import colormaps

    cmap = colormaps[colours].with_extremes(bad=MISSING)
    image = ax.imshow(values, interpolation="nearest", cmap=cmap, **options)
    colour_bar(ax, image, meaning)
    ax.spines[:].set_visible(False)
    return image


def colour_bar(ax: Axes, drawn: ScalarMappable, meaning: str = "") -> None:
    """Add a colour bar that says what the colours mean."""
    bar = ax.figure.colorbar(drawn, ax=ax, fraction=0.045, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    if meaning:
        bar.set_label(meaning, fontsize=LABEL_SIZE)


def draw_matrix(ax: Axes, values: NDArray[np.floating], *, x: str, y: str, title: str, meaning: str = "") -> AxesImage:
    """Draw values in [0, 1], or about 0 if some are negative; rows are neurons of x."""
    if values.min(initial=0.0) < 0:
        reach = max(1.0, abs(values).max())
        image = heat_map(ax, values, "RdBu_r", meaning, aspect="auto", vmin=-reach, vmax=reach)
    else:
        image = heat_map(ax, values, "Greys", meaning, aspect="auto", vmin=0)
    neuron_axes(ax, x, y)
    label(ax, title=title)
    return image


def neuron_axes(ax: Axes, x: str, y: str) -> None:
    """Say of which layers the rows and columns of a heat map are."""
    whole_ticks(ax, "x")
    whole_ticks(ax, "y")
    label(ax, f"neurons of {y}", f"neurons of {x}")


def group_names(ax: Axes, groups: Sequence[str], axis: Axis) -> None:
    """Draw lines between groups of rows or columns of a heat map, and name each group once, at the far side."""
    starts = [k for k, name in enumerate(groups) if not k or name != groups[k - 1]]
    ends = [*starts[1:], len(groups)]
    for start in starts[1:]:
        (ax.axvline if axis == "x" else ax.axhline)(start - 0.5, color="white", linewidth=2)
    middles = [(start + end - 1) / 2 for start, end in zip(starts, ends, strict=True)]
    far = ax.secondary_xaxis("top") if axis == "x" else ax.secondary_yaxis("right")
    options: dict[str, Any] = {} if axis == "x" else {"rotation": 270, "va": "center"}
    (far.set_xticks if axis == "x" else far.set_yticks)(middles, [groups[k] for k in starts], **options)
    far.tick_params(length=0, labelsize=LABEL_SIZE)
    far.spines[:].set_visible(False)


def depth_colours(count: int) -> NDArray[np.float64]:
    """Return colours from light to dark, for layers by depth."""
    from matplotlib import colormaps

    return np.asarray(colormaps["viridis_r"](np.linspace(0.15, 1, count)))


def depth_legend(ax: Axes, names: Sequence[str]) -> None:
    """Name curves by depth: in a legend, or, if there are many, with a colour bar."""
    if len(names) <= MOST_IN_LEGEND:
        legend(ax)
        return
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    edges = np.arange(len(names) + 1) - 0.5
    colours = ScalarMappable(BoundaryNorm(edges, len(names)), ListedColormap(depth_colours(len(names))))
    bar = ax.figure.colorbar(colours, ax=ax, fraction=0.045, pad=0.03, spacing="uniform")
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.ax.invert_yaxis()
    name_ticks(bar.ax, names, "y")


def interval_row(ax: Axes, name: str, value: float, low: float, high: float, **options: Any) -> None:
    """Add a row: a value with its interval, below the rows that were drawn before."""
    if not ax.yaxis_inverted():
        ax.invert_yaxis()
    ends = np.array([[value - low], [high - value]])
    style: dict[str, Any] = {"fmt": "o", "color": X, "markersize": 5, "capsize": 3, "linewidth": 1.4}
    ax.errorbar([value], [name], xerr=np.clip(np.nan_to_num(ends), 0, None), **style | options)
    ax.margins(y=0.5 / max(1, len(ax.get_yticks())))
    light_grid(ax, "x")


def light_grid(ax: Axes, axis: Axis) -> None:
    """Draw light lines at the ticks of an axis, below everything."""
    (ax.xaxis if axis == "x" else ax.yaxis).grid(True, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)


def series_style(k: int) -> dict[str, Any]:
    """Return how the k-th of several series is told apart from others."""
    return {"color": COLOURS[k % len(COLOURS)], "marker": MARKS[k % len(MARKS)], "markersize": 4.5}


def beside(places: Sequence[float], k: int, count: int) -> Array:
    """Return the places of the k-th of several series, a little beside those of the others."""
    return np.asarray(places, dtype=np.float64) + 0.08 * (k - (count - 1) / 2)


def reach_of_ends(value: Array, low: Array, high: Array) -> Array:
    """Return how far intervals reach below and above their values; 0 where there is none."""
    ends: Array = np.nan_to_num(np.array([value - low, high - value]))
    return ends.clip(0)


def whole_ticks(ax: Axes, axis: Axis) -> None:
    """Put ticks at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    (ax.xaxis if axis == "x" else ax.yaxis).set_major_locator(MaxNLocator(integer=True))


def count_scale(ax: Axes) -> None:
    """Draw counts from left to right on a logarithmic scale, with numbers at 1, 2, 5, 10, ..."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
