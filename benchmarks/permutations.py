"""How often do permutation tests reject that unrelated layers are unrelated, and related layers?

A test at 5% must reject 5% of unrelated layers, whatever the measure and the data: 1,000 data sets
show 5% +- 1.4%. Then: power beside the test over all permutations; the p-value of the most similar
of 10 x 10 pairs of layers, adjusted and not; and layers that share only the class, with examples
permuted among all and within classes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from measure import machine
from models import grouped
from threadpoolctl import threadpool_limits

import spanmatch as sm

SETS, EXAMPLES, NEURONS, LAYERS, CLASSES, ROWS = 1000, 100, 10, 10, 10, 40
PERMUTATIONS, PRODUCTS = 199, 39
"""Of kernels and neighbours, and of measures that take the products of the permuted rows each time."""
CLASS_OF = np.repeat(np.arange(CLASSES), EXAMPLES // CLASSES)
DEVIATIONS = np.sqrt(1 / np.arange(1, NEURONS + 1))
Random = np.random.Generator
Layers = tuple[np.ndarray, np.ndarray]
PValues = dict[str, float]

MEASURES = {measure.name: measure for measure in sm.measures()}
KERNELS = "debiased cka", "cka", "rsa", "mutual knn", "rbf cka", "distance correlation"
OF_PRODUCTS = "procrustes", "correlation match"


def p_value(pair: sm.Pair, name: str, permutations: int, groups: np.ndarray | None = None) -> float:
    """Return the p-value of a measure; nan where the test is refused."""
    try:
        return sm.permutation_test(pair, MEASURES[name], permutations, groups).p_value
    except sm.SpanmatchError:
        return float("nan")


def p_value_over_all(pair: sm.Pair) -> float:
    """Return the p-value of debiased CKA over all permutations; nan where it is refused."""
    try:
        return sm.permutation_test(pair, sm.debiased_cka, "all").p_value
    except sm.SpanmatchError:
        return float("nan")


def pair_of(X: np.ndarray, Y: np.ndarray) -> sm.Pair:
    """Return the moments and the sample of two layers, with as many rows an example as there are."""
    return sm.pair(X, Y, example_ids=np.repeat(np.arange(EXAMPLES), len(X) // EXAMPLES), null=False)


# ---- unrelated layers -----------------------------------------------------------------------------------------------


def independent(r: Random) -> Layers:
    """Return independent rows, each an example."""
    X, Y = r.standard_normal((2, EXAMPLES, NEURONS)) * DEVIATIONS
    return X, Y


def heavy_tailed(r: Random) -> Layers:
    """Return independent rows with the tails of Student's t with three degrees of freedom."""
    X, Y = r.standard_t(3, (2, EXAMPLES, NEURONS)) * DEVIATIONS
    return X, Y


def sorted_by_class(r: Random) -> Layers:
    """Return examples of ten classes in turn: x knows the class, y does not."""
    X, Y = r.standard_normal((2, EXAMPLES, NEURONS))
    return (r.standard_normal((CLASSES, NEURONS))[CLASS_OF] + X) * DEVIATIONS, Y * DEVIATIONS


def of_examples(r: Random) -> Layers:
    """Return 40 rows an example, half of whose variance is their example's."""
    X, Y = (grouped(r, EXAMPLES * ROWS, NEURONS, ROWS, 0.5) * DEVIATIONS for _ in range(2))
    return X, Y


def unrelated(draw: Callable[[Random], Layers], r: Random) -> PValues:
    """Return the p-values of all measures for two unrelated layers."""
    pair = pair_of(*draw(r))
    kernels = {name: p_value(pair, name, PERMUTATIONS if pair.rows_are_examples else PRODUCTS) for name in KERNELS[:2]}
    kernels |= {name: p_value(pair, name, PERMUTATIONS) for name in KERNELS[2:]}
    return kernels | {name: p_value(pair, name, PRODUCTS) for name in OF_PRODUCTS}


# ---- related layers -------------------------------------------------------------------------------------------------


def related(share: float, r: Random, rows: int = 1) -> PValues:
    """Return p-values for two layers that have a share of their variance in common."""
    common, x, y = (grouped(r, EXAMPLES * rows, NEURONS, rows, 0.5 if rows > 1 else 1.0) for _ in range(3))
    X, Y = ((np.sqrt(share) * common + np.sqrt(1 - share) * own) * DEVIATIONS for own in (x, y))
    pair = pair_of(X, Y)
    names = ("debiased cka", "rsa", "mutual knn", "rbf cka", "distance correlation", "procrustes")
    counts = [PRODUCTS if name == "procrustes" else PERMUTATIONS for name in names]
    values = {name: p_value(pair, name, count) for name, count in zip(names, counts, strict=True)}
    return {"all permutations": p_value_over_all(pair)} | values


# ---- many pairs of layers -------------------------------------------------------------------------------------------


def most_similar(measure: str, r: Random) -> PValues:
    """Return the smallest p-values, adjusted and not, of two unrelated networks of ten layers.

    Layers of one network are related to each other, as those of real networks are.
    """
    pairs = [(f"a:{i}", f"b:{j}") for i in range(LAYERS) for j in range(LAYERS)]
    moments = sm.Moments(pairs=pairs, folds=1, null=False)
    moments.update(network("a", r) | network("b", r), np.arange(EXAMPLES))
    result = sm.significance(moments, MEASURES[measure], PERMUTATIONS)
    return {"adjusted": float(result.adjusted_p_values.min()), "not adjusted": float(result.p_values.min())}


def network(name: str, r: Random) -> dict[str, np.ndarray]:
    """Return ten layers, each of which is half the one before."""
    rows = r.standard_normal((EXAMPLES, NEURONS))
    layers = {}
    for i in range(LAYERS):
        layers[f"{name}:{i}"] = rows * DEVIATIONS
        rows = np.sqrt(0.5) * (rows + r.standard_normal((EXAMPLES, NEURONS)))
    return layers


# ---- layers that share only the class -------------------------------------------------------------------------------


def of_classes(share: float, r: Random) -> PValues:
    """Return p-values among all examples and within classes, of layers that both know the class.

    Within classes, they have a share of their variance in common.
    """
    common = r.standard_normal((EXAMPLES, NEURONS))
    classes, own = r.standard_normal((2, CLASSES, NEURONS)), r.standard_normal((2, EXAMPLES, NEURONS))
    within = np.sqrt(share) * common + np.sqrt(1 - share) * own
    class_of = r.permutation(CLASS_OF)
    pair = pair_of(*((classes[:, class_of] + within) * DEVIATIONS))
    return {
        f"{name}, {where}": p_value(pair, name, PERMUTATIONS, groups)
        for name in ("debiased cka", "mutual knn", "rsa")
        for where, groups in (("all", None), ("within", class_of))
    }


PARTS: dict[str, dict[str, Callable[[Random], PValues]]] = {
    "independent": {"unrelated: independent rows": partial(unrelated, independent)},
    "t3": {"unrelated: t3 tails": partial(unrelated, heavy_tailed)},
    "sorted": {"unrelated: sorted by class, which y does not know": partial(unrelated, sorted_by_class)},
    "grouped": {"unrelated: 40 rows an example": partial(unrelated, of_examples)},
    "power": {
        "related: share 0.1": partial(related, 0.1),
        "related: share 0.2": partial(related, 0.2),
        "related: 40 rows an example, share 0.1": partial(related, 0.1, rows=ROWS),
    },
    "layers": {
        "10 x 10 unrelated layers, debiased cka": partial(most_similar, "debiased cka"),
    },
    "groups": {
        "sharing the class alone": partial(of_classes, 0.0),
        "sharing the class and 0.3 of the rest": partial(of_classes, 0.3),
    },
}


def print_shares(name: str, draw: Callable[[Random], PValues], sets: int) -> None:
    """Print in which share of data sets each test rejects, and is refused."""
    r, start = np.random.default_rng(list(map(ord, name))), time.perf_counter()
    p_values = [draw(r) for _ in range(sets)]
    print(f"\n{name}: {sets} data sets, {time.perf_counter() - start:.0f} s")
    print(f"{'':28s} p <= 0.05  p <= 0.01  refused")
    for test in p_values[0]:
        p = np.array([of_set[test] for of_set in p_values])
        print(f"{test:28s} {np.mean(p <= 0.05):9.1%}  {np.mean(p <= 0.01):9.1%}  {np.isnan(p).mean():7.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="the parts to run; all by default")
    parser.add_argument("--sets", type=int, default=SETS, help="data sets of each kind")
    arguments = parser.parse_args()
    threadpool_limits(1)
    print(machine())
    print(f"{EXAMPLES} examples, {NEURONS} + {NEURONS} neurons, {PERMUTATIONS} permutations, {PRODUCTS} of products")
    for part in arguments.parts or PARTS:
        for name, draw in PARTS[part].items():
            print_shares(name, draw, arguments.sets)


if __name__ == "__main__":
    main()
