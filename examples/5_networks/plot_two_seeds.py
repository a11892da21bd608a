"""
Two seeds, layer by layer
=========================

Did two trainings that differ only in their seed learn the same, and in which layers?
"""

from collections import OrderedDict

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import spanmatch as sm

digits = load_digits()
order = np.random.default_rng(0).permutation(len(digits.target))  # neighbours are by the same writer
images = torch.tensor(digits.data[order] / 16).float()
labels = torch.tensor(digits.target[order])
train, test = slice(0, 1400), slice(1400, None)


def trained(seed, steps=200):
    torch.manual_seed(seed)
    layers = {
        "fc1": nn.Linear(64, 32),
        "relu1": nn.ReLU(),
        "fc2": nn.Linear(32, 32),
        "relu2": nn.ReLU(),
        "out": nn.Linear(32, 10),
    }
    network = nn.Sequential(OrderedDict(layers))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images[train]), labels[train]).backward()
        optimiser.step()
    return network


comparison = sm.compare({"seed 0": trained(0), "seed 1": trained(1)}, images, layers=["relu*", "out"])
print(comparison)

# %%
# The share of neurons in the maximum match over every eps, a curve for each layer, darker with depth.

comparison.plot()

# %%
# One number by layer, with its value under the null (open): the share that matches at eps 0.3, estimated
# for the population, and debiased CKA with its interval.

left, right = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")[1]
comparison.plot_layers(left, of=0.3)
comparison.plot_layers(right, of="debiased cka")

# %%
# Everything that is known of one pair of layers about s(eps).

comparison["relu1"].plot()
plt.show()
