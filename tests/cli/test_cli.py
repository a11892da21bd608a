"""The command line: results, messages, exit codes, and nothing half-written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import hard_layers
import layers
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.activations import from_names
from spanmatch.cli.commands import app

NETWORK = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4))

def other():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4))

def batches():
    return torch.randn(10, 30, 6, generator=torch.Generator().manual_seed(2))

def nothing():
    return None

def broken():
    raise RuntimeError("no such luck")
"""


def plain(text: str) -> str:
    """Return a message without colours and frames."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "nets.py").write_text(NETWORK)
    X, Y = layers.with_silent()
    np.savez("a.npz", one=X, two=Y)
    np.savez("b.npz", one=Y, two=X)

    def invoke(*arguments: str):
        return CliRunner().invoke(app, list(arguments))

    return invoke


def test_two_files(run):
    result = run("compare", "a.npz", "b.npz", "--eps", "0.2, 0.6", "--out", "results")
    assert result.exit_code == 0, result.stderr
    assert "a and b" in result.stdout
    assert "Report: results/report.html" in result.stdout
    saved = json.loads(Path("results/comparison.json").read_text())
    for pair in saved["pairs"]:
        assert f"{pair['similarity'][1]:.3f}" in result.stdout
    assert saved["eps"] == [0.2, 0.6]
    assert "One-to-one partners: median correlation" in result.stdout
    assert sorted(p.name for p in Path("results").iterdir()) == [
        "alignment.csv",
        "clusters.csv",
        "comparison.json",
        "levels.csv",
        "measures.csv",
        "moments.safetensors",
        "report.html",
        "similarity.csv",
    ]


def test_alignments_are_chosen_by_flags(run):
    result = run("compare", "a.npz", "b.npz", "--sparse", "*", "--bins", "5", "--no-clusters", "--out", "results")
    assert result.exit_code == 0, result.stderr
    found = json.loads(Path("results/comparison.json").read_text())["pairs"][0]["alignment"]
    assert found["information"] and len(found["sparse"]) == 2 and found["clusters"] is None
    assert Path("results/sparse.csv").exists() and not Path("results/clusters.csv").exists()
    assert run("compare", "a.npz", "b.npz", "--bins", "1").exit_code == 2
    wrong = run("compare", "a.npz", "b.npz", "--sparse", "zzz")
    assert wrong.exit_code == 1 and "zzz" in wrong.stderr


def test_all_layers_and_evidence_from_the_command_line(run):
    result = run("compare", "a.npz", "b.npz", "--pairs", "all", "--no-evidence", "--out", "results")
    assert result.exit_code == 0, result.stderr
    saved = json.loads(Path("results/comparison.json").read_text())
    assert [matrix["name"] for matrix in saved["matrices"]] == ["debiased cka", "cka"]
    assert saved["pairs"][0]["evidence"] is None and saved["pairs"][0]["measures"][0]["value"] is not None
    assert ",debiased cka,similarity,unbiased,moments,0." in Path("results/measures.csv").read_text()
    shown = " ".join(run("compare", "a.npz", "b.npz", "--evidence").stdout.split())
    first, second = "estimated for the population (corrected", "in sample: share of neurons in the maximum match"
    assert shown.index(first) < shown.index(second)
    assert "95% interval" in shown and "by chance" in shown and "docs/evidence.md" in shown
    debiased = json.loads(Path("spanmatch-compare/comparison.json").read_text())["pairs"][0]["measures"][0]
    assert f"{debiased['value']:.2f}" in shown and f"{debiased['low']:.2f}, {debiased['high']:.2f}" in shown
    small = run("compare", "a.npz", "b.npz", "--max-memory-gb", "0.00001")
    assert small.exit_code == 1 and "would take" in small.stderr and "over the limit" in small.stderr
    wrong = run("compare", "a.npz", "b.npz", "--pool", "median")
    assert wrong.exit_code == 1 and "pool='median': give 'mean'" in wrong.stderr


def test_evidence_that_cannot_be_had_is_said_and_the_rest_is_shown(run):
    X, Y = layers.correlated(n=160, p=6, q=5)
    np.savez("c.npz", one=X, off=np.zeros((160, 3)))
    np.savez("d.npz", one=Y, off=np.ones((160, 3)))
    result = run("compare", "c.npz", "d.npz", "--evidence", "--out", "results")
    assert result.exit_code == 0, result.stderr
    reason = "not all evidence can be had: layer 'c:off' never varies, so that there is nothing to compare"
    assert f"warning: off: {reason}\n" in result.stdout
    table = result.stdout.partition("Similarity measures")[2].splitlines()
    assert next(line for line in table if line.startswith("  off")).split()[1:] == ["-"] * 6


def test_the_sample_and_its_permutations_are_chosen_from_the_command_line(run):
    command = ("compare", "a.npz", "b.npz", "--layers", "one", "--no-clusters", "--json")
    chosen = run(*command, "--sample", "60", "--sample-rows", "mean", "--seed", "5", "--permutations", "19")
    assert chosen.exit_code == 0, chosen.stderr
    (pair,) = json.loads(chosen.stdout)["pairs"]
    sample = {name: pair["sample"][name] for name in ("size", "n_examples", "seed", "x_rows", "y_rows")}
    assert sample == {"size": 60, "n_examples": pair["n_examples"], "seed": 5, "x_rows": "mean", "y_rows": "mean"}
    counts = [measure["permutations"] for measure in pair["measures"] if measure["p_value"] is not None]
    assert set(counts) == {19} and len(counts) >= len(pair["measures"]) - 1  # few examples for adjusted pillai
    (untested,) = json.loads(run(*command, "--permutations", "0").stdout)["pairs"]
    assert all(measure["p_value"] is None for measure in untested["measures"])
    assert all("no p-value was requested" in measure["reason"] for measure in untested["measures"])
    (without,) = json.loads(run(*command, "--sample", "0").stdout)["pairs"]
    values = {measure["name"]: measure["value"] for measure in without["measures"]}
    assert without["sample"] is None and values["mutual knn"] is None and values["cka"] is not None
    assert without["refusals"]["sample"] == without["refusals"]["mutual knn"]


def test_json_is_all_of_standard_output(run):
    result = run("compare", "a.npz", "b.npz", "--json", "--centred", "--method", "qr")
    printed = json.loads(result.stdout)
    assert printed == json.loads(Path("spanmatch-compare/comparison.json").read_text())
    assert printed["centred"]
    assert printed["method"] == "qr"


def test_two_networks(run):
    result = run("compare", "nets.py:net", "nets.py:other", "--data", "nets.py:batches", "--json")
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert printed["networks"] == ["net", "other"]
    assert [pair["name"] for pair in printed["pairs"]] == ["1", "2"]
    assert printed["rows"] == [300, 300]


@pytest.mark.parametrize("kind", [".safetensors", ".pt"])
def test_weights_and_data_from_files(run, kind):
    weights = {
        f"{i}.{n}": torch.randn(s)
        for i, n, s in (
            (0, "weight", (9, 6)),
            (0, "bias", (9,)),
            (2, "weight", (4, 9)),
            (2, "bias", (4,)),
        )
    }
    if kind == ".pt":
        torch.save({"state_dict": weights}, "w.pt")
    else:
        save_file(weights, "w.safetensors")
    x = np.random.default_rng(0).standard_normal((500, 6)).astype(np.float32)
    np.save("x.npy", x)
    np.savez("x.npz", input=x)
    results = [
        run("compare", "nets.py:net", f"nets.py:net@w{kind}", "--data", data, "--layers", "0", "--json")
        for data in ("x.npy", "x.npz")
    ]
    for result in results:
        assert result.exit_code == 0, result.stderr
    printed = json.loads(results[0].stdout)
    assert printed["pairs"] == json.loads(results[1].stdout)["pairs"]
    from torch import nn

    torch.manual_seed(0)
    plain = nn.Linear(6, 9)
    X = plain(torch.from_numpy(x)).detach().numpy()
    Y = x @ weights["0.weight"].numpy().T + weights["0.bias"].numpy()
    direct = sm.match_profile(sm.pair(X, Y))
    np.testing.assert_allclose(printed["pairs"][0]["x_levels"], direct.x_levels, atol=1e-5)


def test_warnings_are_printed_beside_the_table(run):
    X, Y = layers.random(n=60)
    np.save("x.npy", X)
    np.save("y.npy", Y)
    result = run("compare", "x.npy", "y.npy")
    assert "warning: activations: 60 rows for 31 independent neurons" in result.stdout


def test_simple_matches_from_the_command_line(run):
    X, Y = layers.related()
    np.savez("x.npz", one=X, two=Y)
    np.savez("y.npz", one=Y, two=X)
    result = run("compare", "x.npz", "y.npz", "--simple", "--simple-layers", "two", "--eps", "0.5")
    assert result.exit_code == 0, result.stderr
    assert "minimum matches" in result.stdout
    assert len(Path("spanmatch-compare/simple.csv").read_text().splitlines()) > 2
    assert "two" in result.stdout
    assert "x:one" not in result.stdout


BAD_USAGE = {
    ("compare", "a.npz"): "Missing argument",
    ("compare", "a.npz", "missing.npz"): "missing.npz: no such file",
    ("compare", "a.npz", "nets.py"): "nets.py: name the function or class in it that makes the network, as nets.py:",
    ("compare", "a.npz", "b.npz", "--eps", "1.5"): "1.5 is not in [0, 1)",
    ("compare", "a.npz", "b.npz", "--eps", "some"): "give numbers in [0, 1)",
    ("compare", "a.npz", "b.npz", "--eps", ""): "give at least one",
    ("compare", "a.npz", "b.npz", "--data", "x.npy"): "--data is for networks",
    ("compare", "a.npz", "nets.py:net"): "not one of each",
    ("compare", "nets.py:net", "nets.py:other"): "--data is missing",
    ("compare", "nets.py:nett", "nets.py:net", "--data", "nets.py:batches"): "no function 'nett'; there is net",
    ("compare", "gone.py:net", "nets.py:net", "--data", "nets.py:batches"): "gone.py: no such file",
    ("compare", "nets.py:net@w.h5", "nets.py:net", "--data", "nets.py:batches"): "unknown file type '.h5'",
    ("compare", "nets.py:net@w.pt", "nets.py:net", "--data", "nets.py:batches"): "w.pt: no such file",
    ("compare", "nets.py:net@w.pt2", "nets.py:net", "--data", "nets.py:batches"): "export to ONNX, or load it yourself",
    ("compare", "nets.py:net", "nets.py:other", "--data", "gone.npy"): "gone.npy: no such file",
    ("compare", "a.npz", "b.npz", "--method", "svd"): "svd",
    ("compare", "a.npz", "b.npz", "--folds", "0"): "folds",
    ("compare", "a.npz", "b.npz", "--sample", "-1"): "'--sample': Input should be greater than or equal to",
    ("compare", "a.npz", "b.npz", "--sample", "half"): "Invalid value for '--sample': Input should be a valid integer",
    ("compare", "a.npz", "b.npz", "--sample-rows", "sum"): "'sum' is not one of 'flat', 'mean', 'last'",
    ("compare", "a.npz", "b.npz", "--permutations", "-1"): "'--permutations': Input should be greater than or equal to",
    ("unknown",): "No such command",
}


@pytest.mark.parametrize("arguments", BAD_USAGE)
def test_bad_usage_exits_with_2(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert BAD_USAGE[arguments] in plain(result.stderr)
    assert not Path("spanmatch-compare").exists()


def test_what_fails_exits_with_1(run):
    X, Y = layers.random(n=50)
    np.savez("short.npz", one=X)
    np.savez("nan.npz", one=np.where(np.arange(24) == 2, np.nan, Y[:, :24]), two=Y)
    np.savez("strange.npz", three=X)
    Path("garbage.npz").write_bytes(b"PK garbage")
    Path("w.safetensors").write_bytes(b"garbage")
    save_file({"0.weight": torch.zeros(2, 2)}, "small.safetensors")
    torch.save({"epoch": 3, "model_state_dict": {"0.weight": torch.zeros(2, 2)}}, "state.pt")
    torch.save(torch.nn.Linear(2, 2), "pickled.pt")
    data = ("--data", "nets.py:batches")
    for arguments, message in (
        (("a.npz", "short.npz"), "array 'one' has 500 and 50 rows"),
        (("nan.npz", "nan.npz"), ": nan in row 0, neuron 2"),
        (("a.npz", "strange.npz"), "no layer has the same name"),
        (("a.npz", "garbage.npz"), "garbage.npz: cut short"),
        (("a.npz", "b.npz", "--layers", "won"), "'won' matches nothing in a.npz; there is two, one"),
        (("nets.py:nothing", "nets.py:net", *data), "nets.py:nothing gives a NoneType"),
        (("nets.py:broken", "nets.py:net", *data), "RuntimeError: no such luck"),
        (("nets.py:net", "nets.py:other", "--data", "nets.py:nothing"), "it must give batches"),
        (("nets.py:net@w.safetensors", "nets.py:net", *data), "w.safetensors: cannot be read as weights: damaged"),
        (
            ("nets.py:net@small.safetensors", "nets.py:net", *data),
            "small.safetensors: these weights do not fit: 3 missing (",
        ),
        (("nets.py:net@pickled.pt", "nets.py:net", *data), "pickled.pt: not a file of weights alone"),
        (("small.safetensors", "small.safetensors"), "holds weights (as '0.weight'), not activations"),
        (
            ("state.pt", "state.pt"),
            "and give inputs: file.py:function@state.pt --data",
        ),
    ):
        result = run("compare", *arguments)
        assert result.exit_code == 1, (arguments, result.stdout, result.stderr)
        assert message in result.stderr
        assert "Traceback" not in result.stderr
    assert not Path("spanmatch-compare").exists()


def test_version_and_help(run):
    assert run("--version").stdout == f"spanmatch {sm.__version__}\n"
    assert "compare" in run("--help").stdout


def test_names_come_from_what_differs():
    from spanmatch.cli.commands import _names

    assert _names("f.py:net@x.pt", "f.py:net@y.pt") == ("x", "y")
    assert _names("f.py:base", "f.py:tuned@y.pt") == ("base", "tuned")
    assert _names("f.py:net", "g.py:net") == ("f", "g")
    assert _names("d/x.npz", "e/x.npz") == ("a", "b")


def test_ctrl_c_exits_with_130_and_leaves_nothing(tmp_path):
    (tmp_path / "slow.py").write_text(
        NETWORK + "\nimport itertools, time, pathlib\n"
        "def endless():\n"
        "    for k in itertools.count():\n"
        "        pathlib.Path('running').touch()\n"
        "        time.sleep(0.05)\n"
        "        yield torch.randn(2000, 6)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "spanmatch", "compare", "slow.py:net", "slow.py:other", "--data", "slow.py:endless"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "100"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    for _ in range(600):
        if (tmp_path / "running").exists():
            break
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; nothing was written" in stderr
    assert "Traceback" not in stderr
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "__pycache__") == ["running", "slow.py"]


def test_demo_command(run, monkeypatch, demo_study):
    monkeypatch.setattr("spanmatch.study.run_study", lambda file, out: demo_study)
    result = run("demo")
    assert result.exit_code == 0
    assert "spanmatch-demo/report.html" in result.stdout
    assert "relu1" in result.stdout


def test_inputs_that_excite_a_neuron_most(run, tmp_path):
    (tmp_path / "nets.py").write_text(
        "import torch\n"
        "def a(): return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())\n"
        "def b(): return torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU())\n"
    )
    images = np.random.default_rng(0).uniform(-1, 3, size=(20, 3, 6, 6)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    result = run("compare", "nets.py:a", "nets.py:b", "--data", "images.npy", "--top", "2", "--json")
    inputs = json.loads(result.stdout)["inputs"]
    assert (inputs["shown"]["kind"], inputs["shown"]["width"]) == ("images", 6)
    assert np.array(inputs["layers"]["b:1"]["examples"]).shape == (5, 2)
    shown = from_names.pictures(str(tmp_path / "images.npy"))
    assert shown.shape == (20, 6, 6, 3) and (shown.min(), shown.max()) == (0, 255)
    span = images.max() - images.min()
    assert np.abs(shown.transpose(0, 3, 1, 2) / 255 * span + images.min() - images).max() <= 0.51 * span / 255
    np.save(tmp_path / "rows.npy", images.reshape(20, -1))
    assert from_names.pictures(str(tmp_path / "rows.npy")) is None and from_names.pictures("nets.py:a") is None


STUDY = """
name = "tiny"
seeds = [0, 1]
data.max_examples = 80
network = { name = "mlp", options = { widths = [6] } }
training.epochs = 1
compare = { evidence = false, clusters = false, top = 0 }
"""


def test_a_study_is_written_checked_and_run(run, tmp_path):
    result = run("study", "--init", "first")
    assert result.exit_code == 0 and "spanmatch study first.toml" in result.stdout
    text = (tmp_path / "first.toml").read_text()
    assert 'name = "first"' in text and '"demo"' not in text
    assert run("study", "first.toml", "--dry-run").exit_code == 0
    again = run("study", "--init", "first.toml")
    assert again.exit_code == 2 and "first.toml is there already" in again.stderr
    assert run("study", "--init", "a b").exit_code == 2 and run("study", "--init", "none/b").exit_code == 1
    assert run("study").exit_code == 2
    (tmp_path / "tiny.toml").write_text(STUDY)
    result = run("study", "tiny.toml", "--out", "results", "--workers", "1")
    assert result.exit_code == 0 and "Report: results/report.html" in result.stdout
    assert "relu1" in result.stdout and "test accuracy over seeds" in result.stdout
    as_json = run("study", "tiny.toml", "--out", "results", "--json")
    assert json.loads(as_json.stdout) == json.loads((tmp_path / "results" / "study.json").read_text())
    assert run("report", "results").exit_code == 0
    (tmp_path / "tiny.toml").write_text(STUDY + "[trainin]\nlr = 1.0\n")
    wrong = run("study", "tiny.toml")
    assert wrong.exit_code == 2 and "line 8: trainin: unknown key; there is training" in wrong.stderr
    (tmp_path / "tiny.toml").write_text(STUDY.replace("training.epochs = 1", "training.epochs = 2"))
    changed = run("study", "tiny.toml", "--out", "results")
    assert changed.exit_code == 1 and "training.epochs was 1 and is 2" in changed.stderr.replace("\n", " ")


@pytest.mark.filterwarnings("default")
def test_layers_that_products_do_not_resolve_are_warned_of_and_left_blank(run, tmp_path):
    X, Y = hard_layers.near_duplicates(0, step=1e-6)
    np.savez(tmp_path / "a.npz", fc=X)
    np.savez(tmp_path / "b.npz", fc=Y)
    paths = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    result = run("compare", *paths, "--out", str(tmp_path / "gram"))
    assert result.exit_code == 0
    assert "warning: layer 'a:fc'" in result.stderr and "method='qr'" in result.stderr
    assert "nan" not in result.stdout.split("Corrected:")[0]
    assert json.loads((tmp_path / "gram" / "comparison.json").read_text())["pairs"][0]["similarity"][0] is None
    resolved = run("compare", *paths, "--out", str(tmp_path / "qr"), "--method", "qr")
    assert resolved.exit_code == 0 and "warning: layer" not in resolved.stderr


def test_files_as_people_have_them_from_the_command_line(run):
    """A CSV with ids against a PyTorch file, whose rows are in another order."""
    X, Y = layers.correlated(n=160)
    order = np.random.default_rng(0).permutation(160)
    rows = "\n".join(",".join(["", *map(repr, row)])[1:] + f",{i}" for i, row in enumerate(X.tolist()))
    Path("a.csv").write_text(",".join([*(f"n{i}" for i in range(X.shape[1])), "key"]) + "\n" + rows)
    torch.save({"activations": torch.tensor(Y[order]), "key": torch.tensor(order)}, "b.pt")
    result = run("compare", "a.csv", "b.pt", "--rows-by", "key", "--no-clusters", "--out", "results")
    assert result.exit_code == 0, result.stderr
    saved = json.loads(Path("results/comparison.json").read_text())["pairs"][0]
    np.testing.assert_allclose(saved["x_levels"], sm.match_profile(sm.pair(X, Y)).x_levels, atol=1e-6)
    np.savez("c.npz", activations=Y[order])
    np.savez("d.npz", activations=X)
    result = run("compare", "c.npz", "d.npz", "--no-clusters")
    assert "warning: in none of the 1 pairs of layers" in plain(result.stderr)
    assert "are the rows of both in the same order?" in plain(result.stderr)
    wrong = run("compare", "nets.py:net", "nets.py:other", "--data", "nets.py:batches", "--rows-by", "key")
    assert wrong.exit_code == 2 and "--rows-by is for stored activations" in plain(wrong.stderr)


def test_networks_are_run_on_a_folder_of_images(run):
    from PIL import Image

    Path("images").mkdir()
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(f"images/{i:02}.png")
    Path("nets.py").write_text(
        "import torch\nfrom torch import nn\ndef net():\n    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
    )
    options = ["--data", "images", "--size", "8", "--normalise", "imagenet", "--out", "results", "--top", "2"]
    result = run("compare", "nets.py:net", "nets.py:net", *options)
    assert result.exit_code == 0, result.stderr
    saved = json.loads(Path("results/comparison.json").read_text())
    assert saved["notes"]["Data"] == "images: 40 images, resized to 8 x 8 pixels, normalised: imagenet"
    assert saved["pairs"][0]["n_examples"] == 40
