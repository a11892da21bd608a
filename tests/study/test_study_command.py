"""The command `spanmatch study`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from studies import SMALL, written

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups on this system")
def test_ctrl_c_keeps_what_was_done_and_says_so(tmp_path):
    """A terminal sends it to the training processes too, which have nothing to say to it."""
    written(tmp_path, SMALL.replace("epochs = 3", "epochs = 5000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "spanmatch", "study", "small.toml"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("small/runs/main/seed*/state.safetensors")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; finished work is kept" in stderr and "Traceback" not in stderr
    assert not list(tmp_path.rglob(".*"))  # nothing half-written stays behind
