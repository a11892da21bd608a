"""Tasks, the front page, other packages: the code of these pages runs, and gives the numbers that they state."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

DOCS = Path(__file__).parent.parent / "docs"
TASKS = sorted(path for path in (DOCS / "tasks").glob("*.md") if path.name != "index.md")
SCREEN = 45
NUMBER = re.compile(r"-?\d+(\.(?P<decimals>\d+))?(e(?P<exponent>[-+]\d+))?(?![\w.]*\w)")


@pytest.fixture(autouse=True)
def in_docs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(DOCS)
    mpl.use("agg")


@pytest.mark.slow
@pytest.mark.parametrize("page", [*TASKS, DOCS / "index.md", DOCS / "coming-from.md"], ids=lambda page: page.stem)
def test_the_code_gives_the_numbers_that_it_states(page):
    names: dict[str, object] = {}
    stated = 0
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
        stated += run(block, names)
    assert stated


def run(block: str, names: dict[str, object]) -> int:
    """Run a block; compare the values of its lines with what their comments state, and return how many do."""
    lines = block.splitlines()
    stated = 0
    for statement in ast.parse(block).body:
        code = ast.get_source_segment(block, statement)
        if not isinstance(statement, ast.Expr):
            exec(code, names)
            continue
        value = eval(code, names)
        _, _, comment = lines[statement.end_lineno - 1][statement.end_col_offset :].partition("# ")
        stated += agrees(value, comment)
    return stated


def agrees(value: object, comment: str) -> bool:
    """Return whether a comment states a value; raise unless it is this one, to a unit of the last digit."""
    if isinstance(value, bool):
        assert comment.partition(":")[0] == str(value), comment
        return True
    if isinstance(value, str):
        assert comment.startswith(value), value
        return True
    number = NUMBER.match(comment)
    if not number:
        return False
    unit = 10.0 ** (int(number["exponent"] or 0) - len(number["decimals"] or ""))
    assert abs(np.asarray(value, float).squeeze() - float(number[0])) <= (unit if number["decimals"] else 0), value
    return True


@pytest.mark.parametrize(
    ("value", "comment"), [(0.42, "0.44: no"), (3, "2: no"), (True, "False"), ("a", "b"), (2e-5, "7e-05")]
)
def test_a_wrong_number_is_found(value, comment):
    with pytest.raises(AssertionError):
        agrees(value, comment)


def test_comments_in_words_state_nothing():
    assert not agrees(0.4, "a row for each step and layer") and not agrees(0.4, "5x as much")


@pytest.mark.parametrize("page", TASKS, ids=lambda page: page.stem)
def test_a_page_is_at_most_a_screen(page):
    assert len(page.read_text().splitlines()) <= SCREEN


@pytest.mark.parametrize("page", TASKS, ids=lambda page: page.stem)
def test_a_page_begins_with_what_it_shows(page):
    heading, sentence, example = page.read_text().split("\n\n")[:3]
    assert heading.startswith("# ") and sentence.startswith("This page ") and example.startswith("```")
