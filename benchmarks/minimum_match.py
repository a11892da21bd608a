"""How fast is the fine structure, against plain deletion with least squares on the rows?"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from measure import forgetful, machine, seconds
from torch import nn

import spanmatch as sm
from spanmatch.match.minimum import small
from spanmatch.match.within import Within
from spanmatch.study import DEMO
from spanmatch.study.datasets import Data, read_data
from spanmatch.study.settings import DataSettings, read_settings
from spanmatch.study.train import Run, train

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import oracles


def trained(seed: int, data: Data) -> nn.Module:
    """Return one of the demo's networks."""
    variant = read_settings(DEMO).variants[0]
    with tempfile.TemporaryDirectory() as folder:
        run = Run(variant, seed, Path(folder), (variant.training.epochs,), "{}")
        train(run, data, lambda epoch: None)
        return run.network(data)


def convolution(layer: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer of two of the demo's networks, as rows x neurons."""
    data = read_data(DataSettings())
    images = data.prepared(data.train)
    found = []
    for seed in (0, 1):
        network = trained(seed, data)
        taken: list[torch.Tensor] = []
        hook = getattr(network, layer).register_forward_hook(lambda _m, _i, out, t=taken: t.append(out.clone()))
        with torch.inference_mode():
            network(images)
        hook.remove()
        values = taken[0] if taken[0].ndim == 2 else taken[0].movedim(1, -1).flatten(0, -2)
        found.append(values.double().numpy())
    chosen = np.random.default_rng(0).permutation(len(found[0]))[:rows]
    return found[0][chosen], found[1][chosen]


def wide(width: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Return the hidden layer of two trained perceptrons, on digits and their shifts by one pixel."""
    data = read_data(DataSettings())
    images, labels = data.prepared(data.train), data.train_labels
    shifts = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    inputs = torch.cat([images.roll(shift, (2, 3)) for shift in shifts]).flatten(1)
    targets = labels.repeat(len(shifts))
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        hidden = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        network = nn.Sequential(hidden, nn.Linear(width, 10))
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
        for _ in range(12):
            for chosen in torch.split(torch.randperm(len(inputs)), 64):
                optimiser.zero_grad()
                nn.functional.cross_entropy(network(inputs[chosen]), targets[chosen]).backward()
                optimiser.step()
        with torch.inference_mode():
            found.append(hidden(inputs).double().numpy())
    return found[0], found[1]


def against_direct() -> None:
    X, Y = convolution("relu2", 3000)
    pair = sm.pair(X, Y)
    eps = 0.4
    inside = sm.maximum_match(pair, eps)
    neurons = [("x", int(inside.x[5])), ("y", int(inside.y[9]))]
    direct = seconds(lambda: [oracles.minimum_match(X, Y, v, eps) for v in neurons])
    same_order = seconds(lambda: [sm.minimum_match(forgetful(pair), v, eps, order="index") for v in neurons], 3)
    default = seconds(lambda: [sm.minimum_match(forgetful(pair), v, eps) for v in neurons], 3)
    print(f"\none minimum match in 64+64 trained neurons, 3000 rows, eps {eps}, mean of {len(neurons)} neurons")
    print(f"  deletion with lstsq on the rows   {direct / 2:8.2f} s")
    print(f"  order='index'                     {same_order / 2:8.4f} s   {direct / same_order:6.0f} times faster")
    print(f"  order='small', the default        {default / 2:8.4f} s   {direct / default:6.0f} times (asked: 100)")


def all_of(name: str, X: np.ndarray, Y: np.ndarray, eps: float, most: int | None, asked: str) -> None:
    within = Within(sm.pair(X, Y), eps)
    chosen = np.random.default_rng(0).permutation(within.everyone)[:most]
    sizes: list[int] = []
    taken = seconds(lambda: sizes.extend(len(small(within, int(v))) for v in chosen))
    print(
        f"  {name}, eps {eps}: {len(within.everyone)} neurons matched; {len(chosen)} minimum matches in {taken:.2f} s, "
        f"{taken / max(1, len(chosen)):.3f} s each, of {np.median(sizes):.0f} neurons in the median   (asked: {asked})"
    )


def main() -> None:
    print(machine())
    against_direct()
    print("\nminimum matches, default order")
    X, Y = convolution("relu4", 1797)
    for eps in (0.2, 0.4):
        all_of("all of 128+128", X, Y, eps, None, "10 s")
    X, Y = wide()
    profile = sm.match_profile(sm.pair(X, Y))
    for share in (0.3, 0.9):
        eps = float(np.nanquantile(np.concatenate([profile.x_levels, profile.y_levels]), share))
        all_of("512+512", X, Y, round(eps, 3), 60, "1 s each")


if __name__ == "__main__":
    main()
