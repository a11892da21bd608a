"""What does the sample of rows cost? Passes with and without it, in turn, over data of which it is a small part.

Times are those that the processor worked, which other programs change less than times on the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from measure import machine
from torch import nn

import spanmatch as sm

ASKED = 1.05
TURNS = 7


def features(sample: int) -> sm.Moments:
    """Sum 65,536 rows of 256 + 256 neurons, each an example."""
    moments = sm.Moments(sample=sample)
    for start in range(0, len(X), 4096):
        rows = slice(start, start + 4096)
        moments.update({"a:l": X[rows], "b:l": Y[rows]}, np.arange(start, start + 4096))
    return moments


def positions(sample: int) -> sm.Moments:
    """Sum 30,000 examples of 16 rows of 64 + 64 neurons."""
    moments = sm.Moments(sample=sample)
    for start in range(0, 30_000, 250):
        ids = np.repeat(np.arange(start, start + 250), 16)
        moments.update(
            {"a:l": MAPS[start : start + 250].reshape(-1, 64), "b:l": MAPS[start : start + 250].reshape(-1, 64)}, ids
        )
    return moments


def network() -> nn.Module:
    """Return a small convolutional network."""
    layers: list[nn.Module] = []
    for into, out in ((3, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(into, out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 10))


def convolutions(sample: int) -> sm.Moments:
    """Run two networks on 2,000 images and keep three layers, at 16 positions of each image."""
    return sm.capture({"a": NETS[0], "b": NETS[1]}, IMAGES, layers=["1", "4", "7"], positions=16, sample=sample)


def ratios(work: Callable[[int], sm.Moments], sample: int) -> list[float]:
    """Return the times with the sample, as multiples of those without, in turn."""
    work(0)
    return [processor_seconds(work, sample) / processor_seconds(work, 0) for _ in range(TURNS)]


def processor_seconds(work: Callable[[int], sm.Moments], sample: int) -> float:
    """Return how long the processor worked."""
    start = time.process_time()
    work(sample)
    return time.process_time() - start


if __name__ == "__main__":
    r = np.random.default_rng(0)
    X, Y = (r.standard_normal((65_536, 256)).astype(np.float32) for _ in range(2))
    MAPS = r.standard_normal((30_000, 16, 64)).astype(np.float32)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    NETS, IMAGES = [network().eval() for _ in range(2)], torch.randn(2000, 3, 32, 32)
    print(machine())
    print(f"\na pass with a sample, as a multiple of one without (asked: {ASKED}); median and range of {TURNS} turns")
    cases = {
        "features, 1,000 of 65,536 examples": (features, 1000),
        "maps, 500 of 30,000 examples x 16 positions": (positions, 500),
        "convolutions, 40 of 2,000 images, 3 layers": (convolutions, 40),
    }
    for name, (work, sample) in cases.items():
        found = ratios(work, sample)
        print(f"  {name:45s} {np.median(found):5.3f}  ({min(found):.3f} to {max(found):.3f})", flush=True)
