"""
All measures at once
====================

Measures disagree, and have other values for unrelated layers. So each one is shown with its interval
and with its value under the null, where nothing corresponds.
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


moments = sm.capture({"a": trained(0), "b": trained(1)}, images[:600], layers="relu2")
pair = moments.pair("a:relu2", "b:relu2")

# %%
# Filled: the value, with its interval over examples where there is one (here narrower than the mark).
# Open: under the null. Where that is far from 0, as for the match area, a value alone says little.

evidence = sm.assess(pair, sm.match_profile(pair))
evidence.plot()
for name in ("cka", "debiased cka", "cca"):
    one = evidence[name]
    print(f"{name}: {one.value:.3f}, under the null {one.null_value:.3f}")

# %%
# Distances have another scale: larger means less similar.

evidence.plot(kind="distance")
plt.show()
