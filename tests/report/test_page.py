"""The page: self-contained, true to the JSON, safe with hostile names, and working in a real browser."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import layers
import numpy as np
import pytest
from opened import Opened
from PIL import Image
from playwright.sync_api import expect
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch._values import short
from spanmatch.cli.commands import app
from spanmatch.report import render, render_study
from spanmatch.report.page_data import _level, page_data
from spanmatch.saved_results import read_comparison

HOSTILE = "<script>alert(1)</script>\"'&</script><img src=x onerror=alert(2)> \u2028 層" + "very long " * 20


@pytest.fixture(scope="module")
def comparison():
    X, Y = layers.with_silent()
    A, B = layers.random(n=60)
    networks = {"a": {"first": X, HOSTILE: Y, "few": A}, "b": {"first": Y, HOSTILE: X, "few": B}}
    return sm.compare(networks, eps=(0.15, 0.25, 0.5), sparse="few", bins=4, notes={HOSTILE: HOSTILE})


KINDS = {"flat": "flattened outputs", "mean": "means over rows"}


def embedded(page: str) -> dict:
    found = re.search(r'<script type="application/octet-stream" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def test_the_page_holds_its_data_and_asks_for_nothing(comparison):
    page = render(comparison.to_dict())
    (found,) = embedded(page)["comparisons"]
    data = json.loads(json.dumps(comparison.to_dict()))
    assert found.keys() == {*data, "name"}
    for i, pair in enumerate(data["pairs"]):
        for side in ("x_levels", "y_levels"):
            for shown, level in zip(found["pairs"][side][i], pair[side], strict=True):
                assert shown == level or 0 <= shown - level <= 1.001e-5
        assert found["pairs"]["similarity"][i] == pair["similarity"]
    assert not re.search(r'\b(?:src|href)="(?!data:|#)', page)
    assert "default-src 'none'" in page


def check_types(data: dict) -> None:
    from pydantic import ConfigDict, TypeAdapter

    from spanmatch.report.page_schema import PageData

    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    TypeAdapter(list[PageData], config=config).validate_python([data])  # a configuration is for lists alone


def test_the_page_gets_what_its_types_say(comparison):
    check_types(page_data(None, {"": json.loads(json.dumps(comparison.to_dict()))}))


def test_the_page_of_a_study_gets_what_its_types_say(small_study):
    check_types(page_data(small_study.results, small_study.comparisons))


def test_levels_are_never_shown_below_what_they_are():
    random = np.random.default_rng(0)
    for level in [*random.random(2000), 0.3, 0.3 + 1e-9, np.nextafter(0.3, 1), np.nextafter(0.3, 0), 0.0, 1.0]:
        shown = _level(float(level))
        assert 0 <= shown - level <= 1.001e-5
        for eps in (0.3, round(level, 3)):
            assert (shown <= eps) == (level <= eps)
    assert _level(None) is None


def test_names_are_text(comparison):
    page = render(comparison.to_dict())
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_it_is_a_function_of_the_json(comparison):
    data = json.loads(json.dumps(comparison.to_dict()))
    assert render(data) == render(comparison.to_dict())


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_in_a_browser(comparison, browser, tmp_path, width, scheme):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"), width, scheme)
    page = opened.page
    assert page.locator("h1").text_content() == "a and b"
    assert page.locator("#layer option").all_text_contents() == ["first", HOSTILE, "few"]
    for eps in (0.0, 0.3, 0.45, 0.995):
        opened.eps(eps)
        for row, pair in zip(opened.table("#layers"), comparison, strict=True):
            match = pair.profile.at(eps)
            corrected = pair.evidence.corrected
            assert row[2] == ("\N{EN DASH}" if corrected is None else f"{corrected.similarity(eps):.3f}")
            assert row[3] == f"{pair.profile.similarity(eps):.3f}"
            assert row[4] == f"{len(match.x)} / {len(match.y)}"
        match = comparison.pairs[0].profile.at(eps)
        for side, neurons in (("x", match.x), ("y", match.y)):
            inside = page.locator(f"#{side}-neurons .cell.in").evaluate_all(
                "cells => cells.map(c => +c.dataset.neuron)"
            )
            assert sorted(inside) == neurons.tolist()
        assert (
            f"{len(match.x)} of {comparison.pairs[0].provenance.x_neurons} neurons"
            in page.locator("#layer-summary").text_content()
        )
    page.locator("#layer").select_option(HOSTILE)
    assert page.locator("#layer-title").text_content() == HOSTILE
    assert page.locator("#levels svg").count() >= 1
    assert opened.part("One-to-one alignment").locator(".partners path[stroke]").count() >= 4
    assert opened.part("Clusters").locator("image").count() == 2
    assert page.locator("#warnings li").count() == 1
    assert page.locator("#facts dt", has_text="<script>alert(1)").count() == 1
    opened.done()


def test_what_is_matched_is_said_in_words(browser, tmp_path):
    X, Y = layers.random(n=300, p=6, q=6)
    networks = {"a": {"same": X, "part": np.hstack([X[:, :3], Y[:, :3]])}, "b": {"same": X, "part": X}}
    comparison = sm.compare(networks)
    opened = Opened(browser, comparison.report(tmp_path / "few.html"))
    opened.eps(0.05)
    words = opened.page.locator("#in-words")
    shares = "all of the neurons of same and 50% of part"
    population = f"At eps 0.050, the match holds {shares} (estimated for the population); under the null, nothing."
    expect(words).to_have_text(population)
    opened.page.locator("#estimate").select_option("sample")
    expect(words).to_have_text(population.replace("estimated for the population", "in this sample"))
    # The neuron that matches best is looked at first.
    assert opened.page.locator("#x-neurons [aria-selected]").count() == 1
    assert "Neuron 0 of a:same" in opened.page.locator("#neuron").text_content()
    opened.done()
    many = {name: {f"l{i}": X if i < 7 else own for i in range(10)} for name, own in (("a", X), ("b", Y))}
    opened = Opened(browser, sm.compare(many).report(tmp_path / "many.html"))
    opened.eps(0.05)
    shares = "from 0% of the neurons of l7 to 100% of l0, and half or more of 7 of the 10 layers"
    words = opened.page.locator("#in-words")
    expect(words).to_have_text(
        f"At eps 0.050, the match holds {shares} (estimated for the population); under the null, nothing."
    )
    opened.done()


@pytest.mark.parametrize(("width", "height"), [(1400, 900), (390, 844)])
def test_the_first_screen_holds_the_answer_the_overview_and_the_controls(comparison, browser, tmp_path, width, height):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"), width, height=height)
    page = opened.page
    order = [page.locator(f"#{name}").bounding_box() for name in ("in-words", "crumbs", "eps", "depth")]
    assert [box["y"] for box in order] == sorted(box["y"] for box in order)
    # At least the upper half of the chart, which holds the lines of what matches.
    assert order[-1]["y"] + order[-1]["height"] / (1 if width > 1000 else 2) <= height
    chart = page.locator("#depth")
    assert chart.locator("path.mean").count() == chart.locator("path.null").count() == 1
    legend = chart.locator(".legend").text_content()
    assert "s(eps) under the null, in sample" in legend and "debiased cka" in legend
    assert chart.locator("[aria-label=dot] path, [aria-label=dot] rect").count() == 3
    page.locator("#beside").select_option("cka")
    assert "debiased" not in chart.locator(".legend").text_content()
    page.locator("#beside").select_option("")
    assert "cka" not in chart.locator(".legend").text_content()
    # Where the numbers come from stands after them.
    assert page.locator("#facts").bounding_box()["y"] > page.locator("#one-layer").bounding_box()["y"]
    opened.done()


def test_the_address_holds_what_is_shown(comparison, browser, tmp_path):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    crumbs = page.locator("#crumbs a")
    name = comparison.pairs[2].name
    assert crumbs.nth(0).text_content() == "Overview" and crumbs.nth(0).get_attribute("aria-current") == "location"
    page.locator("#layers button", has_text="few").click()
    expect(page.locator("#crumbs [aria-current]")).to_have_text(name)
    expect(page.locator("#layer-title")).to_be_in_viewport()
    expect(page).to_have_url(re.compile(r"#at=layer&layer=few$"))
    page.locator("#y-neurons .cell[data-neuron='4']").click()
    expect(page.locator("#crumbs [aria-current]")).to_have_text("neuron 4 of b:few")
    expect(page).to_have_url(re.compile(r"#at=neuron&layer=few&neuron=y4$"))
    opened.eps(0.42)
    expect(page).to_have_url(re.compile(r"eps=0\.42"))
    address = page.url
    crumbs.nth(0).click()
    expect(page.locator("h1")).to_be_in_viewport()
    expect(page).to_have_url(re.compile(r"#layer=few&eps=0\.42$"))
    opened.done()
    # Someone else opens the link.
    opened = Opened(browser, opened.path, fragment=address[address.index("#") :])
    page = opened.page
    assert "Neuron 4 of b:few" in page.locator("#neuron h3").text_content()
    expect(page.locator("#neuron h3")).to_be_in_viewport()
    assert page.locator("#eps-value").text_content() == "0.420"
    assert page.locator("#crumbs [aria-current]").text_content() == "neuron 4 of b:few"
    page.evaluate("location.hash = '#at=layer&layer=first'")
    expect(page.locator("#layer-title")).to_have_text(comparison.pairs[0].name)
    opened.done()


@pytest.mark.parametrize(
    "fragment", ["#layer=none&neuron=x9999&eps=7&estimate=best&at=moon", "#neuron=x-1&eps=x", "#results"]
)
def test_an_address_of_something_else_shows_the_page_as_at_first(comparison, browser, tmp_path, fragment):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"), fragment=fragment)
    assert opened.page.locator("#layer").input_value() == "first"
    assert opened.page.locator("#crumbs [aria-current]").text_content() == "Overview"
    opened.done()


def test_a_link_within_the_page_changes_nothing_that_is_shown(comparison, browser, tmp_path):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    opened.page.locator("#layer").select_option("few")
    expect(opened.page).to_have_url(re.compile("#layer=few$"))
    opened.page.evaluate("addEventListener('hashchange', () => (document.body.dataset.changed = ''))")
    opened.page.locator(".skip").focus()
    opened.page.keyboard.press("Enter")
    opened.page.locator("body[data-changed]").wait_for()
    expect(opened.page).to_have_url(re.compile("layer=few$"))
    assert opened.page.locator("#layer").input_value() == "few"
    opened.done()


@pytest.mark.parametrize("sandbox", [None, "allow-scripts"])
def test_in_a_notebook_s_frame(comparison, browser, tmp_path, sandbox):
    """A page in a srcdoc has no address that could be set, and may have no clipboard."""
    from html import escape

    attribute = "" if sandbox is None else f' sandbox="{sandbox}"'
    frame = f'<!doctype html><iframe{attribute} width=1000 height=700 srcdoc="{escape(render(comparison.to_dict()))}">'
    (path := tmp_path / "notebook.html").write_text(frame, encoding="utf-8")
    context = browser.new_context(viewport={"width": 1100, "height": 800}, offline=True)
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    inner = page.frame_locator("iframe")
    inner.locator("html[data-ready]").wait_for()
    inner.locator("#layers button", has_text="few").click()
    inner.locator("#y-neurons .cell[data-neuron='4']").click()
    expect(inner.locator("#crumbs [aria-current]")).to_have_text("neuron 4 of b:few")
    inner.locator("#crumbs a").first.click()
    expect(inner.locator("h1")).to_be_in_viewport()
    page.wait_for_timeout(400)  # until the address would be set
    assert not problems
    context.close()


def test_pointing_at_a_neuron_shows_its_partner(browser, tmp_path):
    X, Y, _ = layers.partners(p=7, q=8)
    comparison = sm.compare({"a": {"l": X}, "b": {"l": Y}})
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    aligned = comparison.pairs[0].alignment.bipartite
    k = int(np.flatnonzero(aligned.x == 5)[0])
    dot = page.locator("#x-neurons .cell[data-neuron='5']")
    dot.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    box = dot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator("#levels .tip")
    expect(tip).to_contain_text(f"Neuron 5 of a:l\nlevel {comparison.pairs[0].profile.x_levels[5]:.3f}")
    expect(tip).to_contain_text(f"partner {aligned.y[k]} of b:l, correlation {aligned.strength[k]:.3f}")
    start, end = page.locator("path.partner:not(.chosen)").evaluate(
        "path => [0, path.getTotalLength()].map(at => path.getPointAtLength(at)).map(({ x, y }) => [x, y])"
    )
    centre = "dot => [+dot.getAttribute('cx'), +dot.getAttribute('cy')]"
    assert start == pytest.approx(dot.evaluate(centre), abs=0.2)
    partner = page.locator(f"#y-neurons .cell[data-neuron='{aligned.y[k]}']").evaluate(centre)
    assert np.hypot(end[0] - partner[0], end[1] - partner[1]) == pytest.approx(7, abs=0.2)
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()
    assert not page.locator("path.partner:not(.chosen)").get_attribute("d")
    opened.done()


def test_what_to_do_next(browser, tmp_path):
    few = np.random.default_rng(0).standard_normal((60, 40))
    X, _ = layers.correlated(n=60, p=5, q=4)
    networks = {"a": {"few": few, "enough": X[:, :2]}, "b": {"few": few[::-1], "enough": X[:, 1:3]}}
    comparison = sm.compare(networks)
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    lacking = [pair for pair in comparison if not pair.evidence.rows.enough]
    assert [pair.layer for pair in lacking] == ["few"]
    rows = lacking[0].evidence.rows
    steps = page.locator("#next li")
    expect(steps.first).to_contain_text("1 of 2 layers has fewer rows than needed: few (")
    expect(steps.first).to_contain_text(f" of {rows.needed:,}), as effective sample sizes.")
    opened.eps(0.9)
    expect(page.locator("#next")).to_contain_text("no more than unrelated data at this eps: few")
    opened.eps(0.0)
    expect(page.locator("#next")).not_to_contain_text("unrelated data")
    page.locator("#next button").click()
    expect(page.locator("#layer-title")).to_be_in_viewport()
    opened.done()
    comparison = sm.compare(networks, evidence=False)
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    expect(opened.page.locator("#next li").first).to_contain_text("2 of 2 layers have no evidence")
    opened.done()


def test_results_can_be_cited(comparison, browser, tmp_path):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    opened.eps(0.45)
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { copied = text; } } })"
    )
    page.locator("#copy-citation").click()
    expect(page.locator("#copy-citation")).to_have_text("Copied")
    text = page.evaluate("copied")
    assert text == page.locator("#citation").text_content()
    assert f"spanmatch {sm.__version__}." in text and "s(eps) at eps 0.450" in text and "Wang, L." in text
    assert f"{comparison.pairs[0].provenance.rows} rows per layer" in text and f"{HOSTILE}: {HOSTILE}" in text
    # Without a clipboard it is selected.
    opened.done()


@pytest.mark.parametrize("clipboard", ["undefined", "{ writeText: async () => { throw new Error('not allowed'); } }"])
def test_without_a_clipboard_the_citation_is_selected(comparison, browser, tmp_path, clipboard):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard} }})")
    page.locator("#copy-citation").click()
    expect(page.locator("#copy-citation")).to_contain_text("Selected")
    # Spaces are as the browser copies them.
    assert page.evaluate("getSelection().toString()").split() == page.locator("#citation").text_content().split()
    opened.done()


def test_tables_can_be_taken_as_latex(comparison, browser, tmp_path):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    opened.eps(0.45)
    text = opened.file("[data-latex=layers]")
    assert r"\begin{tabular}" in text and r"\toprule" in text and text.count(r"\\") == 1 + 3
    row = next(line for line in text.splitlines() if line.startswith("first & "))
    similarity = comparison.pairs[0].profile.similarity(0.45)
    assert float(row.split(" & ")[4]) == pytest.approx(similarity, rel=1e-3)
    for name in ("profiles", "neurons"):
        assert r"\bottomrule" in opened.file(f"[data-latex={name}]")
    opened.done()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_can_be_taken_as_svg_and_png(comparison, all_pairs, browser, tmp_path, scheme):
    for name, compared, count in (("few", comparison, 5), ("all", all_pairs, 6)):
        opened = Opened(browser, compared.report(tmp_path / f"{name}.html"), scheme=scheme)
        page = opened.page
        page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
        page.wait_for_timeout(50)
        figures = page.locator("figure:visible:not(figure figure)")
        assert figures.count() >= count
        # Each figure is followed by its buttons.
        followed = "figures => figures.filter(f => f.nextElementSibling?.className === 'export').length"
        assert figures.evaluate_all(followed) == figures.count()
        for kind in ("SVG", "PNG"):
            assert page.locator(".export button", has_text=kind).count() == figures.count()
        for button in page.locator(".export button", has_text="SVG").all():
            with page.expect_download() as waiting:
                button.click()
            text = Path(waiting.value.path()).read_text(encoding="utf-8")
            root = ElementTree.fromstring(text)  # it is XML
            assert root.tag == "{http://www.w3.org/2000/svg}svg" and len(list(root.iter())) > 10
            # It needs neither the page's style nor its script, nor anything from elsewhere.
            assert not re.search(r"var\(|currentColor|<script|<style|\bclass=|href=\"(?!data:|#)", text)
        opened.done()


def test_a_drawing_is_of_what_is_shown(comparison, browser, tmp_path):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    text = opened.file("[aria-label='similarity by layer as SVG']")
    assert "s(eps) under the null, in sample" in text and ">first<" in text  # of the legend, of the axis
    accent = page.locator("#depth path.mean").evaluate("path => getComputedStyle(path).stroke")
    assert f'stroke="{accent}"' in text
    with page.expect_download() as waiting:
        page.locator("[aria-label='neurons by level as PNG']").click()
    assert waiting.value.suggested_filename == "neurons-by-level.png"
    drawn = np.asarray(Image.open(waiting.value.path()).convert("RGB")).astype(int)
    box = page.locator("#levels").bounding_box()
    assert drawn.shape[1] == pytest.approx(3 * (box["width"] + 16), abs=3)
    for side in "xy":
        colour = page.locator(f"#{side}-neurons").evaluate("list => getComputedStyle(list).fill")
        wanted = [int(part) for part in re.findall(r"\d+", colour)]
        assert (np.abs(drawn - wanted).sum(-1) < 12).sum() > 100
    opened.done()


def test_every_table_can_be_taken_as_csv_and_latex(comparison, browser, tmp_path):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    part = opened.part("One-to-one alignment")
    name = comparison.pairs[0].name
    rows = opened.csv(f"[aria-label='Partners of {name} as CSV']")
    aligned = comparison.pairs[0].alignment.bipartite
    assert len(rows) == len(aligned.x) and [row["a:first"] for row in rows] == [str(i) for i in aligned.x]
    latex = opened.file(f"[aria-label='Partners of {name} as LaTeX']")
    assert latex.count("\\\\\n") == 1 + len(rows)
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    page.wait_for_timeout(50)
    tables = page.locator("table").count() - 1  # that of layers has its buttons above
    for kind in ("CSV", "LaTeX"):
        assert page.locator(".export button", has_text=kind).count() == tables
    assert part.locator("table").count() == 1
    opened.done()


def test_a_level_of_eps_itself_is_in(browser, tmp_path):
    X, _ = layers.random(n=60)
    comparison = sm.compare({"a": {"l": X}, "b": {"l": X}})
    assert comparison.pairs[0].profile.similarity(0.0) == 1.0
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    opened.eps(0.0)
    assert opened.table("#layers")[0][2] == "1.000"
    assert opened.page.locator("#x-neurons .cell.in").count() == X.shape[1]
    opened.done()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(demo_study, browser, scheme):
    from axe_playwright_python.sync_playwright import Axe

    opened = Opened(browser, demo_study.folder / "report.html", scheme=scheme)
    opened.page.locator("#x-neurons .cell").nth(2).click()
    parts = ("One-to-one alignment", "Sparse prediction", "Clusters", "Minimum matches at eps 0.5")
    for title in ("How to read this page", *parts):
        opened.page.locator("summary", has_text=title).first.click()
    results = Axe().run(opened.page)
    assert results.violations_count == 0, results.generate_report()
    opened.done()


def test_the_slider_is_fast_and_answers_to_the_keyboard(comparison, browser, tmp_path):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    before = float(page.locator("#eps-value").text_content())
    page.locator("#eps").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#eps-value")).to_have_text(f"{before + 0.005:.3f}")
    page.locator("#x-neurons").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    chosen = page.locator("#x-neurons [aria-selected=true]")
    assert page.locator("#x-neurons").get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    levels = comparison.pairs[0].profile.x_levels
    order = np.argsort(np.where(np.isnan(levels), 2, levels), kind="stable")
    assert int(chosen.get_attribute("data-neuron")) == order[0]
    page.keyboard.press("End")
    assert int(chosen.get_attribute("data-neuron")) == order[-1]
    assert f"Neuron {order[-1]} of a:first" in page.locator("#neuron").text_content()
    assert "silent" in page.locator("#neuron").text_content()
    opened.done()


def test_layers_are_chosen_in_the_charts(comparison, browser, tmp_path):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    chart = page.locator("#depth svg").first
    chart.click(position={"x": chart.bounding_box()["width"] - 60, "y": 100})
    assert page.locator("#layer").input_value() == "few" and page.locator("#layer-title").text_content() == "few"
    page.locator("#layers button", has_text="first").click()
    assert page.locator("#layer").input_value() == "first"
    page.locator("#curves").scroll_into_view_if_needed()
    box = page.locator("#curves svg").first.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 200, steps=3)
    page.mouse.up()
    expect(page.locator("#eps-value")).to_have_text(re.compile(r"0\.[67]\d\d"))
    assert page.locator("#layer").input_value() == "first"
    opened.done()


def test_what_is_shown_can_be_downloaded(comparison, browser, tmp_path):
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    opened.eps(0.45)
    rows = opened.csv("#by-layer [data-csv=layers]")
    assert [row["layer"] for row in rows] == ["first", HOSTILE, "few"]
    for row, pair in zip(rows, comparison, strict=True):
        assert float(row["similarity, in sample"]) == pytest.approx(pair.profile.similarity(0.45), rel=1e-12)
        if pair.evidence.corrected is not None:
            corrected = pair.evidence.corrected.similarity(0.45)
            assert float(row["similarity, population"]) == pytest.approx(corrected, rel=1e-12)
        assert (row["similarity, population"] == "") == (pair.evidence.corrected is None)
    neurons = opened.csv("[data-csv=neurons]")
    profile = comparison.pairs[0].profile
    assert len(neurons) == sum(profile.provenance.neurons)
    inside = [
        int(row["neuron"]) for row in neurons if row["layer"] == "a:first" and row["in the match at 0.45"] == "true"
    ]
    assert inside == profile.at(0.45).x.tolist()
    curves = [row for row in opened.csv("[data-csv=profiles]") if row["layer"] == "first"]
    curve = [row for row in curves if row["estimate"] == "sample"]
    assert float(curve[-1]["similarity"]) == pytest.approx(profile.similarity(np.nextafter(1, 0)), rel=1e-12)
    opened.done()


def test_alignments_of_three_networks(browser, tmp_path):
    X, Y, _ = layers.partners(p=7, q=8)
    comparison = sm.compare({"a": {"l": X, "m": Y}, "b": {"l": Y, "m": X}, "c": {"l": X, "m": Y}}, sparse="*")
    opened = Opened(browser, comparison.report(tmp_path / "report.html"), 390)
    page = opened.page
    assert page.locator("h1").text_content() == "a, b and c"
    assert page.locator("#depth svg [aria-label='x-axis tick label'] text").all_text_contents() == ["l", "m"]
    found = comparison.universality[0]
    assert opened.table("#universality")[0][5] == str(len(found.everywhere))
    opened.eps(0.5)
    means = [np.mean([p.profile.similarity(0.5) for p in comparison.pairs[3 * k : 3 * k + 3]]) for k in (0, 1)]
    page.locator("#estimate").select_option("sample")
    assert [row[5] for row in opened.table("#layers")] == [f"{mean:.3f}" for mean in means]
    corrected = [
        np.mean([p.evidence.corrected.similarity(0.5) for p in comparison.pairs[3 * k : 3 * k + 3]]) for k in (0, 1)
    ]
    page.locator("#estimate").select_option("population")
    assert [row[5] for row in opened.table("#layers")] == [f"{mean:.3f}" for mean in corrected]
    page.locator("#networks").select_option("b ~ c")
    assert page.locator("#layer-title").text_content() == "l, b ~ c"
    aligned = comparison["l, b ~ c"].alignment
    part = opened.part("One-to-one alignment")
    partner = part.locator("tbody tr").first.locator("th, td").all_text_contents()
    assert partner[:3] == [
        str(aligned.bipartite.x[0]),
        str(aligned.bipartite.y[0]),
        f"{aligned.bipartite.strength[0]:.3f}",
    ]
    sparse = opened.part("Sparse prediction")
    assert (
        sparse.locator("tbody tr").first.locator("td").nth(1).text_content()
        == f"{aligned.maps[0].table()[0]['error']:.3f}"
    )
    assert sparse.locator(".sparse g[stroke-dasharray] path").count() == 2
    largest = aligned.clusters.clusters[0]
    group = opened.part("Clusters").locator("tbody tr").first.locator("th, td").all_text_contents()
    assert group[0] == f"{largest.eps:.2f}" and group[3] == ", ".join(map(str, largest.x))
    few = {row["neuron"]: row for row in aligned.maps[0].few()}
    page.locator("#y-neurons .cell[data-neuron='3']").click()
    card = page.locator("#neuron").text_content()
    assert "Neuron 3 of c:l" in card
    assert "held out" in card and f"error {few[3]['error']:.3f}" in card
    row = aligned.bipartite.y.tolist().index(3)
    assert f"{aligned.bipartite.x[row]} of b:l, correlation {aligned.bipartite.strength[row]:.3f}" in card
    page.locator("#neuron button", has_text=str(aligned.bipartite.x[row])).first.click()
    assert f"Neuron {aligned.bipartite.x[row]} of b:l" in page.locator("#neuron").text_content()
    opened.done()


def test_evidence_and_matrix(browser, tmp_path):
    X, Y = layers.correlated(p=12, q=10)
    A, B = layers.random(n=500, p=12, q=12)
    few = np.repeat(np.random.default_rng(0).standard_normal((20, 30)), 25, axis=0)
    never = np.zeros((500, 3))
    X, Y, A, B, few, never = (layer.reshape(20, 25, -1) for layer in (X, Y, A, B, few, never))  # 25 rows an example
    networks = {"a": {"l": X, "m": A, "few": few, "off": never}, "b": {"l": Y, "m": B, "few": few[::-1], "off": never}}
    comparison = sm.compare(networks, pairs="all")
    opened = Opened(browser, comparison.report(tmp_path / "report.html"), 390)
    page = opened.page
    assert (
        page.locator("#matrix g[aria-label=cell] rect").count() == 6 * 6 + 2
    )  # those that never vary, with themselves
    page.locator("#measure").select_option("debiased cka")
    assert page.locator("#matrix g[aria-label=cell] rect").count() == 6 * 6 + 2
    found = comparison.pairs[0].evidence
    rows = opened.part("Evidence").locator("tbody tr").all()
    shown = {row.locator("th").text_content(): row.locator("td").all_text_contents() for row in rows}
    assert [name.removesuffix(" (distance)") for name in shown] == [measure.name for measure in sm.measures()]
    assert "gulp (distance)" in shown
    debiased = found["debiased cka"]
    interval = f"{debiased.low:.3f} to {debiased.high:.3f}"
    assert shown["debiased cka"][:4] == [f"{debiased.value:.3f}", "unbiased", interval, "none"]
    test = [f"{debiased.p_value:.3f} (999)", f"{debiased.calibrated:.3f}"]
    assert shown["debiased cka"][5:] == test and debiased.permutations == 999
    knn = found["mutual knn"]
    test = [f"{knn.p_value:.3f} ({knn.permutations})", f"{knn.calibrated:.3f}"]
    assert shown["mutual knn"] == [f"{knn.value:.3f}", "in sample", f"{knn.null_value:.3f}", *test]
    titles = opened.part("Evidence").locator("h3.group").all_text_contents()
    assert titles == ["Of all rows", f"Of all 20 examples ({KINDS[comparison.pairs[0].sample.x_rows]})"]
    assert "Calibrated: how far the sample's value is above" in opened.part("Evidence").text_content()
    biased = [measure for measure in found.measures if "is biased" in measure.reason]
    assert biased
    for measure in biased:
        assert shown[measure.name][:3] == [f"{short(measure.value):.3f}", "in sample", "none: biased"]
    reasons = opened.part("Evidence").locator(".reason", has_text="none: biased").all()
    assert [reason.get_attribute("title") for reason in reasons] == [measure.reason for measure in biased]
    legend = opened.part("Evidence").locator(".legend > span").all_text_contents()
    assert legend[0] == "of the population, estimated" and "in sample, maximum match" in legend
    assert page.locator("details.part[open] .proof g[aria-label=area] path").count() == 1
    table = opened.table("#layers")
    shown = re.match(r"[\d,]+", table[0][-2])[0].replace(",", "")
    assert (
        abs(int(shown) - found.rows.effective_sample_size) < 1
    )  # of four digits, then rounded: halves may go either way
    few = [p for p in comparison if p.evidence.rows is not None and not p.evidence.rows.enough]
    assert page.locator("strong.few").count() == len(few) > 0
    assert "off: Evidence is missing: layer 'a:off' never varies" in page.locator("#warnings").text_content()
    page.locator("#layer").select_option("off")
    missing = opened.part("Evidence").text_content()
    names = ", ".join(["rows needed", *(measure.name for measure in sm.measures())])
    assert f"Missing, {names}: layer 'a:off' never varies" in missing
    assert "There is no estimate for the population: " in missing and "because a layer never varies" in missing
    values = opened.csv("[data-csv=matrix]")
    matrix = comparison.matrix("debiased cka")
    assert float(values[0]["b:l"]) == pytest.approx(matrix.values[0, matrix.layers.index("b:l")], rel=1e-9)
    opened.done()


@pytest.fixture(scope="module")
def all_pairs():
    """Two networks of three layers of which the last two are swapped in the second."""
    X, _ = layers.random(n=200, p=6, q=6)
    Y, Z = layers.random(n=200, p=5, q=4, seed=3)
    return sm.compare({"a": {"l": X, "m": Y, "n": Z}, "b": {"l": X, "m": Z, "n": Y}}, pairs="all", clusters=False)


def test_the_map_of_all_layers_is_read_by_pointer_and_by_keyboard(all_pairs, browser, tmp_path):
    opened = Opened(browser, all_pairs.report(tmp_path / "report.html"))
    page = opened.page
    matrix = all_pairs.matrix("debiased cka")
    value = {(x, y): matrix.values[i, j] for i, x in enumerate(matrix.layers) for j, y in enumerate(matrix.layers)}
    cells = page.locator("#matrix g[aria-label=cell] rect")
    # Each network's name stands once along each side.
    names = page.locator("#matrix .network").all_text_contents()
    assert cells.count() == 36 and names == ["a", "b", "a", "b"]
    labels = page.locator("#matrix .labels g").first.locator("text").all_text_contents()
    assert labels == ["l", "m", "n"] * 2
    cells.nth(3).hover()  # of the first row
    expect(page.locator("#cell")).to_have_text(f"a:l and b:l: debiased cka {value['a:l', 'b:l']:.3f}")
    assert page.locator("#matrix .at").all_text_contents() == ["l", "l"]
    page.mouse.move(2, 2)
    expect(page.locator("#cell")).to_contain_text("Point at a cell")
    page.locator("#matrix .map").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "End", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("#cell")).to_have_text(f"b:n and b:n: debiased cka {value['b:n', 'b:n']:.3f}")
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator("#layer-title")).to_have_text(all_pairs.pairs[0].name)
    expect(page.locator("#layer-title")).to_be_in_viewport()
    opened.done()


@pytest.mark.parametrize("width", [1280, 390])
def test_two_networks_and_two_measures_of_the_map_can_be_chosen(all_pairs, browser, tmp_path, width):
    opened = Opened(browser, all_pairs.report(tmp_path / "report.html"), width)
    page = opened.page
    page.locator("#blocks").select_option(label="a \N{MULTIPLICATION SIGN} b")
    assert page.locator("#matrix g[aria-label=cell] rect").count() == 9
    assert page.locator("#matrix .network").all_text_contents() == ["a", "b"]
    assert page.locator("#components [aria-label=rect] rect").count() == 3
    page.locator("#second-measure").select_option("cka")
    figures = page.locator("#matrix figure")
    assert figures.count() == 2 and page.locator("#matrix g[aria-label=cell] rect").count() == 18
    left, right = (figures.nth(i).bounding_box() for i in (0, 1))
    assert (left["y"] == right["y"]) == (width > 1000)
    figures.nth(1).locator("g[aria-label=cell] rect").nth(1).hover()
    one, two = (all_pairs.matrix(name) for name in ("debiased cka", "cka"))
    i, j = one.layers.index("a:l"), one.layers.index("b:m")
    text = f"a:l and b:m: debiased cka {one.values[i, j]:.3f}, cka {two.values[i, j]:.3f}"
    expect(page.locator("#cell")).to_have_text(text.replace("-0.000", "0.000"))
    # Both maps mark the cell.
    assert page.locator("#matrix .cursor:not([display=none])").count() == 2
    opened.done()


def test_a_large_map_is_one_picture_for_each_two_networks(all_pairs, browser, tmp_path):
    data = json.loads(json.dumps(all_pairs.to_dict()))
    layers_of = [f"{name}:l{i}" for name in ("a", "b") for i in range(40)]
    for matrix in data["matrices"]:
        values = np.random.default_rng(0).random((80, 80))
        matrix |= {"layers": layers_of, "values": values.tolist(), "first_component": [0.5] * 80}
    (path := tmp_path / "report.html").write_text(render(data), encoding="utf-8")
    opened = Opened(browser, path)
    page = opened.page
    assert page.locator("#matrix .heat image").count() == 4 and page.locator("#matrix g[aria-label=cell]").count() == 0
    shown = page.locator("#matrix .labels g").first.locator("text:not(.thinned)").all_text_contents()
    assert 10 < len(shown) < 80 and shown[0] == "l0"
    page.locator("#matrix .heat image").nth(1).hover(position={"x": 1, "y": 1})
    expect(page.locator("#cell")).to_contain_text(f"a:l0 and b:l0: debiased cka {values[0, 40]:.3f}")
    opened.done()


def test_counterparts_are_drawn(all_pairs, browser, tmp_path):
    opened = Opened(browser, all_pairs.report(tmp_path / "report.html"))
    section = opened.page.locator("#correspondence")
    expect(section.locator("p").first).to_contain_text(
        "1 of 3 layers of a is most similar to the layer of b with which it is compared"
    )
    titles = section.locator(".links title").all_text_contents()
    assert [title.split(",")[0] for title in titles] == ["a:l: b:l", "a:m: b:n", "a:n: b:m"]
    opened.done()


def test_transplants_stand_beside_their_controls(browser, tmp_path):
    X, Y = layers.correlated(p=12, q=10)

    def outcome(name: str, right: int) -> sm.Outcome:
        correct = np.repeat([1.0, 0.0], [right, 40 - right])
        return sm.Outcome(name, 4, 3, 1.5 - correct, correct)

    rights = {"untouched": 40, "transplant": 38, "ablation": 10, "other examples": 4, "stitch": 39}
    outcomes = tuple(outcome(name, right) for name, right in rights.items())
    found = layers.transplant(outcomes, {"untrained": "no fit"}, n=40)
    comparison = replace(sm.compare({"a": {"l": X}, "b": {"l": Y}}), transplants=(found,))
    opened = Opened(browser, comparison.report(tmp_path / "report.html"), 390)
    matched, less, *_ = (
        table.locator("tbody tr").first.locator("td").all_text_contents()
        for table in opened.page.locator("#transplants table").all()
    )
    assert matched == ["4", "95.0% (0.55)", "100.0% (0.50)", "25.0% (1.25)", "10.0% (1.40)", "\u2013"]
    d = found.difference("ablation")
    assert less[1] == f"+{100 * d.value:.1f} ({100 * d.low:.1f} to {100 * d.high:.1f})" and less[3] == "\u2013"
    assert "Missing, a:l, untrained: no fit." in opened.page.locator("#transplants").text_content()
    opened.done()


def test_transplants_may_lack_outcomes(browser, tmp_path):
    X, Y = layers.correlated(p=12, q=10)
    data = json.loads(json.dumps(sm.compare({"a": {"l": X}, "b": {"l": Y}}).to_dict()))
    outcome = {"neurons": 4, "predictors": 3, "loss": 0.5, "accuracy": 0.9}
    facts = {"y_layer": "b:l", "eps": 0.5, "n_examples": 40, "seed": 0, "level": 0.95, "differences": []}

    def transplant(layer: str, *conditions: str) -> dict:
        outcomes = [{"condition": condition, **outcome} for condition in conditions]
        return {"x_layer": layer, **facts, "outcomes": outcomes, "refused": {"transplant": "nothing matches"}}

    data["transplants"] = [transplant("a:l", "untouched", "ablation"), transplant("a:m", "untouched", "stitch")]
    (path := tmp_path / "report.html").write_text(render(data), encoding="utf-8")
    opened = Opened(browser, path)
    section = opened.page.locator("#transplants")
    # No transplant has the condition "transplant"; one has "stitch".
    assert section.locator("h3").all_text_contents() == ["Full layer (stitched)"]
    rows = opened.table("#transplants table >> nth=0 >>")
    assert rows[0][:4] == ["a:l from b:l", "\u2013", "\u2013", "90.0% (0.50)"]
    assert rows[1][:4] == ["a:m from b:l", "4", "90.0% (0.50)", "90.0% (0.50)"]
    assert "Missing, a:l, transplant: nothing matches." in section.text_content()
    opened.done()


def test_a_simple_match_can_be_chosen(browser, tmp_path):
    X, Y = layers.related()
    comparison = sm.compare({"a": {"l": X}, "b": {"l": Y}}, simple_eps=[0.5, 0.01])
    opened = Opened(browser, comparison.report(tmp_path / "report.html"), 390)
    part = opened.part("Minimum matches at eps 0.5")
    found = comparison.pairs[0].simple[0]
    assert part.locator("option").count() == len(found)
    part.locator("select").select_option("2")
    match = found.matches[2]
    heads = part.locator(".maps tr").first.locator("th").all_text_contents()
    assert heads == ["x from y", *(f"y{j}" for j in match.y)]
    value = float(part.locator(".maps tr").nth(1).locator("td").first.text_content().replace("\u2212", "-"))
    maps = match.coefficients(sm.pair(X, Y))
    assert value == pytest.approx(maps.x_from_y[0, 0], rel=5e-3)
    assert "Nothing matches" in opened.part("Minimum matches at eps 0.01").text_content()
    side, neuron = match.neurons[0]
    opened.page.locator(f"#{side}-neurons .cell[data-neuron='{neuron}']").click()
    smallest = next(m for m in found.matches if (side, neuron) in m.neurons)
    text = opened.page.locator("#neuron").text_content()
    expected = f"{', '.join(map(str, smallest.x))} of a:l with {', '.join(map(str, smallest.y))} of b:l"
    assert f"Minimum match at eps 0.5{expected}" in text
    opened.done()


def test_what_is_large_is_made_smaller(browser, tmp_path, monkeypatch):
    X, Y = layers.correlated(p=30, q=20)
    comparison = sm.compare({"a": {"l": X}, "b": {"l": Y}}, simple_eps=[0.7], top=5)
    matches = len(comparison.pairs[0].simple[0])
    monkeypatch.setattr("spanmatch.report.page_data.CELLS", 2 * 10 * 10)
    costs = [len(m.x) + len(m.y) + 2 * len(m.x) * len(m.y) for m in comparison.pairs[0].simple[0]]
    monkeypatch.setattr("spanmatch.report.page_data.NUMBERS", sum(cost for cost in costs if cost < max(costs)))
    shown = sum(cost < max(costs) for cost in costs)
    assert 1 < shown < matches
    monkeypatch.setattr("spanmatch.report.page_data.INPUTS", 2 * 50)
    page = render(comparison.to_dict())
    (pairs,) = (found["pairs"] for found in embedded(page)["comparisons"])
    (clusters,) = [pairs["alignment"]["of"]["clusters"]["of"]]
    percent = np.rint(100 * np.abs(sm.correlation(sm.pair(X, Y)).between))
    drawn = np.array(clusters["drawn"]["of"]["as_they_come"][0])
    assert drawn.shape == (10, 10)
    blocks = percent.reshape(10, 3, 10, 2).max(axis=(1, 3))
    assert np.abs(drawn - blocks).max() <= 2 and (drawn % 4 == 0).all()
    assert (pairs["simple"][0][0]["count"], len(pairs["simple"][0][0]["matches"])) == (matches, shown)
    (path := tmp_path / "report.html").write_text(page, encoding="utf-8")
    opened = Opened(browser, path)
    groups = opened.part("Clusters")
    assert "Drawn in 10 x 10 blocks of neurons" in groups.text_content()
    drawings = groups.locator("image").evaluate_all("images => images.map(image => image.getAttribute('href'))")
    assert len(set(drawings)) == 2
    part = opened.part("Minimum matches at eps 0.7")
    assert f"The {shown} smallest can be chosen here; all are in simple.csv" in part.text_content()
    assert part.locator("option").count() == shown
    found = {neuron for match in comparison.pairs[0].simple[0].matches[:shown] for neuron in match.neurons}
    _, hidden = next(
        n for match in comparison.pairs[0].simple[0] for n in match.neurons if n[0] == "x" and n not in found
    )
    opened.page.locator(f"#x-neurons .cell[data-neuron='{hidden}']").click()
    assert "larger than those that are shown here" in opened.page.locator("#neuron").text_content()
    assert opened.page.locator(".inputs").first.locator("li").count() == 2
    opened.done()


def test_inputs_that_excite_a_neuron_most(browser, tmp_path):
    random = np.random.default_rng(0)
    X, Y = random.standard_normal((40, 3)), random.standard_normal((40, 3))
    images = random.integers(256, size=(40, 6, 5), dtype=np.uint8)
    words = [["the", " ", f"word{i}", " ", "<b>"] for i in range(40)]
    networks = {"a": {"l": X}, "b": {"l": Y}}
    for name, examples in (("images", images), ("texts", words), ("numbers", None)):
        comparison = sm.compare(networks, top=4, inputs=examples)
        opened = Opened(browser, comparison.report(tmp_path / f"{name}.html"))
        opened.page.locator("#x-neurons .cell[data-neuron='1']").click()
        shown = opened.page.locator(".inputs").first
        best = np.argsort(-X[:, 1])[:4]
        said = [f"example {i}, activation {X[i, 1]:.3g}" for i in best]
        assert shown.locator("li").count() == 4
        if name == "images":
            assert shown.locator(".picture").first.get_attribute("aria-label") == said[0]
            sheet = shown.locator(".picture").first.evaluate("p => getComputedStyle(p).backgroundPosition")
            assert sheet == _place(comparison.to_dict()["inputs"]["shown"], best[0])
        elif name == "texts":
            # One row is one example, whose first token it is.
            assert shown.locator("mark").all_text_contents() == ["the"] * 4
            assert "<b>" in shown.locator("code").first.text_content()
        else:
            assert shown.locator("li").first.text_content() == said[0]
        opened.done()


def _place(shown: dict, example: int) -> str:
    i, scale = shown["examples"].index(example), 72 / max(shown["width"], shown["height"])
    x, y = -(i % shown["columns"]) * shown["width"] * scale, -(i // shown["columns"]) * shown["height"] * scale
    return " ".join("0px" if v == 0 else f"{v:.6g}px" for v in (x, y))


def test_the_page_of_a_study(demo_study, browser):
    opened = Opened(browser, demo_study.folder / "report.html", 390)
    page = opened.page
    assert page.locator("h1").text_content() == "demo"
    accuracy = demo_study.accuracy["main"]
    assert f"{100 * accuracy['value']:.1f}% (" in page.locator("#accuracy").text_content()
    rows = {row[0]: row for row in opened.table("#over-seeds")}
    for row in demo_study.rows():
        if row["quantity"] == "debiased cka":
            shown = [float(number) for number in re.findall(r"-?\d\.\d+", rows[row["layer"]][7])]
            # Halves may be rounded either way.
            assert shown == pytest.approx([row["value"], row["low"], row["high"]], abs=0.0051)
    assert page.locator("#blocks tbody tr").count() == 1
    page.locator("#x-neurons .cell").first.click()
    assert page.locator("#neuron .picture").count() == 2 * 9
    opened.done()


def test_alignment_of_variants_that_train_for_very_different_times(demo_study, browser, tmp_path):
    def step(name: str, random: float, last: int) -> dict:
        spread = {"low": 0.25, "high": 2.5, "minimum": 0.2, "maximum": 3.0}
        epochs = [
            {"epoch": e, "value": random / (1 + e), "change": {"value": -0.5, **spread}, **spread} for e in (0, last)
        ]
        drawn = {"draws": 20, "value": random, "low": random - 1, "high": random + 1}
        about = {"name": f"alignment-{name}", "kind": "alignment", "variants": [name]}
        return {**about, "neurons": 9, "inputs": 4, "random": drawn, "epochs": epochs}

    steps = [*demo_study.results["steps"], step("short", 9.5, 2), step("long", 8.5, 400)]
    study = {**demo_study.results, "steps": steps}
    (path := tmp_path / "report.html").write_text(render_study(study, demo_study.comparisons), encoding="utf-8")
    opened = Opened(browser, path)
    rows = opened.table("#alignment")
    assert rows[0][:5] == ["short", "9", "4", "9.50 (8.50 to 10.50)", "9.500 (0.25 to 2.50)"]
    assert rows[1][:4] == ["long", "9", "4", "8.50 (7.50 to 9.50)"]
    ticks = opened.page.locator("#alignment [aria-label='x-axis tick label'] text").all_text_contents()
    assert ticks == ["0", "1", "2", "5", "10", "20", "50", "100", "200"]
    opened.done()


def test_everything_is_printed(demo_study, browser):
    opened = Opened(browser, demo_study.folder / "report.html", 794)
    page = opened.page
    page.emulate_media(media="print")
    parts = page.locator("details.part")
    assert parts.count() == 6
    # A printer does not wait: everything has to be there when the event has been answered.
    drawn = "parts.every(part => part.open && part.querySelector('.body').childElementCount)"
    assert parts.evaluate_all(f"parts => {{ dispatchEvent(new Event('beforeprint')); return {drawn}; }}")
    assert page.locator("#citation").is_visible() and page.locator("#levels .cell").first.is_visible()
    assert not page.locator(".export, .head button").first.is_visible()
    assert not page.locator(".toolbar").is_visible() and page.locator("#neuron .picture").first.is_visible()
    wide = "tables => tables.filter(t => t.offsetWidth > t.closest('section, details').offsetWidth).length"
    assert page.locator("table").evaluate_all(wide) == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert parts.evaluate_all("parts => parts.map(part => part.open)") == [True] + 5 * [False]
    opened.done()


def test_hostile_text_in_saved_results_is_shown_and_not_run(browser, tmp_path):
    X, Y = layers.correlated(n=120, p=5, q=4)
    a, b = f"a{HOSTILE}", f"b{HOSTILE}"
    comparison = sm.compare(
        {a: {HOSTILE: X}, b: {HOSTILE: Y}},
        sparse="*",
        simple_eps=[0.9],
        evidence=True,
        top=2,
        pairs="all",
        inputs=[[HOSTILE] * 9] * 120,
        notes={HOSTILE: HOSTILE, "__proto__": HOSTILE, "constructor": HOSTILE},
    )
    folder = comparison.save(tmp_path / "saved")
    path = folder / "comparison.json"
    found = json.loads(path.read_text())

    def poisoned(holder):
        """Put hostile text wherever any is taken."""
        for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            if isinstance(value, dict | list):
                yield from poisoned(value)
            elif isinstance(value, str) and HOSTILE not in value:
                holder[key] = HOSTILE
                path.write_text(json.dumps(found))
                try:
                    read_comparison(folder)
                    yield key
                except sm.SpanmatchError:
                    holder[key] = value

    assert {"spanmatch", "layout", "ended"} <= set(poisoned(found))
    path.write_text(json.dumps(found))
    result = CliRunner().invoke(app, ["report", str(folder)])
    assert result.exit_code == 0
    opened = Opened(browser, folder / "report.html")
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    page.locator("#x-neurons .cell").first.click()
    assert page.locator("#facts dt").all_text_contents()[2:] == [HOSTILE, "__proto__", "constructor"]
    assert page.locator("#layer-title").text_content() == HOSTILE
    assert page.locator("img[onerror]").count() == 0
    opened.done()


def test_a_layer_that_never_varies_has_no_few_predictors(browser, tmp_path):
    Y, _ = layers.correlated(n=120, p=5, q=4)
    comparison = sm.compare({"a": {"l": np.ones((120, 3))}, "b": {"l": Y}}, sparse="*", pairs=[("a:l", "b:l")])
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    opened.page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    opened.page.wait_for_timeout(50)
    opened.done()


def test_the_page_is_made_anew_from_saved_results(demo_study, comparison, tmp_path):
    folder = comparison.save(tmp_path / "saved")
    for place in (folder, demo_study.folder):
        before = (place / "report.html").read_bytes()
        (place / "report.html").unlink()
        result = CliRunner().invoke(app, ["report", str(place)])
        assert result.exit_code == 0 and "report.html" in result.stdout.replace("\n", "")
        assert (place / "report.html").read_bytes() == before
    assert CliRunner().invoke(app, ["report", str(tmp_path)]).exit_code == 1
    (folder / "comparison.json").write_text('{"format": "spanmatch.comparison", "version": 1}')
    result = CliRunner().invoke(app, ["report", str(folder)])
    assert result.exit_code == 1 and "not a comparison of version 9" in result.stderr.replace("\n", " ")


def saved_twice(comparison, all_pairs, tmp_path):
    return comparison.save(tmp_path / "one"), all_pairs.save(tmp_path / "two")


def test_several_results_stand_side_by_side(comparison, all_pairs, browser, tmp_path, monkeypatch):
    folders = saved_twice(comparison, all_pairs, tmp_path)
    before = (folders[0] / "report.html").read_bytes()
    path = tmp_path / "both.html"
    result = CliRunner().invoke(app, ["report", *map(str, folders), "--out", str(path)])
    assert result.exit_code == 0 and str(path) in result.stdout.replace("\n", "")
    assert (folders[0] / "report.html").read_bytes() == before
    opened = Opened(browser, path)
    page = opened.page
    assert page.locator("h1").text_content() == "one | two"
    opened.eps(0.45)

    def mean(compared, estimate):
        profiles = [p.profile if estimate == "sample" else p.evidence.corrected for p in compared]
        return np.mean([profile.similarity(0.45) for profile in profiles if profile is not None])

    for estimate in ("population", "sample"):
        page.locator("#estimate").select_option(estimate)
        shares = [f"{100 * mean(compared, estimate):.0f}%" for compared in (comparison, all_pairs)]
        expect(page.locator("#in-words")).to_contain_text(
            f"{shares[0]} of the neurons of a layer of one and {shares[1]} of"
        )
        rows = opened.table("#side-by-side")
        assert [row[0] for row in rows] == ["one", "two"]
        for row, compared in zip(rows, (comparison, all_pairs), strict=True):
            assert float(row[3].split()[0]) == pytest.approx(mean(compared, estimate), abs=0.00051)
    panels = page.locator("#side-by-side .panel")
    assert panels.count() == 2 and panels.locator("path.mean").count() == 2
    # They come before what is shown of one of them.
    assert panels.first.bounding_box()["y"] < page.locator("#by-depth").bounding_box()["y"]
    panels.nth(1).locator("button", has_text="two").click()
    assert page.locator("#comparison").input_value() == "two"
    assert page.locator("#layer option").all_text_contents() == ["l", "m", "n"]
    expect(page.locator("#chosen-in-words")).to_contain_text("two: At eps 0.450, the match holds")
    expect(page).to_have_url(re.compile("comparison=two"))
    assert page.locator("#side-by-side [aria-pressed=true]").text_content() == "two"
    opened.done()
    monkeypatch.chdir(tmp_path)
    (copy := tmp_path / "other" / "one").parent.mkdir()
    folders[0].rename(copy)
    folders[1].rename(tmp_path / "one")
    result = CliRunner().invoke(app, ["report", "one", "other/one"])
    assert result.exit_code == 0 and "Report: spanmatch-report.html" in result.stdout
    page = (tmp_path / "spanmatch-report.html").read_text(encoding="utf-8")
    assert [found["name"] for found in embedded(page)["comparisons"]] == ["one", "other/one"]


def test_what_cannot_stand_side_by_side(comparison, all_pairs, tmp_path):
    one, two = saved_twice(comparison, all_pairs, tmp_path)
    path = tmp_path / "both.html"

    def invoke(*folders):
        return CliRunner().invoke(app, ["report", *map(str, folders), "--out", str(path)])

    assert invoke(one).exit_code == 0 and path.read_bytes() == (one / "report.html").read_bytes()
    path.unlink()
    assert "no such folder" in invoke(one, tmp_path / "none").stderr
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "bench.json").write_text("{}")
    assert "a benchmark has a report of its own" in invoke(two, tmp_path / "bench").stderr.replace("\n", " ")
    assert "the same folder" in invoke(two, two).stderr.replace("\n", " ")
    assert not path.exists()


def test_a_study_stands_beside_a_comparison(small_study, comparison, browser, tmp_path):
    folder = comparison.save(tmp_path / "one")
    path = tmp_path / "both.html"
    result = CliRunner().invoke(app, ["report", str(small_study.folder), str(folder), "--out", str(path)])
    assert result.exit_code == 0, result.output
    opened = Opened(browser, path)
    steps = [f"{small_study.folder.name}: {name}" for name in small_study.comparisons]
    assert opened.page.locator("#comparison option").all_text_contents() == [*steps, "one"]
    opened.done()


def test_counterparts_and_changes_are_shown(browser, tmp_path):
    X, Y = layers.random(n=80, p=5, q=5)
    networks = {"base": {"one": X, "two": Y}, "tuned": {"one": X, "two": Y + 1e-3 * X, HOSTILE: X[:, :2]}}
    comparison = sm.compare(networks, pairs="all", clusters=False, evidence=False)
    opened = Opened(browser, comparison.report(tmp_path / "report.html"))
    page = opened.page
    (changes,) = comparison.near_networks()
    assert f"From base to tuned: {changes.sentence}." in page.locator("#changes").text_content()
    rows = opened.table("#changes")
    assert [row[0] for row in rows] == ["one", "two"]
    assert rows[0][1:3] == ["<1e-7", "<1e-14"] and float(rows[1][2]) == pytest.approx(
        changes.layers[1].one_minus_cka, rel=0.06
    )
    counterparts = comparison.correspondence()
    assert [row[:2] for row in opened.table("#correspondence")] == [[one.x_layer, one.y_layer] for one in counterparts]
    text = page.locator("#correspondence").text_content()
    (score,) = comparison.scores
    assert f"best monotone path {score.path_score:.3f}" in text and f"Not compared: tuned:{HOSTILE}." in text
    opened.done()
