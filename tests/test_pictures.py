"""What results draw: into the axes given, the numbers that they hold, and labels that can be read at 40 layers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import replace

import every_result
import layers
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import deep, matrix_of_blocks, overlapping, tick_labels
from matplotlib.axes import Axes

import spanmatch as sm
from spanmatch._plotting import COLOURS, X, Y
from spanmatch.similarity.correspondence import best_counterparts, correspondence_of, network_score

NO_PICTURE = {
    *("Cluster", "Counterpart", "Layer", "LayerChange", "LayerList", "LayerSimilarity", "Measure", "MeasureEvidence"),
    *("HeldOutRegression", "Measured", "Moments", "Outcome", "Pair", "PermutationProcrustes", "PredictionDistance"),
    *("Procrustes", "Provenance", "RowsNeeded", "Sample"),
    "SparseFeatures",
}
"""Results that are one number or parts of another result, and data."""
OPTIONS = {"TopInputs": {"neuron": 1, "images": np.random.default_rng(0).random((240, 8, 8))}}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def drawn_results() -> list[object]:
    return [one for one in every_result.results() if hasattr(one, "plot")]


def axes() -> Axes:
    return plt.figure(layout="constrained").subplots()


def labels_of(ax: Axes) -> list[str]:
    return [str(one) for one in ax.get_legend_handles_labels()[1]]


def test_every_result_that_one_looks_at_has_a_picture():
    public = {getattr(sm, name) for name in sm.__all__ if inspect.isclass(getattr(sm, name))}
    public = {one for one in public if not issubclass(one, Exception)}
    assert {one.__name__ for one in public if not hasattr(one, "plot")} == NO_PICTURE
    drawn = {type(one) for one in drawn_results()}
    assert drawn == {one for one in public if hasattr(one, "plot")}
    for one in drawn:
        parameters = inspect.signature(one.plot).parameters
        assert "ax" in parameters and parameters["ax"].default is None, one


def test_pictures_are_drawn_into_the_axes_given():
    before = dict(mpl.rcParams)
    for result in drawn_results():
        if isinstance(result, sm.TrackedStep) and not result.layers:
            continue
        ax = axes()
        options = OPTIONS.get(type(result).__name__, {})
        assert result.plot(ax=ax, **options) is ax
        assert len(plt.get_fignums()) == 1, result
        assert ax.has_data() and (ax.get_xlabel() or ax.get_title()), result
        assert not ax.spines["top"].get_visible()
        assert not overlapping(ax), (result, overlapping(ax))
        plt.close("all")
    assert dict(mpl.rcParams) == before


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for result in drawn_results():
        if isinstance(result, sm.TrackedStep) and not result.layers:
            continue
        with pytest.raises(sm.SpanmatchError, match=r"needs matplotlib: pip install 'spanmatch\[plot\]'"):
            result.plot(**OPTIONS.get(type(result).__name__, {}))


def test_what_cannot_be_drawn_says_why():
    with pytest.raises(sm.SpanmatchError, match="this step was not compared"):
        sm.TrackedStep(0, "", {}).plot()
    with pytest.raises(sm.SpanmatchError, match="no neuron is in an exact match"):
        sm.exact_structure(sm.pair(*layers.random())).plot()
    with pytest.raises(sm.SpanmatchError, match="no inputs were kept"):
        sm.TopInputs.none(3, 2).plot(neuron=1, images=np.zeros((4, 2, 2)))
    with pytest.raises(sm.SpanmatchError, match="neuron 3: there are 3"):
        sm.TopInputs.none(3, 2).plot(neuron=3, images=np.zeros((4, 2, 2)))
    with pytest.raises(sm.SpanmatchError, match="no network 'c'; there is 'base', 'tuned'"):
        matrix_of_blocks(3).plot(networks=("base", "c"))
    with pytest.raises(sm.SpanmatchError, match="no layers of 'a' have counterparts in 'b'"):
        sm.Correspondence("cka", ()).plot(networks=("a", "b"))


def test_matches_are_coloured_squares():
    X_, Y_ = layers.planted()
    pair = sm.pair(X_, Y_)
    match = sm.maximum_match(pair, 0.3)
    ax = match.plot()
    top, bottom = (image.get_array().ravel() for image in ax.images)
    assert np.array_equal(np.flatnonzero(top), match.x) and np.array_equal(np.flatnonzero(bottom), match.y)
    assert tick_labels(ax, "y") == [f"x\n{len(match.x)} of 19", f"y\n{len(match.y)} of 21"]
    simple = sm.simple_matches(sm.pair(*layers.related()), 0.5, limit=40)
    bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in simple.plot().patches}
    sizes = list(simple.sizes.values())
    assert {size: count for size, count in bars.items() if count} == {size: sizes.count(size) for size in set(sizes)}
    members = simple.plot_members().images[0].get_array()
    assert np.array_equal(np.count_nonzero(members == 1, axis=1), [len(match.x) for match in simple])
    assert np.array_equal(np.count_nonzero(members == 2, axis=1), [len(match.y) for match in simple])


def test_the_exact_structure_is_drawn_block_by_block():
    structure = sm.exact_structure(sm.pair(*layers.planted()))
    shades = structure.plot().images[0].get_array()
    assert shades.shape == structure.needs.shape
    assert np.count_nonzero(shades == 2) == np.count_nonzero(structure.needs)
    assert np.count_nonzero(shades) == np.count_nonzero(
        structure.needs | structure.reaches[np.ix_(structure.component, structure.component)]
    )


def test_the_stable_interval_is_shaded():
    profile = sm.match_profile(sm.pair(*layers.planted()))
    ax = profile.plot()
    stability = profile.stability(0.5)
    assert stability.plot(ax) is ax
    (low, _), (high, _) = ax.patches[0].get_bbox().get_points()
    assert (low, high) == (stability.low, stability.high)


def test_rows_of_intervals_are_added_below_each_other():
    pair = sm.pair(*layers.correlated())
    ax = axes()
    intervals = [sm.jackknife(pair, measure) for measure in (sm.cka, sm.debiased_cka, sm.procrustes)]
    for interval in intervals:
        interval.plot(ax)
    assert tick_labels(ax, "y") == ["cka, x ~ y", "debiased_cka, x ~ y", "procrustes, x ~ y"]
    assert ax.yaxis_inverted()
    ends = [container.lines[2][0].get_segments()[0][:, 0] for container in ax.containers]
    expected = [[interval.low, interval.high] for interval in intervals if np.isfinite(interval.low)]
    assert np.allclose([end for end, one in zip(ends, intervals, strict=True) if np.isfinite(one.low)], expected)
    null = sm.null(pair, sm.cka)
    open_mark = null.plot(name="cka").lines[-1]
    assert open_mark.get_xdata()[0] == null.null_value and open_mark.get_markerfacecolor() == "white"


def test_a_permutation_test_shows_its_null_and_its_value():
    test = sm.permutation_test(sm.pair(*layers.correlated()), sm.debiased_cka, permutations=99)
    ax = test.plot()
    assert sum(bar.get_height() for bar in ax.patches) == 99
    assert [line.get_xdata()[0] for line in ax.lines] == [test.threshold, test.sample_value]
    assert labels_of(ax)[-1] == f"value, p = {test.p_value:.2g}"


def test_held_out_distances_are_drawn_over_those_in_sample():
    pair = sm.pair(*layers.correlated())
    held_out = sm.held_out(pair, sm.maximum_match(pair, 0.5))
    x, y, *_ = held_out.plot().lines
    assert np.array_equal(x.get_ydata(), held_out.x_distances) and x.get_color() == X
    assert np.array_equal(y.get_xdata(), held_out.y_in_sample) and y.get_color() == Y


def test_partners_are_on_the_diagonal():
    X_, Y_, partner = layers.partners()
    alignment = sm.one_to_one(sm.pair(X_, Y_))
    ordered = alignment.plot_matrix().images[0].get_array()
    assert np.array_equal(np.diag(ordered), alignment.strength)
    original = alignment.plot_matrix(partners_first=False).images[0].get_array()
    assert np.array_equal(original, alignment.scores)
    assert np.array_equal(original.argmax(axis=1), partner)


def test_clusters_are_blocks_with_lines_between_them():
    X_, Y_, _ = layers.blocks()
    clusters = sm.clusters(sm.pair(X_, Y_))
    ax = clusters.plot()
    assert len(ax.lines) == 2 * (len(clusters) - 1) and ax.get_title() == "3 clusters"
    size = len(clusters.clusters[0].x)
    block = ax.images[0].get_array()[:size, : len(clusters.clusters[0].y)]
    assert block.mean() == pytest.approx(clusters.clusters[0].between)
    filled, others, null = clusters.plot_eigenvalues().lines
    assert np.array_equal(filled.get_ydata(), clusters.eigenvalues[:3])
    assert others.get_ydata()[0] == clusters.eigenvalues[3] and null.get_ydata()[0] == clusters.null_eigenvalue
    tree = sm.clusters(sm.pair(X_, Y_), method="hierarchical").plot_tree()
    colours = {label.get_text()[0]: label.get_color() for label in tree.get_xticklabels()}
    assert colours == {"x": X, "y": Y}


def test_measures_draw_what_they_are_made_of():
    pair = sm.pair(*layers.correlated())
    cca = sm.cca(pair)
    assert np.array_equal(cca.plot().lines[0].get_ydata(), cca.coefficients)
    regression = sm.linear_regression(pair)
    (to_y, to_x) = regression.plot().lines
    assert to_y.get_ydata()[0] == regression.per_neuron.max() and len(to_x.get_ydata()) == 40
    shares = sm.soft_matching(pair).plot().images[0].get_array()
    assert np.allclose(shares.sum(axis=1), 1)


def test_a_matrix_is_grouped_by_network():
    matrix = matrix_of_blocks(5)
    ax = matrix.plot()
    assert tick_labels(ax, "x")[:5] == tick_labels(ax, "x")[5:] == [f"blocks.{k}.attention.out" for k in range(5)]
    groups = [[label.get_text() for label in one.get_xticklabels()] for one in ax.child_axes[:1]]
    assert groups == [["base", "tuned"]]
    block = matrix.plot(networks=("base", "tuned"))
    assert np.array_equal(block.images[0].get_array(), matrix.values[:5, 5:])


def test_counterparts_are_joined_by_lines():
    matrix = matrix_of_blocks(6)
    correspondence = correspondence_of(matrix, best_counterparts(matrix, "base", "tuned"))
    (lines,) = correspondence.plot().collections
    assert all(start[1] == end[1] for start, end in lines.get_segments())
    assert np.array_equal(lines.get_array(), [one.similarity for one in correspondence])
    crossed = correspondence_of(matrix, [("base:blocks.0.attention.out", "tuned:blocks.5.attention.out")])
    ((start, end),) = crossed.plot().collections[0].get_segments()
    assert start[1] == pytest.approx(0.5 / 6) and end[1] == pytest.approx(5.5 / 6)
    score = network_score(matrix, "base", "tuned")
    (path,) = score.plot().lines
    assert path.get_xdata().tolist() == path.get_ydata().tolist() == list(range(6))


def test_names_of_forty_layers_do_not_overlap():
    comparison = sm.compare(deep(), clusters=False, evidence=False, sample=0)
    matrix = matrix_of_blocks()
    correspondence = correspondence_of(matrix, best_counterparts(matrix, "base", "tuned"))
    pictures = {
        "matrix": matrix.plot(),
        "block": matrix.plot(networks=("base", "tuned")),
        "small": matrix.plot(plt.figure(figsize=(4, 3), layout="constrained").subplots()),
        "counterparts": correspondence.plot(),
        "score": network_score(matrix, "base", "tuned").plot(),
        "profiles": comparison.plot(),
        "layers": comparison.plot_layers(of="debiased cka"),
        "changes": comparison.changes().plot(),
    }
    for name, ax in pictures.items():
        assert not overlapping(ax), (name, overlapping(ax))
    shown = tick_labels(pictures["matrix"], "y")
    assert 10 <= len(shown) < 80 and shown[0] == "blocks.0.attention.out"
    assert len(tick_labels(pictures["small"], "y")) < len(shown)
    assert pictures["profiles"].get_legend() is None  # a colour bar names the layers


def test_layers_are_drawn_with_their_null():
    two = {network: dict(list(of.items())[:4]) for network, of in deep(4).items()}
    comparison = sm.compare(two, clusters=False)
    of_share, of_measure = comparison.plot_layers(of=0.5), comparison.plot_layers(of="debiased cka")
    assert tick_labels(of_share, "x") == list(two["base"])
    drawn = of_share.containers[0].lines[0].get_ydata()
    assert np.allclose(drawn, [pair.corrected_similarity([0.5])[0] for pair in comparison])
    assert of_share.get_ylabel() == "s(0.5), estimated for the population"
    drawn, null = of_measure.containers[0].lines[0].get_ydata(), of_measure.lines[-1].get_ydata()
    evidence = [pair.measure("debiased cka") for pair in comparison]
    assert np.allclose(drawn, [one.value for one in evidence])
    assert np.allclose(null, [one.null_value for one in evidence], equal_nan=True)
    with pytest.raises(sm.SpanmatchError, match="no measure 'ckaa'"):
        comparison.plot_layers(of="ckaa")


def test_a_study_is_drawn_with_its_intervals():
    (study,) = (one for one in every_result.results() if isinstance(one, sm.Study))
    ax = study.plot(quantity="s(0.5)")
    (ends,) = ax.containers[0].lines[2]
    assert np.allclose(ends.get_segments()[0][:, 1], [0.1, 0.3])
    training = study.plot_training()
    assert training.lines[0].get_ydata().tolist() == [0.2] * 3 and labels_of(training) == ["all"]
    with pytest.raises(sm.SpanmatchError, match=r"no quantity 's\(0.4\)'; there is 's\(0.5\)'"):
        study.plot(quantity="s(0.4)")
    steps = [{**step, "name": f"pair {k}"} for k, step in enumerate(study.results["steps"] * 3)]
    several = replace(study, results={**study.results, "steps": steps}).plot()
    assert [container.lines[0].get_color() for container in several.containers] == list(COLOURS[:3])


def test_bars_of_a_transplant_are_its_scores():
    (transplant,) = (one for one in every_result.results() if isinstance(one, sm.Transplant))
    ax = transplant.plot()
    assert [bar.get_width() for bar in ax.patches] == [1.0, 0.5, 0.0]
    assert tick_labels(ax, "y") == ["untouched (4)", "transplant (4)", "ablation (4)"]
    assert [bar.get_width() for bar in transplant.plot(of="loss").patches] == [0.0, 0.5, 1.0]


def test_a_benchmark_is_ranked_from_the_top():
    (bench,) = (one for one in every_result.results() if isinstance(one, sm.Bench))
    names = [measure["name"] for measure in bench.results["measures"]]
    assert tick_labels(bench.plot(), "y") == names
    assert bench.plot_scores().images[0].get_array().shape == (len(names), len(bench.results["tests"]))


def test_top_inputs_stand_side_by_side():
    images = np.arange(5 * 4).reshape(5, 2, 2).astype(float)
    top = sm.TopInputs(np.array([[3.0, 2.0, -np.inf]]), np.array([[4, 0, -1]]), np.zeros((1, 3), dtype=int))
    ax = top.plot(neuron=0, images=images)
    drawn = ax.images[0].get_array()
    assert np.array_equal(drawn[:, :2], images[4]) and np.array_equal(drawn[:, -2:], images[0])
    assert tick_labels(ax, "x") == ["3", "2"]
