"""How near is Moments.update to a bare product of the same batch, and what do panels of wide layers cost?"""

from __future__ import annotations

import sys
import time

import numpy as np
from measure import machine, seconds

import spanmatch as sm
from spanmatch.moments import packed

BLOCK = packed.BLOCK
WIDTHS = (512, 1024, 2048, 4096)


def main() -> None:
    print(machine())
    r = np.random.default_rng(0)
    X, Y = (r.standard_normal((4096, 512)).astype(np.float32) for _ in range(2))
    A = np.hstack([X, Y]).astype(np.float64)
    kinds = {
        "folds and null off": ({"folds": 1, "null": False}, 0.70),
        "8 folds, null off": ({"null": False}, None),
        "8 folds and null": ({}, 0.45),
    }
    print("\nfloat32 batch of 4096 x (512 + 512); share of the speed of a float64 A.T @ A")
    for name, (options, asked) in kinds.items():
        moments = sm.Moments(**options)
        moments.update({"a:l": X, "b:l": Y})
        shares = []
        for _ in range(15):  # side by side, so that whatever else the machine does falls on both
            bare = seconds(lambda: A.T @ A)
            shares.append(bare / seconds(lambda m=moments: m.update({"a:l": X, "b:l": Y})))
        print(f"  {name:20s} {np.median(shares):5.2f}" + (f"   (asked: {asked})" if asked else ""))
    print("\nCPU time of a batch of 2048 rows, null, in panels over that in complete squares; bytes likewise")
    for width in map(int, sys.argv[1:] or WIDTHS):
        panels(width)


def panels(width: int, folds: int = 2) -> None:
    """Update moments in panels, and others in one panel a layer, by turns."""
    r = np.random.default_rng(0)
    batch = {name: r.standard_normal((2048, width), dtype=np.float32) for name in ("a:l", "b:l")}
    forms = {block: sm.Moments(folds=folds, sample=0) for block in (BLOCK, 10**9)}
    used: dict[int, list[float]] = {block: [] for block in forms}
    for turn in range(1 + max(4, 4096 // width)):
        for block, moments in forms.items():
            packed.BLOCK = block
            start = time.process_time()
            moments.update(batch)
            if turn:  # the first one allocates
                used[block].append(time.process_time() - start)
    packed.BLOCK = BLOCK
    in_panels, complete = (min(used[block]) for block in forms)
    size, complete_size = (moments.nbytes for moments in forms.values())
    print(
        f"  {width} + {width}: {in_panels:.3f} s, {in_panels / complete:.2f} (asked: 1.0)   "
        f"{size / 1e6:.0f} MB, {size / complete_size:.2f}"
    )


if __name__ == "__main__":
    main()
