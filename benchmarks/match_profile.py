"""Is the exact profile, at every eps, cheaper than one least-squares fit of the same arrays?

python benchmarks/match_profile.py [WIDTH ...]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from measure import correlated, forgetful, machine, seconds

import spanmatch as sm

ASKED = {1024: 0.75, 2048: 0.35}
TURNS = 3


def main(widths: list[int]) -> None:
    print(machine())
    for width in widths:
        rows = 4 * width
        X, Y = correlated(rows, width, width)
        sm.match_profile(sm.pair(X[:, :64], Y[:, :64]))  # start the threads
        for name, clock in (("seconds", time.perf_counter), ("CPU seconds", time.process_time)):
            fit = seconds(lambda X=X, Y=Y: np.linalg.lstsq(X, Y, rcond=None), clock=clock)
            total = seconds(lambda X=X, Y=Y: sm.match_profile(sm.pair(X, Y)), TURNS, clock)
            bare = seconds(lambda X=X, Y=Y: sm.match_profile(sm.pair(X, Y, folds=1, null=False)), TURNS, clock)
            pair = sm.pair(X, Y)
            profile = seconds(lambda pair=pair: sm.match_profile(forgetful(pair)), TURNS, clock)
            print(f"\n{width}+{width} neurons, {rows} rows: {name}")
            print(f"  numpy.linalg.lstsq(X, Y)                     {fit:7.2f}")
            print(f"  pair and profile, with folds and null        {total:7.2f}")
            print(f"  pair and profile, without                    {bare:7.2f}")
            print(f"  the profile alone, from a pair               {profile:7.2f}")
            print(
                f"  all of it over lstsq, with folds and null    {total / fit:7.2f}   (asked: {ASKED.get(width, 0.35)})"
            )
            print(f"  all of it over lstsq, without                {bare / fit:7.2f}")


if __name__ == "__main__":
    main([int(width) for width in sys.argv[1:]] or list(ASKED))
