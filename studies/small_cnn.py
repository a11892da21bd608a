"""Three convolutions and two linear layers for images of 32 x 32, without normalisation."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def small_cnn(channels: int, size: int, classes: int) -> nn.Module:
    """Return the network; its first layer has more neurons, 32, than a patch of 3 x 3 in colour has values, 27."""
    parts = OrderedDict(
        conv1=nn.Conv2d(channels, 32, 3, padding=1),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(32, 64, 3, padding=1),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        conv3=nn.Conv2d(64, 64, 3, padding=1),
        relu3=nn.ReLU(),
        pool3=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(64 * (size // 8) ** 2, 256),
        relu4=nn.ReLU(),
        fc2=nn.Linear(256, classes),
    )
    return nn.Sequential(parts)
