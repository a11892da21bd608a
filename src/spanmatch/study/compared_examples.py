"""The examples that trained networks are compared over: in batches, and as the report shows them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .datasets import Data
from .settings import CompareSettings


def compared_batches(data: Data, settings: CompareSettings) -> list[Tensor]:
    """Return the examples in batches, as networks take them; the order is the same for every network."""
    return [data.prepared(examples) for examples in torch.split(_examples(data, settings), settings.batch)]


def labelled_batches(data: Data, batch: int, at_most: int | None) -> list[tuple[Tensor, Tensor]]:
    """Return the test examples with their labels in batches, as networks take them."""
    order = _shuffled(len(data.test), at_most)
    inputs = torch.split(data.prepared(data.test[order]), batch)
    return list(zip(inputs, torch.split(data.test_labels[order], batch), strict=True))


def shown_examples(data: Data, settings: CompareSettings) -> NDArray[np.uint8] | list[str]:
    """Return the examples as the report shows them: images of bytes, or texts."""
    examples = _examples(data, settings)
    if data.is_text:
        return ["".join(data.classes[code] for code in text) for text in examples.tolist()]
    images: NDArray[np.uint8] = examples.permute(0, 2, 3, 1).numpy()
    return images[..., 0] if images.shape[-1] == 1 else images


def _examples(data: Data, settings: CompareSettings) -> Tensor:
    """Return the examples of the split, shuffled once and for all."""
    parts = {"train": [data.train], "test": [data.test], "all": [data.train, data.test]}[settings.split]
    examples = torch.cat(parts)
    return examples[_shuffled(len(examples), settings.max_examples)]


def _shuffled(n: int, at_most: int | None) -> Tensor:
    """Return the indices of n examples, or of the first of them, shuffled once and for all."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:at_most]
