"""Training processes: a study that is killed is continued, and leaves none behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

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
