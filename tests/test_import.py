"""What importing the package costs, and what its front door shows."""

from __future__ import annotations

import os
import subprocess
import sys

import spanmatch as sm


def run(code: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ | environment
    ).stdout


def test_import_loads_no_framework():
    heavy = ("torch", "matplotlib", "pandas", "sklearn", "jinja2", "dask", "distributed", "zarr", "pyarrow", "onnx")
    heavy += ("onnxruntime", "transformers", "jax", "array_api_compat", "pydantic")
    loaded = run(f"import sys, spanmatch; print([m for m in {heavy!r} if m in sys.modules])")
    assert loaded.strip() == "[]"


def seconds_to_import(*modules: str, cache: str) -> float:
    """Return the CPU seconds of an import of modules that are compiled already, as they are once installed."""
    code = f"import time; t = time.process_time(); import {', '.join(modules)}; print(time.process_time() - t)"
    return float(run(code, PYTHONPYCACHEPREFIX=cache, PYTHONDONTWRITEBYTECODE=""))


def test_import_costs_little_beyond_what_it_stands_on(tmp_path):
    ground, cache = ("numpy", "scipy.linalg", "safetensors.numpy", "rich.progress"), str(tmp_path)
    times = [(seconds_to_import("spanmatch", cache=cache), seconds_to_import(*ground, cache=cache)) for _ in range(5)]
    ours, grounds = (min(column) for column in zip(*times, strict=True))
    assert ours < 2 * grounds  # a ratio: machines differ by more than any figure in seconds could allow


def test_import_leaves_slow_parts_of_scipy_alone():
    slow = ("scipy.optimize", "scipy.sparse.linalg", "scipy.cluster", "scipy.spatial", "scipy.special")
    assert run(f"import sys, spanmatch; print([m for m in {slow!r} if m in sys.modules])").strip() == "[]"


def test_front_door_is_what_it_says():
    assert all(hasattr(sm, name) for name in sm.__all__)
    assert len(set(sm.__all__)) == len(sm.__all__)


def test_missing_extras_are_named():
    for package, code, message in (
        ("torch", "sm.capture({'a': 1}, [])", "spanmatch[torch]"),
        ("torch", "sm.Tracker(1, X)", "spanmatch[torch]"),
        ("torch", "sm.run_study('x.toml')", "spanmatch[study]"),
        ("matplotlib", "sm.match_profile(sm.pair(X, X)).plot()", "spanmatch[plot]"),
        ("pandas", "sm.match_profile(sm.pair(X, X)).to_frame()", "spanmatch[frames]"),
        ("zarr", "sm.compare({'a': folder('zarr.json'), 'b': {'l': X}})", "spanmatch[zarr]"),
        ("pyarrow", "sm.compare({'a': file('a.parquet'), 'b': {'l': X}})", "spanmatch[parquet]"),
        ("onnxruntime", "sm.capture({'a': file('a.onnx')}, X)", "spanmatch[onnx]"),
        ("transformers", "sm.capture({'a': folder('config.json')}, X)", "spanmatch[transformers]"),
        ("dask", "sm.Moments.from_dask({'a': X})", "spanmatch[dask]"),
        ("distributed", "sm.compare({'a': npy(), 'b': npy()}, scheduler=2)", "spanmatch[dask]"),
    ):
        out = run(
            f"import sys; sys.modules[{package!r}] = None\n"
            "import numpy as np, spanmatch as sm, tempfile, pathlib\nX = np.random.rand(90, 3)\n"
            "def file(name):\n    path = pathlib.Path(tempfile.mkdtemp()) / name\n    path.touch()\n    return path\n"
            "def folder(name):\n    return file(name).parent\n"
            "def npy():\n    path = file('a.npy')\n    np.save(path, X)\n    return path\n"
            f"try:\n    {code}\nexcept sm.SpanmatchError as error:\n    print(error)"
        )
        assert message in out


def test_help_is_shown_before_anything_heavy_is_imported():
    code = "import contextlib, sys\nfrom spanmatch.cli.commands import app\n"
    code += "with contextlib.suppress(SystemExit):\n    app(['compare', '--help'])\n"
    code += "print([m for m in ('numpy', 'scipy', 'safetensors', 'sklearn', 'jinja2') if m in sys.modules])"
    assert run(code).strip().splitlines()[-1] == "[]"


def test_the_stub_lists_what_the_modules_define():
    assert sorted(sm.__all__) == sorted(dir(sm))
    assert "__version__" in sm.__all__
    assert all(getattr(sm, name).__module__.startswith("spanmatch.") for name in sm.__all__ if name != "__version__")
