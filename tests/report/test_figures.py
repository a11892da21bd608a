"""The papers' figures: drawn from the saved numbers, and readable without colour."""

from __future__ import annotations

import layers
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

import spanmatch as sm
from spanmatch.report import figures, save_figures

mpl.use("Agg")


@pytest.fixture(scope="module")
def comparison() -> dict:
    X, Y = layers.related()
    Z = np.random.default_rng(3).standard_normal(X.shape)
    networks = {"a": {"l": X, "m": Z}, "b": {"l": Y, "m": X}, "c": {"l": X, "m": Y}}
    return sm.compare(networks, simple_eps=[0.5], sparse="*").to_dict()


def lines(ax) -> dict[str, np.ndarray]:
    found = {}
    for container, label in zip(*ax.get_legend_handles_labels(), strict=True):
        line = container[0] if hasattr(container, "lines") else container
        found[label] = np.asarray(line.get_ydata(), dtype=float)
    return found


def corrected_share(pair: dict, eps: float) -> float:
    corrected = pair["evidence"]["corrected"]
    return float(np.mean([level <= eps for level in (*corrected["x_levels"], *corrected["y_levels"])]))


def test_depth_shows_means_and_spread(comparison):
    (ax,) = figures.depth(comparison).axes
    drawn = lines(ax)
    for k, eps in enumerate(comparison["eps"]):
        pairs = [[p for p in comparison["pairs"] if p["layer"] == layer] for layer in ("l", "m")]
        values = [[corrected_share(pair, eps) for pair in of_layer] for of_layer in pairs]
        assert drawn[f"eps = {eps:g}"] == pytest.approx([np.mean(v) for v in values])
        bars = ax.containers[k].lines[2][0].get_segments()
        assert [segment[:, 1].tolist() for segment in bars] == [pytest.approx([min(v), max(v)]) for v in values]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["l", "m"]


def test_depth_is_in_sample_where_not_everything_is_estimated(comparison):
    first, *others = comparison["pairs"]
    refused = {**first, "evidence": {**first["evidence"], "corrected": None}}
    (ax,) = figures.depth({**comparison, "pairs": [refused, *others]}).axes
    assert ax.get_ylabel() == "s(eps) in sample"
    values = [p["similarity"][2] for p in comparison["pairs"] if p["layer"] == "l"]
    assert lines(ax)[f"eps = {comparison['eps'][2]:g}"][0] == pytest.approx(np.mean(values))


def test_profiles_are_of_the_population_and_in_sample(comparison):
    pairs = [pair for pair in comparison["pairs"] if pair["layer"] == "l"]
    drawn = lines(figures.profiles(comparison).axes[0])
    assert set(drawn) == {"of the population, estimated", "in sample", "held out", "under the null"}
    for eps, k in ((0.3, 60), (0.5, 100)):
        listed = comparison["eps"].index(eps)
        assert drawn["in sample"][k] == pytest.approx(np.mean([pair["similarity"][listed] for pair in pairs]))
        expected = np.mean([corrected_share(pair, eps) for pair in pairs])
        assert drawn["of the population, estimated"][k] == pytest.approx(expected)
    bare = [{**pair, "evidence": None} for pair in comparison["pairs"]]
    assert set(lines(figures.profiles({**comparison, "pairs": bare}).axes[0])) == {"in sample"}


def test_partners_predictors_and_sizes(comparison):
    first = comparison["pairs"][0]
    axes = figures.partners(comparison).axes
    assert lines(axes[0])["bipartite"] == pytest.approx(first["alignment"]["bipartite"]["strength"])
    assert lines(axes[0])["semi"] == pytest.approx(first["alignment"]["semi"]["strength"])
    way = first["alignment"]["sparse"][0]
    path = [row["held_out_error"] for row in way["table"] if row["penalty"] is not None and row["predictors"] >= 1]
    assert lines(figures.predictors(comparison).axes[0])[way["to"]] == pytest.approx(path)
    sizes = figures.sizes(comparison).axes
    assert [ax.get_title() for ax in sizes if ax.get_visible()] == ["l, eps = 0.5", "m, eps = 0.5"]
    # Where nothing matches there is no panel.
    nothing = [{**p, "simple": [{"eps": 0.1, "minimum_sizes": []}, *p["simple"]]} for p in comparison["pairs"]]
    shown = figures.sizes({**comparison, "pairs": nothing}).axes
    assert [ax.get_title() for ax in shown if ax.get_visible()] == ["l, eps = 0.5", "m, eps = 0.5"]
    counts = [patch.get_height() for patch in sizes[0].patches]
    wanted = [size for p in comparison["pairs"] if p["layer"] == "l" for size in p["simple"][0]["minimum_sizes"]]
    assert counts == np.bincount(wanted)[1:].tolist()


def test_what_was_not_computed_is_not_drawn(comparison, tmp_path):
    X, Y = layers.random(n=50)
    bare = sm.compare({"a": {"l": X}, "b": {"l": Y}}, clusters=False, evidence=False).to_dict()
    assert figures.sizes(bare) is figures.predictors(bare) is figures.clusters(bare) is None
    names = sorted(path.name for path in save_figures(bare, tmp_path / "figures"))
    assert names == ["depth.pdf", "depth.png", "partners.pdf", "partners.png", "profiles.pdf", "profiles.png"]
    whole = save_figures(comparison, tmp_path / "whole")
    assert {path.stem for path in whole} == {"depth", "profiles", "sizes", "partners", "predictors", "clusters"}
    before = {path: path.read_bytes() for path in whole}
    save_figures(comparison, tmp_path / "whole")
    assert {path: path.read_bytes() for path in whole} == before


def test_they_do_without_colour(comparison):
    for draw in (figures.depth, figures.profiles, figures.partners, figures.predictors):
        for ax in draw(comparison).axes:
            for line in ax.lines:
                red, green, blue = to_rgb(line.get_color())
                assert red == green == blue
    styles = [(style.marker, style.linestyle) for style in figures._styles(10)]
    assert len(set(styles)) == 10
