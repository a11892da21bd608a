"""How long do the measures of the sample take: of one pair, of all layers against all, and beside public packages?"""

from __future__ import annotations

import resource
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import SupportsFloat

import numpy as np
import torch
from measure import THREADS, correlated, machine, seconds

import spanmatch as sm
from spanmatch.similarity import matrix_cache
from spanmatch.similarity.sampled_statistics import statistic_of

EXAMPLES, LAYERS, LAYER_WIDTH = 1000, 16, 512
MEASURES = [measure for measure in sm.measures() if measure.needs == "sample"]
LARGEST = 5000


def forgotten(pair: sm.Pair) -> sm.Pair:
    """The same pair with layers of which nothing is cached."""
    sample = pair.sample
    x, y = (replace(layer, results={}) for layer in (sample.x, sample.y))
    return replace(pair, results={}, _sample=lambda: replace(sample, x=x, y=y))


def pair_of(width: int, examples: int = EXAMPLES, positions: int = 1) -> sm.Pair:
    """A pair of layers of which each example has some rows."""
    rows = np.hstack(correlated(examples, width * positions, width * positions)).astype(np.float32)
    X, Y = (half.reshape(examples * positions, width) for half in np.hsplit(rows, 2))
    ids = np.repeat(np.arange(examples), positions)
    return sm.pair(X, Y, example_ids=ids, folds=1, null=False, sample=examples)


def all_of(pair: sm.Pair) -> list[float]:
    return [float(measure(pair)) for measure in MEASURES]


def one_pair(width: int, positions: int) -> None:
    pair = pair_of(width, positions=positions)
    features = pair.sample.X.shape[1]
    print(f"\n{features:,} features each, {EXAMPLES:,} examples")
    taken = seconds(lambda: all_of(forgotten(pair)), 3)
    print(f"  all {len(MEASURES)} measures of a pair {taken:8.3f} s   (asked: under 1.5)")
    print(f"  again, with the layers known  {seconds(lambda: all_of(pair), 3):8.3f} s")
    order = np.random.default_rng(0).permutation(EXAMPLES)
    for measure in MEASURES:
        statistic = statistic_of(measure, pair)
        permuted = seconds(lambda statistic=statistic: statistic.value(order), 9)
        print(f"  {measure.name:22s} for permuted examples {1e3 * permuted:6.2f} ms")
    X, Y = (np.asarray(rows, dtype=np.float64) for rows in (pair.sample.X, pair.sample.Y))
    for name, theirs in public_packages(X, Y).items():
        measure = next(measure for measure in MEASURES if measure.name == name)
        ours, values = seconds(lambda measure=measure: measure(forgotten(pair)), 3), []
        others = seconds(lambda theirs=theirs, values=values: values.append(float(theirs())))
        difference = abs(float(measure(pair)) - values[0])
        print(f"  {name:22s} {ours:6.3f} s, the public package {others:7.3f} s; values differ by {difference:.0e}")


def public_packages(X: np.ndarray, Y: np.ndarray) -> dict[str, Callable[[], SupportsFloat]]:
    """The same measures of the same rows by scikit-learn, dcor, rsatoolbox and pytorch-cka."""
    sys.path[:] = [folder for folder in sys.path if folder != str(Path(__file__).parent)]  # numba imports "coverage"
    import dcor
    from cka.cka import cka_from_features
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import calc_rdm, compare
    from sklearn.neighbors import NearestNeighbors

    def mutual_knn() -> float:
        near = (NearestNeighbors(n_neighbors=10, metric="cosine").fit(Z).kneighbors() for Z in (X, Y))
        x, y = (places for _, places in near)
        return float(np.mean([len({*a} & {*b}) / 10 for a, b in zip(x, y, strict=True)]))

    def rsa() -> float:
        rdms = [calc_rdm(Dataset(Z), method="correlation") for Z in (X, Y)]
        return float(compare(*rdms, method="spearman").item())

    dcor.distance_correlation(X[:20], Y[:20])  # compiles
    return {
        "mutual knn": mutual_knn,
        "rsa": rsa,
        "distance correlation": lambda: dcor.distance_correlation(X, Y),
        "debiased kernel cka": lambda: cka_from_features(torch.from_numpy(X), torch.from_numpy(Y)).squeeze(),
    }


def all_layers() -> None:
    r = np.random.default_rng(0)
    causes = r.standard_normal((EXAMPLES, LAYER_WIDTH))
    batch = {
        f"{net}:{k}": np.maximum(causes @ r.standard_normal((LAYER_WIDTH, LAYER_WIDTH)), 0).astype(np.float32)
        for net in "ab"
        for k in range(LAYERS)
    }
    cross = [(f"a:{i}", f"b:{j}") for i in range(LAYERS) for j in range(LAYERS)]
    moments = sm.Moments(pairs=cross, folds=1, null=False)
    moments.update(batch)
    pairs = [moments.pair(x, y) for x, y in cross]
    taken = seconds(lambda: [all_of(pair) for pair in pairs])
    print(f"\n{LAYERS} x {LAYERS} pairs of layers of {LAYER_WIDTH}, {EXAMPLES:,} examples")
    print(f"  all measures {taken:8.1f} s   (asked: under 60)")
    print(f"  cached matrices {matrix_cache.CACHE.nbytes / 1e9:.2f} GB of at most {matrix_cache.LIMIT / 1e9:.0f}")


def memory() -> None:
    """Print the peak memory of all measures of many examples."""
    pair = pair_of(64, examples=LARGEST)
    taken = seconds(lambda: all_of(pair))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"\n{LARGEST:,} examples: all measures {taken:.1f} s, peak of the process {peak / 1e9:.2f} GB   (asked: 4)")


def main() -> None:
    torch.set_num_threads(THREADS)
    warnings.simplefilter("ignore")
    if sys.argv[1:] == ["memory"]:
        memory()
        return
    print(machine())
    one_pair(512, 1)
    one_pair(256, 64)
    all_layers()
    sys.stdout.flush()
    subprocess.run([sys.executable, __file__, "memory"], check=True)


if __name__ == "__main__":
    main()
