"""How long does a step of a tracker take, beside an epoch of the demo's network?

The network of `spanmatch demo` is trained on the digits in a plain loop, on one thread. After each epoch every tracker
takes a step, so that epochs and steps see the same load of the machine. The network, and so each match, changes
between steps.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from measure import machine
from threadpoolctl import threadpool_limits
from torch import nn

import spanmatch as sm
from spanmatch.study.datasets import read_data
from spanmatch.study.networks import cnn
from spanmatch.study.settings import DataSettings

EPOCHS, BATCH, LR = 12, 64, 4e-3
CHEAP = {"measures": ["cka", "procrustes"], "eps": ()}
CASES: list[tuple[str, int, dict[str, Any]]] = [
    ("all positions", 100, {}),
    ("all positions, CKA and Procrustes", 100, CHEAP),
    ("8 positions of 64", 100, {"positions": 8}),
    ("8 positions, CKA and Procrustes", 100, {"positions": 8} | CHEAP),
    ("means over positions", 100, {"pool": "mean"}),
    ("means, CKA and Procrustes", 100, {"pool": "mean"} | CHEAP),
    ("means, CKA", 100, {"pool": "mean", "measures": ["cka"], "eps": ()}),
    ("all positions", 359, {}),
]


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
    print(f"{machine()}, PyTorch {torch.__version__} with one thread")
    torch.manual_seed(0)
    data = read_data(DataSettings())
    images, labels, probe = data.prepared(data.train), data.train_labels, data.prepared(data.test)
    network = cnn(1, 8, 10)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LR)

    def epoch() -> None:
        network.train()
        for indices in torch.randperm(len(images)).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(images[indices]), labels[indices]).backward()
            optimiser.step()

    trackers = [sm.Tracker(network, probe[:count], layers="relu*", **options) for _, count, options in CASES]
    epochs, steps = [], []
    for k in range(EPOCHS + 1):
        steps.append([seconds(lambda tracker=tracker, k=k: tracker.step(k)) for tracker in trackers])
        epochs.append(seconds(epoch))
    print(f"\n{len(images):,} images an epoch: {statistics.median(epochs[1:]):.2f} s; four layers are tracked")
    print(f"{'rows':36} {'images':>7} {'ms':>6} {'share of an epoch':>18}   of single epochs")
    for i, (name, count, _) in enumerate(CASES):
        taken = [row[i] for row in steps[1:]]
        shares = sorted(step / alone for step, alone in zip(taken, epochs[1:], strict=True))
        range_ = f"{shares[0]:.1%} to {shares[-1]:.1%}"
        print(f"{name:36} {count:7} {1e3 * statistics.median(taken):6.0f} {statistics.median(shares):18.1%}   {range_}")


if __name__ == "__main__":
    main()
