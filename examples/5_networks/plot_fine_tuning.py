"""
What did fine-tuning change?
============================

A network is trained on digits, and fine-tuned on the same digits in negative, with its first layer
frozen. Similarities of base and fine-tune are near 1; the *differences* tell what changed.
"""

from collections import OrderedDict
from copy import deepcopy

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


base = trained(0)
tuned = deepcopy(base)
for parameter in tuned.fc1.parameters():
    parameter.requires_grad_(False)
optimiser = torch.optim.Adam([p for p in tuned.parameters() if p.requires_grad], lr=0.001)
for _ in range(20):
    optimiser.zero_grad()
    nn.functional.cross_entropy(tuned(1 - images[train]), labels[train]).backward()
    optimiser.step()

# %%
# Each layer of the base against the same layer of the fine-tune, on a logarithmic scale. Dotted is the
# smallest difference that can be told from 0. Layers that are identical are marked at the bottom.

comparison = sm.compare({"base": base, "tuned": tuned}, images, clusters=False, evidence=False)
changes = comparison.changes()
changes.plot()
print(changes.sentence)
plt.show()
