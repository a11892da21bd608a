"""The command line: layers that correspond, heat maps, and what changed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.cli.commands import app
from spanmatch.cli.heat_map import heat_map
from spanmatch.cli.layer_names import listed_pairs, patterns_by_network

NETWORKS = """
import torch
from torch import nn

def family(depth):
    torch.manual_seed(depth)
    network = nn.Sequential()
    for i in range(depth):
        network.add_module(f"fc{depth}{i}", nn.Linear(10 if i else 6, 10))
        network.add_module(f"relu{i}", nn.Tanh())
    return network

def shallow(): return family(2)
def deep(): return family(4)

def tuned():
    network = family(4)
    with torch.no_grad():
        network.fc43.weight += 1e-3 * torch.randn(10, 10)
    return network

def batches(): return torch.randn(300, 6, generator=torch.Generator().manual_seed(2))
"""
FAST = ("--data", "nets.py:batches", "--no-evidence", "--no-clusters")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "nets.py").write_text(NETWORKS)

    def invoke(*arguments: str):
        return CliRunner().invoke(app, ["compare", *arguments, *FAST])

    return invoke


def saved():
    return json.loads(Path("spanmatch-compare/comparison.json").read_text())


def named_pairs():
    return [(pair["x_layer"], pair["y_layer"]) for pair in saved()["pairs"]]


def test_layers_by_name_and_what_is_left_out(run):
    result = run("nets.py:shallow", "nets.py:deep", "--layers", "*")
    assert result.exit_code == 0, result.stderr
    assert named_pairs() == [("shallow:relu0", "deep:relu0"), ("shallow:relu1", "deep:relu1")]
    text = " ".join(result.stdout.split())
    assert "Not compared: shallow:fc20, shallow:fc21, deep:fc40, deep:fc41, deep:fc42, deep:relu2," in text


def test_layers_by_depth_and_by_similarity(run):
    result = run("nets.py:shallow", "nets.py:deep", "--layers", "a:fc*", "--layers", "deep:fc4?", "--match", "depth")
    assert result.exit_code == 0, result.stderr
    assert named_pairs() == [("shallow:fc20", "deep:fc40"), ("shallow:fc21", "deep:fc43")]
    assert "Layers that correspond, by depth" in result.stdout and "margin" not in result.stdout
    best = run("nets.py:shallow", "nets.py:deep", "--layers", "relu*", "--match", "best", "--measure", "cka")
    assert best.exit_code == 0, best.stderr
    assert "Layers that correspond, the most similar" in best.stdout and "next best" in best.stdout
    assert "Score of shallow and deep by cka: best counterparts" in best.stdout
    assert "cka: layers of shallow (rows) by layers of deep (columns)" in best.stdout
    with Path("spanmatch-compare/correspondence.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["x_layer"] for row in rows] == ["shallow:relu0", "shallow:relu1"]
    for row in rows:
        assert f"{float(row['margin']):+.2f}" in best.stdout and f"{float(row['similarity']):.2f}" in best.stdout
    assert saved()["scores"][0]["measure"] == "cka"


def test_pairs_by_name(run):
    result = run("nets.py:shallow", "nets.py:deep", "--pair", "fc20=fc41", "--pair", "a:relu1=deep:relu3")
    assert result.exit_code == 0, result.stderr
    assert named_pairs() == [("shallow:fc20", "deep:fc41"), ("shallow:relu1", "deep:relu3")]
    assert "Layers that correspond, as listed" in result.stdout and "Not compared" not in result.stdout


def test_what_changed_is_shown_by_itself(run):
    result = run("nets.py:deep", "nets.py:tuned", "--layers", "*")
    assert result.exit_code == 0, result.stderr
    text = " ".join(result.stdout.split())
    assert "What changed from deep to tuned: identical up to relu2; from fc43 on 1 - CKA is" in text
    assert "<1e-14" in text
    assert "eps are chosen from the levels, because at 0.15 to 0.5 all neurons match or none" in text
    record = saved()["changes"][0]
    assert f"{record['layers'][-1]['one_minus_cka']:.2g}" in text
    assert Path("spanmatch-compare/changes.csv").is_file()
    same_eps = run("nets.py:deep", "nets.py:tuned", "--eps", "0.2")
    assert "eps are chosen" not in same_eps.stdout and saved()["eps"] == [0.2]
    unlike = run("nets.py:shallow", "nets.py:deep")
    assert "What changed" not in unlike.stdout and saved()["changes"] == []


def test_usage_that_is_refused(run):
    for arguments, message in (
        (("--layers", "c:fc*"), "before a colon stands the name of a network, shallow or deep or a or b"),
        (("--pair", "fc20"), "--pair 'fc20': give a layer of A and one of B, as conv1=conv2"),
        (("--pair", "fc20=fc41", "--match", "best"), "--pair: give it without --match and --pairs"),
        (("--match", "best", "--measure", "kca"), "no measure 'kca'; there is 'cka'"),
        (("--pairs", "matching"), "matching"),
    ):
        result = run("nets.py:shallow", "nets.py:deep", *arguments)
        assert result.exit_code == 2, (arguments, result.stdout)
        assert message in " ".join(result.stderr.split())
    unknown = run("nets.py:shallow", "nets.py:deep", "--pair", "fc20=fc99")
    assert unknown.exit_code == 1 and "'fc99' matches nothing in network 'deep'; there is fc4" in unknown.stderr


def test_networks_are_named_or_counted():
    names = ("base", "tuned")
    assert patterns_by_network(["x*", "a:y", "tuned:z"], names) == {"base": ["x*", "y"], "tuned": ["x*", "z"]}
    assert patterns_by_network(["b:relu:0"], names) == {"base": None, "tuned": ["relu:0"]}
    assert patterns_by_network(["a:y"], ("b", "a")) == {"b": None, "a": ["y"]}  # names come first
    assert listed_pairs(["x=tuned:y", "b:x=relu:0"], names) == [
        ("base:x", "tuned:y"),
        ("tuned:x", "tuned:relu:0"),
    ]


def drawn(matrix: sm.LayerMatrix, **options) -> str:
    console = Console(width=80, highlight=False, **options)
    with console.capture() as printed:
        console.print(heat_map(matrix, "a", "b"))
    return printed.get()


def matrix_of(names: list[str], values: np.ndarray) -> sm.LayerMatrix:
    n = len(names)
    return sm.LayerMatrix("cka", (*(f"a:{k}" for k in names), *(f"b:{k}" for k in names)), values, np.ones(2 * n), "")


@pytest.mark.parametrize("count", [3, 40, 130])
@pytest.mark.parametrize("name", ["conv{}", "encoder.blocks.{}.attention.output.dense"])
def test_a_heat_map_fits_80_columns(count, name):
    names = [name.format(i) for i in range(count)]
    values = np.random.default_rng(0).uniform(-0.2, 1, (2 * count, 2 * count))
    text = drawn(matrix_of(names, values))
    lines = text.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    digits = {3: 1, 40: 2, 130: 3}[count]
    title = next(i for i, line in enumerate(lines) if line.endswith("defined")) + 1
    rows = lines[title + digits : title + digits + min(count, 72)]
    last = [max(0, int(10 * value)) for value in values[count - 1, count:]]
    if count <= 72:
        assert rows[-1].replace(" ", "").endswith("".join(map(str, last)))
    assert rows[-1].split()[0].split("\N{NO-BREAK SPACE}")[0] == str(count - 1)
    for every in names if count <= 72 else names[:1]:
        assert every in text.replace("\n", "")


def test_a_heat_map_has_colours_on_a_terminal_and_digits_everywhere():
    values = np.array([[1, 0.2, 0.95, np.nan], [0.2, 1, 0.31, 0.0], [0.95, 0.31, 1, 0], [np.nan, 0, 0, 1]])
    matrix = matrix_of(["x", "y"], values)
    plain = drawn(matrix)
    assert "\x1b" not in plain and "0\N{NO-BREAK SPACE}x  9 ·\n" in plain and "1\N{NO-BREAK SPACE}y  3 0\n" in plain
    coloured = drawn(matrix, force_terminal=True, color_system="truecolor", no_color=False)
    assert "48;2;252;247;186" in coloured and "48;2;13;8;70" in coloured
