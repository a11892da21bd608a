"""Progress in a log: lines where standard error is no terminal, and silence of what is quick."""

from __future__ import annotations

import re
import time

import pytest

from spanmatch import _progress
from spanmatch._progress import progress_bar, tracked


def test_a_log_has_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(_progress, "SECONDS_BETWEEN_LINES", 0.05)
    for _ in tracked(range(4), "matching"):
        time.sleep(0.06)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(re.fullmatch(r"matching: [1-4] of 4, 0:00:00(, about 0:00:0\d left)?", line) for line in lines)


def test_one_long_step_has_lines_too_and_an_error_ends_them(monkeypatch, capsys):
    monkeypatch.setattr(_progress, "SECONDS_BETWEEN_LINES", 0.02)
    with pytest.raises(KeyError), progress_bar() as bar:
        bar.add_task("reading", total=None)
        time.sleep(0.1)
        raise KeyError
    assert "reading: 0, 0:00:00" in capsys.readouterr().err
    time.sleep(0.05)
    assert not capsys.readouterr().err


def test_what_is_quick_is_silent(capsys):
    assert list(tracked([1, 2], "matching")) == [1, 2]
    assert capsys.readouterr() == ("", "")
