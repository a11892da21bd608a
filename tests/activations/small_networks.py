"""Small convolutional networks to capture, and the rows that they give."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def conv_net(seed: int = 0, inplace: bool = False) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 5, 3), nn.ReLU(inplace=inplace), nn.Dropout(0.5), nn.Flatten(), nn.Linear(5 * 16, 7)
    )


def images(n: int = 20, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 1, 6, 6, generator=torch.Generator().manual_seed(seed))


def as_rows(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().movedim(1, -1).flatten(0, -2).double().numpy()
