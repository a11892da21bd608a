"""Matplotlib axes, imported when something is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import missing_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def axes_for(purpose: str, ax: Axes | None = None) -> Axes:
    """Return the axes given, or new ones.  Raises SpanmatchError if matplotlib is not installed."""
    return ax if ax is not None else row_of_axes(purpose, 1)[0]


def row_of_axes(purpose: str, count: int) -> list[Axes]:
    """Return new axes side by side.  Raises SpanmatchError if matplotlib is not installed."""
    figure = _figure(purpose, (6.4 * count**0.75, 4.8))
    return list(figure.subplots(1, count, squeeze=False)[0])


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
    return list(axes[:count])


def _figure(purpose: str, size: tuple[float, float]) -> Figure:
    """Return a new figure.  Raises SpanmatchError if matplotlib is not installed."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise missing_extra("matplotlib", "plot", purpose) from error
    return plt.figure(figsize=size, layout="constrained")


def draw_matrix(ax: Axes, values: NDArray[np.floating], *, x: str, y: str, title: str) -> None:
    """Draw values in [0, 1], or in [-1, 1] if some are negative; rows are neurons of x."""
    if values.min(initial=0.0) < 0:
        image = ax.imshow(values, interpolation="nearest", aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
    else:
        image = ax.imshow(values, interpolation="nearest", aspect="auto", cmap="Greys", vmin=0)
    ax.figure.colorbar(image, ax=ax)
    ax.set(xlabel=f"neurons of {y}", ylabel=f"neurons of {x}", title=title)
