"""Does memory stay flat over two million rows?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from measure import machine, seconds

import spanmatch as sm

ROWS, BATCH = 2_000_000, 4000


def resident(field: str) -> float:
    """Return this process's memory in MB: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def main() -> None:
    print(machine())
    r = np.random.default_rng(0)
    X, Y = (r.standard_normal((BATCH, 256)).astype(np.float32) for _ in range(2))
    sm.pair(X[:64, :8], Y[:64, :8])
    start = resident("VmRSS")
    moments = sm.Moments()
    marks = []

    def stream() -> None:
        for k in range(ROWS // BATCH):
            moments.update({"a:l": X, "b:l": Y})
            if k % (ROWS // BATCH // 4) == 0:
                marks.append(resident("VmRSS") - start)

    taken = seconds(stream)
    sm.match_profile(moments.pair("a:l", "b:l"))
    print(f"\n{moments.rows['a:l']:,} rows x (256 + 256), 8 folds and null, in {taken:.1f} s")
    print("  MB above the imports along the way:", ", ".join(f"{mark:.0f}" for mark in marks))
    print(f"  at the peak, profile included: {resident('VmHWM') - start:.0f} MB   (asked: at most 300)")


if __name__ == "__main__":
    main()
