"""`show` puts the page into a frame of a notebook, and opens it in the browser from a script."""

from __future__ import annotations

import re
import webbrowser
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import layers
import pytest

import spanmatch as sm
from spanmatch.report.showing import IN_A_FRAME, Frame


class Shell:
    kernel = object()


class Terminal:
    kernel = None


@pytest.fixture
def opened(monkeypatch, tmp_path) -> list[Path]:
    """The files that were opened in the browser, which is none."""
    files: list[Path] = []

    def open_(address: str) -> bool:
        assert address.startswith("file://")
        files.append(Path(url2pathname(urlsplit(address).path)))
        return True

    monkeypatch.setattr(webbrowser, "open", open_)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return files


@pytest.fixture
def displayed(monkeypatch) -> list[object]:
    """What a notebook displays: the code runs in a kernel."""
    ipython = pytest.importorskip("IPython")
    shown: list[object] = []
    monkeypatch.setattr(ipython, "get_ipython", Shell)
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


@pytest.fixture(scope="module")
def comparison() -> sm.Comparison:
    X, Y = layers.correlated(n=120, p=6, q=5)
    return sm.compare({"a": {"l": X}, "b": {"l": Y}}, evidence=False, clusters=False)


def test_from_a_script_the_page_is_a_temporary_file_in_the_browser(opened, comparison, tmp_path):
    assert comparison.show() is None
    (file,) = opened
    assert file.parent == tmp_path and file.suffix == ".html"
    assert file.read_text() == comparison.report(tmp_path / "report.html").read_text()


def test_the_page_is_saved_where_asked_for(opened, comparison, tmp_path):
    comparison.show(tmp_path / "mine.html")
    assert opened == [tmp_path / "mine.html"] and "<html" in opened[0].read_text()
    with pytest.raises(sm.SpanmatchError, match="nowhere"):
        comparison.show(tmp_path / "nowhere" / "mine.html")


def test_without_a_browser_a_warning_says_where_the_page_is(monkeypatch, comparison, tmp_path):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    with pytest.warns(sm.SpanmatchWarning, match="no browser could be opened; the page is .*mine.html"):
        comparison.show(tmp_path / "mine.html")


def test_in_a_notebook_the_page_is_in_a_frame(opened, displayed, comparison, tmp_path):
    assert comparison.show(height=500) is None
    (frame,) = displayed
    html = frame._repr_html_()
    page = unescape(re.fullmatch(r'<iframe [^>]*srcdoc="([^"]*)"></iframe>', html)[1])
    assert page.replace(IN_A_FRAME, "") == comparison.report(tmp_path / "report.html").read_text()
    assert "height: 500px" in html and "allow-same-origin" not in html and not opened


def test_a_terminal_of_ipython_is_no_notebook(opened, displayed, comparison, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", Terminal)
    comparison.show()
    assert len(opened) == 1 and not displayed


def test_a_page_in_a_frame_works(browser, comparison, tmp_path):
    """Its script ends, asks for nothing, and may change its address, which in a frame does nothing."""
    notebook = tmp_path / "notebook.html"
    html = comparison.report(tmp_path / "report.html").read_text()
    notebook.write_text(f"<!doctype html><title>notebook</title>{Frame(html, 600)._repr_html_()}")
    page = browser.new_context(offline=True).new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(notebook.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for(state="attached", timeout=20000)
    page.frames[1].evaluate("history.replaceState(null, '', '#eps=0.5')")
    assert page.frames[1].evaluate("self.origin") == "null"
    assert not problems
    page.context.close()


@pytest.mark.slow
def test_a_study_is_shown(opened, small_study):
    small_study.show()
    assert small_study.results["name"] in opened[0].read_text()
