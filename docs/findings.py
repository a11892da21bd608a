"""Prints the tables of findings.md: what small networks trained on digits from five seeds show."""

from __future__ import annotations

from itertools import combinations

import numpy as np

import spanmatch as sm
from spanmatch.demo import TRAINED_ON, digits, train

SEEDS, LAYERS, PENALTIES = range(5), ("relu1", "relu2", "relu3", "relu4", "fc2"), 25


def spread(values: list[float], form: str = ".2f") -> str:
    """Return the mean, and the least and the largest value."""
    return f"{np.mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main() -> None:
    images, labels = digits()
    networks = {f"seed{seed}": train(seed, images[:TRAINED_ON], labels[:TRAINED_ON]) for seed in SEEDS}
    moments = sm.capture(networks, images, layers=list(LAYERS))

    print("| layer | partner >= 0.5 in all / none | >= 0.8 in all / none | chains that close | by chance |")
    for layer in LAYERS:
        cells = []
        for strength in (0.5, 0.8):
            counts = sm.universality(moments, layer, strength=strength).distribution()["partners"]
            cells.append(f"{counts[-1] / counts.sum():.0%} / {counts[0] / counts.sum():.0%}")
        found = sm.universality(moments, layer, strength=0.5)
        closing = [t.closed / t.chains for t in found.triangles if t.chains]
        chance = np.mean([t.chance for t in found.triangles])
        print(f"| {layer} | {' | '.join(cells)} | {spread(closing)} | {chance:.3f} |")

    print("\n| layer | one neuron | few | all | s(0.3) | s(0.5) | predictors for 90% of what all give | neurons |")
    for layer in LAYERS:
        one, few, full, matched, half, needed = ([] for _ in range(6))
        for a, b in combinations(networks, 2):
            pair = moments.pair(f"{a}:{layer}", f"{b}:{layer}")
            profile = sm.match_profile(pair)
            matched.append(profile.similarity(0.3))
            half.append(profile.similarity(0.5))
            for way in (pair, pair.swapped):
                rows = sm.sparse_map(way, PENALTIES).table()
                path = [row for row in rows if row["penalty"] is not None]
                goal = 1 - 0.9 * (1 - rows[-1]["held_out_error"])
                one.append(rows[0]["held_out_error"])
                full.append(rows[-1]["held_out_error"])
                enough = next(row for row in path if row["held_out_error"] <= goal)
                needed.append(enough["predictors"])
                few.append(min(row["held_out_error"] for row in path if row["predictors"] <= 5))
        alive = pair.neurons[0]
        errors = " | ".join(spread(values) for values in (one, few, full, matched, half))
        print(f"| {layer} | {errors} | {spread(needed, '.1f')} | {alive} |")


if __name__ == "__main__":
    main()
