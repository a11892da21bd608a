"""
Few neurons predict one
=======================

Some neurons have no single partner, but are a combination of a few. A sparse map finds how many neurons
of one layer each neuron of the other needs.
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
# The error that is left, over the mean number of predictors: solid on the rows fitted, dashed on held-out
# rows, which is the same here. The dot is the best single partner by least squares. Sparse maps shrink
# coefficients, so that their curve begins above it. Where it is flat, more predictors help no more.

sparse = sm.sparse_map(pair)
sparse.plot()
table = sparse.table()
print(f"one predictor each leaves {table[0]['error']:.2f} of the variance, all leave {table[-1]['error']:.2f}")

# %%
# The few predictors of one neuron, with the coefficients of standardised neurons.

few = max(sparse.few(), key=lambda row: len(row["predictors"]))
bars = plt.figure(figsize=(6, 3), layout="constrained").subplots()
bars.bar([f"a:{i}" for i in few["predictors"]], few["coefficients"], color="#0072b2")
bars.set(ylabel="coefficient", title=f"neuron {few['neuron']} of b, error {few['error']:.2f}")
plt.show()
