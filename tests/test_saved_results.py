"""Saved results: what the program writes fits the schema; whatever else stands in a file is refused by its field."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from typing import get_args, get_type_hints

import layers
import numpy as np
import pytest
from bench_records import bench_record
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch import saved_results, schema
from spanmatch.cli.commands import app
from spanmatch.report import page, render, render_bench, render_study

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\u2029\x00\x1b[31m{{ 7 * 7 }}"
DETAILS = ("bars", "strips", "scatter", "curves")
"""What may be behind the score of a measure."""
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
    near = np.hstack([X, X[:, :1] + 1e-4 * r.standard_normal((120, 1))])
    rights = {"untouched": 40, "transplant": 38, "ablation": 10, "other examples": 4, "stitch": 39}
    correct = {name: np.repeat([1.0, 0.0], [right, 40 - right]) for name, right in rights.items()}
    outcomes = tuple(sm.Outcome(name, 4, 3, 1.5 - own, own) for name, own in correct.items())
    transplant = layers.transplant(outcomes, {"untrained": "no fit"}, n=40)
    two = {"a": {"l": X, "silent": A}, "b": {"l": Y, "silent": X}}
    three = {name: {"l": X + r.standard_normal(X.shape)} for name in "abc"}
    everything = sm.compare(
        two, sparse="*", bins=3, simple_eps=[0.9], evidence=True, top=2, pairs="all", notes={"a": "b"}
    )
    everything = replace(everything, transplants=(transplant,))
    return {
        "everything": replace(everything, inputs=["of three words"] * 120),
        "pictures": sm.compare(two, top=2, inputs=np.full((120, 4, 4), 9, dtype=np.uint8), evidence=False),
        "three networks": sm.compare(three, clusters=False, permutations=9),
        "centred": sm.compare(
            two, centred=True, method="qr", null=False, folds=4, evidence=True, eps=[0.3], permutations=9
        ),
        "no sample": sm.compare(two, sample=0, evidence=True),
        "no folds": sm.compare(two, folds=1, null=False, clusters=False, method="single"),
        "one neuron": sm.compare(
            {"a": {"l": X[:, :1]}, "b": {"l": Y[:, :1]}}, sparse="*", simple_eps=[0.99], bins=2, permutations=9
        ),
        "unresolved": sm.compare({"a": {"l": X}, "b": {"l": near}}, eps=[0.001, 0.5], method="single", evidence=False),
        "constant": sm.compare({"a": {"l": np.ones((50, 3))}, "b": {"l": Y[:50]}}, sparse="*", simple_eps=[0.5]),
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("made")
    for name, comparison in comparisons().items():
        comparison.write_results(folder / name)
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/comparison.json")}


def test_every_kind_of_result_that_is_written_fits_the_schema(tmp_path, made):
    assert len(made) == len(comparisons())
    for name, found in made.items():
        (tmp_path / "comparison.json").write_text(json.dumps(found))
        assert saved_results.read_comparison(tmp_path) == found, name
    everything = made["everything"]
    pair = everything["pairs"][0]
    # What this test is worth: nothing that can be null or empty is so everywhere.
    assert everything["matrices"] and everything["transplants"] and everything["inputs"]["shown"]["kind"] == "texts"
    assert pair["simple"][0]["matches"] and pair["evidence"] and pair["alignment"]["clusters"]
    assert pair["alignment"]["sparse"][0]["few"] and pair["alignment"]["information"]
    assert pair["sample"] == {
        **{"size": 120, "n_examples": 120, "seed": 0, "x_features": 5, "y_features": 4, "x_rows": "flat"},
        "y_rows": "flat",
    }
    assert made["no sample"]["pairs"][0]["sample"] is None and made["no sample"]["pairs"][0]["refusals"]["sample"]
    assert made["unresolved"]["pairs"][0]["similarity"][0] is None
    assert made["pictures"]["inputs"]["shown"]["kind"] == "images" and made["three networks"]["universality"]


def test_a_study_fits_the_schema(small_study):
    assert saved_results.read_study(small_study.folder) == json.loads((small_study.folder / "study.json").read_text())
    kinds = {"seeds", "across", "epochs", "alternatives", "alignment"}
    assert {step["kind"] for step in small_study.results["steps"]} == kinds
    assert small_study.results["steps"][0]["blocks"]
    for step in small_study.results["steps"]:
        path = small_study.folder / "comparisons" / step["name"] / "step.json"
        found, made_from = saved_results.read_step(path), saved_results.read_made_from(path)
        assert found == step and made_from["runs"]


def test_a_benchmark_fits_the_schema(tmp_path):
    bench = bench_record()
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    assert saved_results.read_bench(tmp_path) == bench
    # What this test is worth: nothing that can be null or empty is so everywhere.
    assert {score["details"]["kind"] for score in bench["scores"] if score["details"]} == set(DETAILS)
    assert {score["value"] is None for score in bench["scores"]} == {True, False}
    assert {score["low"] is None for score in bench["scores"] if score["value"] is not None} == {True, False}


def test_versions_are_those_of_the_schema():
    for (kind, version), record in (
        (saved_results.COMPARISON, schema.ComparisonRecord),
        (saved_results.STUDY, schema.StudyRecord),
        (saved_results.BENCH, schema.BenchRecord),
    ):
        fields = get_type_hints(record)
        assert get_args(fields["format"]) == (kind,) and get_args(fields["version"]) == (version,)


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


def changes_of(value):
    """Yield what may stand in the place of a value."""
    if isinstance(value, list) and value:
        yield from ([*value, value[-1]], value[:-1], [value[0], *value[:-1]])
    yield from VALUES


def mutants(whole):
    """Yield what a file may hold instead: each field left out, renamed, or with another value. It is put back after."""
    for path in list(places(whole)):
        holder, key = at(whole, path[:-1]), path[-1]
        value = holder[key]
        for other in changes_of(value):
            holder[key] = other
            yield path, ascii(other)[:40], whole
        del holder[key]
        yield path, "left out", whole
        if isinstance(holder, dict):
            holder[HOSTILE] = value
            yield path, "renamed", whole
            del holder[HOSTILE]
            holder[key] = value
        else:
            holder.insert(key, value)


def small(found):
    """Return a comparison with its first pair alone, and short tables."""
    found = json.loads(json.dumps({**found, "pairs": found["pairs"][:1]}))
    for way in found["pairs"][0]["alignment"]["sparse"]:
        way["table"] = way["table"][:2]
    return found


@pytest.fixture
def no_scripts(monkeypatch):
    """Pages without the scripts, which are the same in every one, and take longest."""
    monkeypatch.setattr(page, "LIBRARIES", ())
    monkeypatch.setattr(page, "_joined", lambda name: "")


def check_mutants(path, whole, only, make):
    """Check that every mutant is refused by one error, which names the file, or drawn; return how many were."""
    refused = drawn = 0
    for where, change, bad in mutants(whole):
        if only not in ("", where[0]):
            continue
        path.write_text(json.dumps(bad))
        try:
            make(path.parent)
            drawn += 1
        except sm.SpanmatchError as error:
            said = str(error).removeprefix(f"{path}: ")
            assert said != str(error) and said.isprintable() and said.isascii() and len(said) < 500, (where, change)
            refused += 1
        except Exception as error:
            raise AssertionError(f"{where}, {change}: {error!r}") from error
    return refused, drawn


@pytest.mark.parametrize(
    ("name", "only"), [("everything", ""), ("pictures", "inputs"), ("three networks", "universality")]
)
def test_a_comparison_with_any_other_field_is_refused_or_drawn(tmp_path, made, no_scripts, name, only):
    path = tmp_path / "comparison.json"
    refused, drawn = check_mutants(
        path, small(made[name]), only, lambda folder: render(saved_results.read_comparison(folder))
    )
    assert refused > 5 * drawn > 0


def test_a_study_with_any_other_field_is_refused_or_drawn(tmp_path, made, small_study, no_scripts):
    comparison = small(made["one neuron"])
    steps = {step["kind"]: step for step in small_study.results["steps"]}
    whole = {**small_study.results, "steps": list(steps.values())}
    whole["settings"] = {"seeds": [0, 1, 2], "training": {"lr": 0.1}}
    whole = json.loads(json.dumps(whole))
    whole["runs"] = [run | {"history": run["history"][-1:]} for run in whole["runs"]]

    def make(folder):
        study = saved_results.read_study(folder)
        render_study(study, {step["name"]: comparison for step in study["steps"][:1]})

    refused, drawn = check_mutants(tmp_path / "study.json", whole, "", make)
    assert refused > drawn > 0
    step = json.loads(json.dumps(steps["alignment"] | {"made_from": 3}))
    refused, drawn = check_mutants(
        tmp_path / "step.json", step, "", lambda folder: saved_results.read_step(folder / "step.json")
    )
    assert refused > 2 * drawn > 0


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("pairs", 0, "x_levels", 2), "abc", r'pairs[0].x_levels[2]: "abc" should be a valid number'),
        (("pairs", 0, "x_levels", 2), math.nan, "pairs[0].x_levels[2]: NaN should be a finite number"),
        (("pairs", 0, "x_levels", 2), 1.5, "pairs[0].x_levels[2]: 1.5 should be less than or equal to 1"),
        (("pairs", 0, "x_levels"), [0.5], "pairs[0].x_levels: 1 values, but 5 neurons"),
        (("pairs", 0, "x_neurons"), None, "pairs[0].x_neurons: null should be a valid integer"),
        (("pairs", 0, "x_layer"), "c:l", 'pairs[0].x_layer: "c" is no network; there is "a", "b"'),
        (("pairs", 0, "alignment", "bipartite", "x", 1), 7, 'alignment.bipartite.x[1]: neuron 7, but "a:l" has 5'),
        (("pairs", 0, "sample"), None, "pairs[0].sample: null, but no reason stands in refusals"),
        (("pairs", 0, "sample", "size"), 121, "pairs[0].sample.size: 121 of 120 examples"),
        (
            ("pairs", 0, "sample", "x_rows"),
            "sum",
            """pairs[0].sample.x_rows: "sum" should be 'flat', 'mean'""",
        ),
        (("pairs", 0, "measures", 0, "needs"), "", "pairs[0].measures[0].needs"),
        (("pairs",), [], "pairs: a list of 0 should have at least 1 item"),
        (("matrices", 0, "values", 1), [0.5], "matrices[0].values[1]: 1 values, but 4 are right"),
        (("inputs", "layers", "a:l", "places", 0), [], 'inputs.layers["a:l"].places[0]: 0 values, but 2 examples'),
        (("inputs", "shown", "kind"), "films", """inputs.shown.kind: "films" should be 'images', 'texts'"""),
        (("notes", "a"), 3, "notes.a: 3 should be a valid string"),
        (("more",), 3, "more: unknown field"),
    ],
)
def test_the_first_field_that_is_wrong_is_named(tmp_path, made, where, value, message):
    bad = copy.deepcopy(made["everything"])
    at(bad, where[:-1])[where[-1]] = value
    (tmp_path / "comparison.json").write_text(json.dumps(bad))
    with pytest.raises(sm.SpanmatchError) as caught:
        saved_results.read_comparison(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'comparison.json'}: ") and message in str(caught.value)


def small_bench(kind=""):
    """Return a benchmark of few measures, with short details, of one kind alone unless none is given."""
    bench = bench_record(n_measures=3, n_sets=2)
    for score in bench["scores"]:
        details = score["details"]
        score["details"] = details if kind == "" or (details and details["kind"] == kind) else None
        for name in {"values", "x", "y"} & set(details or {}):
            if details["kind"] == "bars":
                details["labels"] = details["labels"][:2]
            numbers = details[name][:2]
            details[name] = [some[:2] if isinstance(some, list) else some for some in numbers]
            if "labels" in details:
                details["labels"] = details["labels"][:2]
    return bench


@pytest.mark.parametrize("kind", DETAILS)
def test_a_benchmark_with_any_other_field_is_refused_or_drawn(tmp_path, no_scripts, kind):
    only = "" if kind == "bars" else "scores"
    refused, drawn = check_mutants(
        tmp_path / "bench.json",
        small_bench(kind),
        only,
        lambda folder: render_bench(saved_results.read_bench(folder)),
    )
    assert refused > 2 * drawn > 0


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("scores", 0, "value"), math.inf, "scores[0].value: Infinity should be a finite number"),
        (("scores", 0, "value"), None, "scores[0].reason: is given where there is no value"),
        (("scores", 0, "reason"), "none", "scores[0].reason: is given where there is no value"),
        (("scores", 0, "low"), None, "scores[0]: has an interval without both ends, or without a value"),
        (("scores", 0, "low"), 3.0, "scores[0].low: 3.0 should not be above high, "),
        (("scores", 0, "rank"), None, "scores[0].rank: is given where there is a value"),
        (("scores", 0, "rank"), 0.5, "scores[0].rank: 0.5 should be from 1 to 3"),
        (("scores", 0, "measure"), "ck", 'scores[0].measure: "ck" is no measure; there is '),
        (("scores", 0, "networks"), "ck", 'scores[0].networks: "ck" is no set of networks; there is "digits cnn"'),
        (("scores", 0, "test"), "ck", 'scores[0].test: "ck" is no test of these networks; there is "same layer"'),
        (("scores", 1, "measure"), "debiased cka", "scores[1]: is of the same measure, test and networks"),
        (("scores", 0, "details", "labels"), ["a"], "scores[0].details.values: 2 values, but 1 in labels"),
        (("scores", 0, "details", "labels", 1), "conv1", 'details.labels[1]: "conv1" stands there twice'),
        (("scores", 0, "details", "kind"), "pies", "scores[0].details.kind: \"pies\" should be 'bars', 'strips'"),
        (("measures", 0, "seconds"), 0.0, "measures[0].seconds: 0.0 should be greater than 0"),
        (("measures", 0, "rank", "low"), None, "measures[0].rank: has one end of an interval"),
        (("measures", 0, "rank", "value"), 99.0, "measures[1].rank.value: "),
        (("measures", 1, "name"), "debiased cka", 'the names of measures[1]: "debiased cka" stands there twice'),
        (("networks", 0, "tests", 0), "ck", 'networks[0].tests[0]: "ck" is no test'),
        (("networks", 0, "accuracy", "high"), None, "networks[0].accuracy: has one end of an interval"),
    ],
)
def test_the_first_field_of_a_benchmark_that_is_wrong_is_named(tmp_path, where, value, message):
    bad = small_bench()
    assert bad["measures"][0]["name"] == "debiased cka"
    at(bad, where[:-1])[where[-1]] = value
    (tmp_path / "bench.json").write_text(json.dumps(bad))
    with pytest.raises(sm.SpanmatchError) as caught:
        saved_results.read_bench(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'bench.json'}: ") and message in str(caught.value)


def test_a_measure_without_a_value_is_not_among_the_best(tmp_path):
    bad = bench_record()
    i = next(i for i, score in enumerate(bad["scores"]) if score["value"] is None)
    bad["scores"][i]["among_best"] = True
    (tmp_path / "bench.json").write_text(json.dumps(bad))
    with pytest.raises(sm.SpanmatchError, match=rf"scores\[{i}\]\.among_best: true, but there is no value"):
        saved_results.read_bench(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 10**5, '{"format": NaN}', "\ud800", "9" * 5000])
@pytest.mark.parametrize("name", ["comparison.json", "study.json"])
def test_what_is_no_result_at_all_is_refused(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    (tmp_path / "report.html").write_text("as it was")
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert f"error: {tmp_path / name}: " in result.stderr.replace("\n", "")
    assert (tmp_path / "report.html").read_text() == "as it was" and len(list(tmp_path.iterdir())) == 2


def test_a_report_of_a_wrong_result_leaves_the_last_one(tmp_path, made, small_study):
    for name, whole in (("comparison.json", made["everything"]), ("study.json", small_study.results)):
        folder = tmp_path / name.removesuffix(".json")
        folder.mkdir()
        (folder / "report.html").write_text("as it was")
        (folder / name).write_text(json.dumps({**whole, "spanmatch": HOSTILE, "pairs": 3}))
        result = CliRunner().invoke(app, ["report", str(folder)])
        assert result.exit_code == 1 and f"{folder / name}: pairs: " in result.stderr.replace("\n", "")
        assert (folder / "report.html").read_text() == "as it was" and len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "..", "a/b", "a\\b", ""])
def test_a_step_that_names_a_folder_elsewhere_is_refused(tmp_path, small_study, made, name):
    bad = json.loads(json.dumps(small_study.results))
    bad["steps"][0]["name"] = name
    (tmp_path / "study.json").write_text(json.dumps(bad))
    with pytest.raises(sm.SpanmatchError, match=r"study\.json: steps\[0\]\.name: .* should be the name of a folder"):
        sm.Study.load(tmp_path)


def test_settings_that_are_none_are_refused_with_their_file(small_study, tmp_path):
    bad = json.loads(json.dumps(small_study.results))
    bad["settings"]["compare"]["folds"] = "many"
    (tmp_path / "study.json").write_text(json.dumps(bad))
    with pytest.raises(sm.SpanmatchError, match=r"study\.json: settings\.compare\.folds: "):
        sm.Study.load(tmp_path).networks()
