"""Variants of the match area, tested as measures: does another range of eps, centring, held-out rows or weights help?

python benchmarks/match_variants.py FOLDER               continues the benchmark of measures in a folder
python benchmarks/match_variants.py FOLDER SET [SET ...]   on some sets of networks

The best variant is chosen by its mean rank on some tests, and reported on the others, and the other way round.
"""

from __future__ import annotations

import sys

import numpy as np

import spanmatch as sm

LAYERS = ("same layer", "order of depth", "random labels", "augmentation", "shortcut")
NETWORKS = (
    "digits-mlp",
    "digits-random-labels",
    "digits-augmentation",
    "digits-shortcut",
    "text",
    "text-random-labels",
)


def levels_of(profile: sm.MatchProfile) -> np.ndarray:
    """Return the levels of all neurons; 1 for silent ones."""
    levels = np.concatenate([profile.x_levels, profile.y_levels])
    return np.where(np.isnan(levels), 1.0, np.minimum(levels, 1.0))


def area_to_a_half(pair: sm.Pair) -> float:
    return float(np.mean(np.maximum(0.5 - levels_of(sm.match_profile(pair)), 0) / 0.5))


def area_from_a_half(pair: sm.Pair) -> float:
    return float(np.mean(np.minimum(1 - levels_of(sm.match_profile(pair)), 0.5) / 0.5))


def squared_area(pair: sm.Pair) -> float:
    """The mean of 1 - level^2: the share of variance, as R^2 counts it."""
    return float(np.mean(1 - levels_of(sm.match_profile(pair)) ** 2))


def centred_area(pair: sm.Pair) -> float:
    return float(np.mean(1 - levels_of(sm.match_profile(pair, centred=True))))


def corrected_area(pair: sm.Pair) -> float:
    return float(np.mean(1 - levels_of(sm.match_profile(pair, corrected=True))))


def weighted_area(pair: sm.Pair) -> float:
    """Neurons weighted by their variance, each layer with the same weight in all."""
    profile = sm.match_profile(pair, centred=True)
    weights = np.concatenate([energy / energy.sum() for energy in (pair.energy(side, centred=True) for side in "xy")])
    return float(weights @ (1 - levels_of(profile))) / 2


def held_out_share(pair: sm.Pair) -> float:
    """The share of neurons that stay within eps on rows that were not fitted to, a mean over three eps."""
    matches = [sm.match_profile(pair).at(eps) for eps in (0.3, 0.5, 0.7)]
    return float(np.mean([m.similarity and m.similarity * sm.held_out(pair, m).share for m in matches]))


VARIANTS = (area_to_a_half, area_from_a_half, squared_area, centred_area, corrected_area, weighted_area, held_out_share)


def mean_ranks(bench: sm.Bench, tests: set[str]) -> dict[str, float]:
    """Return the mean rank of each measure over some tests."""
    by_test: dict[str, dict[str, list[float]]] = {}
    for score in bench.scores():
        if score["test"] in tests and score["rank"] is not None:
            by_test.setdefault(score["measure"], {}).setdefault(score["test"], []).append(score["rank"])
    return {name: float(np.mean([np.mean(ranks) for ranks in tests.values()])) for name, tests in by_test.items()}


def main() -> None:
    bench = sm.run_bench(list(VARIANTS), networks=sys.argv[2:] or NETWORKS, out=sys.argv[1])
    tests = {test["name"] for test in bench.results["tests"]}
    names = ["match area", *(variant.__name__ for variant in VARIANTS)]
    for chosen_on in (tests & set(LAYERS), tests - set(LAYERS)):
        on, others = mean_ranks(bench, chosen_on), mean_ranks(bench, tests - chosen_on)
        best = min(names, key=lambda name: on.get(name, np.inf))
        print(f"chosen on {', '.join(sorted(chosen_on))}: {best}")
        place = 1 + sum(rank < others[best] for rank in others.values())
        print(f"on the other tests its mean rank is {others[best]:.1f}, number {place} of {len(others)}")
        for name in names:
            print(f"  {name:20} {on.get(name, np.nan):5.1f} {others.get(name, np.nan):5.1f}")


if __name__ == "__main__":
    main()
