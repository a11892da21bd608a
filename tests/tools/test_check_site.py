"""What is wrong with a built site is found."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

CHECK = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "check_site.py"))
problems, names = CHECK["problems"], CHECK["names"]


@pytest.fixture
def site(tmp_path):
    (tmp_path / "api").mkdir()
    for name in names():
        (tmp_path / "api" / f"spanmatch.{name}.html").write_text("<a href='../index.html#x'>home</a>")
    (tmp_path / "index.html").write_text("<script src='a.js?v=1'></script><a href='https://example.org/'>elsewhere</a>")
    (tmp_path / "a.js").write_text("")
    (tmp_path / "searchindex.js").write_text(json.dumps({"names": names()}))
    return tmp_path


def test_a_site_without_problems(site):
    assert problems(site) == []


def test_a_name_without_a_page(site):
    (site / "api" / "spanmatch.cka.html").unlink()
    assert problems(site) == ["cka has no page"]


def test_a_name_that_the_search_does_not_know(site):
    (site / "searchindex.js").write_text(json.dumps([name for name in names() if "transplant" not in name.lower()]))
    assert problems(site) == ["the search does not know Transplant", "the search does not know transplant"]


@pytest.mark.parametrize(
    "loads",
    [
        "<script src='https://example.org/a.js'></script>",
        "<link rel='stylesheet' href='//example.org/a.css'>",
        "<img src='https://example.org/a.png'>",
    ],
)
def test_a_page_that_loads_from_another_host(site, loads):
    (site / "other.html").write_text(loads)
    (found,) = problems(site)
    assert found.startswith("other.html loads ") and "example.org" in found


def test_links_and_pictures_that_lead_nowhere(site):
    (site / "other.html").write_text("<img src='none.png'><a href='none.html#part'>none</a><a href='#here'>here</a>")
    assert problems(site) == [
        "other.html leads to none.png, which is not there",
        "other.html leads to none.html#part, which is not there",
    ]
