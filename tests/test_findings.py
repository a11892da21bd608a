"""The tables of docs/findings.md are printed from the results of any study."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def findings() -> ModuleType:
    spec = importlib.util.spec_from_file_location("findings", DOCS / "findings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(text: str, head: str) -> list[list[str]]:
    """Return the rows of the table whose heading begins so."""
    after = text[text.index(f"| {head}") :].splitlines()[2:]
    lines = after[: next((i for i, line in enumerate(after) if not line.startswith("|")), len(after))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_everything_that_the_papers_ask_of_one_architecture(findings, demo_study, capsys):
    findings.papers(demo_study)
    text = capsys.readouterr().out
    layers = {pair["layer"] for pair in demo_study.comparisons["seeds"]["pairs"]}
    heads = (
        "layer | neurons | s(",
        "layer | neurons | debiased cka",
        "layer | median partner",
        "layer | partner >= 0.5",
    )
    for head in heads:
        assert {row[0] for row in rows_of(text, head)} == layers
    (relu1,) = (row for row in rows_of(text, "layer | partner >= 0.5") if row[0] == "relu1")
    chance = {one["layer"]: one for one in demo_study.comparisons["seeds"]["universality"]}["relu1"]
    assert relu1[-1] == f"{chance['null_cycle_consistency']:.3f}"


@pytest.mark.parametrize("printed", ["width_depth", "random_labels", "course"])
def test_variants_and_epochs(findings, small_study, capsys, printed):
    getattr(findings, printed)(small_study)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ") and "0." in line]
    assert rows


def test_studies_are_found_in_a_folder(findings, demo_study, tmp_path, capsys, monkeypatch):
    (tmp_path / "digits-cnn").symlink_to(demo_study.folder)
    monkeypatch.setattr(sys, "argv", ["findings.py", str(tmp_path)])
    findings.main()
    text = capsys.readouterr().out
    assert "## digits-cnn" in text
    assert "## cifar10-vgg" not in text
