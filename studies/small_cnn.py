"""Three convolutions and two linear layers for images of 32 x 32, without normalisation."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def small_cnn(channels: int, size: int, classes: int) -> nn.Module:
    """Return the network; its first layer has ten times as many neurons as a patch of 3 x 3 in colour has values.

    With few neurons for each value, the covariance of the weights is that of the few draws.
    """
    parts = OrderedDict(
        conv1=nn.Conv2d(channels, 256, 3, stride=2, padding=1),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(256, 64, 3, stride=2, padding=1),
        relu2=nn.ReLU(),
        conv3=nn.Conv2d(64, 64, 3, stride=2, padding=1),
        relu3=nn.ReLU(),
        flatten=nn.Flatten(),
        fc1=nn.Linear(64 * (size // 8) ** 2, 256),
        relu4=nn.ReLU(),
        fc2=nn.Linear(256, classes),
    )
    return nn.Sequential(parts)
