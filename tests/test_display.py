"""Every result is shown in one short line, and in notebooks as a small table."""

from __future__ import annotations

import inspect
from html.parser import HTMLParser
from pathlib import Path

import layers
import numpy as np
import pytest
from bench_records import bench_record

import spanmatch as sm
from spanmatch._display import Displayed, shortened

LONG = "encoder.layers.0.<b>self_attn</b>.a_name_of_sixty_letters_and_more.out"
NO_LINE = {"LayerList"}
"""Results whose text is a table of several lines."""


class Tags(HTMLParser):
    """Collects the text of cells, and checks that tags are closed in order and are those of tables."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in {"table", "caption", "tr", "th", "td", "p"} and not attrs
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.cells.append(data)


@pytest.fixture(scope="module")
def results() -> list[object]:
    """One result of every public class."""
    import torch

    X, Y = layers.correlated(n=240, p=6, q=5)
    two = {"a": {LONG: X}, "b": {LONG: Y}}
    comparison = sm.compare(two, bins=3, sparse="*", simple_eps=[0.9], evidence=True, pairs="all", top=2)
    first = comparison[0]
    alignment, of_first = first.alignment, comparison.moments.pair(first.x_layer, first.y_layer)
    match, pair = first.profile.at(0.9), sm.pair(X, Y)
    network = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU())
    tracker = sm.Tracker(network, [torch.randn(40, 6)], against="previous")
    tracker.step(0), tracker.step(1)
    scored = {"untouched": np.ones(40), "transplant": np.r_[np.ones(20), np.zeros(20)], "ablation": np.zeros(40)}
    transplant = layers.transplant(tuple(sm.Outcome(n, 4, 3, 1 - own, own) for n, own in scored.items()))
    layer_list = sm.layers(network, torch.zeros(3, 6))
    row = {"layer": LONG, "neurons": 6, "quantity": "s(0.5)", "eps": 0.5, "estimate": "in sample", "value": 0.2}
    step = {"name": "seeds", "kind": "seeds", "rows": [row, row], "transplants": []}
    bench = sm.Bench(Path("bench"), bench_record(n_measures=3, n_sets=1))
    study = sm.Study(Path("study"), {"name": "first", "runs": [], "steps": [step]})
    return [
        *(
            comparison,
            first,
            first.profile,
            first.evidence,
            *first.measures,
            first.evidence.profile,
            first.evidence.rows,
        ),
        *(first.change, comparison.changes(), comparison.correspondence(), comparison.correspondence().counterparts[0]),
        *(comparison.matrix("cka"), comparison.score("cka"), first.provenance, comparison.moments, of_first, match),
        *(match.coefficients(of_first), first.profile.stability(0.5), *first.simple, *first.simple[0].matches[:1]),
        *(
            sm.minimum_match(of_first, ("x", int(match.x[0])), 0.9),
            sm.exact_structure(pair),
            sm.held_out(of_first, match),
        ),
        *(alignment, alignment.bipartite, alignment.correlation, *alignment.maps, alignment.clusters),
        *(alignment.clusters.clusters[0], sm.mutual_information(of_first), sm.jackknife(pair, sm.cka)),
        *(sm.null(pair, sm.cka), sm.permutation_test(pair, sm.cka), sm.cca(pair), sm.procrustes(pair)),
        *(pair.sample, comparison.significance("mutual knn", 9)),
        *(measure(pair) for measure in sm.measures()),
        *(sm.cka(pair), *sm.measures(), sm.TopInputs.none(4, 2), transplant),
        *(transplant["ablation"], transplant.difference("ablation"), layer_list, layer_list[0], study, bench, tracker),
        *(*tracker.steps, *tracker.steps[-1].layers.values(), sm.over_seeds([0.1, 0.2, 0.3]), universality()),
    ]


def universality() -> sm.Universality:
    """Return the result of a layer of three networks."""
    X, Y = layers.correlated(n=120, p=6, q=5)
    networks = {"a": {LONG: X}, "b": {LONG: Y}, "c": {LONG: X + Y[:, :1]}}
    return sm.compare(networks, clusters=False, evidence=False).universality[0]


def test_every_public_result_is_a_short_line_and_a_table(results):
    public = {getattr(sm, name) for name in sm.__all__ if inspect.isclass(getattr(sm, name))}
    public = {one for one in public if not issubclass(one, Exception)}
    assert all(issubclass(one, Displayed) for one in public), [one for one in public if not issubclass(one, Displayed)]
    shown = [one for one in results if isinstance(one, Displayed)]
    assert {type(one).__name__ for one in shown} >= {one.__name__ for one in public}
    for result in shown:
        line = repr(result)
        name = type(result).__name__
        if name not in NO_LINE:
            assert len(line) <= 100 and "\n" not in line and line.startswith(f"<{name}") and line.endswith(">"), line
        html = result._repr_html_()
        assert Tags(html).cells and "<b>" not in html and "http" not in html


def test_long_names_lose_their_middle_before_numbers_are_cut():
    X, Y = layers.correlated(n=120, p=6, q=5)
    profile = sm.compare({"a": {LONG: X}, "b": {LONG: Y}}, evidence=False)[0].profile
    assert repr(profile).startswith("<MatchProfile of a:en") and f"s(0.5)={profile.similarity(0.5):.3f}" in repr(
        profile
    )
    assert f"s(0.5)={profile.similarity(0.5):.3f}" in repr(profile)
    assert shortened(f"<A {'b ' * 80}>").endswith("\N{HORIZONTAL ELLIPSIS}>")


def test_the_table_of_a_comparison_has_its_numbers():
    X, Y = layers.correlated(n=120, p=6, q=5)
    comparison = sm.compare({"a": {"l": X, "m": Y}, "b": {"l": Y, "m": X}}, eps=[0.3, 0.5], evidence=False)
    cells = Tags(comparison._repr_html_()).cells
    assert {"pair", "s(0.5)", "null s(0.5)", "debiased cka"} <= set(cells)
    for pair in comparison:
        assert f"{pair.measure('debiased cka').value:.4g}" in cells and pair.name in cells
    many = sm.match_profile(sm.pair(*layers.random()))
    assert "35 more rows are not shown" in many._repr_html_()


def test_frames_are_ready_for_latex(results):
    pytest.importorskip("jinja2")
    for result in results:
        frame = getattr(result, "to_frame", None)
        if frame is not None:
            assert r"\begin{tabular}" in frame().to_latex()
            assert all(isinstance(column, str) for column in frame().columns)
