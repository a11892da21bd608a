"""How much longer does comparing two networks take than running them?

Two residual networks with random weights on small images, ten layers of each, everything that
`sm.compare` does by default, over the networks' own forward passes on the same batches. Imports and
a first small run are not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from measure import machine, seconds

import spanmatch as sm
from spanmatch.study.networks import resnet

IMAGES, SIZE, AT_ONCE, ROUNDS = 2000, 32, 256, 3
LAYERS = ["relu", "block?_[123].relu2"]
CASES: list[tuple[str, Callable[..., object], dict[str, Any]]] = [
    ("sm.compare, asked at most 1.3", sm.compare, {}),
    ("sm.capture", sm.capture, {}),
    ("sm.capture, all pairs, a grid of 8 x 8", sm.capture, {"pairs": "all", "pool": 8}),
]


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

    print(f"\nresnet20 and resnet56, {IMAGES:,} images, ten layers of each: time over forward passes")
    for name, function, options in CASES:
        run = partial(function, networks, layers=LAYERS, **options)
        forward(images[:64])
        run(images[:64])
        # Side by side, so that whatever else the machine does falls on both.
        times = [(seconds(partial(forward, images)), seconds(partial(run, images))) for _ in range(ROUNDS)]
        print(f"  {name}: {np.median([taken / alone for alone, taken in times]):.2f}")


if __name__ == "__main__":
    main()
