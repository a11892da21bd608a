"""How long do all measures take: from moments, by public implementations from rows, and for all layers against all?"""

from __future__ import annotations

import resource
import sys
from functools import partial

import numpy as np
import torch
from measure import THREADS, correlated, forgetful, machine, seconds

import spanmatch as sm

WIDTH, ROWS, LAYERS, LAYER_WIDTH = 512, 10_000, 16, 256
FROM_ROWS = (
    *("debiased cka", "cka", "adjusted pillai", "cca", "svcca", "procrustes"),
    *("adjusted linear regression", "linear regression"),
)
"""The measures that public implementations compute as well."""


def from_rows(X: np.ndarray, Y: np.ndarray) -> list[float]:
    """The same measures by public implementations and direct formulas, from all rows."""
    from cka.cka import cka_from_features
    from scipy.linalg import subspace_angles
    from scipy.spatial import procrustes
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LinearRegression

    debiased = float(cka_from_features(torch.from_numpy(X), torch.from_numpy(Y)).squeeze())
    A, B = X - X.mean(axis=0), Y - Y.mean(axis=0)
    biased = np.linalg.norm(A.T @ B) ** 2 / np.linalg.norm(A.T @ A) / np.linalg.norm(B.T @ B)
    rho = np.cos(subspace_angles(A, B))
    reduced = [PCA(0.99, svd_solver="full").fit_transform(Z) for Z in (X, Y)]
    svcca = np.cos(subspace_angles(*reduced))
    disparity = procrustes(X, Y)[2]
    score = LinearRegression().fit(X, Y).score(X, Y) + LinearRegression().fit(Y, X).score(Y, X)
    return [debiased, float(biased), float(rho.mean()), float(svcca.mean()), float(disparity), float(score)]


def one_pair() -> None:
    X, Y = correlated(ROWS, WIDTH, WIDTH)
    pair = sm.pair(X, Y)
    print(f"\n{WIDTH}+{WIDTH} neurons, {ROWS:,} rows")
    times = {m.name: seconds(lambda measure=m: measure(forgetful(pair)), 3) for m in sm.measures()}
    for name, taken in times.items():
        print(f"  {name:20s} {taken:7.3f} s")
    ours, theirs = sum(times[name] for name in FROM_ROWS), seconds(lambda: from_rows(X, Y))
    print(f"  all {sum(times.values()):21.2f} s   (asked: under 1.5)")
    with_moments = ours + seconds(lambda: sm.pair(X, Y))
    print(
        f"  {len(FROM_ROWS)} of them by public implementations from rows: {theirs:.1f} s, {theirs / ours:.0f} times as "
        "long"
    )
    print(f"  as from moments (asked: 10), {theirs / with_moments:.0f} times with the time to make them")


def all_layers() -> None:
    r = np.random.default_rng(0)
    causes = r.standard_normal((4096, LAYER_WIDTH))
    batch = {
        f"{net}:{k}": np.maximum(causes @ r.standard_normal((LAYER_WIDTH, LAYER_WIDTH)), 0).astype(np.float32)
        for net in "ab"
        for k in range(LAYERS)
    }
    cross = [(f"a:{i}", f"b:{j}") for i in range(LAYERS) for j in range(LAYERS)]
    moments = sm.Moments(pairs=cross, folds=1, null=False)
    taken = seconds(lambda: moments.update(batch))
    size = moments.nbytes / 1e9
    print(f"\n{LAYERS} x {LAYERS} pairs of layers of {LAYER_WIDTH}, 4,096 rows: {taken:.1f} s, {size:.2f} GB")
    for name in ("cka", "debiased cka", "procrustes", "cca"):
        measure = {m.name: m for m in sm.measures()}[name]
        work = partial(sm.layer_matrix, moments, measure, symmetric=measure.symmetric)
        print(f"  {name:20s} {seconds(work):7.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"  peak of the whole process {peak / 1e9:.2f} GB")


def main() -> None:
    torch.set_num_threads(THREADS)
    print(machine())
    all_layers()
    one_pair()


if __name__ == "__main__":
    main()
