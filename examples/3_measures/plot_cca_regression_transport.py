"""
CCA, regression and transport
=============================

Most measures of similarity are one number. What are they made of?
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


moments = sm.capture({"a": trained(0), "b": trained(1)}, images, layers=["relu1", "relu2"])
pairs = {layer: moments.pair(f"a:{layer}", f"b:{layer}") for layer in ("relu1", "relu2")}

# %%
# Canonical correlations, and their mean (dashed). Both layers share many directions nearly exactly; the
# mean hides which.

ax = sm.cca(pairs["relu1"]).plot()
sm.cca(pairs["relu2"]).plot(ax, color="#d55e00")
for name, pair in pairs.items():
    print(name, f"CCA {sm.cca(pair).value:.3f}, SVCCA {sm.svcca(pair).value:.3f}, PWCCA {sm.pwcca(pair).value:.3f}")

# %%
# Linear regression: how well each neuron is predicted from the whole other layer.

sm.linear_regression(pairs["relu1"]).plot()

# %%
# Soft matching sends the mass of each neuron of a (rows) to neurons of b (columns). Where both layers
# have as many neurons that are not constant, it is a permutation; here it splits some.

sm.soft_matching(pairs["relu1"]).plot()
print(f"soft matching {sm.soft_matching(pairs['relu1']).value:.3f}")
plt.show()
