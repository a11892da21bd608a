"""What importing the package costs, and what its front door shows."""

from __future__ import annotations

import subprocess
import sys

import spanmatch as sm


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_loads_no_framework():
    heavy = ("torch", "matplotlib", "pandas", "sklearn", "jinja2")
    loaded = run(f"import sys, spanmatch; print([m for m in {heavy!r} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_import_is_fast():
    times = [
        float(run("import time; t = time.perf_counter(); import spanmatch; print(time.perf_counter() - t)"))
        for _ in range(4)
    ]
    assert min(times) < 0.5


def test_front_door_is_what_it_says():
    assert all(hasattr(sm, name) for name in sm.__all__)
    assert len(set(sm.__all__)) == len(sm.__all__)


def test_missing_extras_are_named():
    for package, code, message in (
        ("torch", "sm.capture({}, [])", "spanmatch[torch]"),
        ("torch", "sm.run_study('x.toml')", "spanmatch[study]"),
        ("pydantic", "sm.run_study('x.toml')", "spanmatch[study]"),
        ("matplotlib", "sm.match_profile(sm.pair(X, X)).plot()", "spanmatch[plot]"),
        ("pandas", "sm.match_profile(sm.pair(X, X)).to_frame()", "spanmatch[frames]"),
    ):
        out = run(
            f"import sys; sys.modules[{package!r}] = None\n"
            "import numpy as np, spanmatch as sm\nX = np.random.rand(90, 3)\n"
            f"try:\n    {code}\nexcept sm.SpanmatchError as error:\n    print(error)"
        )
        assert message in out
