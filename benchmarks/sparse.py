"""Sparse features: are a million rows of two dictionaries of 65,536 kept and matched in ten minutes and 8 GB?

    python benchmarks/sparse.py [FEATURES [ROWS [ACTIVE]]]
    python benchmarks/sparse.py products | dense FEATURES | levels FEATURES | large FEATURES ROWS ACTIVE  # one part

Features have firing rates as of Zipf's law. Four fifths of y's are noisy copies of features of x, in
another order; the others have rates of their own. Rows are made, added and dropped batch by batch;
with them in memory-mapped files, so that memory is that of the matching. What is asked is asked of
65,536 features, 1,000,000 rows and 64 active features; other sizes are printed beside it. Before,
matching is compared with that of a dense matrix of correlations, and products of sparse rows with
those of dense ones; and the levels of a component that is solved in files, within a limit of memory,
with those from memory. Every part is a process of its own, so that peaks of memory are those of the part.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import scipy.sparse as sp
from measure import machine
from scipy.optimize import linear_sum_assignment

import spanmatch as sm

ASKED_MINUTES, ASKED_GB, ASKED_DIFFERENCE = 10, 8, 1e-8
BATCH = 8192
SHARED = 0.8
DENSE, WIDE = 4096, 2048


def zipf_rates(features: int, active: int) -> np.ndarray:
    """Return firing rates that add up to the active features of a row; the most frequent fires in a tenth of rows."""
    rates = 1 / (np.arange(features) + features / 100)
    for _ in range(50):
        rates = np.minimum(rates * active / rates.sum(), 0.1)
    return rates


def batches(features: int, rows: int, active: int, seed: int = 0):
    """Yield batches of two dictionaries: {"a:sae": csr, "b:sae": csr}."""
    r = np.random.default_rng(seed)
    weights = np.cumsum(zipf_rates(features, active))
    order = r.permutation(features)
    shared = r.random(features) < SHARED
    for start in range(0, rows, BATCH):
        n = min(BATCH, rows - start)
        drawn = [np.searchsorted(weights, r.random((n, active)) * weights[-1]).astype(np.int32) for _ in range(2)]
        x, own = (np.minimum(one, features - 1) for one in drawn)
        values = r.gamma(2, size=(n, active)).astype(np.float32)
        kept = shared[x] & (r.random((n, active)) < 0.9)
        y = order[np.where(kept, x, own)].astype(np.int32)
        noisy = np.where(kept, values * r.uniform(0.7, 1.3, (n, active)), r.gamma(2, size=(n, active)))
        yield {"a:sae": _csr(x, values, features), "b:sae": _csr(y, noisy.astype(np.float32), features)}


def _csr(columns: np.ndarray, values: np.ndarray, features: int) -> sp.csr_array:
    """Return sparse rows; a feature that was drawn twice has the sum."""
    n, active = columns.shape
    matrix = sp.csr_array((values.ravel(), columns.ravel(), np.arange(0, n * active + 1, active)), shape=(n, features))
    matrix.sum_duplicates()
    return matrix


def cpu(run, *arguments, **options):
    """Return what a function returns, and the seconds of all cores and of the clock that it took."""
    processor, clock = time.process_time(), time.perf_counter()
    result = run(*arguments, **options)
    return result, time.process_time() - processor, time.perf_counter() - clock


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def products(features: int = 2048, rows: int = 4096) -> None:
    print(f"\nsm.pair of {features:,} + {features:,} neurons, {rows:,} rows: time over that of dense rows")
    r = np.random.default_rng(0)
    for density in (0.001, 0.005, 0.01, 0.02, 0.05):
        sparse = [sp.random_array((rows, features), density=density, rng=r, format="csr") for _ in range(2)]
        dense = [one.toarray() for one in sparse]
        options = {"method": "gram", "sample": 0}
        times = [[cpu(sm.pair, *form, **options)[1] for form in (sparse, dense)] for _ in range(3)]
        print(f"  density {density:.1%}: {np.median([a / b for a, b in times]):.2f}")


def against_dense(features: int = DENSE, rows: int = 20_000, active: int = 32) -> None:
    store = sm.SparseFeatures()
    for batch in batches(features, rows, active, seed=1):
        store.update(batch)
    partners = sm.feature_partners(store, "a:sae", "b:sae", null=False, held_out=False)
    X, Y = (store.matrix(layer).toarray().astype(np.float64) for layer in ("a:sae", "b:sae"))
    eligible = [(one > 0).sum(axis=0) >= partners.min_active_rows for one in (X, Y)]
    Z = [one - one.mean(axis=0) for one in (X, Y)]
    R = np.nan_to_num((Z[0].T @ Z[1]) / np.outer(*(np.linalg.norm(one, axis=0) + 1e-300 for one in Z)))
    R = np.maximum(R, 0) * np.outer(*eligible)
    i, j = linear_sum_assignment(R, maximize=True)
    print(f"\n{features:,} + {features:,} features, {rows:,} rows, against the dense matrix of correlations")
    differences = {
        "largest difference of a correlation": abs(R[partners.x, partners.y] - partners.strength).max(),
        "total, relative to that of linear_sum_assignment": abs(partners.total / R[i, j].sum() - 1),
    }
    for name, difference in differences.items():
        print(f"  {name}: {difference:.1e}, {difference / ASKED_DIFFERENCE:.1e} of what is asked")
    print(f"  gap that is proved: {partners.gap:.1e}")


def levels(features: int = 1024, rows: int = 8192, active: int = 32) -> None:
    store = sm.SparseFeatures()
    for batch in batches(features, rows, active, seed=2):
        store.update(batch)
    start, limit = peak_gb(), component_limit(features)
    print(f"\n{features:,} + {features:,} connected features, {rows:,} rows: levels within {limit:.3f} GB, in files")
    files, in_files, _ = cpu(sm.feature_profile, store, "a:sae", "b:sae", max_memory_gb=limit)
    print(f"  in files: {in_files:.1f} s of the processor, {peak_gb() - start:.2f} GB of memory above the rows")
    memory, in_memory, _ = cpu(sm.feature_profile, store, "a:sae", "b:sae", max_memory_gb=100)
    print(
        f"  in memory: {in_memory:.1f} s, {peak_gb() - start:.2f} GB; in files {in_files / in_memory:.1f} times as long"
    )
    pairs = ((files.x_levels, memory.x_levels), (files.y_levels, memory.y_levels))
    difference = max(np.nanmax(abs(a - b)) for a, b in pairs)
    print(f"  largest difference of a level: {difference:.1e}, {difference / ASKED_DIFFERENCE:.1e} of what is asked")


def component_limit(features: int) -> float:
    """Return a third of the GB that the levels of a component take in memory."""
    return 8e-9 * 17 * features**2 / 3


def large(features: int, rows: int, active: int) -> None:
    print(f"\n{features:,} + {features:,} features, {rows:,} rows, {active} active")
    with tempfile.TemporaryDirectory() as folder:
        store, taken, made = sm.SparseFeatures(f"{folder}/features"), 0.0, 0.0
        clock = time.perf_counter()
        for batch in batches(features, rows, active):
            taken += cpu(store.update, batch)[1]
        made = time.perf_counter() - clock
        print(f"  adding rows: {taken:.1f} s of the processor, peak memory {peak_gb():.2f} GB", flush=True)
        for options in ({"null": False, "held_out": False}, {}):
            partners, processor, clock = cpu(sm.feature_partners, store, "a:sae", "b:sae", **options)
            print(
                f"  partners {options or 'with null and held-out values'}: {processor:.1f} s, {clock:.1f} by the clock"
            )
            told = f"{len(partners.x):,} partners, gap {partners.gap:.1e}, {partners.candidates:,} candidates"
            print(f"    {told}, threshold {partners.threshold:.3f}, peak memory {peak_gb():.2f} GB", flush=True)
            minutes = [(taken + one) / 60 / ASKED_MINUTES for one in (clock, processor / os.cpu_count())]
            print(f"    rows and partners: {minutes[0]:.2f} of {ASKED_MINUTES} minutes by the clock, ", end="")
            print(f"{minutes[1]:.2f} by the processor's time over its cores, {peak_gb() / ASKED_GB:.2f} of ", end="")
            print(f"{ASKED_GB} GB (asked at 65,536 features, 1,000,000 rows, 64 active)", flush=True)
        print(f"  (making the rows and adding them: {made:.1f} s by the clock)")


def main() -> None:
    part, *sizes = sys.argv[1:] if sys.argv[1:2] and sys.argv[1].isalpha() else ["all", *sys.argv[1:]]
    if part == "products":
        products()
    elif part == "dense":
        against_dense(int(sizes[0]))
    elif part == "levels":
        levels(int(sizes[0]))
    elif part == "large":
        large(*map(int, sizes))
    else:
        print(machine(), flush=True)
        asked = sizes + ["65536", "1000000", "64"][len(sizes) :]
        dense, wide = (str(min(most, int(asked[0]))) for most in (DENSE, WIDE))
        for arguments in (["products"], ["dense", dense], ["levels", wide], ["large", *asked]):
            subprocess.run([sys.executable, __file__, *arguments], check=True)


if __name__ == "__main__":
    main()
