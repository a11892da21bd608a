"""CKA and RSA in two forms, at the layers of two small convolutional networks: the figures of docs/choosing.md.

Over all rows, positions are rows and channels are neurons. Over the sampled examples, an example is
one row: its flattened map. Two changes of the positions tell them apart.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from digits import images, labels
from torch import nn

import spanmatch as sm

TRAINED_ON, STEPS = 1437, 60
LAYERS = "relu1", "relu2", "relu3"
Maps = np.ndarray
"""(examples, positions, channels)"""


def trained(seed: int) -> nn.Sequential:
    """Return a network of three convolutions, trained on the digits in some seconds."""
    torch.manual_seed(seed)
    layers = {
        "conv1": nn.Conv2d(1, 16, 3, padding=1),
        "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(16, 16, 3, padding=1),
        "relu2": nn.ReLU(),
        "pool": nn.MaxPool2d(2),
        "conv3": nn.Conv2d(16, 16, 3, padding=1),
        "relu3": nn.ReLU(),
        "flat": nn.Flatten(),
        "out": nn.Linear(256, 10),
    }
    network = nn.Sequential(OrderedDict(layers))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    inputs, targets = images[:TRAINED_ON].reshape(-1, 1, 8, 8), labels[:TRAINED_ON]
    for _ in range(STEPS):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(inputs), targets).backward()
        optimiser.step()
    return network


def maps(network: nn.Sequential) -> dict[str, Maps]:
    """Return the feature maps of all layers, of images not trained on."""
    outputs, batch = {}, images[TRAINED_ON:].reshape(-1, 1, 8, 8)
    with torch.no_grad():
        for name, module in network.named_children():
            batch = module(batch)
            if name in LAYERS:
                outputs[name] = batch.flatten(2).transpose(1, 2).numpy()
    return outputs


def values(A: Maps, B: Maps) -> dict[str, float]:
    """Return CKA and RSA of two feature maps, in their forms."""
    rows, flattened = [Z.reshape(-1, Z.shape[2]) for Z in (A, B)], [Z.reshape(len(Z), -1) for Z in (A, B)]
    pair = sm.pair(*rows, example_ids=np.repeat(np.arange(len(A)), A.shape[1]))
    return {
        "cka, all rows": sm.cka(pair).value,
        "cka, flattened": sm.kernel_cka(pair).value,
        "rsa sq., all rows": squared_rsa(pair),
        "rsa sq., flattened": squared_rsa(sm.pair(*flattened)),
        "rsa, flattened": sm.rsa(pair).value,
    }


def squared_rsa(pair: sm.Pair) -> float:
    """Return RSA of squared distances of all pairs of rows, which needs moments alone."""
    return sm.rsa(pair, dissimilarity="sqeuclidean", comparison="pearson").value


def shuffled_within_examples(A: Maps, B: Maps) -> tuple[Maps, Maps]:
    """Return maps with the positions of each example in an order of its own, the same in both networks."""
    r = np.random.default_rng(0)
    order = np.array([r.permutation(A.shape[1]) for _ in A])[:, :, None]
    return np.take_along_axis(A, order, axis=1), np.take_along_axis(B, order, axis=1)


def reordered_in_one(A: Maps, B: Maps) -> tuple[Maps, Maps]:
    """Return maps with the positions of b in another order, the same for all examples."""
    return A, B[:, np.random.default_rng(0).permutation(A.shape[1])]


def without_position_means(A: Maps, B: Maps) -> tuple[Maps, Maps]:
    """Return maps about the mean of each position and channel over the examples."""
    return A - A.mean(axis=0), B - B.mean(axis=0)


CHANGES = {
    "as they are": lambda A, B: (A, B),
    "without position means": without_position_means,
    "positions shuffled within each example": shuffled_within_examples,
    "positions of b in another order": reordered_in_one,
}


def main() -> None:
    a, b = maps(trained(0)), maps(trained(1))
    for layer in LAYERS:
        print(f"\n{layer}")
        for change, function in CHANGES.items():
            columns = values(*function(a[layer], b[layer]))
            print(f"{change:40s}", ", ".join(f"{name} {value:.3f}" for name, value in columns.items()))


if __name__ == "__main__":
    main()
