"""How long does each alignment of two layers take?"""

from __future__ import annotations

from measure import correlated, forgetful, machine, seconds

import spanmatch as sm

WIDTH, ROWS, BINS = 512, 8192, 10


def main() -> None:
    print(machine())
    X, Y = correlated(ROWS, WIDTH, WIDTH)
    pair = sm.pair(X, Y)
    print(f"\n{WIDTH}+{WIDTH} neurons, {ROWS:,} rows, 8 folds")
    for name, work in {
        "one_to_one": lambda: sm.one_to_one(forgetful(pair)),
        "clusters": lambda: sm.clusters(forgetful(pair)),
        "clusters, hierarchical": lambda: sm.clusters(forgetful(pair), method="hierarchical"),
        "sparse_map, 50 penalties": lambda: sm.sparse_map(forgetful(pair)),
    }.items():
        print(f"  {name:26s} {seconds(work):7.2f} s")
    plain, counted = seconds(lambda: sm.pair(X, Y)), seconds(lambda: sm.pair(X, Y, bins=BINS))
    print(f"  {f'histograms of {BINS} bins':26s} {counted - plain:7.2f} s beside {plain:.2f} s for the moments")


if __name__ == "__main__":
    main()
