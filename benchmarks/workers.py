"""How much faster are two workers than one, and what does a worker hold in memory?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import zarr
from distributed import Client, LocalCluster

from spanmatch.activations import capture_stored

ROWS, WIDTH, CHUNK, TIMES = 400_000, 512, 8000, 3


def store(folder: Path) -> dict[str, Path]:
    """Write two networks' activations, chunk by chunk."""
    r = np.random.default_rng(0)
    paths = {}
    for name in "ab":
        group = zarr.open_group(folder / f"{name}.zarr", mode="w")
        array = group.create_array("l", shape=(ROWS, WIDTH), chunks=(CHUNK, WIDTH), dtype="f4", compressors=None)
        for start in range(0, ROWS, CHUNK):
            array[start : start + CHUNK] = r.standard_normal((CHUNK, WIDTH), dtype=np.float32)
        paths[name] = folder / f"{name}.zarr"
    return paths


def peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1e3


def main() -> None:
    from measure import machine, seconds  # which sets threads, and workers read this file too

    print(machine())
    with tempfile.TemporaryDirectory() as made:
        files = store(Path(made))
        print(f"\n{ROWS:,} rows x ({WIDTH} + {WIDTH}) in float32 from Zarr, chunks of {CHUNK:,} rows, 8 folds and null")
        print("one BLAS thread a worker; seconds of several runs")
        best = {}
        for workers in (1, 2):
            with (
                LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
                Client(cluster, set_as_default=False) as client,
            ):
                capture_stored(files, scheduler=client)  # imports and files are warm
                taken = [seconds(lambda c=client: capture_stored(files, scheduler=c)) for _ in range(TIMES)]
                held = max(client.run(peak).values())
            best[workers] = min(taken)
            print(f"  {workers} worker(s): {', '.join(f'{t:.1f}' for t in taken)}; a worker's peak {held:.0f} MB")
        print(f"  throughput of two over one: {best[1] / best[2]:.2f}   (asked: 1.7)")
        here = min(seconds(lambda: capture_stored(files)) for _ in range(TIMES))
        print(f"  this process alone, two BLAS threads: {here:.1f} s")


if __name__ == "__main__":
    main()
