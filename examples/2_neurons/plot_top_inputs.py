"""
What excites a neuron and its partner
=====================================

The inputs that excite a neuron most say what it detects. Is it the same for its partner in a network
with another seed? A high correlation over all digits does not promise that.
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


comparison = sm.compare({"a": trained(0), "b": trained(1)}, images, layers="relu1", top=9, evidence=False)
alignment = comparison["relu1"].alignment.bipartite

# %%
# The digits that excite three neurons of network a most, each above those of its partner in network b.
# Below each digit is the activation.

figure, axes = plt.subplots(6, 1, figsize=(7, 8), layout="constrained")
pixels = images.reshape(-1, 8, 8)
for k in range(3):
    for row, (network, neuron) in enumerate((("a", alignment.x[k]), ("b", alignment.y[k]))):
        ax = comparison.moments.top(f"{network}:relu1").plot(axes[2 * k + row], neuron=int(neuron), images=pixels)
        ax.set(xlabel="", ylabel=f"{network}, {neuron}")
    print(f"a {alignment.x[k]} and b {alignment.y[k]}: correlation {alignment.strength[k]:.2f}")
plt.show()
