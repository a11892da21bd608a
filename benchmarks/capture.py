"""How much longer does comparing two networks take than running them?

Two residual networks with random weights on small images, ten layers of each, everything that
`sm.compare` does by default, over the networks' own forward passes on the same batches. Imports and
a first small run are not counted.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from measure import machine, seconds

import spanmatch as sm
from spanmatch.study.networks import resnet

IMAGES, SIZE, AT_ONCE, ROUNDS, ASKED = 2000, 32, 256, 3, 1.3
LAYERS = ["relu", "block?_[123].relu2"]


def main() -> None:
    print(f"{machine()}, PyTorch {torch.__version__} with {torch.get_num_threads()} threads")
    torch.manual_seed(0)
    networks = {f"resnet{depth}": resnet(3, SIZE, 10, depth=depth).eval() for depth in (20, 56)}
    images = torch.randn(IMAGES, 3, SIZE, SIZE)

    def forward(batches: torch.Tensor) -> None:
        with torch.inference_mode():
            for batch in batches.split(AT_ONCE):
                for network in networks.values():
                    network(batch)

    print(
        f"\nresnet20 and resnet56, {IMAGES:,} images of {SIZE} x {SIZE}, ten layers of each: time over forward passes"
    )
    for pairs in ("matching", "all"):
        work = {
            "capture": lambda batches, pairs=pairs: sm.capture(networks, batches, layers=LAYERS, pairs=pairs),
            "compare": lambda batches, pairs=pairs: sm.compare(networks, batches, layers=LAYERS, pairs=pairs),
        }
        ratios: dict[str, list[float]] = {name: [] for name in work}
        for task in (forward, *work.values()):
            task(images[:64])
        for _ in range(ROUNDS):  # side by side, so that whatever else the machine does falls on both
            for name, task in work.items():
                forward_seconds = seconds(lambda: forward(images))
                ratios[name].append(seconds(lambda task=task: task(images)) / forward_seconds)
                time.sleep(0.2)
        asked = {"compare": f"   (asked: {ASKED})"} if pairs == "matching" else {}
        for name, values in ratios.items():
            listed = ", ".join(f"{value:.2f}" for value in values)
            print(f"  pairs={pairs!r:10} sm.{name}: {np.median(values):.2f} ({listed}){asked.get(name, '')}")


if __name__ == "__main__":
    main()
