"""Does the policy of threads cost time?  Every function of a pair, on one thread, on all, and as the policy has it.

    python benchmarks/threads.py [paths]

Idle, and with one core kept busy by another process. The figure is the policy's time over that of the better choice.
What is not a function of a pair comes last, or alone with "paths": sparse rows, dictionaries, layers in files, and the
profile of a wide pair.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from measure import correlated, forgetful, machine
from threadpoolctl import threadpool_info, threadpool_limits

import spanmatch as sm
from spanmatch import _threads as threads

ROWS, EPS = 4096, 0.8
ROUNDS, CALLS, SLOW = 3, 3, 0.5
"""Rounds of all choices; calls in a row under one choice, so that it is not timed on cores as another one left them;
seconds from which one call in a row is enough."""
PAUSE = 0.1
"""Seconds between two calls: threads of the one before spin for a while, and would take a core from the next."""
SIZES = (32, 128, 256, 512, 1024)
WIDE, FEATURES, BLOCKS = 1536, 1024, 64
"""Neurons of a wide pair; features of a dictionary; components that a dictionary splits into."""
SMALLEST = 2e-3
"""Seconds: what takes less is not timed, as the clock and other processes would decide."""
Function = Callable[[sm.Pair], object]


def functions(pair: sm.Pair) -> dict[str, Function]:
    """Return the functions of a pair, the expensive ones for narrow layers only."""
    match = sm.maximum_match(pair, EPS)
    neuron = ("x", int(match.x[0]))
    every: dict[str, Function] = {
        "match_profile": sm.match_profile,
        "maximum_match": lambda pair: sm.maximum_match(pair, 0.4),
        "coefficients": match.coefficients,
        "one_to_one": sm.one_to_one,
        "clusters": sm.clusters,
        "held_out": lambda pair: sm.held_out(pair, match),
        "rows_needed": sm.rows_needed,
        "null": lambda pair: sm.null(pair, sm.cca),
        "jackknife": lambda pair: sm.jackknife(pair, sm.cka),
        **{measure.name: measure for measure in sm.measures()},
    }
    if sum(pair.neurons) <= 512:
        every["assess"] = lambda pair: sm.assess(pair, sm.match_profile(pair))
    if sum(pair.neurons) <= 256:
        every["minimum_match"] = lambda pair: sm.minimum_match(pair, neuron, EPS)
        every["sparse_map"] = lambda pair: sm.sparse_map(pair, 10)
    return every


def paths(folder: Path) -> dict[str, Callable[[], object]]:
    """Return what is not a function of a pair."""
    r = np.random.default_rng(1)
    rows = sp.random_array((20_000, FEATURES), density=0.01, rng=r, format="csr")
    order = r.permutation(FEATURES)
    connected, split = sm.SparseFeatures(), sm.SparseFeatures()
    connected.update({"a:sae": rows, "b:sae": rows[:, order]})
    size = FEATURES // BLOCKS
    blocks = sp.block_diag([r.random((4 * size, size)) for _ in range(BLOCKS)], format="csr")
    split.update({"a:sae": blocks, "b:sae": blocks[:, order]})
    for network in "ab":
        layers = {f"layer{k}": r.standard_normal((ROWS, 256)).astype(np.float32) for k in range(4)}
        np.savez(folder / f"{network}.npz", **layers)
    wide = sm.pair(*correlated(ROWS, WIDE, WIDE))
    files = {network: folder / f"{network}.npz" for network in "ab"}
    in_files = 0.5 * 8e-9 * 17 * FEATURES**2

    def profile(features: sm.SparseFeatures, gb: float | None = None) -> Callable[[], object]:
        return partial(sm.feature_profile, features, "a:sae", "b:sae", max_memory_gb=gb)

    return {
        "sparse update": lambda: sm.Moments().update({"a:sae": rows[:ROWS], "b:sae": rows[-ROWS:]}),
        "feature_partners": partial(sm.feature_partners, connected, "a:sae", "b:sae"),
        "feature_profile, connected": profile(connected),
        "feature_profile, in files": profile(connected, in_files),
        f"feature_profile, {BLOCKS} components": profile(split),
        "layer_matrix of files": partial(sm.layer_matrix, files, sm.cka),
        f"match_profile, {WIDE} + {WIDE}": lambda: sm.match_profile(forgetful(wide)),
    }


def seconds(call: Callable[[], object], choices: dict[str, int | None]) -> dict[str, float]:
    """Return the shortest time under each choice, taken in turns: a number of threads, or None for the policy."""
    best = dict.fromkeys(choices, np.inf)
    for _ in range(ROUNDS):
        for name, count in choices.items():
            with forced(count):
                for _ in range(CALLS):
                    time.sleep(PAUSE)
                    start = time.perf_counter()
                    call()
                    best[name] = min(best[name], time.perf_counter() - start)
                    if best[name] > SLOW:
                        break
    return best


@contextlib.contextmanager
def forced(count: int | None) -> Iterator[None]:
    """Use so many threads, whatever the policy says; None leaves it to the policy."""
    if count is None:
        yield
        return
    limits = threads.SMALL, threads.MEDIUM
    threads.SMALL = threads.MEDIUM = -1
    try:
        with threadpool_limits(count, user_api="blas"):
            yield
    finally:
        threads.SMALL, threads.MEDIUM = limits


@contextlib.contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Keep one core busy meanwhile."""
    worker = multiprocessing.Process(target=_spin, daemon=True)
    if wanted:
        worker.start()
    try:
        yield
    finally:
        if wanted:
            worker.terminate()


def _spin() -> None:
    while True:
        pass


def compare(told: str, call: Callable[[], object], count: int) -> tuple[float, str]:
    """Print the times of a call, and return the worst ratio of the policy's to the better choice's."""
    worst = (0.0, "")
    for wanted in (False, True):
        with busy(wanted):
            took = seconds(call, {"policy": None, "one": 1, "all": count})
        if min(took.values()) < SMALLEST:
            continue
        ratio = took["policy"] / min(took["one"], took["all"])
        state = "one core busy" if wanted else "idle"
        worst = max(worst, (ratio, f"{told}, {state}"))
        print(
            f"{told:34s} {state:14s} one {took['one']:.3f} s, {count} threads "
            f"{took['all']:.3f} s, policy {took['policy']:.3f} s, {ratio:.2f}",
            flush=True,
        )
    return worst


def of_pairs() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the functions of pairs of every size."""
    random = np.random.default_rng(0)
    for neurons in SIZES:
        shared = random.standard_normal((ROWS, neurons))
        X, Y = (np.maximum(shared + 0.7 * random.standard_normal(shared.shape), 0) for _ in range(2))
        pair = sm.pair(X, Y)
        for name, function in functions(pair).items():
            yield f"{neurons:5d} + {neurons:<5d} {name}", lambda pair=pair, function=function: function(forgetful(pair))


def main() -> None:
    print(machine())
    count = max(library["num_threads"] for library in threadpool_info())
    worst = (0.0, "")
    for told, call in () if "paths" in sys.argv else of_pairs():
        worst = max(worst, compare(told, call, count))
    with tempfile.TemporaryDirectory() as folder:
        for told, call in paths(Path(folder)).items():
            worst = max(worst, compare(told, call, count))
    print(f"worst ratio of the policy to the better choice: {worst[0]:.2f} ({worst[1]})")


if __name__ == "__main__":
    main()
