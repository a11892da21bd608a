"""The first layer of a network, and the covariance of what it multiplies."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import SpanmatchError
from ..moments.spans import Array
from .datasets import Data

BATCH = 256
"""Images whose patches are in memory at once."""


def first_layer(network: nn.Module) -> nn.Linear | nn.Conv2d:
    """Return the first layer with weights.  Raises SpanmatchError if it is neither linear nor a convolution."""
    first = next((m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.Embedding)), None)
    if not isinstance(first, nn.Linear | nn.Conv2d):
        raise SpanmatchError("compare.alignment: the first layer with weights is neither linear nor a convolution")
    return first


@torch.no_grad()
def input_covariance(layer: nn.Linear | nn.Conv2d, data: Data) -> Array:
    """Return the covariance (d, d) of what the layer multiplies: complete training images, or patches of them."""
    total, outer, count = 0.0, 0.0, 0
    for images in torch.split(data.prepared(data.train), BATCH):
        rows = _patches(layer, images).double().numpy()
        total, outer, count = total + rows.sum(0), outer + rows.T @ rows, count + len(rows)
    mean = total / count
    return np.asarray(outer / count - np.outer(mean, mean), dtype=np.float64)


def _patches(layer: nn.Linear | nn.Conv2d, images: Tensor) -> Tensor:
    """Return the vectors (rows, d) that the layer multiplies."""
    if isinstance(layer, nn.Linear):
        return images.flatten(1)
    if isinstance(layer.padding, str):
        raise SpanmatchError("compare.alignment: the first convolution names its padding; give it in pixels")
    patches = nn.functional.unfold(images, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return patches.transpose(1, 2).flatten(0, 1)
