"""
Merge two networks
==================

The mean of the weights of two networks is no network, because their neurons are in different orders.
After each neuron of b has taken the place of its partner in a, it is one.
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


a, b = trained(0), trained(1)
moments = sm.capture({"a": a, "b": b}, images[train], layers="relu*")
pairs = {layer: moments.pair(f"a:{layer}", f"b:{layer}") for layer in ("relu1", "relu2")}
orders = {layer: sm.one_to_one(pair).permutation() for layer, pair in pairs.items()}
aligned = sm.apply_permutation(b, orders)  # computes the same as b

# %%
# Correlations of the second hidden layer, before and after: partners are now on the diagonal.

both = sm.capture({"a": a, "b": b, "aligned": aligned}, images[train], layers="relu2", pairs="all")
left, right = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")[1]
sm.correlation(both.pair("a:relu2", "b:relu2")).plot(left)
sm.correlation(both.pair("a:relu2", "aligned:relu2")).plot(right)

# %%
# Accuracy on test digits between both networks. Without alignment it drops in the middle.


def accuracy(end, share):
    mixed, others = trained(0, steps=0), end.state_dict()
    mixed.load_state_dict({name: (1 - share) * w + share * others[name] for name, w in a.state_dict().items()})
    return (mixed(images[test]).argmax(1) == labels[test]).float().mean().item()


shares = np.linspace(0, 1, 11)
ax = plt.figure(figsize=(6.4, 3.6), layout="constrained").subplots()
for name, end in (("b as it is", b), ("b aligned with a", aligned)):
    curve = [accuracy(end, share) for share in shares]
    ax.plot(shares, curve, "o-", label=name)
    print(f"{name}: accuracy {curve[5]:.2f} half-way")
ax.set(xlabel="share of network b in the weights", ylabel="test accuracy", ylim=(0, 1.02))
ax.legend()
plt.show()
