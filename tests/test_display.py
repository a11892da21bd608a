"""Every result is shown in one short line, and in notebooks as a small table."""

from __future__ import annotations

import inspect
from html.parser import HTMLParser

import every_result
import layers
import pytest
from every_result import LONG

import spanmatch as sm
from spanmatch._display import Displayed, shortened

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
def results() -> tuple[object, ...]:
    """One result of every public class."""
    return every_result.results()


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
