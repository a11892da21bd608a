"""The papers' figures, from saved results: vector and PNG, told apart by marks and shades, not by colour alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._files import replacing
from .._plotting import axes_for, grid_of_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = Mapping[str, Any]
MARKS = "os^Dv*Xph<>"
LINES = ("-", "--", "-.", ":")
FORMATS = ("pdf", "png")
LONGER = 5
"""Courses of training that differ more in length are seen side by side on a logarithmic scale."""
GRID = np.linspace(0, 1, 201)


def save_figures(comparison: Data, folder: Path) -> list[Path]:
    """Write every figure that a comparison, as in comparison.json, has data for; return the files.

    depth, maximum matching similarity by layer with its spread over pairs; profiles, over every eps; sizes, of minimum
    matches by layer; partners, sorted correlations of both matchings; predictors, error against their number; clusters.
    """
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (depth, profiles, sizes, partners, predictors, clusters):
        figure = draw(comparison)
        if figure is not None:
            written += _written(figure, folder / draw.__name__)
    return written


def save_course(study: Data, folder: Path) -> list[Path]:
    """Write the figures of a study, as in study.json: accuracy over epochs, and when layers settle, where followed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = _written(learning(study), folder / "learning")
    for step in (step for step in study["steps"] if step["kind"] == "epochs"):
        written += _written(settling(step), folder / step["name"])
    return written


def depth(comparison: Data) -> Figure:
    """Return s(eps) by layer for each eps, the mean over pairs of networks with the smallest and the largest."""
    layers = list(dict.fromkeys(pair["layer"] for pair in comparison["pairs"]))
    ax = axes_for("saving figures")
    places = np.arange(len(layers))
    styles = _styles(len(comparison["eps"]))
    for k, (eps, style) in enumerate(zip(comparison["eps"], styles, strict=True)):
        shares = [[pair["similarity"][k] for pair in _of(comparison, layer)] for layer in layers]
        values = [np.array(own, dtype=np.float64) for own in shares]  # null, below the resolution, becomes nan
        mean = np.array([np.mean(v) for v in values])
        spread = np.array([[m - min(v), max(v) - m] for m, v in zip(mean, values, strict=True)]).T
        beside = places + 0.06 * (k - len(styles) / 2)
        ax.errorbar(beside, mean, spread.clip(0), label=f"eps = {eps:g}", capsize=2, **style)
    ax.set(xticks=places, ylim=(-0.02, 1.02), ylabel="maximum matching similarity", title=_over(comparison))
    ax.set_xticklabels(layers, rotation=45, ha="right")
    ax.legend(fontsize="small")
    return _figure(ax)


def profiles(comparison: Data) -> Figure:
    """Return s(eps) over every eps, a panel for each layer, with a band over pairs of networks."""
    layers = list(dict.fromkeys(pair["layer"] for pair in comparison["pairs"]))
    axes = _grid(len(layers))
    for ax, layer in zip(axes, layers, strict=False):
        curves = np.array([_similarity(pair) for pair in _of(comparison, layer)])
        ax.fill_between(GRID, curves.min(axis=0), curves.max(axis=0), color="0.8", step="post")
        ax.step(GRID, curves.mean(axis=0), where="post", color="black")
        assessed = [pair["evidence"] for pair in _of(comparison, layer) if pair["evidence"]]
        found = [each["profile"] for each in assessed if each["profile"]]
        if found and None not in found[0]["null"]:
            ax.plot(found[0]["eps"], np.mean([f["null"] for f in found], axis=0), ":", color="0.4")
        ax.set(title=layer, ylim=(0, 1.02), xlim=(0, 1))
    axes[0].set(xlabel="eps", ylabel="s(eps)")
    return _figure(axes[0])


def sizes(comparison: Data) -> Figure | None:
    """Return how large the minimum matches are, a panel for each layer and eps that they were looked for at."""
    found: dict[tuple[str, float], list[int]] = {}
    for pair in comparison["pairs"]:
        for simple in pair["simple"]:
            if simple["minimum_sizes"]:
                found.setdefault((pair["layer"], simple["eps"]), []).extend(simple["minimum_sizes"])
    if not found:
        return None
    axes = _grid(len(found))
    for ax, ((layer, eps), values) in zip(axes, found.items(), strict=False):
        bins = [size + 0.5 for size in range(max(values) + 1)]
        ax.hist(values, bins=bins, color="0.5", edgecolor="black", linewidth=0.3)
        ax.set(title=f"{layer}, eps = {eps:g}")
    axes[0].set(xlabel="neurons in the minimum match", ylabel="neurons")
    return _figure(axes[0])


def partners(comparison: Data) -> Figure:
    """Return sorted correlations of both one-to-one matchings, of the first pair of networks at each layer."""
    first = _first_of_each(comparison)
    axes = _grid(len(first))
    for ax, pair in zip(axes, first, strict=False):
        found = pair["alignment"]
        ranks = np.arange(1, len(found["bipartite"]["strength"]) + 1)
        ax.plot(ranks, found["bipartite"]["strength"], "-", color="black", label="bipartite")
        semi = found["semi"]["strength"]
        ax.plot(np.arange(1, len(semi) + 1), semi, "--", color="0.35", label="semi")
        own = found["bipartite"]["x_baseline"]
        ax.plot(np.arange(1, len(own) + 1), own, ":", color="0.6", label="within one network")
        ax.set(title=pair["layer"], ylim=(min(0, *found["bipartite"]["strength"], 0), 1.02))
    axes[0].set(xlabel="neurons, strongest partner first", ylabel="correlation")
    axes[0].legend(fontsize="x-small")
    return _figure(axes[0])


def predictors(comparison: Data) -> Figure | None:
    """Return held-out error against the number of predictors, of the first pair of networks at each layer."""
    first = [pair for pair in _first_of_each(comparison) if pair["alignment"]["sparse"]]
    if not first:
        return None
    axes = _grid(len(first))
    for ax, pair in zip(axes, first, strict=False):
        for way, style in zip(pair["alignment"]["sparse"], _styles(2), strict=False):
            path = [row for row in way["table"] if row["penalty"] is not None and row["predictors"] >= 1]
            kind = "error" if any(row["held_out_error"] is None for row in path) else "held_out_error"
            ax.plot([row["predictors"] for row in path], [row[kind] for row in path], label=way["to"], **style)
        ax.set(title=pair["layer"], xscale="log", ylim=(0, None))
        ax.legend(fontsize="x-small")
    axes[0].set(xlabel="predictors", ylabel="error, 1 - R^2")
    return _figure(axes[0])


def clusters(comparison: Data) -> Figure | None:
    """Return |correlation| with neurons in the order of the clusters, of the first pair of networks at each layer."""
    first = [pair for pair in _first_of_each(comparison) if pair["alignment"]["clusters"]]
    if not first:
        return None
    axes = _grid(len(first))
    for ax, pair in zip(axes, first, strict=False):
        percent = pair["alignment"]["clusters"]["drawn"]["by_cluster"]
        ax.imshow(percent, cmap="Greys", vmin=0, vmax=100, aspect="auto", interpolation="nearest")
        ax.set(title=pair["layer"], xticks=[], yticks=[])
    axes[0].set(xlabel=first[0]["y_layer"], ylabel=first[0]["x_layer"])
    return _figure(axes[0])


def learning(study: Data) -> Figure:
    """Return test accuracy over epochs, the mean over seeds with its interval, a line for each variant."""
    ax = axes_for("saving figures")
    for variant, style in zip(study["variants"], _styles(len(study["variants"])), strict=True):
        _band(ax, [(epoch["epoch"], epoch["test_accuracy"]) for epoch in variant["epochs"]], style, variant["name"])
    ends = [variant["epochs"][-1]["epoch"] for variant in study["variants"]]
    if max(ends) > LONGER * min(ends):
        ax.set_xscale("symlog", linthresh=1)
        ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="epoch", ylabel="test accuracy", xlim=(0, None), ylim=(0, 1.02))
    ax.legend(fontsize="small")
    return _figure(ax)


def settling(step: Data) -> Figure:
    """Return how like itself at the end each layer is over training, and how like the other seeds'."""
    quantities = list(dict.fromkeys(row["quantity"] for row in step["rows"]))
    shares = list(dict.fromkeys(row["quantity"] for row in step["rows"] if row["eps"] is not None))
    shown = [name for name in quantities if name not in shares][:1] + shares[-1:]
    layers = list(dict.fromkeys(row["layer"] for row in step["rows"]))
    axes = _grid(2 * len(shown), columns=2)
    kinds = [(quantity, of) for quantity in shown for of in ("own", "between")]
    titles = {"own": "itself at the end", "between": "other seeds"}
    for ax, (quantity, of) in zip(axes, kinds, strict=False):
        for layer, style in zip(layers, _styles(len(layers)), strict=True):
            rows = [row for row in step["rows"] if (row["layer"], row["quantity"]) == (layer, quantity)]
            _band(ax, [(row["epoch"], row[of]) for row in rows], style, layer, banded=False)
        ax.set(title=f"{quantity}, to {titles[of]}", ylim=(-0.02, 1.02))
    axes[0].set(xlabel="epoch")
    axes[0].legend(fontsize="xx-small")
    return _figure(axes[0])


def _band(
    ax: Axes, points: Sequence[tuple[float, Data]], style: dict[str, Any], label: str, banded: bool = True
) -> None:
    epochs = [epoch for epoch, _ in points]
    ends = ("value", "low", "high")
    value, low, high = ([float("nan") if spread[end] is None else spread[end] for _, spread in points] for end in ends)
    ax.plot(epochs, value, label=label, markevery=max(1, len(epochs) // 8), **style)
    if banded:
        ax.fill_between(epochs, low, high, color=style["color"], alpha=0.2, linewidth=0)


def _similarity(pair: Data) -> NDArray[np.float64]:
    levels = [level for side in ("x_levels", "y_levels") for level in pair[side]]
    known = np.sort([level for level in levels if level is not None])
    return np.searchsorted(known, GRID, side="right") / max(len(levels), 1)


def _of(comparison: Data, layer: str) -> list[Data]:
    return [pair for pair in comparison["pairs"] if pair["layer"] == layer]


def _first_of_each(comparison: Data) -> list[Data]:
    return list({pair["layer"]: pair for pair in reversed(comparison["pairs"])}.values())[::-1]


def _over(comparison: Data) -> str:
    count = max(Counter(pair["layer"] for pair in comparison["pairs"]).values())
    if count == 1:
        return " and ".join(comparison["networks"])
    return f"mean over {count} pairs of networks, smallest to largest"


def _styles(count: int) -> list[dict[str, Any]]:
    """Return styles that differ in mark, line and shade."""
    shades = [f"{shade:.2f}" for shade in np.linspace(0.0, 0.6, max(count, 1))]
    every: Iterator[tuple[str, str]] = zip(cycle(MARKS), cycle(LINES), strict=False)
    return [
        {"marker": mark, "linestyle": line, "color": shade, "markersize": 4}
        for shade, (mark, line) in zip(shades, every, strict=False)
    ]


def _grid(count: int, columns: int = 4) -> list[Axes]:
    return grid_of_axes("saving figures", count, columns)


def _figure(ax: Axes) -> Figure:
    from matplotlib.figure import Figure

    assert isinstance(ax.figure, Figure)
    return ax.figure


def _written(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure in every format, the same bytes for the same results, and close it."""
    import matplotlib.pyplot as plt

    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS]
    try:
        for path, kind in zip(paths, FORMATS, strict=True):
            with replacing(path) as temporary:
                dates = {"CreationDate": None} if kind == "pdf" else {}
                figure.savefig(temporary, format=kind, dpi=160, metadata=dates)
    finally:
        plt.close(figure)
    return paths
