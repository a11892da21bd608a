"""Small networks on scikit-learn's digits, trained in a few seconds, for the examples of the documentation."""

from __future__ import annotations

from collections import OrderedDict

import torch
from sklearn.datasets import load_digits
from torch import nn

TRAINED_ON = 1437

_digits = load_digits()
# Shuffled, because neighbours in the data set are by the same writer, and alike.
_order = torch.randperm(len(_digits.target), generator=torch.Generator().manual_seed(0))
images = torch.tensor(_digits.data / 16).float()[_order]
labels = torch.tensor(_digits.target)[_order]
train_batches = [(images[:TRAINED_ON], labels[:TRAINED_ON])]
test_batches = [(images[TRAINED_ON:], labels[TRAINED_ON:])]


def network(seed: int) -> nn.Sequential:
    """Return a perceptron of two hidden layers of 32 neurons with random weights."""
    torch.manual_seed(seed)
    layers = {
        "fc1": nn.Linear(64, 32),
        "relu1": nn.ReLU(),
        "fc2": nn.Linear(32, 32),
        "relu2": nn.ReLU(),
        "out": nn.Linear(32, 10),
    }
    return nn.Sequential(OrderedDict(layers))


def trained(seed: int, steps: int = 200) -> nn.Sequential:
    """Return a perceptron trained on the first images, each step on all of them."""
    result = network(seed)
    optimiser = torch.optim.Adam(result.parameters(), lr=0.01)
    ((inputs, targets),) = train_batches
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(result(inputs), targets).backward()
        optimiser.step()
    return result
