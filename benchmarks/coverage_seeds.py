"""How often do intervals over seeds of nominally 95% hold the mean over all seeds, where it is known?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations, product

import numpy as np
from measure import machine
from numpy.typing import NDArray
from scipy import stats

import spanmatch as sm

SEEDS, DATA_SETS, NOISE = (3, 5, 10), 4000, 0.3
Draw = Callable[[np.random.Generator, int], dict[tuple[int, int], float]]


def disjoint(random: np.random.Generator, seeds: int) -> dict[tuple[int, int], float]:
    """Return values of pairs of networks of which no two share a seed."""
    return {(2 * i, 2 * i + 1): value for i, value in enumerate(random.standard_normal(seeds))}


def within(random: np.random.Generator, seeds: int) -> dict[tuple[int, int], float]:
    """Return values of all pairs of seeds of one variant."""
    effects = random.standard_normal(seeds)
    pairs = combinations(range(seeds), 2)
    return {(i, j): effects[i] + effects[j] + NOISE * random.standard_normal() for i, j in pairs}


def crossed(random: np.random.Generator, seeds: int, shared: float) -> dict[tuple[int, int], float]:
    """Return values of all pairs of two variants; `shared` is the correlation of the effects of one seed number."""
    x, other = random.standard_normal((2, seeds))
    y = shared * x + np.sqrt(1 - shared**2) * other
    return {(i, j): x[i] + y[j] + NOISE * random.standard_normal() for i, j in product(range(seeds), repeat=2)}


def each_with_the_next(random: np.random.Generator, seeds: int, shared: float) -> dict[tuple[int, int], float]:
    """Return values of the pairs of `compare.across`: seed i of one variant, the next seed of the other."""
    values = crossed(random, seeds, shared)
    return {(i, j): values[i, j] for i, j in ((i, (i + 1) % seeds) for i in range(seeds))}


DESIGNS: dict[str, tuple[Draw, bool]] = {
    "disjoint pairs": (disjoint, True),
    "all pairs of one variant": (within, False),
    "all pairs of two variants, effects shared by number": (partial(crossed, shared=1), True),
    "all pairs of two variants, half shared": (partial(crossed, shared=0.5), True),
    "all pairs of two variants, independent": (partial(crossed, shared=0), True),
    "each seed with the next, effects shared by number": (partial(each_with_the_next, shared=1), True),
    "each seed with the next, half shared": (partial(each_with_the_next, shared=0.5), True),
    "each seed with the next, independent": (partial(each_with_the_next, shared=0), True),
}
"""Designs of pairs, and whether the pairs are of two variants."""
SHARES = {
    "n = 1,000, median 0.95": (1000, 0.95, 0.3),
    "n = 1,000, median 0.999": (1000, 0.999, 0.5),
    "n = 100, median 0.99": (100, 0.99, 0.3),
    "n = 30, median 0.90": (30, 0.9, 0.3),
    "n = 1,000, median 0.90, seeds differ much": (1000, 0.9, 1.0),
}
"""Numbers of examples, median shares, and the standard deviation of the log odds over seeds."""


def by_value(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return Student's interval that takes the values for independent."""
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    return float(low), float(high)


def by_network(values: dict[tuple[int, int], float]) -> tuple[float, float]:
    """Return the jackknife's interval that takes the networks of two variants for independent, also of one number."""
    networks = sorted({("x", i) for i, _ in values} | {("y", j) for _, j in values})
    numbers = np.array(list(values.values()))
    means = [
        np.mean([value for (i, j), value in values.items() if network not in (("x", i), ("y", j))])
        for network in networks
    ]
    count = len(networks)
    error = np.sqrt((count - 1) / count * np.square(means - np.mean(means)).sum())
    half_width = float(stats.t.ppf(0.975, count - 1) * error)
    return float(numbers.mean()) - half_width, float(numbers.mean()) + half_width


def pairs_table(random: np.random.Generator) -> None:
    """Print coverage of the mean over pairs, 0: by `sm.over_seeds`, by value, and by network."""
    print("\n| pairs | " + " | ".join(f"{seeds} seeds" for seeds in SEEDS) + " |\n|---|" + "---|" * len(SEEDS))
    for name, (draw, is_of_two) in DESIGNS.items():
        cells = []
        for seeds in SEEDS:
            hits = []
            for _ in range(DATA_SETS):
                values = draw(random, seeds)
                spread = sm.over_seeds(values)
                ends = [(spread.low, spread.high), by_value(np.array(list(values.values())))]
                if is_of_two:
                    ends.append(by_network(values))
                hits.append([low <= 0 <= high for low, high in ends])
            ours, *naive = (f"{100 * share:.1f}" for share in np.mean(hits, axis=0))
            cells.append(f"**{ours}** ({', '.join(naive)})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def shares_table(random: np.random.Generator) -> None:
    """Print coverage of the mean share, and for the interval by value how often it leaves [0, 1] or has no width."""
    print("\n| shares | " + " | ".join(f"{seeds} seeds" for seeds in SEEDS) + " |\n|---|" + "---|" * len(SEEDS))
    for name, (n, median, deviation) in SHARES.items():
        odds = np.log(median / (1 - median))
        truth = np.mean(1 / (1 + np.exp(-odds - deviation * random.standard_normal(1_000_000))))
        cells = []
        for seeds in SEEDS:
            chances = 1 / (1 + np.exp(-odds - deviation * random.standard_normal((DATA_SETS, seeds))))
            hits, impossible = [], 0
            for shares in random.binomial(n, chances) / n:
                spread = sm.shares_over_seeds(shares, n)
                low, high = by_value(shares) if np.ptp(shares) else (shares[0], shares[0])
                hits.append([spread.low <= truth <= spread.high, low <= truth <= high])
                impossible += low < 0 or high > 1 or low == high
            ours, naive = (f"{100 * share:.1f}" for share in np.mean(hits, axis=0))
            cells.append(f"**{ours}** ({naive}; {impossible / DATA_SETS:.0%})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    print(machine())
    print(f"\nCoverage in % over {DATA_SETS:,} simulated studies, nominally 95.")
    random = np.random.default_rng(0)
    pairs_table(random)
    shares_table(random)


if __name__ == "__main__":
    main()
