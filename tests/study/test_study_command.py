"""The command `spanmatch study`."""

from __future__ import annotations

import copy
import io
import os
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

import spanmatch as sm
from spanmatch.cli import tables
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


def printed(study: sm.Study) -> list[str]:
    """Return the lines of the tables of a study on a terminal of 80 columns, with single spaces."""
    text = io.StringIO()
    console = Console(file=text, width=80)
    for table in tables.of_study(study):
        console.print(table)
    assert max(map(len, text.getvalue().splitlines())) <= 80
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


def test_transplants_are_shown_beside_their_controls(small_study):
    lines = printed(small_study)
    (step,) = (step for step in small_study.results["steps"] if step["name"] == "seeds-a")
    names = ("untouched", "transplant", "ablation", "other examples", "untrained")
    for record in step["transplants"]:
        shares = [record["matched"], *(record["accuracy"][name] for name in names)]
        assert " ".join([record["layer"], *(f"{share['value']:.1%}" for share in shares)]) in lines
        difference = record["differences"]["ablation"]
        low, high = difference["low"], difference["high"]
        interval = "-" if low is None else f"({100 * low:.1f}, {100 * high:.1f})"
        shown = f"{record['layer']} {100 * difference['value']:+.1f} {interval}"
        assert any(line.startswith(shown) for line in lines), shown


def test_what_no_layer_has_is_no_table(small_study):
    results = copy.deepcopy(small_study.results)
    for step in results["steps"]:
        for row in step["rows"] if step["kind"] in ("seeds", "across") else ():
            if row["estimate"] == "corrected":
                row.update(value=None, low=None, high=None, minimum=None, maximum=None)
    lines = printed(sm.Study(small_study.folder, results))
    assert any("share matched in sample" in line for line in lines)
    assert not any("estimated for the population" in line for line in lines)
    assert any("estimated for the population" in line for line in printed(small_study))
