"""
A transplant: does the match matter?
====================================

Neurons of one network are replaced by their prediction from the matched neurons of another. If the
network still classifies the digits, what was matched is what it uses. Controls say what this means.
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


networks = {"a": trained(0), "b": trained(1)}
moments = sm.capture(networks, images[train], layers="relu2")
pair = moments.pair("a:relu2", "b:relu2")
match = sm.maximum_match(pair, 0.5)
print(match)

# %%
# Accuracy of network a on test digits under each condition. Blue: the matched neurons come from b. Light:
# its controls: the neurons at their means, predictions made for other digits, and from an untrained
# network. Orange: the whole layer from b, with its controls.

batches = [(images[test], labels[test])]
transplant = sm.transplant(networks, batches, pair, match, fit_batches=[images[train]])
transplant.plot()

# %%
# Differences on the same digits, with intervals: the transplant minus each control.

ax = plt.figure(figsize=(6.4, 2.6), layout="constrained").subplots()
for control in ("untouched", "ablation", "other examples", "untrained"):
    difference = transplant.difference(control)
    difference.plot(ax)
    print(difference)
print(f"the transplant avoids {transplant.recovered():.0%} of the loss that ablation adds")
plt.show()
