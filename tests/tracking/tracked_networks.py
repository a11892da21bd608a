"""Small networks in training, with data and training loops that are functions of their seed."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

PROBE = torch.randn(90, 1, 6, 6, generator=torch.Generator().manual_seed(5))
STEP_SEED = 100


class Frozen(nn.BatchNorm2d):
    """A batch normalisation that stays in evaluation mode whatever it is told."""

    def train(self, mode: bool = True) -> Frozen:
        super().train(False)
        return self


def conv_net(seed: int = 0, width: int = 6) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, width, 3),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        Frozen(width),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(16 * width, 7),
    )


def train_epoch(network: nn.Module, epoch: int) -> None:
    """Train on batches of noise whose order, dropout and momentum are of the global random numbers."""
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    images = torch.randn(120, 1, 6, 6, generator=torch.Generator().manual_seed(epoch))
    labels = images.mean((1, 2, 3)).gt(0).long()
    network.train()
    for indices in torch.randperm(len(images)).split(40):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images[indices] + float(np.random.rand()) / 9), labels[indices]).backward()  # noqa: NPY002
        optimiser.step()
