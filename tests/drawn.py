"""What tests of pictures look at: the labels that are drawn, and whether they overlap."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

import spanmatch as sm


def tick_labels(ax: Axes, axis: str) -> list[str]:
    """Return the labels of ticks as they are drawn, of which some may be left out."""
    ax.figure.canvas.draw()
    labels = ax.get_xticklabels() if axis == "x" else ax.get_yticklabels()
    return [label.get_text() for label in labels if label.get_text()]


def overlapping(ax: Axes) -> list[tuple[str, str]]:
    """Return the labels of ticks that overlap their neighbours, on every axis of the figure that names something."""
    ax.figure.canvas.draw()
    drawn = [*ax.figure.axes, *(child for one in ax.figure.axes for child in one.child_axes)]
    found = []
    for one in drawn:
        for labels in (one.get_xticklabels(), one.get_yticklabels()):
            shown = [label for label in labels if label.get_text() and label.get_visible()]
            boxes = [label.get_window_extent() for label in shown]
            found += [
                (a.get_text(), b.get_text())
                for a, b, left, right in zip(shown, shown[1:], boxes, boxes[1:], strict=False)
                if left.overlaps(right)
            ]
    return found


def deep(n_layers: int = 40, n: int = 240, width: int = 4) -> dict[str, dict[str, np.ndarray]]:
    """Return two networks of many layers, each layer a noisy mixture of the one before."""
    r = np.random.default_rng(0)
    networks: dict[str, dict[str, np.ndarray]] = {"base": {}, "tuned": {}}
    values = {name: r.standard_normal((n, width)) for name in networks}
    values["tuned"] = values["base"].copy()
    for k in range(n_layers):
        mixing = r.standard_normal((width, width)) / np.sqrt(width)
        for name, noise in (("base", 0.02), ("tuned", 0.1)):
            values[name] = values[name] @ mixing + noise * r.standard_normal((n, width))
            values[name] /= values[name].std(axis=0)
            networks[name][f"blocks.{k}.attention.out"] = values[name]
    return networks


def matrix_of_blocks(n_layers: int = 40) -> sm.LayerMatrix:
    """Return a measure of all layers of two networks, larger for layers that are near in depth."""
    depth = np.tile(np.arange(n_layers), 2)
    values = np.exp(-abs(depth[:, None] - depth) / 8)
    names = tuple(f"{network}:blocks.{k}.attention.out" for network in ("base", "tuned") for k in range(n_layers))
    return sm.LayerMatrix("cka", names, values, np.full(2 * n_layers, 0.5), "one row for each example")
