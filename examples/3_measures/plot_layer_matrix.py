"""
All layers against all
======================

One measure of every two layers, within and between two networks. Blocks tell which layers do the same.
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


def trained(seed, steps=100):
    torch.manual_seed(seed)
    layers = OrderedDict(fc0=nn.Linear(64, 32), relu0=nn.ReLU())
    for k in range(1, 8):
        layers |= {f"fc{k}": nn.Linear(32, 32), f"relu{k}": nn.ReLU()}
    network = nn.Sequential(layers | {"out": nn.Linear(32, 10)})
    for weight in (part.weight for part in network if isinstance(part, nn.Linear)):
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
    optimiser = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images[train]), labels[train]).backward()
        optimiser.step()
    return network


moments = sm.capture({"a": trained(0), "b": trained(1)}, images, layers=["relu*", "out"], pairs="all")

# %%
# Rows and columns are the layers of both networks, grouped by network. Within a network, layers that are
# near in depth are similar. Between the networks, in the other two blocks, all similarities are lower.

matrix = sm.layer_matrix(moments, sm.debiased_cka, name="debiased cka", symmetric=True)
matrix.plot()
print(matrix)

# %%
# One block alone: the layers of a against those of b.

matrix.plot(networks=("a", "b"))
plt.show()
