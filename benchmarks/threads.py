"""What do small pairs of layers gain or lose by threads of linear algebra?  Where `as_many_as_help` draws its line."""

from __future__ import annotations

import time

import numpy as np
from measure import machine
from threadpoolctl import threadpool_info, threadpool_limits

import spanmatch as sm
from spanmatch.align import convergence
from spanmatch.evidence import assess

ROWS = 4096
NAMES = ("profile", "alignments", "evidence")
ASSESSED = 256
"""Neurons of each layer, up to which evidence is timed too."""


def seconds(pair: sm.Pair, threads: int) -> np.ndarray:
    """Seconds that the profile, the alignments and the evidence take, the shorter of two."""
    times = []
    with threadpool_limits(threads, user_api="blas"):
        for _ in range(2):
            marks = [time.perf_counter()]
            profile = sm.match_profile(pair)
            marks.append(time.perf_counter())
            convergence(pair)
            marks.append(time.perf_counter())
            if pair.neurons[0] <= ASSESSED:
                assess(pair, profile, eps=0.25)
            marks.append(time.perf_counter())
            times.append(np.diff(marks))
    return np.min(times, axis=0)


def main() -> None:
    print(machine())
    threads = max(library["num_threads"] for library in threadpool_info())
    random = np.random.default_rng(0)
    for neurons in (32, 64, 128, 256, 512, 1024):
        shared = random.standard_normal((ROWS, neurons))
        X, Y = (np.maximum(shared + 0.7 * random.standard_normal(shared.shape), 0) for _ in range(2))
        pair = sm.pair(X, Y)
        one, all_ = (seconds(pair, count) for count in (1, threads))
        said = "  ".join(
            f"{name} {a:.3f} and {b:.3f} s" for name, a, b in zip(NAMES, one, all_, strict=True) if a > 1e-3
        )
        print(f"{neurons} + {neurons}, one thread and {threads}: {said}")


if __name__ == "__main__":
    main()
