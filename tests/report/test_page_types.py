"""The types that the page's scripts are checked against are those of the schema."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / "node_modules").exists(), reason="needs node and package.json's tools"
)
def test_the_types_of_the_scripts_are_up_to_date():
    command = [sys.executable, str(ROOT / "tools/page_types.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
