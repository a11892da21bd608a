"""
Is a similarity more than chance?
=================================

Two unrelated layers have some similarity, too: the more neurons and the fewer rows, the more. Three ways to
tell whether it means something.
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


moments = sm.capture({"a": trained(0), "b": trained(1)}, images[:400], layers="relu1")
pair = moments.pair("a:relu1", "b:relu1")

# %%
# A permutation test: the examples of one network are shuffled, again and again. The line is the value
# of the true order. It is far beyond all 999 shuffled ones.

test = sm.permutation_test(pair, sm.cka)
test.plot()
print(test)

# %%
# The value under the null (open), from one pass without shuffling. That of CCA is far above 0, though
# nothing corresponds; that of debiased CKA is not.

measures = (sm.cka, sm.debiased_cka, sm.cca, sm.procrustes, sm.linear_regression)
ax = plt.figure(figsize=(6.4, 3), layout="constrained").subplots()
for measure in measures:
    sm.null(pair, measure).plot(ax, name=measure.__name__)

# %%
# An interval over examples: how much the value would change with other images.

ax = plt.figure(figsize=(6.4, 2), layout="constrained").subplots()
for n in (200, 400, 1600):
    some = sm.capture({"a": trained(0), "b": trained(1)}, images[:n], layers="relu1")
    interval = sm.jackknife(some.pair("a:relu1", "b:relu1"), sm.debiased_cka)
    interval.plot(ax, name=f"{n} images")
    print(n, "images:", interval)
plt.show()
