"""
The figures of the papers
=========================

The results that a comparison saves are drawn as in the papers, in black and white: curves differ in
marks and shades, not in colour alone. `save_figures` writes them all as PDF and PNG.
"""

import tempfile
from collections import OrderedDict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import spanmatch as sm
from spanmatch.report import figures, save_figures

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
comparison = sm.compare(
    networks, images[:600], layers=["relu1", "out"], simple_eps=[0.15], sparse="out", evidence=False, sample=0
)
record = comparison.to_dict()

# %%
# Similarity by layer, with its range over pairs of networks.

figures.depth(record)

# %%
# s(eps) over every eps, a panel for each layer.

figures.profiles(record)

# %%
# How large the minimum matches are.

figures.sizes(record)

# %%
# Partners one to one, and predictors few to one.

figures.partners(record)

# %%

figures.predictors(record)

# %%
# Clusters of neurons of both networks.

figures.clusters(record)

# %%
# All of them as files.

folder = Path(tempfile.mkdtemp())
print(*sorted(path.name for path in save_figures(record, folder)))
plt.show()
