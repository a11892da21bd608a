"""
Which layer corresponds to which?
=================================

A shallow and a deep network are trained on the same digits. For each layer of the shallow one: which
layer of the deep one is most similar to it?
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


def trained(depth, seed=0, steps=100):
    torch.manual_seed(seed)
    layers = OrderedDict(fc0=nn.Linear(64, 32), relu0=nn.ReLU())
    for k in range(1, depth):
        layers |= {f"fc{k}": nn.Linear(32, 32), f"relu{k}": nn.ReLU()}
    network = nn.Sequential(layers | {"out": nn.Linear(32, 10)})
    for weight in (part.weight for part in network if isinstance(part, nn.Linear)):
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
    optimiser = torch.optim.Adam(network.parameters(), lr=0.004)
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images[train]), labels[train]).backward()
        optimiser.step()
    return network


networks = {"shallow": trained(3), "deep": trained(7)}
comparison = sm.compare(
    networks, images, layers=["relu*", "out"], match="best", pairs="all", evidence=False, clusters=False
)

# %%
# A line from each layer to its counterpart, darker for more similar ones.

correspondence = comparison.correspondence()
correspondence.plot(plt.figure(figsize=(6, 4), layout="constrained").subplots())
for one in correspondence:
    print(f"{one.x_layer} ~ {one.y_layer}: {one.similarity:.3f}, by {one.margin:.3f} before {one.next_best}")

# %%
# The heat map behind it: the layers of the shallow network against those of the deep one.

comparison.matrix("debiased cka").plot(networks=("shallow", "deep"))

# %%
# One score for both networks. The soft coupling (grey) gives every layer the same mass. The best monotone
# path (orange) only goes forward in both networks.

score = comparison.score()
score.plot()
print(score)
plt.show()
