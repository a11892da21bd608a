"""A complete benchmark on few small networks: results, what is kept, how it resumes, and the command line."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch._files import locked
from spanmatch.bench import network_sets
from spanmatch.bench.representation import Representation
from spanmatch.bench.similarities import similarities
from spanmatch.cli import bench_tables
from spanmatch.cli.commands import app

FEW = {
    "measures": ["cka", "cca", "mutual knn", "s(0.3)", "linear regression"],
    "networks": ["digits-mlp"],
    "quick": True,
}


def at_times(x, y):
    if x.mean() > 1:
        raise ValueError("too large")
    print("not among the results")  # noqa: T201
    return 0.1


def zero(x, y):
    return 0.0


def truth_of_layers(pair):
    """Return how near two layers are in depth, from their names."""
    x, y = (int(re.sub(r"\D", "", name.partition(":")[2])) for name in (pair.x_layer, pair.y_layer))
    return -abs(x - y)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bench") / "out"


@pytest.fixture(scope="module")
def bench(folder):
    return sm.run_bench([*FEW["measures"], zero], networks=["digits-mlp", "digits-shortcut"], quick=True, out=folder)


def score(bench, measure, test, networks="digits-mlp"):
    (found,) = (s for s in bench.scores() if (s["measure"], s["test"], s["networks"]) == (measure, test, networks))
    return found


def test_every_measure_has_a_score_in_every_test(bench):
    tests = [test["name"] for test in bench.results["tests"]]
    assert tests == [*network_sets.TESTS["seeds"], "shortcut"]
    assert len(bench.scores()) == 6 * (8 + 1)
    assert all(s["value"] is not None for s in bench.scores())
    assert {m["name"] for m in bench.results["measures"] if m["yours"]} == {"zero"}


def test_a_constant_is_at_the_bottom(bench):
    """Ties share a rank, so that a constant may not be the last in each test; it knows nothing in any."""
    for s in bench.scores():
        if s["measure"] == "zero":
            assert s["value"] <= s["chance"] + 1e-3
            assert s["low"] is s["high"] is None
    assert bench.ranking()[0]["measure"] != "zero"


def test_cka_finds_layers_and_cca_does_not(bench):
    assert score(bench, "cka", "same layer")["value"] > score(bench, "cca", "same layer")["value"]
    assert score(bench, "cka", "order of depth")["value"] > 0.8


def test_results_are_read_as_they_were_written(bench, folder):
    loaded = sm.Bench.load(folder)
    assert loaded.results == json.loads((folder / "bench.json").read_text()) == bench.results
    assert {path.name for path in folder.iterdir()} >= {"bench.json", "ranking.csv", "scores.csv", "report.html"}
    assert len((folder / "scores.csv").read_text().splitlines()) == len(bench.scores()) + 1
    assert len(bench.to_frame()) == 6
    assert "measures: 6, tests: 9, sets of networks: 2" in repr(bench)
    assert bench.ranking()[0]["measure"] in bench._repr_html_()


def test_a_second_run_reads_what_is_kept(bench, folder):
    before = {path: path.stat().st_mtime_ns for path in (folder / "similarities").rglob("*.json")}
    again = sm.run_bench(**FEW, out=folder)
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "similarities").rglob("*.json")}
    assert score(again, "cka", "same layer") == score(bench, "cka", "same layer") | {
        "rank": score(again, "cka", "same layer")["rank"],
        "among_best": score(again, "cka", "same layer")["among_best"],
    }


def test_one_more_measure_takes_its_own_time_alone(bench, folder):
    """A measure that reads the truth from the layers' names wins, and nothing else is computed."""
    path = next((folder / "similarities" / "digits-mlp-quick" / "layers").glob("*.json"))
    before = json.loads(path.read_text())["results"]
    again = sm.run_bench([*FEW["measures"], truth_of_layers], tests=["same layer", "order of depth"],
                         networks=["digits-mlp"], quick=True, out=folder)  # fmt: skip
    after = json.loads(path.read_text())["results"]
    assert len(after) == len(before) + 1
    assert all(after[digest] == of_measure for digest, of_measure in before.items())
    assert score(again, "truth_of_layers", "same layer")["value"] == 1
    assert score(again, "truth_of_layers", "order of depth")["value"] == 1
    assert again.ranking()[0]["measure"] == "truth_of_layers"


def networks_of(count=2):
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((80, 4))
    return [
        Representation(
            f"net {i}",
            "all",
            i,
            {f"l{j}": shared @ rng.standard_normal((4, 6)) + rng.standard_normal((80, 6)) for j in range(3)},
            np.zeros(80, dtype=int),
            np.ones((80, 1)),
        )
        for i in range(count)
    ]


class NoBar:
    def add_task(self, *args, **kwargs):
        return 0

    def advance(self, task):
        pass

    remove_task = advance


def found_of(measures, networks, folder, keys, workers=1):
    from spanmatch.bench.chosen_measures import chosen_measures as candidates_of

    return similarities(candidates_of(measures), networks, keys, 40, folder, workers, NoBar())


def keys_of(networks):
    layers = [(network.network, layer) for network in networks for layer in network.layers]
    return [(x, y) for x in layers for y in layers if x != y]


def test_similarities_are_those_of_pairs(tmp_path):
    networks = networks_of()
    keys = keys_of(networks)
    found = found_of(["cka", "linear regression", "shape distance", "mutual knn"], networks, tmp_path, keys)
    layers = {(network.network, layer): rows for network in networks for layer, rows in network.layers.items()}
    for x, y in keys:
        moments = sm.Moments(pairs=[("a:l", "b:l")], folds=4, null=False, sample=40, method="qr")
        moments.update({"a:l": layers[x], "b:l": layers[y]})
        pair = moments.pair("a:l", "b:l")
        assert found["cka"].values[x, y] == pytest.approx(sm.cka(pair).value, rel=1e-9)
        assert found["linear regression"].values[x, y] == pytest.approx(sm.linear_regression(pair).value, rel=1e-9)
        assert found["shape distance"].values[x, y] == pytest.approx(-sm.shape_distance(pair).value, rel=1e-9)
        assert found["mutual knn"].values[x, y] == pytest.approx(sm.mutual_knn(pair).value, rel=1e-9)


def test_what_is_not_defined_has_its_reason(tmp_path):
    networks = networks_of()
    networks[0].layers["l1"][:] = 3.0
    found = found_of(["cka", "cca"], networks, tmp_path, keys_of(networks))["cka"]
    undefined = {key for key, value in found.values.items() if np.isnan(value)}
    assert undefined == {key for key in keys_of(networks) if ("net 0", "l1") in key}
    assert "never varies" in found.reason


def test_processes_give_the_same_as_one(tmp_path):
    networks, offset = networks_of(3), 2.5
    keys = keys_of(networks)
    measures = ["cka", lambda x, y: float(np.abs(x.T @ y).sum()) + offset]  # reaches processes though it has no name
    one, several = (found_of(measures, networks, tmp_path / str(n), keys, n) for n in (1, 2))
    for name in one:
        assert one[name].values == several[name].values


def test_other_rows_are_never_mixed_with_what_is_kept(tmp_path):
    networks = networks_of()
    keys = keys_of(networks)[:4]
    first = found_of(["cka"], networks, tmp_path, keys)["cka"].values
    changed = [replace(network, layers={k: v**2 for k, v in network.layers.items()}) for network in networks]
    second = found_of(["cka"], changed, tmp_path, keys)["cka"].values
    assert all(first[key] != second[key] for key in keys)
    for path in tmp_path.glob("*.json"):
        path.write_text(path.read_text()[:50])
    assert found_of(["cka"], changed, tmp_path, keys)["cka"].values == second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tests": ["same layers"]}, "tests: none is called 'same layers'; there is 'same layer'"),
        ({"networks": ["digits"]}, "networks: none are called 'digits'"),
        ({"networks": ["images-cnn"]}, "images-cnn are trained on images; give data="),
        ({"tests": ["shortcut"], "networks": ["text"]}, "shortcut: none of them is a test of the chosen sets"),
        ({"measures": ["ccka"]}, "no measure 'ccka'"),
        ({"tests": "accuracy"}, "tests='accuracy': give a list"),
        ({"networks": "text"}, "networks='text': give a list"),
    ],
)
def test_what_there_is_not_is_refused_at_once(options, message, tmp_path):
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.run_bench(**options, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_set_has_settings_and_its_tests():
    for one in (*network_sets.DIGITS, *network_sets.TEXT, *network_sets.IMAGES):
        settings = network_sets.settings_of(one, "images")
        assert {variant.name for variant in settings.variants} >= set(one.variants)
        assert len(settings.seeds) == (5 if one.kind not in ("seeds", "layers") else 10)
        assert one.tests


def test_the_command_tests_a_function_of_a_file(bench, folder, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("import numpy as np\n\n\ndef near(x, y):\n    return -float(np.abs(x.mean() - y.mean()))\n")
    command = ["bench", "--quick", "--out", str(folder), "--networks", "digits-mlp", "--tests", "accuracy,predictions"]
    command += ["--measures", "cka, s(0.3)", "--measures", f"{file}:near"]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert "near" in result.stdout and "3 measures by mean rank over 2 tests" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80 or "Report" in result.stdout
    as_json = CliRunner().invoke(app, [*command, "--json"])
    assert {m["name"] for m in json.loads(as_json.stdout)["measures"]} == {"cka", "s(0.3)", "near"}
    wide = CliRunner().invoke(app, [*command, "--wide"])
    assert "predictions" in wide.stdout
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0
    for line in (result.stdout + wide.stdout).splitlines():
        assert "not among" not in line
    wrong = CliRunner().invoke(app, ["bench", "--tests", "nothing"])
    assert wrong.exit_code == 2 and "none is called 'nothing'" in wrong.output


def test_a_measure_that_is_often_undefined_has_no_score_and_says_why(bench, folder):
    again = sm.run_bench(["cka", at_times], networks=["digits-mlp"], quick=True, out=folder, workers=1)
    missing = [s for s in again.scores() if s["measure"] == "at_times" and s["value"] is None]
    assert missing and all(re.match(r"not defined for \d+% of the pairs of layers: .*too large", s["reason"])
                           for s in missing if s["test"] != "decodability")  # fmt: skip
    assert all(0 <= s["defined"] < 0.9 for s in missing)
    ((name, warning),) = bench_tables.warnings_of(again)
    assert name == "at_times" and "too large" in warning
    assert again.ranking()[-1]["measure"] == "at_times"


def test_two_runs_in_one_folder_do_not_mix(folder, bench):
    with locked(folder / ".spanmatch-bench", folder), pytest.raises(sm.SpanmatchError, match="another process"):
        sm.run_bench(**FEW, out=folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(sm.SpanmatchError, match="file/out: Not a directory"):
        sm.run_bench(**FEW, out=tmp_path / "file" / "out")


def test_seconds_are_of_each_measure_alone(bench):
    seconds = {m["name"]: m["seconds"] for m in bench.results["measures"]}
    assert all(value > 0 for value in seconds.values())
    assert seconds["s(0.3)"] > seconds["zero"]
