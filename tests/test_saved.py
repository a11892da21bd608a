"""Saved results: what the program writes fits the schema, and whatever else stands in a file is refused by its field."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace

import layers
import numpy as np
import pytest
import test_study
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch import saved, schema
from spanmatch.cli import app
from spanmatch.report import render, render_study

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\u2029\x00\x1b[31m{{ 7 * 7 }}"
VALUES = [
    None,
    True,
    -1,
    0,
    1.5,
    2**70,
    10**400,
    1e308,
    math.nan,
    math.inf,
    "",
    HOSTILE,
    "\ud800",
    [],
    {},
    [[]],
    "__proto__",
]


def comparisons() -> dict[str, sm.Comparison]:
    """Comparisons that together have every kind of result."""
    X, Y = layers.correlated(n=120, p=5, q=4)
    A = np.hstack([X[:, :3], np.zeros((120, 2))])
    r = np.random.default_rng(0)
    outcomes = tuple(sm.Outcome(f"c{k}", k, 1.5, float("nan") if k == 6 else 0.25) for k in range(7))
    outcomes = tuple(replace(o, accuracy=0.25) for o in outcomes)
    two = {"a": {"l": X, "silent": A}, "b": {"l": Y, "silent": X}}
    three = {name: {"l": X + r.standard_normal(X.shape)} for name in "abc"}
    everything = sm.compare(two, sparse="*", bins=3, simple=[0.9], evidence=True, top=2, pairs="all", notes={"a": "b"})
    everything = replace(everything, transplants=(sm.Transplant("a:l", "b:l", 0.5, 90, outcomes),))
    return {
        "everything": replace(everything, examples=["of three words"] * 120),
        "pictures": sm.compare(two, top=2, examples=np.full((120, 4, 4), 9, dtype=np.uint8), evidence=False),
        "three networks": sm.compare(three, clusters=False),
        "centred": sm.compare(two, centred=True, method="qr", null=False, folds=4, evidence=True, eps=[0.3]),
        "no folds": sm.compare(two, folds=1, null=False, clusters=False, method="single"),
        "one neuron": sm.compare({"a": {"l": X[:, :1]}, "b": {"l": Y[:, :1]}}, sparse="*", simple=[0.99], bins=2),
        "constant": sm.compare({"a": {"l": np.ones((50, 3))}, "b": {"l": Y[:50]}}, sparse="*", simple=[0.5]),
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("made")
    for name, comparison in comparisons().items():
        comparison.write_results(folder / name)
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/comparison.json")}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> sm.Study:
    folder = tmp_path_factory.mktemp("study")
    text = test_study.SMALL + "epochs = [0, 1]\nmatrix = true\nacross = [['a', 'b']]\nalignment = true\n"
    text = (
        text.replace("[0, 1, 2]", "[0, 1]").replace("[12]", "[80]")
        + "[[variants]]\nname = 'a'\n[[variants]]\nname = 'b'\n"
    )
    return sm.run_study(test_study.written(folder, text), folder / "out")


def test_every_kind_of_result_that_is_written_fits_the_schema(tmp_path, made):
    assert len(made) == len(comparisons())
    for name, found in made.items():
        (tmp_path / "comparison.json").write_text(json.dumps(found))
        assert saved.read_comparison(tmp_path) == found, name
    everything = made["everything"]
    pair = everything["pairs"][0]
    # What this test is worth: nothing that can be null or empty is so everywhere.
    assert everything["matrices"] and everything["transplants"] and everything["inputs"]["shown"]["kind"] == "texts"
    assert pair["simple"][0]["matches"] and pair["assessment"] and pair["convergence"]["clusters"]
    assert pair["convergence"]["sparse"][0]["few"] and pair["convergence"]["information"]
    assert made["pictures"]["inputs"]["shown"]["kind"] == "images" and made["three networks"]["universality"]


def test_a_study_fits_the_schema(study):
    assert saved.read_study(study.folder) == json.loads((study.folder / "study.json").read_text())
    assert {step["kind"] for step in study.results["steps"]} == {"seeds", "across", "epochs", "alignment"}
    assert study.results["steps"][0]["blocks"]
    for step in study.results["steps"]:
        found, made_from = saved.read_step(study.folder / "comparisons" / step["name"] / "step.json")
        assert found == step and made_from["runs"]


def test_versions_are_those_of_the_schema():
    for (kind, version), record in ((saved.COMPARISON, schema.ComparisonRecord), (saved.STUDY, schema.StudyRecord)):
        assert record.__annotations__["format"].__forward_arg__ == f'Literal["{kind}"]'
        assert record.__annotations__["version"].__forward_arg__ == f"Literal[{version}]"


def places(found, path=()):
    """Yield a path to every field, of the items of a list only the first that has something in it."""
    if path:
        yield path
    if isinstance(found, dict):
        for key, value in found.items():
            yield from places(value, (*path, key))
    elif isinstance(found, list) and found:
        best = max(range(len(found)), key=lambda i: len(json.dumps(found[i])))
        yield from places(found[best], (*path, best))


def at(found, path):
    for key in path:
        found = found[key]
    return found


def mutants(whole):
    """Yield what a file may hold instead: every field without, with another value, and every list of other length."""
    for path in places(whole):
        for change in ("without", "longer", "shorter", "twice", "renamed", *range(len(VALUES))):
            bad = copy.deepcopy(whole)
            holder, key = at(bad, path[:-1]), path[-1]
            value = holder[key]
            if change == "without":
                del holder[key]
            elif change == "renamed" and isinstance(holder, dict):
                holder[HOSTILE] = holder.pop(key)
            elif change in ("longer", "shorter", "twice"):
                if not isinstance(value, list) or not value:
                    continue
                holder[key] = {"longer": [*value, value[-1]], "shorter": value[:-1], "twice": [value[0], *value[:-1]]}[
                    change
                ]
            elif change != "renamed":
                holder[key] = VALUES[change]
            yield path, change, bad


def named(path) -> str:
    """Return the names on a path, without the numbers of a list."""
    return [part for part in path if isinstance(part, str)]


def small(found):
    """Return a comparison with its last pair alone, and short lists where lists may be of any length."""
    kept = {**found, "pairs": found["pairs"][:1]}
    return json.loads(json.dumps(kept))


@pytest.mark.parametrize("name", ["everything", "pictures", "three networks"])
def test_a_comparison_with_any_other_field_is_refused_or_drawn(tmp_path, made, name):
    path, refused, drawn = tmp_path / "comparison.json", 0, 0
    for where, change, bad in mutants(small(made[name])):
        path.write_text(json.dumps(bad))
        try:
            render(saved.read_comparison(tmp_path))
            drawn += 1
        except sm.SpanmatchError as error:
            assert str(error).startswith(f"{path}: ") and str(error).isprintable() and len(str(error)) < 600
            refused += 1
        except Exception as error:
            raise AssertionError(f"{where} {change}") from error
    print(refused, drawn)
    assert refused > 3 * drawn
