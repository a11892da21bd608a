"""Try an installed spanmatch, in an empty folder: `smoke_test.py core` without PyTorch, `smoke_test.py all` with it.

Run it as `python -I tools/smoke_test.py PART`, so that it finds the installed package and not the tree's.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import spanmatch as sm

COMMAND = Path(sys.executable).with_name("spanmatch")
NETWORKS = """
import torch

def network(seed):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
"""


def main() -> None:
    """Run the part that the command line names."""
    assert Path(sm.__file__).is_relative_to(sys.prefix), f"{sm.__file__} is not the installed package"
    {"core": core, "all": everything}[sys.argv[1]]()


def core() -> None:
    """Compare arrays and files; no extra is installed."""
    assert importlib.util.find_spec("torch") is None, "the core must not bring PyTorch"
    assert (Path(sm.__file__).parent / "py.typed").is_file()
    x, y = related_layers()
    profile = sm.match_profile(sm.pair(x, y))
    assert profile.similarity(0.3) == 0.5, profile.similarity(0.3)
    assert sm.cka(sm.pair(x, x)).value > 1 - 1e-9
    np.savez("a.npz", layer=x)
    np.savez("b.npz", layer=y)
    assert run("--version").strip() == f"spanmatch {sm.__version__}"
    run("compare", "a.npz", "b.npz", "--out", "results")
    check_results(Path("results"))


def everything() -> None:
    """Compare two networks, in Python and on the command line; every extra is installed."""
    import torch

    inputs = np.random.default_rng(0).standard_normal((400, 12)).astype(np.float32)
    Path("nets.py").write_text(NETWORKS, encoding="utf-8")
    sys.path.insert(0, "")
    from nets import network  # type: ignore[import-not-found]  # the file that was just written

    comparison = sm.compare({"a": network(0), "b": network(1)}, torch.from_numpy(inputs).split(100))
    assert len(comparison.pairs) >= 2 and len(comparison.to_frame()) == len(comparison.pairs)
    assert sm.match_profile(sm.pair(inputs, inputs)).plot() is not None
    comparison.save("from_python")
    check_results(Path("from_python"))
    np.save("inputs.npy", inputs)
    run("layers", "nets.py:network(0)", "--data", "inputs.npy")
    run("compare", "nets.py:network(0)", "nets.py:network(1)", "--data", "inputs.npy", "--out", "results")
    check_results(Path("results"))
    for name in ("dask.array", "distributed", "h5py", "onnx", "onnxruntime", "pyarrow", "transformers", "zarr"):
        __import__(name)


def related_layers() -> tuple[np.ndarray, np.ndarray]:
    """Return two layers of 8 neurons, of which 4 share a span."""
    rng = np.random.default_rng(0)
    shared, x_only, y_only = rng.standard_normal((3, 2000, 4))
    y = np.hstack([shared @ rng.standard_normal((4, 4)), y_only])
    return np.hstack([shared, x_only]), y + 0.05 * rng.standard_normal(y.shape)


def check_results(folder: Path) -> None:
    """Check that a folder has results of this version, and that the report can be rebuilt from them alone."""
    record = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert record["spanmatch"] == sm.__version__, record["spanmatch"]
    (folder / "report.html").unlink()
    run("report", str(folder))
    page = (folder / "report.html").read_text(encoding="utf-8")
    for part in (f"spanmatch {sm.__version__}", "Observable", "d3js.org", "prefers-color-scheme"):
        assert part in page, f"report.html lacks {part}: a template, script or style was not installed"


def run(*arguments: str) -> str:
    """Run the installed command and return what it printed."""
    result = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"spanmatch {' '.join(arguments)}\n{result.stdout}{result.stderr}"
    return result.stdout


if __name__ == "__main__":
    main()
