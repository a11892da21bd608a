"""How long and how much memory does the exact profile of 4096 + 4096 neurons take, from moments on disk?

And how much memory do moments of wider layers take, with folds and null? `wide.py folds [NEURONS]` measures that alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import machine, seconds

import spanmatch as sm
from spanmatch.moments.packed import Packed

WIDTH, ROWS, BATCH = 4096, 40_960, 4096
WIDEST, FOLDS, ASKED = 11_008, 4, 12
"""The neurons of each of two layers, the folds, and the GB that they may take."""


def resident(field: str) -> float:
    """Return this process's memory in GB: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024 / 1e9


def make(path: Path) -> None:
    """Write the moments of noisy rectified views of the same causes, batch by batch."""
    r = np.random.default_rng(0)
    A, B = (r.standard_normal((WIDTH // 2, WIDTH)).astype(np.float32) / np.sqrt(WIDTH / 2) for _ in range(2))
    noise = [(10 ** r.uniform(-2, 0.5, WIDTH)).astype(np.float32) for _ in range(2)]
    moments = sm.Moments(folds=1, null=False)
    taken = 0.0
    for _ in range(ROWS // BATCH):
        causes = r.standard_normal((BATCH, WIDTH // 2), dtype=np.float32)
        X, Y = (
            np.maximum(causes @ M + own * r.standard_normal((BATCH, WIDTH), dtype=np.float32), 0)
            for M, own in zip((A, B), noise, strict=True)
        )
        taken += seconds(lambda X=X, Y=Y: moments.update({"a:l": X, "b:l": Y}))
    moments.save(path)
    print(f"\n{WIDTH} + {WIDTH} neurons, {ROWS:,} rows, folds=1, null=False: {moments.nbytes / 1e9:.2f} GB of moments")
    print(f"  accumulated in {taken:.1f} s: {taken / ROWS * 1e6:.0f} microseconds a row")


def profile(path: Path) -> None:
    """Read them and match, and say what it took."""
    start = resident("VmRSS")
    moments = sm.Moments.load(path)
    found: list[sm.MatchProfile] = []
    used = time.process_time()
    taken = seconds(lambda: found.append(sm.match_profile(moments.pair("a:l", "b:l"))))
    used = time.process_time() - used
    peak = resident("VmHWM")
    print(f"  pair and profile: {taken:.1f} s, {used:.1f} CPU seconds   (asked: 10)")
    print(f"  peak of the process: {peak:.2f} GB, {peak - start:.2f} above the imports   (asked: 3)")
    print("  similarity at eps 0.15, 0.3, 0.5:", np.round(found[0].similarity([0.15, 0.3, 0.5]), 3))


def accumulate(path: Path, width: int) -> None:
    """Accumulate and write moments with folds and null, and print the peak of the process."""
    r = np.random.default_rng(0)
    moments = sm.Moments(folds=FOLDS, null=True, max_memory_gb=ASKED)
    used = time.process_time()
    for _ in range(4):
        moments.update({name: r.standard_normal((1024, width), dtype=np.float32) for name in ("a:l", "b:l")})
    used = time.process_time() - used
    updated = resident("VmHWM")
    moments.save(path)
    squares, products = Packed(width + 1).length, (width + 1) ** 2
    model = 8 * (FOLDS * (2 * squares + products) + products) / 1e9
    complete = 8 * (3 * FOLDS + 1) * products / 1e9
    print(f"\n{width} + {width} neurons, {FOLDS} folds and null, {4 * 1024} rows in {used:.0f} CPU seconds")
    print(f"  {model:.2f} GB of moments by the formula, {complete:.2f} as complete squares")
    print(f"  accumulated: peak {updated:.2f} GB; saved: {resident('VmHWM'):.2f}{asked(width)}")


def load(path: Path, width: int) -> None:
    """Read moments, make the pair of all folds, and print the peaks of the process."""
    moments = sm.Moments.load(path)
    loaded = resident("VmHWM")
    pair = moments.pair("a:l", "b:l")
    print(f"  loaded: peak {loaded:.2f} GB{asked(width)}")
    print(f"  with the pair of all folds: {resident('VmHWM'):.2f}", end="")
    print(f"; of each fold in turn, {[fold.rows for fold in pair.folds]} rows: {resident('VmHWM'):.2f}")


def asked(width: int) -> str:
    """Return what was asked of the widest layers."""
    return f"   (asked: {ASKED})" if width == WIDEST else ""


def in_process(*arguments: object) -> None:
    """Run a step of this script in a process of its own."""
    sys.stdout.flush()
    subprocess.run([sys.executable, __file__, *map(str, arguments)], check=True)


def main() -> None:
    step, *arguments = sys.argv[1:] or ["all"]
    if step in STEPS:
        STEPS[step](Path(arguments[0]), *map(int, arguments[1:]))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        if step != "folds":
            in_process("make", path)
            in_process("profile", path)
        width = arguments[0] if arguments else WIDEST
        in_process("accumulate", path, width)
        in_process("load", path, width)


STEPS = {"make": make, "profile": profile, "accumulate": accumulate, "load": load}

if __name__ == "__main__":
    main()
