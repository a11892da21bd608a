"""Is the exact profile, at every eps, cheaper than one least-squares fit of the same arrays?"""

from __future__ import annotations

import numpy as np
from measure import correlated, forgetful, machine, seconds

import spanmatch as sm


def main() -> None:
    print(machine())
    for width, rows, asked in ((1024, 4096, 0.75), (2048, 8192, 0.5)):
        X, Y = correlated(rows, width, width)
        sm.match_profile(sm.pair(X[:, :64], Y[:, :64]))  # start the threads
        pair = sm.pair(X, Y)
        fit = seconds(lambda X=X, Y=Y: np.linalg.lstsq(X, Y, rcond=None))
        moments = seconds(lambda X=X, Y=Y: sm.pair(X, Y), 3)
        bare = seconds(lambda X=X, Y=Y: sm.pair(X, Y, folds=1, null=False), 3)
        profile = seconds(lambda pair=pair: sm.match_profile(forgetful(pair)), 3)
        print(f"\n{width}+{width} neurons, {rows} rows")
        print(f"  numpy.linalg.lstsq(X, Y)                     {fit:7.2f} s")
        print(f"  sm.pair with folds and null                  {moments:7.2f} s")
        print(f"  sm.pair without                              {bare:7.2f} s")
        print(f"  sm.match_profile                             {profile:7.2f} s")
        print(f"  all of it over lstsq, with folds and null    {(moments + profile) / fit:7.2f}   (asked: {asked})")
        print(f"  all of it over lstsq, without                {(bare + profile) / fit:7.2f}")


if __name__ == "__main__":
    main()
