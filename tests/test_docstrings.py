"""Docstrings of public names: every section that a reader looks for is there, and every example runs."""

from __future__ import annotations

import doctest
import inspect
import re

import matplotlib as mpl
import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate

import spanmatch as sm

NAMES = [name for name in sm.__all__ if name != "__version__"]
FUNCTIONS = [name for name in NAMES if inspect.isroutine(getattr(sm, name))]
MADE_BY_USERS = ("Measure", "Moments", "Tracker")
NEEDS_RESULTS = ("Bench", "Study", "run_bench")
"""Their examples read the results of hours or minutes: they are not run here, but by tests of their own."""
SLOW = ("run_study",)
NO_ARGUMENTS = ("measures",)
STYLE = {
    # How summaries, types and descriptions are worded and set, and sections that not every docstring needs.
    *("GL01", "GL02", "GL03", "GL07", "SS03", "SS05", "SS06", "ES01", "EX01", "SA01", "SA03", "SA04", "YD01"),
    *("PR04", "PR05", "PR06", "PR08", "PR09", "PR10", "RT02", "RT03", "RT04", "RT05"),
}
"""Findings of numpydoc that are no errors here."""


def examples_of(name: str) -> list[doctest.DocTest]:
    """Return the example of a public name, which sees no names but those that it defines itself."""
    own = getattr(sm, name).__doc__
    return [doctest.DocTestParser().get_doctest(own, {}, name, None, None)]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in NAMES])
def test_the_example_runs(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    (test,) = examples_of(name)
    skipped = [example for example in test.examples if doctest.SKIP in example.options]
    assert bool(skipped) == (name in NEEDS_RESULTS)
    assert any(example.want for example in test.examples) or skipped
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    told: list[str] = []
    runner.run(test, out=told.append)
    assert not told, "".join(told)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_is_the_last_section_and_imports_what_it_uses(name):
    document = getattr(sm, name).__doc__
    assert document.count("Examples\n") == 1
    example = document.split("Examples\n")[1]
    assert "import spanmatch as sm" in example
    assert not re.search(r"^\s*-{3,}$", example.split("\n", 1)[1], re.M)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_they_take_return_and_raise(name):
    sections = get_doc_object(getattr(sm, name))
    assert bool(sections["Parameters"]) == (name not in NO_ARGUMENTS)
    assert sections["Returns"] and sections["Examples"]
    assert sections["Raises"] or name in NO_ARGUMENTS
    assert sections["Summary"]


@pytest.mark.parametrize("name", MADE_BY_USERS)
def test_classes_that_users_make_say_what_they_take(name):
    sections = get_doc_object(getattr(sm, name))
    assert sections["Parameters"] and sections["Examples"]


@pytest.mark.parametrize("name", [*FUNCTIONS, *MADE_BY_USERS])
def test_numpydoc_finds_no_error(name):
    found = [(code, text) for code, text in validate(f"spanmatch.{name}")["errors"] if code not in STYLE]
    assert not found


def undescribed(pair: object, eps: float) -> None:
    """Return nothing.

    Parameters
    ----------
    pair : Pair
        The layers.
    """


def test_numpydoc_finds_a_parameter_that_is_not_described():
    assert "PR01" in [code for code, _ in validate(f"{__name__}.undescribed")["errors"]]


@pytest.mark.parametrize("name", [name for name in NAMES if inspect.isclass(getattr(sm, name))])
def test_attributes_of_results_are_described(name):
    """Public methods and properties have docstrings."""
    for attribute, value in vars(getattr(sm, name)).items():
        if not attribute.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            assert inspect.getdoc(getattr(getattr(sm, name), attribute)), attribute
