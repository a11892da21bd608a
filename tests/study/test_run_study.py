"""Whole studies: what they write, what they do not repeat, and what a dry run checks."""

from __future__ import annotations

import json

import pytest

import spanmatch as sm
from spanmatch.study import dry_run
from studies import SMALL, STUDIES, written

pytestmark = pytest.mark.slow


def test_a_study_writes_what_it_found(small_study):
    names = {path.name for path in small_study.folder.iterdir()}
    assert names == {
        "alternatives.csv",
        "comparisons",
        "epochs.csv",
        "figures",
        "layers.csv",
        "report.html",
        "runs",
        "runs.csv",
        "study.json",
        "training.log",
        "transplants.csv",
    }
    assert [step["name"] for step in small_study.results["steps"]] == [
        *("seeds-a", "epochs-a", "alternatives-a", "alignment-a"),
        *("seeds-b", "epochs-b", "alternatives-b", "alignment-b", "across-a-b"),
    ]
    figures = {path.name for path in (small_study.folder / "figures" / "seeds-a").iterdir()}
    assert figures >= {
        f"{name}.{kind}" for name in ("depth", "profiles", "partners", "clusters") for kind in ("pdf", "png")
    }
    assert {"learning.pdf", "epochs-a.png"} <= {path.name for path in (small_study.folder / "figures").iterdir()}
    again = sm.Study.load(small_study.folder)
    assert again.results == small_study.results and set(again.comparisons) == {"seeds-a", "seeds-b", "across-a-b"}
    frame = again.to_frame()
    assert set(frame["quantity"][frame["estimate"].isin(["in sample"]) | frame["estimate"].isna()]) == {
        "s(0.15)",
        "s(0.2)",
        "s(0.25)",
        "s(0.3)",
        "s(0.5)",
        "debiased cka",
        "adjusted linear regression",
    }
    with pytest.raises(sm.SpanmatchError, match="give the folder of a study that has ended"):
        sm.Study.load(small_study.folder / "runs")


def test_finished_work_is_not_done_again(small_study):
    files = {path: path.stat().st_mtime_ns for path in (small_study.folder / "runs").rglob("*.safetensors")}
    steps = {path: path.stat().st_mtime_ns for path in small_study.folder.rglob("step.json")}
    page = (small_study.folder / "report.html").read_bytes()
    again = sm.run_study(small_study.folder.parent / "small.toml", small_study.folder)
    assert again.results == small_study.results
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert {path: path.stat().st_mtime_ns for path in steps} == steps
    assert (small_study.folder / "report.html").read_bytes() == page


def test_results_are_json(small_study):
    for path in small_study.folder.rglob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)


def test_a_network_of_ones_own(tmp_path, monkeypatch):
    """Its file is beside the study's, wherever that is run from; and if it changes, the runs are another study's."""
    code = """
import torch
from torch import nn

def make(channels, size, classes, width=3):
    inputs = channels * size * size
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes))
"""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "nets.py").write_text(code)
    text = (
        SMALL.replace('"mlp"', '"nets.py:make"')
        .replace("widths = [12]", "width = 5")
        .replace("epochs = 3", "epochs = 1")
    )
    path = written(tmp_path / "here", text)
    monkeypatch.chdir(tmp_path)
    assert any("nets.py:make" in line for line in dry_run(path))
    study = sm.run_study(path, tmp_path / "out")
    assert {row["layer"]: row["neurons"] for row in study.rows()} == {"2": 5, "3": 10}
    assert study.networks(data=tmp_path / "here")["seed1"][1].out_features == 5
    assert str(tmp_path) not in (tmp_path / "out" / "study.json").read_text()
    (tmp_path / "here" / "nets.py").write_text(code + "# changed\n")
    with pytest.raises(sm.SpanmatchError, match=r"code was '.*' and is '.*'; choose another output folder"):
        sm.run_study(path, tmp_path / "out")


def test_a_dry_run_needs_no_data_and_no_gpu(tmp_path):
    for file in sorted(STUDIES.glob("*.toml")):
        lines = dry_run(file)
        assert any("layers: " in line for line in lines)
        if file.stem.startswith("cifar"):
            assert any("data are missing" in line and "University of Toronto" in line for line in lines)
    wrong = written(tmp_path, SMALL.replace("widths", "wide"))
    with pytest.raises(sm.SpanmatchError, match="mlp has no 'wide'; there is 'widths'"):
        dry_run(wrong)
    with pytest.raises(sm.SpanmatchError, match=r"'rleu\*' matches nothing"):
        dry_run(written(tmp_path, SMALL + "layers = ['rleu*']\n"))
    with pytest.raises(sm.SpanmatchError, match="no measure 'ckaa'; there is 'cka'"):
        dry_run(written(tmp_path, SMALL + "measures = ['ckaa']\n"))
