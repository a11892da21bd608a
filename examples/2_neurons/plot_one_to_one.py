"""
A partner for every neuron
==========================

Two networks that differ only in their seed have neurons in another order. Which neuron of one is which
neuron of the other?
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


moments = sm.capture({"a": trained(0), "b": trained(1)}, images, layers="relu1")
pair = moments.pair("a:relu1", "b:relu1")

# %%
# Correlations of all neurons with all, as they come. Each row is a neuron of network a.

left, right = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")[1]
sm.correlation(pair).plot(left)

# The assignment of the largest total correlation puts partners on the diagonal.

alignment = sm.one_to_one(pair)
alignment.plot_matrix(right)
print(alignment)

# %%
# How good are the partners? Their correlations in decreasing order: each neuron taken once (blue), and
# the best partner of each neuron (orange). Grey is the same matching *within* each network, where
# partners are other neurons of the same layer: some neurons have a near double there, too.

sm.align(pair).plot()
significant = int(alignment.significant.sum())
print(f"{significant} of {len(alignment.x)} partnerships are more than chance")
plt.show()
