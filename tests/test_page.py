"""The page: self-contained, true to the JSON, safe with hostile names, and working in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import layers
import numpy as np
import pytest

import spanmatch as sm
from spanmatch.report import render

HOSTILE = "<script>alert(1)</script>\"'&</script><img src=x onerror=alert(2)> \u2028 層"


@pytest.fixture(scope="module")
def comparison():
    X, Y = layers.with_silent()
    A, B = layers.random(n=60)
    networks = {"a": {"first": X, HOSTILE: Y, "few": A}, "b": {"first": Y, HOSTILE: X, "few": B}}
    return sm.compare(networks, sparse="few", bins=4)


def test_the_page_holds_its_data_and_asks_for_nothing(comparison):
    page = render(comparison.to_dict())
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(embedded[1]) == json.loads(json.dumps(comparison.to_dict()))
    assert not re.search(r'\b(?:src|href)="(?!data:)', page)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_names_are_text(comparison):
    page = render(comparison.to_dict())
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_it_is_a_function_of_the_json(comparison):
    data = json.loads(json.dumps(comparison.to_dict()))
    assert render(data) == render(comparison.to_dict())


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium here: install Debian's package chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_in_a_browser(comparison, browser, tmp_path, width, scheme):
    path = comparison.report(tmp_path / "report.html")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page = context.new_page()
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("#curves svg")
    assert page.locator("#depth figure > svg").count() == 1
    drawn = "details.layer[open] .levels > :is(svg, figure)"
    assert page.locator(drawn).count() == 1
    page.locator("details.layer").nth(1).locator("summary").click()
    page.locator("details.layer").nth(1).locator(".levels svg").last.wait_for()
    assert page.locator(drawn).count() == 2
    assert page.locator("details.layer[open] .partners path[stroke]").count() >= 2 * 4
    assert page.locator("details.layer[open] .matrices image").count() == 2 * 2
    cells = page.locator("section table tbody").first.locator("tr").all()
    for row, profile in zip(cells, comparison.profiles, strict=True):
        texts = row.locator("td").all_text_contents()
        assert texts[3 : 3 + len(comparison.eps)] == [f"{s:.3f}" for s in profile.similarity(comparison.eps)]
    members = page.locator("details.layer").nth(0).locator("tbody tr").nth(4).locator("td").first.text_content()
    levels = comparison.profiles[0].x_levels
    expected = np.flatnonzero((levels > 0.3) & (levels <= 0.5))
    assert members == (", ".join(map(str, expected)) or "–")
    assert page.locator("summary").nth(1).text_content().strip().startswith("<script>alert(1)")
    assert page.locator(".warnings li").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not problems
    assert requests == [path.as_uri()]
    context.close()


def test_alignments_of_three_networks(browser, tmp_path):
    X, Y, _ = layers.partners(p=7, q=8)
    comparison = sm.compare({"a": {"l": X, "m": Y}, "b": {"l": Y, "m": X}, "c": {"l": X, "m": Y}}, sparse="*")
    path = comparison.report(tmp_path / "report.html")
    page = browser.new_context(viewport={"width": 390, "height": 800}, offline=True).new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    page.locator("#universality svg").last.wait_for()
    assert page.locator("h1").text_content() == "a, b and c"
    assert page.locator("#depth svg [aria-label='x-axis tick label'] text").all_text_contents() == ["l", "m"]
    assert page.locator("#depth svg circle").count() == 6 * len(comparison.eps)
    shared = page.locator("section", has=page.locator("#universality")).locator("tbody tr").first
    found = comparison.universality[0]
    assert shared.locator("td").nth(4).text_content() == str(len(found.everywhere))
    partner = page.locator(".one-to-one tbody tr").first
    first = comparison.convergence[0].bipartite
    assert partner.locator("th").text_content() == str(first.x[0])
    assert partner.locator("td").nth(1).text_content() == f"{first.strength[0]:.3f}"
    sparse = page.locator(".few-to-one tbody tr").first.locator("td").all_text_contents()
    assert sparse[1] == f"{comparison.convergence[0].maps[0].table()[0]['error']:.3f}"
    group = page.locator(".groups tbody tr").first
    largest = comparison.convergence[0].clusters.clusters[0]
    assert group.locator("th").text_content() == f"{largest.eps:.2f}"
    assert group.locator("td").nth(2).text_content() == ", ".join(map(str, largest.x))
    assert page.locator("details.layer[open] .sparse g[stroke-dasharray] path").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not problems


def test_evidence_and_matrix(browser, tmp_path):
    X, Y = layers.correlated(p=12, q=10)
    A, B = layers.random(n=500, p=12, q=12)
    few = np.repeat(np.random.default_rng(0).standard_normal((20, 30)), 25, axis=0)
    networks = {"a": {"l": X, "m": A, "few": few}, "b": {"l": Y, "m": B, "few": few[::-1]}}
    comparison = replace(
        sm.compare(networks, pairs="all"),
        transplants=(sm.Transplant("a:l", "b:l", 0.5, 90, tuple(sm.Outcome(f"c{k}", k, 1.5, 0.25) for k in range(7))),),
    )
    path = comparison.report(tmp_path / "report.html")
    page = browser.new_context(viewport={"width": 390, "height": 800}, offline=True).new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    page.locator("#matrix svg").last.wait_for()
    assert page.locator("#matrix g[aria-label=cell] rect").count() == 36
    page.locator("#measure").select_option("1")
    assert page.locator("#matrix g[aria-label=cell] rect").count() == 36
    found = comparison.assessments[0]
    row = page.locator(".evidence tbody tr").first.locator("td").all_text_contents()
    cka = found["cka"]
    assert row == [f"{cka.value:.3f}", f"{cka.low:.3f} to {cka.high:.3f}", f"{cka.null:.3f}"]
    assert page.locator("details.layer[open] .proof g[aria-label=area] path").count() == 1
    table = page.locator("section", has=page.locator("h2", has_text="Layers")).locator("tbody tr")
    worth = table.first.locator("td").nth(3 + len(comparison.eps)).text_content()
    assert worth.startswith(f"{found.rows.effective:,.0f}")
    assert page.locator("strong.few").count() == sum(not a.rows.enough for a in comparison.assessments)
    assert "25.0% (1.50)" in page.locator("section", has_text="Does it matter").last.text_content()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not problems


def test_a_simple_match_can_be_chosen(browser, tmp_path):
    X, Y = layers.related()
    comparison = sm.compare({"a": {"l": X}, "b": {"l": Y}}, simple=[0.5, 0.01])
    path = comparison.report(tmp_path / "report.html")
    page = browser.new_context(viewport={"width": 390, "height": 800}, offline=True).new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    section = page.locator(".simple").first
    section.locator("figure svg").wait_for()
    found = comparison.simple[0]
    assert section.locator("option").count() == len(found)
    section.locator("select").select_option("2")
    match = found.matches[2]
    heads = section.locator(".maps tr").first.locator("th").all_text_contents()
    assert heads == ["x from y", *(f"y{j}" for j in match.y)]
    value = float(section.locator(".maps tr").nth(1).locator("td").first.text_content().replace("\u2212", "-"))
    maps = match.coefficients(sm.pair(X, Y))
    assert value == pytest.approx(maps.x_from_y[0, 0], rel=5e-3)
    assert "Nothing matches" in page.locator(".simple").nth(1).text_content()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not problems
