"""Is a match right on every layer?  Levels and sets against direct least squares on the rows, in two orders of neurons.

    python benchmarks/exactness.py [CASES] [FIRST_SEED]

The cases are those of tests/hard_layers.py. A method is *wrong* on a case if a level is off by more than the
resolution that the result states (or 1e-6), or a set differs at an eps that is clear of every level: the result gives
no sign that it is wrong. It is *order-dependent* if that is so in a second order of the neurons, and *refused* if
neurons are unresolved, and said to be.

Least squares need a rank, too: directions below the rounding of the rows count as rounding (2.4e-7 of unit columns for
float32 and coarser types, 1e-13 for float64). Inner products of float64 do not hold what is smaller than 1e-7: "gram"
and "single" are held to the former.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import hard_layers
import oracles
from measure import machine

import spanmatch as sm

METHODS = ("gram", "qr", "single")
LEAST = 1e-6
"""Levels nearer than this are the same, whatever the resolution."""


def main(cases: int = 10_000, first: int = 0) -> None:
    print(machine())
    kinds = list(hard_layers.DATA)
    counts: dict[tuple[str, str], Counter[str]] = {(m, kind): Counter() for m in METHODS for kind in kinds}
    start = time.perf_counter()
    for case in range(cases):
        kind = kinds[case % len(kinds)]
        for method, found in outcomes(kind, first + case // len(kinds)).items():
            counts[method, kind].update(found)
            counts[method, kind]["cases"] += 1
    print(f"{cases} cases in {time.perf_counter() - start:.0f} s\n")
    for method in METHODS:
        total = sum((counts[method, kind] for kind in kinds), Counter())
        print(
            f"method={method!r}: "
            + ", ".join(f"{total[name]} {name}" for name in ("wrong", "order-dependent", "refused"))
        )
        for kind in kinds:
            own = counts[method, kind]
            print(
                f"  {kind:45s} "
                + "  ".join(f"{own[name]:5d} {name}" for name in ("cases", "wrong", "order-dependent", "refused"))
            )


def outcomes(kind: str, seed: int) -> dict[str, list[str]]:
    """Return what can be said of each method on one case."""
    X, Y = hard_layers.DATA[kind](seed)
    rows = [hard_layers.as_float64(Z) for Z in (X, Y)]
    cutoffs = {"gram": hard_layers.COARSE, "single": hard_layers.COARSE, "qr": hard_layers.cutoff(X)}
    levels = {cutoff: oracles.levels(*rows, cutoff=cutoff) for cutoff in set(cutoffs.values())}
    r = np.random.default_rng(seed)
    orders = [r.permutation(Z.shape[1]) for Z in rows]
    said: dict[str, list[str]] = {}
    for method, cutoff in cutoffs.items():
        direct = levels[cutoff]
        profile = sm.match_profile(sm.pair(X, Y, method=method, folds=1, null=False))
        permuted = sm.match_profile(sm.pair(X[:, orders[0]], Y[:, orders[1]], method=method, folds=1, null=False))
        found = []
        if differ(profile, direct) or sets_differ(profile, rows, direct, cutoff):
            found.append("wrong")
        elif differ(permuted, [side[order] for side, order in zip(direct, orders, strict=True)]):
            found.append("order-dependent")
        if any(map(len, profile.unresolved)):
            found.append("refused")
        said[method] = found
    return said


def differ(profile: sm.MatchProfile, direct: list[np.ndarray]) -> bool:
    """Tell whether a level is off by more than is claimed."""
    allowed = max(LEAST, profile.resolution)
    for mine, level in zip((profile.x_levels, profile.y_levels), direct, strict=True):
        if (np.isnan(mine) != np.isnan(level)).any() or (np.abs(mine - level) > allowed).any():
            return True
    return False


def sets_differ(profile: sm.MatchProfile, rows: list[np.ndarray], direct: list[np.ndarray], cutoff: float) -> bool:
    """Tell whether the match differs from direct dropping at three eps that are clear of every level."""
    levels = np.unique(np.concatenate([*direct, [0.0, 1.0]]))
    levels = levels[~np.isnan(levels)]
    widths = np.diff(levels)
    for i in np.argsort(-widths)[:3]:
        eps = float((levels[i] + levels[i + 1]) / 2)
        if widths[i] <= 2 * max(LEAST, profile.resolution) or np.isnan(profile.similarity(eps)):
            continue
        match, (x, y) = profile.at(eps), oracles.maximum_match(*rows, eps, cutoff=cutoff)
        if match.x.tolist() != x.tolist() or match.y.tolist() != y.tolist():
            return True
    return False


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*map(int, sys.argv[1:]))
