"""spanmatch layers; --channels, --transplant and --save-moments of spanmatch compare."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.cli import commands
from spanmatch.cli.commands import app

NETWORK = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv1d(1, 7, 3), nn.Linear(7, 3)

    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).mean(2))

def net(seed=0):
    torch.manual_seed(seed)
    return Net()

class Einsum(Net):
    def forward(self, x):
        return self.fc(torch.einsum("nct,cd->ntd", self.conv(x), self.fc.weight.T @ self.fc.weight).relu().mean(1))

def unknown(seed=0):
    torch.manual_seed(seed)
    return Einsum()
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "nets.py").write_text(NETWORK)
    random = np.random.default_rng(0)
    x = random.standard_normal((90, 1, 12)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", np.arange(90) % 3)
    (tmp_path / "y.txt").write_text("\n".join(str(i % 3) for i in range(90)))
    np.savez(tmp_path / "both.npz", audio=x, label=np.arange(90) % 3)

    def invoke(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments)
        return result.exit_code, re.sub(r"\x1b\[[0-9;]*m", "", result.output)

    return invoke


def test_layers_are_listed_with_their_shapes_and_what_is_compared(run):
    code, output = run("layers", "nets.py:net", "--data", "x.npy")
    assert code == 0
    assert re.search(r"/relu +relu +\(4, 7, 10\) +7 +yes", output)
    assert re.search(r"conv +Conv1d +\(4, 7, 10\) +7 *\n", output)
    assert "2 of 4 layers are compared by default" in output
    assert max(map(len, output.splitlines())) <= 80
    code, output = run("layers", "nets.py:net", "--data", "x.npy", "--json")
    assert [layer["name"] for layer in json.loads(output)] == ["conv", "/relu", "/mean", "fc"]


def test_layers_without_data_are_the_modules(run):
    code, output = run("layers", "nets.py:net")
    assert code == 0 and "with --data also the functions" in output
    assert "relu" not in output


def test_what_is_no_network_or_lacks_data_is_refused(run):
    assert run("layers", "x.npy")[0] == 2
    code, output = run("layers", "nets.py:net", "--input", "image")
    assert code == 2 and "--input: for --data, which is missing" in output


def test_unknown_axes_are_named_and_given_with_channels(run):
    layers = ("layers", "nets.py:unknown", "--data", "x.npy")
    assert "it is not known which axis has the neurons" in run(*layers)[1]
    assert re.search(r"/relu +relu +\(4, 10, 7\) +7", run(*layers, "--channels", "last")[1])
    command = ("compare", "nets.py:unknown", "nets.py:unknown(1)", "--data", "x.npy", "--layers", "/relu")
    code, output = run(*command)
    assert code == 1 and "--channels" in output
    assert run(*command, "--channels", "last", "--json")[0] == 0
    code, output = run("compare", "x.npy", "x.npy", "--channels", "last")
    assert code == 2 and "--channels is for networks" in output


COMPARE = ("compare", "nets.py:net", "nets.py:net(1)", "--data")


@pytest.mark.parametrize("labels", ["y.npy", "y.txt", "label"])
def test_a_transplant_says_what_a_match_is_worth(run, labels):
    data = ("both.npz", "--input", "audio") if labels == "label" else ("x.npy",)
    code, output = run(*COMPARE, *data, "--transplant", "0.9", "--labels", labels)
    assert code == 0, output
    assert "Accuracy of net, neurons matched at eps 0.9 predicted from net 1's" in output
    record = json.loads(Path("spanmatch-compare/comparison.json").read_text(encoding="utf-8"))
    assert [one["x_layer"].partition(":")[2] for one in record["transplants"]] == ["/relu", "fc"]
    untouched = record["transplants"][0]["outcomes"][0]
    x, y = torch.from_numpy(np.load("x.npy")), torch.arange(90) % 3
    namespace: dict[str, object] = {}
    exec(NETWORK, namespace)
    with torch.no_grad():
        predicted = namespace["net"]()(x).argmax(1)
    assert untouched["accuracy"] == pytest.approx(float((predicted == y).double().mean()), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--transplant", "0.5"), "give both or none"),
        (("--transplant", "0.5", "--labels", "missing.npy"), "missing.npy"),
        (("--transplant", "0.5", "--labels", "few.npy"), "2 for 90 examples"),
        (("--transplant", "0.5", "--labels", "x.npy"), "give a whole number from 0"),
    ],
)
def test_labels_that_do_not_fit_are_refused_and_nothing_is_written(run, tmp_path, options, message):
    np.save("few.npy", np.zeros(2, dtype=int))
    code, output = run(*COMPARE, "x.npy", *options)
    assert code in (1, 2) and message in " ".join(output.split())
    assert not (tmp_path / "spanmatch-compare").exists()


def test_large_moments_are_written_if_that_is_asked_for(run, tmp_path, monkeypatch):
    moments = tmp_path / "spanmatch-compare" / "moments.safetensors"
    assert run(*COMPARE, "x.npy")[0] == 0
    assert moments.is_file()
    monkeypatch.setattr(commands, "LARGE_MOMENTS", 10)
    code, output = run(*COMPARE, "x.npy")
    assert code == 0 and "GB were not written; --save-moments writes them" in output
    assert not moments.exists()
    assert run(*COMPARE, "x.npy", "--save-moments")[0] == 0
    assert sm.Moments.load(moments).layers


def test_files_of_an_earlier_comparison_do_not_stay(run, tmp_path):
    folder = tmp_path / "spanmatch-compare"
    assert (
        run(*COMPARE, "x.npy", "--pool", "mean", "--pairs", "all", "--transplant", "0.9", "--labels", "y.npy")[0] == 0
    )
    assert (folder / "matrix.csv").exists() and (folder / "transplants.csv").exists()
    (folder / "notes.txt").write_text("mine")
    assert run(*COMPARE, "x.npy")[0] == 0
    assert not (folder / "matrix.csv").exists() and not (folder / "transplants.csv").exists()
    assert (folder / "notes.txt").exists()


def test_a_transplant_without_a_match_is_said_and_the_comparison_is_kept(run, tmp_path):
    code, output = run(*COMPARE, "x.npy", "--transplant", "0.0001", "--labels", "y.npy")
    assert code == 0 and "no layer has a match at this eps" in " ".join(output.split())
    assert (tmp_path / "spanmatch-compare" / "comparison.json").is_file()
