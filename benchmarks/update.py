"""How near is Moments.update to a bare product of the same batch?"""

from __future__ import annotations

import numpy as np
from measure import machine, seconds

import spanmatch as sm


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


if __name__ == "__main__":
    main()
