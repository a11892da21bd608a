"""Axes to draw on: matplotlib's, loaded when something is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .errors import missing_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes_for(purpose: str, ax: Axes | None = None) -> Axes:
    """Return the axes given, or new ones.  Raises SpanmatchError if matplotlib is not installed."""
    return ax if ax is not None else row_of_axes(purpose, 1)[0]


def row_of_axes(purpose: str, count: int) -> list[Axes]:
    """Return new axes side by side.  Raises SpanmatchError if matplotlib is not installed."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise missing_extra("matplotlib", "plot", purpose) from error
    _, row = plt.subplots(1, count, squeeze=False, figsize=(6.4 * count**0.75, 4.8), layout="constrained")
    return list(row[0])


def draw_matrix(ax: Axes, values: NDArray[Any], *, x: str, y: str, title: str) -> None:
    """Draw values from 0 to 1, or from -1 to 1 if some are negative; rows are neurons of x."""
    if values.min(initial=0.0) < 0:
        image = ax.imshow(values, interpolation="nearest", aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
    else:
        image = ax.imshow(values, interpolation="nearest", aspect="auto", cmap="Greys", vmin=0)
    ax.figure.colorbar(image, ax=ax)
    ax.set(xlabel=f"neurons of {y}", ylabel=f"neurons of {x}", title=title)
