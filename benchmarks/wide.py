"""How long and how much memory does the exact profile of 4096 + 4096 neurons take, from moments on disk?"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import machine, seconds

import spanmatch as sm

WIDTH, ROWS, BATCH = 4096, 40_960, 4096


def resident(field: str) -> float:
    """Return this process's memory in GB: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1e6


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


def main() -> None:
    if len(sys.argv) > 1:
        profile(Path(sys.argv[1]))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "m.safetensors")
        sys.stdout.flush()
        subprocess.run([sys.executable, __file__, str(Path(folder) / "m.safetensors")], check=True)


if __name__ == "__main__":
    main()
