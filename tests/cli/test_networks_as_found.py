"""Networks and data as people find them, named on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from activations.small_transformers import TEXTS, reader, words
from torch import nn
from typer.testing import CliRunner

from spanmatch.activations import weight_files
from spanmatch.cli.commands import _names, app

NETS = """
from torch import nn

def net(width=5, *, half=False):
    made = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 4))
    return made.bfloat16() if half else made

def broken():
    return nn.Sequential(nn.Linear(3, 2))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    x = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
    np.save("x.npy", x)
    np.savez("named.npz", image=x, label=np.arange(300))
    np.savez("two.npz", before=x + 1, after=x)

    def invoke(*arguments: str):
        return CliRunner().invoke(app, ["compare", *arguments], env={"COLUMNS": "100"})

    return invoke


def results(result) -> dict:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_checkpoints_of_two_training_scripts(run, monkeypatch):
    torch.manual_seed(0)
    network, said = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)), []
    monkeypatch.setattr(weight_files, "announce", said.append)
    torch.save({"model": nn.DataParallel(network).state_dict(), "epoch": 3}, "a.pth")
    torch.save({"state_dict": {f"model.{k}": v for k, v in network.state_dict().items()}}, "b.ckpt")
    same = results(run("nets.py:net@a.pth", "nets.py:net@b.ckpt", "--data", "x.npy", "--json"))
    assert same["networks"] == ["a", "b"]
    assert all(pair["similarity"][0] == 1 for pair in same["pairs"])
    assert said[0] == "a.pth: the prefix 'module.' of 4 names was left out" and len(said) == 2


def test_functions_of_packages_with_arguments(run, monkeypatch, tmp_path):
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "zoo_on_the_path.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path / "installed")
    names = ("zoo_on_the_path:net(7)", "zoo_on_the_path:net(width=8)")
    assert results(run(*names, "--data", "x.npy", "--json"))["networks"] == ["net 7", "net width=8"]


def test_arguments_of_functions_in_files(run):
    result = run("nets.py:net(8)", "nets.py:net(8, half=True)", "--data", "x.npy", "--layers", "0", "--json")
    assert results(result)["networks"] == ["net 8", "net 8 half=True"]
    for text, code, message in (
        ("nets.py:net(nn.ReLU)", 2, "nn.ReLU is no literal"),
        ("no_such_package:net", 2, "no module 'no_such_package' is installed"),
        ("nets.py:broken", 1, "network 'broken' failed on a batch of float32 (256, 6): RuntimeError: mat1 and mat2"),
    ):
        result = run(text, "nets.py:net", "--data", "x.npy")
        assert result.exit_code == code and message in result.stderr and "Traceback" not in result.stderr


def test_named_arrays(run):
    names = ("nets.py:net(8)", "nets.py:net(9)")
    assert results(run(*names, "--data", "named.npz", "--json"))["rows"] == [300, 300]
    unclear = run(*names, "--data", "two.npz")
    assert unclear.exit_code == 1 and "takes input; the batch has before: float32 (256, 6), after:" in unclear.stderr
    assert "--input before on the command line" in unclear.stderr
    assert results(run(*names, "--data", "two.npz", "--input", "after", "--json"))["rows"] == [300, 300]
    np.savez("a.npz", one=np.zeros((9, 2)))
    assert "--input is for networks" in run("a.npz", "a.npz", "--input", "image").stderr


def test_models_in_the_cache_of_the_hub(run, monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    Path("texts.txt").write_text("\n".join(TEXTS * 10))
    tokenizer = words()
    for seed, name in enumerate(("one", "two")):
        folder = tmp_path / "hub" / f"models--me--{name}" / "snapshots" / ("0" * 40)
        (folder.parent.parent / "refs").mkdir(parents=True)
        (folder.parent.parent / "refs" / "main").write_text("0" * 40)
        reader(tokenizer, seed=seed, n_positions=64).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    found = results(run("hf:me/one", "hf:me/two", "--data", "texts.txt", "--layers", "hidden.2", "--json"))
    assert found["networks"] == ["one", "two"]
    shutil.rmtree(tmp_path / "hub" / "models--me--two")
    missing = run("hf:me/one", "hf:me/two", "--data", "texts.txt")
    assert missing.exit_code == 2 and "give --download, or run: hf download me/two" in missing.stderr


def test_short_names():
    assert _names('timm:create_model("resnet18")', 'timm:create_model("resnet34")') == (
        "create_model resnet18",
        "create_model resnet34",
    )
    assert _names("a.b:f", "c:f") == ("a.b", "c")
    assert _names("hf:x/bert-base", "hf:y/gpt2") == ("bert-base", "gpt2")
    assert _names("nets.py:f('x:y')", "nets.py:f('x:z')") == ("f x y", "f x z")
