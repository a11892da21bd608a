"""How often do intervals of nominally 95% contain the value of the population, where it is known?

For each of several populations, sample sizes and kinds of dependent rows, data sets are drawn and
every measure is computed with its evidence by `sm.assess`. Beside it is the naive way: the jackknife
of the measure in sample, with rows taken as independent. The same for the match profile s(eps).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from measure import machine
from models import Dependence, Model, is_corrected

import spanmatch as sm

SETS = 200
P = 20
ROWS_PER_EXAMPLE: dict[Dependence, int] = {"grouped": 20, "AR(1)": 100}
EPS = np.round(np.arange(0.02, 1.0, 0.02), 2)
"""Values of eps at which `sm.assess` computes the profile."""
FEWEST = 0.1
"""Coverage is of measures that have intervals in at least this share of data sets."""


@dataclass(frozen=True)
class Cell:
    """A population, and how rows are drawn from it."""

    model: Model
    dependence: Dependence
    rows: int

    @property
    def rows_per_example(self) -> int:
        """How many consecutive rows are given the same example id."""
        return ROWS_PER_EXAMPLE.get(self.dependence, 1)

    @property
    def kind(self) -> str:
        """How rows are drawn, in words."""
        if self.dependence == "grouped":
            return f"{self.rows // self.rows_per_example} x {self.rows_per_example} rows"
        width = "" if self.model.p == P else f", p {self.model.p}"
        names = {"independent": f"n/p {self.rows // self.model.p}", "t3": f"t3, n/p {self.rows // self.model.p}"}
        return names.get(self.dependence, f"{self.dependence}, n {self.rows:,}") + width

    def __str__(self) -> str:
        return (
            f"{self.model.name}, p {self.model.p}, {self.dependence}, n {self.rows}, {self.rows_per_example} an example"
        )


class Estimate(NamedTuple):
    """A measure of one data set with its interval, and the naive interval."""

    value: float
    low: float
    high: float
    naive_low: float
    naive_high: float


class Curves(NamedTuple):
    """s(eps) of one data set."""

    in_sample: np.ndarray
    corrected: np.ndarray
    low: np.ndarray
    high: np.ndarray


class DataSet(NamedTuple):
    """The estimates from one data set."""

    measures: dict[str, Estimate]
    profile: Curves


def estimates(cell: Cell, r: np.random.Generator) -> DataSet:
    """Return every measure and the match profile of one data set."""
    per = cell.rows_per_example
    X, Y = cell.model.rows(cell.rows, cell.dependence, r, per)
    pair = sm.pair(X, Y, example_ids=np.repeat(np.arange(cell.rows // per), per) if per > 1 else None)
    shuffled = r.permutation(cell.rows)
    naive = sm.pair(X[shuffled], Y[shuffled], null=False)
    evidence = sm.assess(pair, sm.match_profile(pair))
    measures = {}
    for measure in sm.measures():
        result = evidence[measure.name]
        ends = (np.nan, np.nan) if is_corrected(measure) else naive_interval(naive, measure)
        measures[measure.name] = Estimate(result.value, result.low, result.high, *ends)
    curves = evidence.profile
    assert curves is not None
    return DataSet(measures, Curves(curves.similarity, curves.corrected, curves.low, curves.high))


def naive_interval(pair: sm.Pair, measure: sm.Measure) -> tuple[float, float]:
    """Return the ends of the jackknife interval that is symmetric about the value in sample."""
    interval = sm.jackknife(pair, lambda pair: float(measure(pair)))
    return interval.low, interval.high


def draw(cell: Cell, sets: int, seed: int = 0) -> list[DataSet]:
    """Return the estimates from several data sets."""
    r = np.random.default_rng([seed, cell.rows, cell.model.p, *map(ord, str(cell))])
    return [estimates(cell, r) for _ in range(sets)]


def share_inside(low: np.ndarray, truth: float | np.ndarray, high: np.ndarray) -> float:
    """Return the share of the intervals with ends that contain the truth; nan if there are none."""
    has_ends = ~np.isnan(low)
    inside = (low <= truth) & (truth <= high)
    return float(inside[has_ends].mean()) if has_ends.any() else float("nan")


class MeasureSummary(NamedTuple):
    """How well a measure and its intervals estimate the population, over data sets."""

    truth: float
    bias: float
    error: float
    printed: float
    coverage: float
    naive_coverage: float


def summary_of_measure(cell: Cell, data_sets: Sequence[DataSet], name: str) -> MeasureSummary:
    """Return how well a measure estimates the population."""
    truth = cell.model.truths[name]
    value, low, high, naive_low, naive_high = np.array([data.measures[name] for data in data_sets]).T
    errors = value[~np.isnan(value)] - truth
    return MeasureSummary(
        truth,
        float(errors.mean()) if len(errors) else np.nan,
        float(np.sqrt(np.mean(errors**2))) if len(errors) else np.nan,
        float(np.mean(~np.isnan(low))),
        share_inside(low, truth, high),
        share_inside(naive_low, truth, naive_high),
    )


class ProfileSummary(NamedTuple):
    """How well s(eps) estimates that of the population, over data sets and eps."""

    bias_in_sample: float
    error_in_sample: float
    bias: float
    error: float
    printed: float
    coverage: float


def summary_of_profile(cell: Cell, data_sets: Sequence[DataSet]) -> ProfileSummary:
    """Return the largest bias over eps and the RMSE of s(eps), and the coverage of its interval.

    Coverage is over all eps at which the population has 0 < s < 0.75.
    """
    truth = sm.match_profile(cell.model.population).similarity(EPS)
    curves = [np.array([data.profile[i] for data in data_sets]) for i in range(4)]
    computed = ~np.isnan(curves[1]).all(axis=1)
    in_sample, corrected, low, high = (curve[computed] for curve in curves)
    middle = (truth > 0) & (truth < 0.75)
    return ProfileSummary(
        *bias_and_error(in_sample, truth),
        *bias_and_error(corrected, truth),
        float(np.mean(~np.isnan(low[:, middle]))) if middle.any() else np.nan,
        share_inside(low[:, middle], truth[middle], high[:, middle]),
    )


def bias_and_error(curves: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the largest bias over eps, and the root mean squared error over data sets and eps."""
    if not len(curves):
        return np.nan, np.nan
    bias = np.nanmean(curves, axis=0) - truth
    return float(bias[np.nanargmax(np.abs(bias))]), float(np.sqrt(np.nanmean((curves - truth) ** 2)))


def cells() -> list[Cell]:
    """Return all cells of the tables."""
    models = [
        Model("independent", P),
        Model("moderate", P, decay=1.0, rotated=True),
        Model("strong", P),
        Model("shared", P),
    ]
    kinds: list[tuple[Dependence, tuple[int, ...]]] = [
        ("independent", (40, 60, 100, 200, 400, 1000, 4000)),
        ("t3", (200, 1000)),
        ("grouped", (400, 1000, 4000)),
        ("AR(1)", (1000, 4000)),
    ]
    wide = [Model("moderate", 50, decay=1.0, rotated=True), Model("shared", 50)]
    narrow = [Cell(model, kind, n) for kind, sizes in kinds for n in sizes for model in models]
    return narrow + [Cell(model, "independent", n) for n in (250, 1000) for model in wide]


def print_cell(cell: Cell, data_sets: Sequence[DataSet]) -> None:
    """Print the tables of one cell."""
    print(f"\n{cell}, {len(data_sets)} data sets")
    print("                              truth    bias    rmse  printed coverage  naive")
    for name in data_sets[0].measures:
        row = summary_of_measure(cell, data_sets, name)
        print(
            f"  {name:26s} {row.truth:6.3f}  {row.bias:+.3f}   {row.error:.3f}    {row.printed:4.0%}     "
            f"{row.coverage:4.0%}   {row.naive_coverage:4.0%}"
        )
    profile = summary_of_profile(cell, data_sets)
    print(
        f"  s(eps): largest bias {profile.bias_in_sample:+.2f} in sample, {profile.bias:+.2f} corrected; rmse "
        f"{profile.error_in_sample:.3f}, {profile.error:.3f}; interval at {profile.printed:.0%} of eps, "
        f"coverage {profile.coverage:.0%}",
        flush=True,
    )


def mean_and_lowest(shares: Sequence[float]) -> str:
    """Return the mean of some shares in percent, and the lowest one in brackets; empty without any."""
    known = [100 * share for share in shares if not np.isnan(share)]
    return f"{np.mean(known):.0f} ({min(known):.0f})" if known else ""


def largest(values: Sequence[float]) -> str:
    """Return the number of the largest size; empty without any."""
    known = [value for value in values if not np.isnan(value)]
    return f"{max(known, key=abs):.3f}" if known else ""


def print_tables(results: Mapping[Cell, Sequence[DataSet]]) -> None:
    """Print tables over all populations, as in the documentation."""
    kinds = list(dict.fromkeys(cell.kind for cell in results))
    names = [measure.name for measure in sm.measures()]
    summaries = {
        (name, kind): [summary_of_measure(c, sets, name) for c, sets in results.items() if c.kind == kind]
        for name in names
        for kind in kinds
    }
    columns = "| | " + " | ".join(kinds) + " |\n|---" + "|---" * len(kinds) + "|"

    def print_table(title: str, text: Callable[[Sequence[MeasureSummary]], str]) -> None:
        print(f"\n{title}, over populations\n{columns}")
        for name in names:
            print(f"| {name} | " + " | ".join(text(summaries[name, kind]) for kind in kinds) + " |")

    print_table(
        "coverage in %, mean (lowest)", lambda rows: mean_and_lowest([r.coverage for r in rows if r.printed >= FEWEST])
    )
    print_table("printed intervals in %", lambda rows: f"{100 * np.mean([r.printed for r in rows]):.0f}")
    print_table("naive coverage in %, mean (lowest)", lambda rows: mean_and_lowest([r.naive_coverage for r in rows]))
    print_table("largest bias", lambda rows: largest([r.bias for r in rows]))
    print_table("largest rmse", lambda rows: largest([r.error for r in rows]))
    print(
        "\ns(eps)\n| rows | population | bias | corrected | rmse | corrected | interval at % of eps | coverage in % |"
    )
    print("|---" * 8 + "|")
    for cell, sets in results.items():
        s = summary_of_profile(cell, sets)
        print(
            f"| {cell.kind} | {cell.model.name} | {s.bias_in_sample:+.2f} | {s.bias:+.2f} | {s.error_in_sample:.3f} | "
            f"{s.error:.3f} | {100 * s.printed:.0f} | {100 * s.coverage:.0f} |"
        )


def worked_example(sets: int) -> np.ndarray:
    """Return (sets, 7): eps, and s(eps) in sample, corrected with its interval, held out, and of the population.

    Three features of 50 are shared, all others hardly; eps is the 60% quantile of the levels in sample.
    """
    model = Model("few", 50)
    population = sm.match_profile(model.population)
    r = np.random.default_rng(0)
    rows = []
    for _ in range(sets):
        pair = sm.pair(*model.rows(1000, "independent", r), null=False)
        profile = sm.match_profile(pair)
        eps = float(np.quantile(np.concatenate([profile.x_levels, profile.y_levels]), 0.6))
        evidence = sm.profile_evidence(pair, profile, eps=[eps], held=[eps])
        curves = (evidence.similarity, evidence.corrected, evidence.low, evidence.high)
        values = [float(curve[0]) for curve in curves]
        rows.append([eps, *values, evidence.held_out_at(eps), population.similarity(eps)])
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=SETS, help="data sets in each cell")
    sets = parser.parse_args().sets
    print(machine())
    results = {}
    for cell in cells():
        results[cell] = draw(cell, sets)
        print_cell(cell, results[cell])
    print_tables(results)
    example = worked_example(sets)
    names = ("eps", "s in sample", "corrected", "low", "high", "held out", "population")
    print("\na few of 50 features shared, n 1000, means and standard deviations over data sets")
    for name, column in zip(names, example.T, strict=True):
        print(f"  {name:12s} {np.nanmean(column):.3f} {np.nanstd(column):.3f}")
    inside = (example[:, 3] <= example[:, 6]) & (example[:, 6] <= example[:, 4])
    print(f"  the interval contains the population's value in {inside.mean():.0%}")


if __name__ == "__main__":
    main()
