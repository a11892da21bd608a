"""How often does the test over all permutations reject that layers are unrelated?

A test at 5% must reject 5% of unrelated layers, and as many related ones as it can. Beside it is
the naive way: rows taken as independent, and debiased CKA, in standard errors, compared with a
normal law. `permutations.py` is of tests on the sample.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from measure import machine
from models import autoregressive, grouped
from scipy.special import ndtr

import spanmatch as sm

SETS = 1000
P = 20
DEVIATIONS = np.sqrt(1 / np.arange(1, P + 1))
Rows = tuple[np.ndarray, np.ndarray]
Draw = Callable[[np.random.Generator], Rows]


@dataclass(frozen=True)
class Setting:
    """How two layers are drawn, and how many rows each example has."""

    name: str
    draw: Draw
    rows_per_example: int = 1
    related: bool = False


def unrelated(factors: Callable[[np.random.Generator], np.ndarray]) -> Draw:
    """Return a function that draws two independent layers of the same kind."""
    return lambda r: (factors(r) * DEVIATIONS, factors(r) * DEVIATIONS)


def sorted_by_class(r: np.random.Generator) -> Rows:
    """Return rows of ten classes in turn: x knows the class, y does not."""
    classes = np.repeat(r.standard_normal((10, P)), 100, axis=0)
    return (classes + r.standard_normal((1000, P))) * DEVIATIONS, r.standard_normal((1000, P)) * DEVIATIONS


def independent(r: np.random.Generator, share: float) -> Rows:
    """Return 400 independent rows, of which a share of variance is common to both layers."""
    common = np.sqrt(share) * r.standard_normal((400, P))
    x, y = (common + np.sqrt(1 - share) * r.standard_normal((400, P)) for _ in range(2))
    return x * DEVIATIONS, y * DEVIATIONS


def of_examples(r: np.random.Generator, share: float) -> Rows:
    """Return 50 examples x 20 rows, of which a share of variance is common to both layers."""
    common = np.sqrt(share) * grouped(r, 1000, P, 20, 0.5)
    x, y = (common + np.sqrt(1 - share) * grouped(r, 1000, P, 20, 0.5) for _ in range(2))
    return x * DEVIATIONS, y * DEVIATIONS


def settings() -> list[Setting]:
    """Return all settings, the unrelated ones first."""

    def series(n: int, correlation: float) -> Draw:
        return unrelated(lambda r: autoregressive(r, n, P, correlation))

    return [
        Setting("independent, n 60", unrelated(lambda r: r.standard_normal((60, P)))),
        Setting("independent, n 400", unrelated(lambda r: r.standard_normal((400, P)))),
        Setting("t3 tails, n 400", unrelated(lambda r: r.standard_t(3, (400, P)))),
        Setting("exponential, n 400", unrelated(lambda r: r.exponential(size=(400, P)))),
        Setting("20 examples x 20 rows", unrelated(lambda r: grouped(r, 400, P, 20, 0.5)), 20),
        Setting("50 examples x 20 rows", unrelated(lambda r: grouped(r, 1000, P, 20, 0.5)), 20),
        Setting("sorted by class, which y does not know", sorted_by_class),
        Setting("AR(1) 0.5, n 1000, no ids", series(1000, 0.5)),
        Setting("AR(1) 0.5, n 4000, no ids", series(4000, 0.5)),
        Setting("AR(1) 0.9, n 1000, no ids", series(1000, 0.9)),
        Setting("AR(1) 0.9, n 4000, no ids", series(4000, 0.9)),
        Setting("AR(1) 0.9, n 1000, ids of 8 blocks", series(1000, 0.9), 125),
        Setting("AR(1) 0.9, n 4000, ids of 40 blocks", series(4000, 0.9), 100),
        Setting("related: independent, n 400, share 0.10", lambda r: independent(r, 0.10), related=True),
        Setting("related: independent, n 400, share 0.15", lambda r: independent(r, 0.15), related=True),
        Setting("related: 50 x 20 rows, share 0.10", lambda r: of_examples(r, 0.10), 20, related=True),
        Setting("related: 50 x 20 rows, share 0.20", lambda r: of_examples(r, 0.20), 20, related=True),
    ]


def p_values(setting: Setting, r: np.random.Generator) -> tuple[float, float, float]:
    """Return the p-values of debiased CKA and of CKA, and the naive one."""
    X, Y = setting.draw(r)
    n, per = len(X), setting.rows_per_example
    ids = np.repeat(np.arange(n // per), per) if per > 1 else None
    pair = sm.pair(X, Y, example_ids=ids, null=False)
    naive = sm.debiased_cka(sm.pair(X, Y, folds=1, null=False)).value
    z = naive * np.sqrt(n * (n - 3) / 2)
    return p_value(pair, sm.debiased_cka), p_value(pair, sm.cka), float(ndtr(-z))


def p_value(pair: sm.Pair, measure: Callable[[sm.Pair], sm.Measured]) -> float:
    """Return the p-value of a measure over all permutations; nan where the test is refused."""
    try:
        return sm.permutation_test(pair, measure, permutations="all").p_value
    except sm.SpanmatchError:
        return float("nan")


def draw(setting: Setting, sets: int, seed: int = 0) -> np.ndarray:
    """Return (sets, 3) p-values."""
    r = np.random.default_rng([seed, *map(ord, setting.name)])
    return np.array([p_values(setting, r) for _ in range(sets)])


def print_setting(setting: Setting, p: np.ndarray) -> None:
    """Print the shares of rejections, and of refusals."""
    shares = "   ".join(f"{np.mean(column <= 0.05):6.1%} {np.mean(column <= 0.01):6.1%}" for column in p.T)
    print(f"{setting.name:42s} {shares}   {np.isnan(p[:, 0]).mean():6.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=SETS, help="data sets in each setting")
    sets = parser.parse_args().sets
    print(machine())
    print(f"\nrejections of {sets} data sets at 5% and 1%, {P} + {P} neurons")
    print(f"{'':42s} debiased CKA    CKA             naive           refused")
    for setting in settings():
        print_setting(setting, draw(setting, sets))


if __name__ == "__main__":
    main()
