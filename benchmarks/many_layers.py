"""Do comparisons of many layers take the time and the memory of their pairs, one after another?

Two files of activations are written, then compared by processes of their own, so that each has a peak of memory:
everything that is on by default, and four measures of all layers against all. Half of the layers show whether the
peak grows with the number of pairs. What was asked is for 32 layers of 1,024 neurons and 20,000 rows:

    python benchmarks/many_layers.py 32 1024 20000
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import THREADS, machine

import spanmatch as sm
from spanmatch.similarity import matrices_of

LAYERS, NEURONS, ROWS = 8, 256, 4000
MEASURES = ("debiased cka", "cca", "procrustes", "mutual knn")
SECONDS, GIGABYTES = {"default": 90.0, "all": 300.0}, 3.0


def write(path: Path, layers: int, neurons: int, rows: int, seed: int) -> None:
    """Write layers that share their causes with those of the other file, the more the deeper they are."""
    r = np.random.default_rng(0)
    own = np.random.default_rng(seed)
    causes = r.standard_normal((rows, neurons), dtype=np.float32)
    arrays = {}
    for layer in range(layers):
        noise = own.standard_normal((rows, neurons), dtype=np.float32)
        mixing = own.standard_normal((neurons, neurons), dtype=np.float32) / np.float32(np.sqrt(neurons))
        arrays[f"layer{layer:02}"] = np.maximum(causes @ mixing + np.float32(2 - 1.5 * layer / layers) * noise, 0)
    np.savez(path, **arrays)


def compare(folder: Path, layers: int, _neurons: int) -> None:
    """Compare layers of the same name by everything that is on by default, and save it."""
    names = [f"layer{layer:02}" for layer in range(layers)]
    sm.compare({"a": folder / "a.npz", "b": folder / "b.npz"}, layers=names).save(folder / "comparison")


def measure_all(folder: Path, layers: int, neurons: int) -> None:
    """Compute four measures of all layers against all, within networks and between, in blocks of nine layers or so."""
    names = [f"layer{layer:02}" for layer in range(layers)]
    measures = [measure for measure in sm.measures() if measure.name in MEASURES]
    networks = {"a": folder / "a.npz", "b": folder / "b.npz"}
    matrices_of(networks, measures, layers=names, max_memory_gb=(neurons / 1024) ** 2)


def measured(work: str, folder: Path, layers: int, neurons: int) -> tuple[float, float, float]:
    """Return the seconds, CPU seconds and peak GB of one kind of work, in a process of its own."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, __file__, "--work", work, str(folder), str(layers), str(neurons)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu, float(output.split()[-1])


def product_seconds(neurons: int, rows: int) -> float:
    """Return the time of one product of two layers in float64, the least that a pair takes."""
    X, Y = np.random.default_rng(0).standard_normal((2, rows, neurons))
    start = time.perf_counter()
    X.T @ Y
    return time.perf_counter() - start


def report(
    work: str, layers: int, pairs: int, product: float, taken: tuple[float, float, float], *, asked: bool
) -> None:
    """Print one line; beside what was asked if it was for these sizes."""
    wall, cpu, peak = taken
    line = f"  {layers} + {layers} layers, {pairs:,} pairs: {wall:.1f} s, {cpu:.1f} s of CPU, peak {peak:.2f} GB"
    line += f"; {wall / (pairs * product):.1f} times the products of its pairs"
    if asked:
        line += f"; of what was asked: time {wall / SECONDS[work]:.2f}, memory {peak / GIGABYTES:.2f}"
    print(line, flush=True)


def main(layers: int, neurons: int, rows: int) -> None:
    print(machine())
    print(f"{layers} layers of {neurons:,} neurons and {rows:,} rows in each of two files, {THREADS} threads")
    with tempfile.TemporaryDirectory() as place:
        folder, asked = Path(place), (layers, neurons, rows) == (32, 1024, 20000)
        for seed, name in enumerate("ab", 1):
            write(folder / f"{name}.npz", layers, neurons, rows, seed)
        product = product_seconds(neurons, rows)
        heads = {
            "default": "everything that is on by default (asked: 90 s, 3 GB)",
            "all": f"{', '.join(MEASURES)} of all layers against all (asked: 300 s, the peak flat)",
        }
        for work, head in heads.items():
            print(f"{head}:")
            for some in (layers // 2, layers):
                pairs, taken = (
                    some if work == "default" else some * (2 * some - 1),
                    measured(work, folder, some, neurons),
                )
                report(work, some, pairs, product, taken, asked=asked and some == layers)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        {"default": compare, "all": measure_all}[sys.argv[2]](Path(sys.argv[3]), *map(int, sys.argv[4:]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    else:
        main(*map(int, sys.argv[1:4] or (LAYERS, NEURONS, ROWS)))
