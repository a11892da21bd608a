"""The papers' figures, from saved results, as PDF and PNG: curves differ in marks and shades, not in colour alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._files import replacing
from .._plotting import axes_for, grid_of_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..schema import (
        ComparisonRecord,
        EpochsStep,
        FollowedRecord,
        PairRecord,
        ProfileRecord,
        SparseRecord,
        SpreadRecord,
        StudyRecord,
    )

MARKS = "os^Dv*Xph<>"
LINES = ("-", "--", "-.", ":")
FORMATS = ("pdf", "png")
LONGER = 5
"""Courses of training that differ more in length are drawn on a logarithmic scale."""
GRID = np.linspace(0, 1, 201)


class _Style(NamedTuple):
    """How a curve is told apart from others."""

    marker: str
    linestyle: str
    color: str
    markersize: int = 4


def save_figures(comparison: ComparisonRecord, folder: Path) -> list[Path]:
    """Write every figure that a comparison, as in comparison.json, has data for; return the files.

    depth, maximum matching similarity by layer with its range over pairs; profiles, over every eps; sizes, of minimum
    matches by layer; partners, sorted correlations of both matchings; predictors, error against their number; clusters.
    """
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (depth, profiles, sizes, partners, predictors, clusters):
        figure = draw(comparison)
        if figure is not None:
            written += _written(figure, folder / draw.__name__)
    return written


def save_course(study: StudyRecord, folder: Path) -> list[Path]:
    """Write the figures of a study's training, as in study.json: accuracy over epochs, and similarity during training.

    There are none of networks that were trained before the study.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = _written(learning(study), folder / "learning") if study["intervals_over"] == "seeds" else []
    for step in study["steps"]:
        if step["kind"] == "epochs":
            written += _written(settling(step), folder / step["name"])
    return written


def depth(comparison: ComparisonRecord) -> Figure:
    """Return s(eps) by layer for each eps, the mean over pairs of networks with the smallest and the largest.

    It is that of the population if it is estimated for every pair, else in sample.
    """
    layers = _layers(comparison)
    are_estimated = all(_corrected_levels(pair) for pair in comparison["pairs"])
    ax = axes_for("saving figures")
    places = np.arange(len(layers))
    styles = _styles(len(comparison["eps"]))
    for k, (eps, style) in enumerate(zip(comparison["eps"], styles, strict=True)):
        similarity = [
            [_share(pair, k, eps, are_estimated) for pair in pairs]
            for pairs in (_pairs_of(comparison, layer) for layer in layers)
        ]
        values = [np.array(row, dtype=np.float64) for row in similarity]  # null, below the resolution, becomes nan
        mean = np.array([np.mean(row) for row in values])
        distances = np.array([[m - min(row), max(row) - m] for m, row in zip(mean, values, strict=True)]).T
        shifted = places + 0.06 * (k - len(styles) / 2)
        ax.errorbar(shifted, mean, distances.clip(0), label=f"eps = {eps:g}", capsize=2, **style._asdict())
    label = "s(eps), estimated for the population" if are_estimated else "s(eps) in sample"
    ax.set(xticks=places, ylim=(-0.02, 1.02), ylabel=label, title=_over(comparison))
    ax.set_xticklabels(layers, rotation=45, ha="right")
    ax.legend(fontsize="small")
    return _figure(ax)


def profiles(comparison: ComparisonRecord) -> Figure:
    """Return s(eps) over every eps, a panel for each layer, means over pairs of networks.

    That of the population is a line, if it is estimated for every pair of the layer, with its interval over examples,
    or with its range over several pairs of networks. In sample it is dashed, under the null dotted; dots are held out.
    """
    layers = _layers(comparison)
    axes = _grid(len(layers))
    for ax, layer in zip(axes, layers, strict=False):
        _draw_profiles(ax, _pairs_of(comparison, layer))
        ax.set(title=layer, ylim=(0, 1.02), xlim=(0, 1))
    axes[0].set(xlabel="eps", ylabel="s(eps)")
    axes[0].legend(fontsize="x-small")
    return _figure(axes[0])


def _draw_profiles(ax: Axes, pairs: Sequence[PairRecord]) -> None:
    """Draw s(eps) of the pairs of networks of a layer: of the population, in sample, under the null, held out."""
    in_sample = np.array([_similarity([*pair["x_levels"], *pair["y_levels"]]) for pair in pairs])
    estimated = [_similarity(levels) for levels in map(_corrected_levels, pairs) if levels]
    are_estimated = len(estimated) == len(pairs)
    curves = np.array(estimated) if are_estimated else in_sample
    with_evidence = _evidence_profiles(pairs)
    if are_estimated and len(pairs) == 1 and with_evidence:
        low, high = (np.array(with_evidence[0][end], dtype=np.float64) for end in ("low", "high"))
        ax.fill_between(with_evidence[0]["eps"], low, high, color="0.8")
    else:
        ax.fill_between(GRID, curves.min(axis=0), curves.max(axis=0), color="0.8", step="post")
    if are_estimated:
        ax.step(GRID, curves.mean(axis=0), where="post", color="black", label="of the population, estimated")
    line = "--" if are_estimated else "-"
    ax.step(GRID, in_sample.mean(axis=0), line, where="post", color="0.35", label="in sample")
    if with_evidence:
        held_out = np.array([profile["held_out"] for profile in with_evidence], dtype=np.float64)
        ax.plot(with_evidence[0]["held_out_eps"], held_out.mean(axis=0), "o", ms=3, color="0.35", label="held out")
    if with_evidence and None not in with_evidence[0]["null"]:
        nulls = np.array([profile["null"] for profile in with_evidence], dtype=np.float64)
        ax.plot(with_evidence[0]["eps"], nulls.mean(axis=0), ":", color="0.5", label="under the null")


def sizes(comparison: ComparisonRecord) -> Figure | None:
    """Return how large the minimum matches are, a panel for each layer and eps at which they were looked for."""
    sizes_by_panel: dict[tuple[str, float], list[int]] = {}
    for pair in comparison["pairs"]:
        for simple in pair["simple"]:
            if simple["minimum_sizes"]:
                sizes_by_panel.setdefault((pair["layer"], simple["eps"]), []).extend(simple["minimum_sizes"])
    if not sizes_by_panel:
        return None
    axes = _grid(len(sizes_by_panel))
    for ax, ((layer, eps), values) in zip(axes, sizes_by_panel.items(), strict=False):
        bins = [size + 0.5 for size in range(max(values) + 1)]
        ax.hist(values, bins=bins, color="0.5", edgecolor="black", linewidth=0.3)
        ax.set(title=f"{layer}, eps = {eps:g}")
    axes[0].set(xlabel="neurons in the minimum match", ylabel="neurons")
    return _figure(axes[0])


def partners(comparison: ComparisonRecord) -> Figure:
    """Return sorted correlations of both one-to-one matchings, of the first pair of networks at each layer."""
    pairs = _first_pairs(comparison)
    axes = _grid(len(pairs))
    for ax, pair in zip(axes, pairs, strict=False):
        bipartite, semi = pair["alignment"]["bipartite"], pair["alignment"]["semi"]
        curves: list[tuple[str, str, str, Sequence[float | None]]] = [
            ("bipartite", "-", "black", bipartite["strength"]),
            ("semi", "--", "0.35", semi["strength"]),
            ("within one network", ":", "0.6", bipartite["x_baseline"]),
        ]
        for label, line, shade, strengths in curves:
            values = np.array(strengths, dtype=np.float64)
            ax.plot(np.arange(1, len(values) + 1), values, line, color=shade, label=label)
        ax.set(title=pair["layer"], ylim=(min(0, *bipartite["strength"], 0), 1.02))
    axes[0].set(xlabel="neurons, strongest partner first", ylabel="correlation")
    axes[0].legend(fontsize="x-small")
    return _figure(axes[0])


def predictors(comparison: ComparisonRecord) -> Figure | None:
    """Return held-out error against the number of predictors, of the first pair of networks at each layer."""
    pairs = [pair for pair in _first_pairs(comparison) if pair["alignment"]["sparse"]]
    if not pairs:
        return None
    axes = _grid(len(pairs))
    for ax, pair in zip(axes, pairs, strict=False):
        for sparse, style in zip(pair["alignment"]["sparse"], _styles(2), strict=False):
            counts, errors = _errors(sparse)
            ax.plot(counts, errors, label=sparse["to"], **style._asdict())
        ax.set(title=pair["layer"], xscale="log", ylim=(0, None))
        ax.legend(fontsize="x-small")
    axes[0].set(xlabel="predictors", ylabel="error, 1 - R^2")
    return _figure(axes[0])


def _errors(sparse: SparseRecord) -> tuple[list[float], NDArray[np.float64]]:
    """Return numbers of predictors and their errors: on held-out folds, if all are known there."""
    path = [row for row in sparse["table"] if row["penalty"] is not None and row["predictors"] >= 1]
    errors = [row["held_out_error"] for row in path]
    if None in errors:
        errors = [row["error"] for row in path]
    return [row["predictors"] for row in path], np.array(errors, dtype=np.float64)


def clusters(comparison: ComparisonRecord) -> Figure | None:
    """Return |correlation| with neurons in the order of the clusters, of the first pair of networks at each layer."""
    drawn = [(pair, pair["alignment"]["clusters"]) for pair in _first_pairs(comparison)]
    panels = [(pair, records["drawn"]["by_cluster"]) for pair, records in drawn if records]
    if not panels:
        return None
    axes = _grid(len(panels))
    for ax, (pair, percent) in zip(axes, panels, strict=False):
        ax.imshow(percent, cmap="Greys", vmin=0, vmax=100, aspect="auto", interpolation="nearest")
        ax.set(title=pair["layer"], xticks=[], yticks=[])
    first, _ = panels[0]
    axes[0].set(xlabel=first["y_layer"], ylabel=first["x_layer"])
    return _figure(axes[0])


def learning(study: StudyRecord) -> Figure:
    """Return test accuracy over epochs, the mean over seeds with its interval, a line for each variant."""
    ax = axes_for("saving figures")
    for variant, style in zip(study["variants"], _styles(len(study["variants"])), strict=True):
        epochs = [epoch["epoch"] for epoch in variant["epochs"]]
        accuracy = [epoch["test_accuracy"] for epoch in variant["epochs"]]
        _line(ax, epochs, accuracy, style, variant["name"])
        _band(ax, epochs, accuracy, style)
    ends = [variant["epochs"][-1]["epoch"] for variant in study["variants"]]
    if max(ends) > LONGER * min(ends):
        ax.set_xscale("symlog", linthresh=1)
        ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="epoch", ylabel="test accuracy", xlim=(0, None), ylim=(0, 1.02))
    ax.legend(fontsize="small")
    return _figure(ax)


def settling(step: EpochsStep) -> Figure:
    """Return the similarity of each layer during training: to its final epoch, and between seeds at the same epoch."""
    quantities = list(dict.fromkeys(row["quantity"] for row in step["rows"]))
    similarities = list(dict.fromkeys(row["quantity"] for row in step["rows"] if row["eps"] is not None))
    measures = [name for name in quantities if name not in similarities]
    shown = [*measures[:1], *similarities[-1:]]
    axes = _grid(2 * len(shown), columns=2)
    for k, quantity in enumerate(shown):
        rows = [row for row in step["rows"] if row["quantity"] == quantity]
        to_final, between_seeds = axes[2 * k : 2 * k + 2]
        _layer_lines(to_final, rows, [row["own"] for row in rows])
        to_final.set(title=f"{quantity}, to the final epoch", ylim=(-0.02, 1.02))
        _layer_lines(between_seeds, rows, [row["between"] for row in rows])
        between_seeds.set(title=f"{quantity}, between seeds", ylim=(-0.02, 1.02))
    axes[0].set(xlabel="epoch")
    axes[0].legend(fontsize="xx-small")
    return _figure(axes[0])


def _layer_lines(ax: Axes, rows: Sequence[FollowedRecord], spreads: Sequence[SpreadRecord]) -> None:
    """Draw a line for each layer: the spread of each row over the epochs of the rows."""
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    for layer, style in zip(layers, _styles(len(layers)), strict=True):
        course = [(row["epoch"], spread) for row, spread in zip(rows, spreads, strict=True) if row["layer"] == layer]
        _line(ax, [epoch for epoch, _ in course], [spread for _, spread in course], style, layer)


def _line(ax: Axes, epochs: Sequence[int], spreads: Sequence[SpreadRecord], style: _Style, label: str) -> None:
    """Draw means over epochs."""
    values = np.array([spread["value"] for spread in spreads], dtype=np.float64)
    ax.plot(epochs, values, label=label, markevery=max(1, len(epochs) // 8), **style._asdict())


def _band(ax: Axes, epochs: Sequence[int], spreads: Sequence[SpreadRecord], style: _Style) -> None:
    """Draw intervals over epochs."""
    low = np.array([spread["low"] for spread in spreads], dtype=np.float64)
    high = np.array([spread["high"] for spread in spreads], dtype=np.float64)
    ax.fill_between(epochs, low, high, color=style.color, alpha=0.2, linewidth=0)


def _similarity(levels: Sequence[float | None], eps: NDArray[np.float64] = GRID) -> NDArray[np.float64]:
    """Return s(eps) of the levels of both layers."""
    known = np.sort([level for level in levels if level is not None])
    return np.searchsorted(known, eps, side="right") / max(len(levels), 1)


def _corrected_levels(pair: PairRecord) -> list[float | None]:
    """Return the corrected levels of both layers; none if s(eps) is not estimated for the population."""
    corrected = None if pair["evidence"] is None else pair["evidence"]["corrected"]
    return [] if corrected is None else [*corrected["x_levels"], *corrected["y_levels"]]


def _share(pair: PairRecord, position: int, eps: float, is_corrected: bool) -> float | None:
    """Return s(eps) at a listed eps, in sample or corrected; None below the resolution."""
    in_sample = pair["similarity"][position]
    if in_sample is None or not is_corrected:
        return in_sample
    return float(_similarity(_corrected_levels(pair), np.array([eps]))[0])


def _evidence_profiles(pairs: Sequence[PairRecord]) -> list[ProfileRecord]:
    """Return the profiles with evidence, of the pairs that have one."""
    evidence = [pair["evidence"] for pair in pairs]
    profiles = [record["profile"] for record in evidence if record]
    return [profile for profile in profiles if profile]


def _layers(comparison: ComparisonRecord) -> list[str]:
    return list(dict.fromkeys(pair["layer"] for pair in comparison["pairs"]))


def _pairs_of(comparison: ComparisonRecord, layer: str) -> list[PairRecord]:
    return [pair for pair in comparison["pairs"] if pair["layer"] == layer]


def _first_pairs(comparison: ComparisonRecord) -> list[PairRecord]:
    """Return the first pair of networks at each layer."""
    return [_pairs_of(comparison, layer)[0] for layer in _layers(comparison)]


def _over(comparison: ComparisonRecord) -> str:
    count = max(Counter(pair["layer"] for pair in comparison["pairs"]).values())
    if count == 1:
        return " and ".join(comparison["networks"])
    return f"mean over {count} pairs of networks, smallest to largest"


def _styles(count: int) -> list[_Style]:
    """Return styles that differ in mark, line and shade."""
    shades = [f"{shade:.2f}" for shade in np.linspace(0.0, 0.6, max(count, 1))]
    marks_and_lines = zip(cycle(MARKS), cycle(LINES), strict=False)
    return [_Style(mark, line, shade) for shade, (mark, line) in zip(shades, marks_and_lines, strict=False)]


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
