"""Training processes: a study that is killed is continued, and leaves none behind."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import spanmatch as sm
from studies import SMALL, alive, written

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_study_is_continued_and_ends_with_the_same_numbers(tmp_path):
    text = SMALL.replace("epochs = 3", "epochs = 60").replace("max_examples = 160", "max_examples = 400")
    written(tmp_path, text)
    process = subprocess.Popen(
        [sys.executable, "-m", "spanmatch", "study", "small.toml", "--workers", "2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("small/runs/main/seed*/state.safetensors")):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read().decode()
        time.sleep(0.01)
    time.sleep(0.3)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    process.kill()
    process.communicate()
    assert not (tmp_path / "small" / "study.json").exists()
    # The training processes do not outlive the study for long.
    for pid in map(int, children.stdout.split()):
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(pid)
    study = sm.run_study(tmp_path / "small.toml", tmp_path / "small", workers=1)
    uninterrupted = sm.run_study(tmp_path / "small.toml", tmp_path / "uninterrupted", workers=2)
    assert study.results == uninterrupted.results
    for path in uninterrupted.folder.rglob("epoch*.safetensors"):
        assert path.read_bytes() == (study.folder / path.relative_to(uninterrupted.folder)).read_bytes()


IMAGES = """
name = "small"
seeds = [0, 1]
data = { name = "folder", path = "x.tar.gz" }
network = { name = "cnn", options = { width = 0.1 } }
training = { epochs = 20, batch = 8, augment = ["flip", "crop"] }
compare = { evidence = false, top = 1, epochs = [10] }
"""
LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  (main seed \d)  epoch (\d+) of (\d+)  train loss (\d+\.\d{4}) accuracy "
    r"(\d+\.\d\d%)  test loss (\d+\.\d{4}) accuracy (\d+\.\d\d%)  \d+\.\d s"
)
"""A line of the log."""


def archive_of_images(path: Path) -> None:
    random = np.random.default_rng(0)
    with tarfile.open(path, "w:gz") as archive:
        for i in range(40):
            file = io.BytesIO()
            Image.fromarray(random.integers(256, size=(8, 8, 3), dtype=np.uint8)).save(file, "PNG")
            member = tarfile.TarInfo(f"top/{'abc'[i % 3]}/{i}.png")
            member.size = len(file.getvalue())
            archive.addfile(member, io.BytesIO(file.getvalue()))


def lines(text: str) -> dict[tuple[str, int], tuple[str, ...]]:
    """Return what the lines of a log say, by run and epoch; every line is one, and there is none twice."""
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    said = {(match[1], int(match[2])): match.groups()[2:] for match in found}
    assert len(said) == len(found) and text.endswith("\n")
    return said


def test_a_killed_study_of_images_ends_with_the_same_bytes_and_logs_every_epoch(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    archive_of_images(tmp_path / "x.tar.gz")
    written(tmp_path, IMAGES)
    command = [sys.executable, "-m", "spanmatch", "study", "small.toml", "--workers", "1", "--out"]
    killed = subprocess.Popen([*command, "killed"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "killed" / "training.log"
    printed = [killed.stderr.readline() for _ in range(3)]  # epochs are printed: this is no terminal
    killed.kill()
    printed.append(killed.communicate()[1])
    before = log.read_text()
    assert 3 <= len(lines(before)) < 40 and not (tmp_path / "killed" / "study.json").exists()
    assert "".join(printed).startswith("".join(before.splitlines(keepends=True)[:3]))
    for name in ("killed", "through"):
        result = subprocess.run([*command, name], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert lines(result.stderr) == lines((tmp_path / name / "training.log").read_text().removeprefix(before))
    assert log.read_text().startswith(before)

    def files(name: str) -> dict[str, bytes]:
        folder = tmp_path / name
        paths = [*folder.glob("*.*"), *folder.glob("data/*"), *folder.glob("runs/*/*/*")]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.suffix != ".log"}

    killed_files, through_files = files("killed"), files("through")
    assert killed_files.keys() == through_files.keys() and len(killed_files) > 8
    assert [name for name in killed_files if killed_files[name] != through_files[name]] == []

    logged, through = (lines((tmp_path / name / "training.log").read_text()) for name in ("killed", "through"))
    assert through.keys() == {(f"main seed {seed}", epoch) for seed in (0, 1) for epoch in range(1, 21)}
    # Epochs that ended just before the kill may have no line.
    assert logged.items() <= through.items() and len(logged) >= 38
    for run in json.loads((tmp_path / "through" / "study.json").read_text())["runs"]:
        for epoch in run["history"][1:]:
            scores = [f"{epoch['train_loss']:.4f}", f"{epoch['train_accuracy']:.2%}"]
            scores += [f"{epoch['test_loss']:.4f}", f"{epoch['test_accuracy']:.2%}"]
            assert through[f"main seed {run['seed']}", epoch["epoch"]] == ("20", *scores)


def test_a_log_that_cannot_be_written_is_named_when_training_has_ended(tmp_path):
    (tmp_path / "small" / "training.log").mkdir(parents=True)
    path = written(tmp_path, SMALL.replace("epochs = 3", "epochs = 1"))
    with pytest.raises(
        sm.SpanmatchError, match=r"cannot write .*training\.log: Is a directory; finished epochs are kept"
    ):
        sm.run_study(path, tmp_path / "small", workers=1)
    assert len(list((tmp_path / "small").glob("runs/main/*/epoch1.safetensors"))) == 3
