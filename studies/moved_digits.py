"""scikit-learn's digits, each also moved by one pixel in every direction: nine times as many examples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

Array = NDArray[np.generic]


def moved(held_out: float = 0.2) -> tuple[Array, Array, Array, Array]:
    """Return images (n, 8, 8) of bytes and labels to train on, and those for tests, of other digits."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    tests, train = np.split(order, [round(held_out * len(order))])
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return (*_moved(images[train], digits.target[train]), *_moved(images[tests], digits.target[tests]))


def _moved(images: NDArray[np.uint8], labels: Array) -> tuple[Array, Array]:
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    size = images.shape[-1]
    parts = [padded[:, down : down + size, right : right + size] for down in range(3) for right in range(3)]
    return np.concatenate(parts), np.tile(labels, len(parts))
