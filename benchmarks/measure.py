"""What the benchmarks share: the machine in words, a clock, and activations to measure on."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

import spanmatch

THREADS = 2
threadpool_limits(THREADS)


def machine() -> str:
    """Describe the machine and the versions that count."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return (
        f"{model}, {os.cpu_count()} cores, {THREADS} BLAS threads; Python {platform.python_version()}, "
        f"NumPy {np.__version__}, SciPy {scipy.__version__}, spanmatch {spanmatch.__version__}"
    )


def seconds(work: Callable[[], object], times: int = 1, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the median time of some runs; by `time.process_time`, that of the processor."""
    taken = []
    for _ in range(times):
        start = clock()
        work()
        taken.append(clock() - start)
    return float(np.median(taken))


def forgetful(pair: spanmatch.Pair) -> spanmatch.Pair:
    """Return the same pair without the results that it remembers, so that they are computed again."""
    return replace(pair, results={})


def correlated(rows: int, p: int, q: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return two noisy rectified views of the same causes; noise differs by neuron, so that levels spread."""
    r = np.random.default_rng(seed)
    causes = r.standard_normal((rows, p // 2))

    def view(width: int) -> np.ndarray:
        mixed = causes @ r.standard_normal((p // 2, width)) / np.sqrt(p / 2)
        return np.maximum(mixed + 10 ** r.uniform(-2, 0.5, width) * r.standard_normal((rows, width)), 0)

    return view(p), view(q)
