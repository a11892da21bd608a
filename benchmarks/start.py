"""How long do the terminal's first commands take, beside importing NumPy and scipy.linalg?

Each command runs several times in turn with the import, so that both see the same load; CPU seconds of the process and
of what it starts, on one thread. Modules are compiled beforehand, as installation does. The two files hold two layers
of 32 neurons and 2,000 rows each.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import machine

TIMES = 5
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
STANDARD = [sys.executable, "-c", "import numpy, scipy.linalg"]
SPANMATCH = [str(Path(sys.executable).with_name("spanmatch"))]


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Return the CPU time of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | ONE_THREAD | {"PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def written(folder: Path) -> None:
    """Write two small files of activations that share half of their span."""
    r = np.random.default_rng(0)
    shared = r.standard_normal((2000, 16))
    for name in "ab":
        layers = {}
        for layer in ("relu1", "relu2"):
            own = r.standard_normal((2000, 16))
            layers[layer] = np.hstack([shared, own]) @ r.standard_normal((32, 32))
        np.savez(folder / f"{name}.npz", **layers)


def main() -> None:
    print(machine())
    commands = {
        "python -c 'import spanmatch'": [sys.executable, "-c", "import spanmatch"],
        "spanmatch --help (asked: 0.25 s)": [*SPANMATCH, "--help"],
        "spanmatch compare --help": [*SPANMATCH, "compare", "--help"],
        "spanmatch compare a.npz b.npz (asked: 1.2 s)": [*SPANMATCH, "compare", "a.npz", "b.npz"],
        "... --measures 'debiased cka'": [*SPANMATCH, "compare", "a.npz", "b.npz", "--measures", "debiased cka"],
        "... --no-evidence": [*SPANMATCH, "compare", "a.npz", "b.npz", "--no-evidence"],
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        written(folder)
        for name, command in commands.items():
            cpu_seconds(command, folder)  # compiled and read from disk once
            pairs = [(cpu_seconds(command, folder), cpu_seconds(STANDARD, folder)) for _ in range(TIMES)]
            ours, standard = (min(column) for column in zip(*pairs, strict=True))
            print(f"{name}: {ours:.2f} s; import numpy, scipy.linalg: {standard:.2f} s; ratio {ours / standard:.2f}")


if __name__ == "__main__":
    main()
