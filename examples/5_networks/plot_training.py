"""
Watch a network train
=====================

A tracker compares every layer with a reference while the network trains: here with the network at the
end of an earlier training from another seed.
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


reference = trained(1)
network = trained(0, steps=0)  # not trained yet
tracker = sm.Tracker(network, images[test], layers=["relu*", "out"], against=reference, eps=[0.3])
optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
tracker.step(0)
for step in range(1, 101):
    optimiser.zero_grad()
    nn.functional.cross_entropy(network(images[train]), labels[train]).backward()
    optimiser.step()
    if step % 10 == 0:
        tracker.step(step)

# %%
# Similarity of each layer to the same layer of the reference, over the steps. The output becomes similar
# because both networks learn the same labels.

tracker.plot("debiased cka")

# %%
# The last step, layer by layer, in all measures that were tracked.

tracker.steps[-1].plot(plt.figure(figsize=(6.4, 3.4), layout="constrained").subplots())
print(tracker.steps[-1])
plt.show()
