"""
Which neurons are in every network?
===================================

Of three networks with different seeds: in how many of the others does a neuron have a partner?
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


networks = {f"seed {seed}": trained(seed) for seed in range(3)}
moments = sm.capture(networks, images, layers="relu1")

# %%
# Left: other networks with a partner that correlates with 0.6 or more. Right: other networks with which
# the neuron is in the maximum match at eps 0.3, so that a *group* of neurons there expresses it. A match
# can hold where no single partner exists: it holds for more neurons, and for all networks or none.

universality = sm.universality(moments, "relu1", min_correlation=0.6, eps=0.3)
left, right = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")[1]
universality.plot(left)
universality.plot(right, of="matched")
print(universality)
print(f"{len(universality.everywhere)} neurons are each other's partners in all three networks")
plt.show()
