"""The commands of the documentation's pages on sources and large jobs work as they stand, offline."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spanmatch.cli.commands import app

DOCS = Path(__file__).parent.parent / "docs"
COMMANDS = [
    command
    for page in ("sources.md", "scaling.md")
    for command in re.findall(r"^spanmatch (compare .*)$", (DOCS / page).read_text(), re.M)
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    before = sys.argv
    sys.argv = ["sources.py", str(folder)]
    try:
        runpy.run_path(str(DOCS / "sources.py"), run_name="__main__")
    finally:
        sys.argv = before
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_work_as_they_stand(sources, monkeypatch, tmp_path, command):
    monkeypatch.chdir(sources)
    found = CliRunner().invoke(app, [*shlex.split(command), "--out", str(tmp_path)])
    assert found.exit_code == 0, found.output
    assert "Report:" in found.output and (tmp_path / "report.html").is_file()


def test_every_source_has_a_command():
    kinds = (
        ".onnx",
        "words",
        "nets.py",
        ".zarr",
        "shards",
        "tensors",
        ".parquet",
        ".npz",
        "--scheduler",
        "--checkpoint",
    )
    assert all(any(kind in command for command in COMMANDS) for kind in kinds)


def test_texts_that_cannot_be_read(sources, monkeypatch, tmp_path):
    monkeypatch.chdir(sources)
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    for name, message in (
        ("empty.txt", "holds no text"),
        ("bytes.txt", "not text in UTF-8"),
        ("none.txt", "No such file"),
    ):
        found = CliRunner().invoke(app, ["compare", "words", "pieces", "--data", str(tmp_path / name)])
        assert found.exit_code in (1, 2) and f"{name}: {message}" in found.stderr.replace("\n", "")
