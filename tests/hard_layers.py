"""Pairs of layers that break rank decisions: nearly dependent neurons, coarse number types, extreme scales.

Each generator takes a seed and returns activations X (n, p) and Y (n, q) in the number type that a network would give.
`DATA` lists all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch

COARSE = 4 * 2.0**-24
Layers: TypeAlias = "tuple[np.ndarray | torch.Tensor, np.ndarray | torch.Tensor]"


def sizes(r: np.random.Generator, most: int = 16) -> tuple[int, int, int, int]:
    """Return rows, widths of both layers, and how many causes they share."""
    p, q = (int(width) for width in r.integers(5, most, 2))
    return int(r.integers(8, 20)) * max(p, q), p, q, int(r.integers(2, 8))


def views(r: np.random.Generator, n: int, p: int, q: int, k: int, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Return two noisy linear views of the same k causes."""
    causes = r.standard_normal((n, k))

    def view(width: int) -> np.ndarray:
        own = 10 ** r.uniform(-1.5, 0, width) * noise * r.standard_normal((n, width))
        return causes @ r.standard_normal((k, width)) + own

    return view(p), view(q)


def layer_norm(seed: int, *, affine: bool = False, dtype: str = "float32") -> Layers:
    """LayerNorm over the neurons of each row; without shift the neurons add up to 0, up to rounding."""
    r = np.random.default_rng(seed)
    n, p, q, k = sizes(r)

    def normalised(view: np.ndarray) -> np.ndarray:
        rows = view.astype(np.float32)
        rows = (rows - rows.mean(axis=1, keepdims=True)) / np.sqrt(rows.var(axis=1, keepdims=True) + np.float32(1e-5))
        if affine:
            rows = rows * r.uniform(0.2, 3, rows.shape[1]).astype(np.float32)
            rows = rows + (r.standard_normal(rows.shape[1]) * r.choice([0, 1])).astype(np.float32)
        return rows.astype(dtype)

    x, y = views(r, n, p, q, k)
    return normalised(x), normalised(y)


def massive_activations(seed: int) -> Layers:
    """A residual stream whose LayerNorm has a few neurons of enormous, almost constant activation, in float32."""
    r = np.random.default_rng(seed)
    n, p, q, k = sizes(r)

    def stream(view: np.ndarray) -> np.ndarray:
        rows = view.copy()
        rows[:, :2] = rows[:, :2] + r.uniform(50, 500, 2)
        rows = rows.astype(np.float32)
        return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)

    x, y = views(r, n, p, q, k)
    return stream(x), stream(y)


def batch_norm_relu(seed: int, dtype: str = "float32") -> Layers:
    """BatchNorm and ReLU, with dead units, duplicated units and scaled copies."""
    r = np.random.default_rng(seed)
    n, p, q, k = sizes(r)

    def layer(view: np.ndarray) -> np.ndarray:
        rows = view.astype(np.float32)
        rows = (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + np.float32(1e-5))
        rows = np.maximum(rows + r.uniform(-1, 1, rows.shape[1]).astype(np.float32), 0)
        rows[:, r.integers(rows.shape[1])] = 0
        i, j, m = r.integers(0, rows.shape[1], 3)
        rows[:, i] = rows[:, j]
        rows[:, m] = np.float32(1.7) * rows[:, j]
        return rows.astype(dtype)

    x, y = views(r, n, p, q, k)
    return layer(x), layer(y)


def near_duplicates(seed: int, step: float, dtype: str = "float64") -> Layers:
    """A chain in which each neuron is the one before and a little more; the other layer sees what makes the steps."""
    r = np.random.default_rng(seed)
    n, p, q, _ = sizes(r, 12)
    causes = r.standard_normal((n, p + 1))
    chain = np.cumsum(np.hstack([causes[:, :1], step * causes[:, 1:p]]), axis=1)
    X = np.hstack([chain, causes[:, 1 : 1 + p // 2]])
    rotation, _ = np.linalg.qr(r.standard_normal((p + 1, p + 1)))
    Y = (causes @ rotation)[:, :q] + 10 ** r.uniform(-3, -1) * r.standard_normal((n, min(q, p + 1)))
    return X.astype(dtype), Y.astype(dtype)


def single_near_duplicate(seed: int, step: float) -> Layers:
    """b0, b0 + step b1, b1, ..., against a rotated and noisy copy of the same causes."""
    r = np.random.default_rng(seed)
    b = r.standard_normal((120, 12))
    X = np.column_stack([b[:, 0], b[:, 0] + step * b[:, 1], b[:, 1:]])
    rotation, _ = np.linalg.qr(r.standard_normal((12, 12)))
    return X, b @ rotation + 0.02 * r.standard_normal(b.shape)


def bottleneck(seed: int, step: float, dtype: str = "float64") -> Layers:
    """A linear layer out of a bottleneck, wider than it, in which some neurons nearly repeat others."""
    r = np.random.default_rng(seed)
    n, p, q, k = sizes(r)
    causes = r.standard_normal((n, k))

    def layer(width: int) -> np.ndarray:
        weights = r.standard_normal((k, width))
        for _ in range(width // 3):
            i, j = r.integers(0, width, 2)
            weights[:, j] = weights[:, i] + step * r.standard_normal(k)
        return causes @ weights

    X, Y = layer(p), layer(q)
    Y[:, : q // 2] += 10 ** r.uniform(-2, 0, q // 2) * r.standard_normal((n, q // 2))
    return X.astype(dtype), Y.astype(dtype)


def one_hot(seed: int) -> Layers:
    """Indicators of a few classes, all of them and with some put together, in float32."""
    r = np.random.default_rng(seed)
    n, p, q, _ = sizes(r)
    labels = r.integers(0, p, n)
    X = np.eye(p, dtype=np.float32)[labels]
    Y = np.eye(q, dtype=np.float32)[r.integers(0, q, p)[labels]]
    flips = r.random(n) < 0.1
    Y[flips] = np.eye(q, dtype=np.float32)[r.integers(0, q, flips.sum())]
    return X, Y


def rounded(seed: int, dtype: str) -> Layers:
    """ReLU units in a coarse number type; bfloat16 as tensors of PyTorch."""
    r = np.random.default_rng(seed)
    n, p, q, k = sizes(r)
    X, Y = (np.maximum(view, 0).astype(np.float32) for view in views(r, n, p, q, k))
    if dtype == "bfloat16":
        import torch

        return torch.from_numpy(X).bfloat16(), torch.from_numpy(Y).bfloat16()
    return X.astype(dtype), Y.astype(dtype)


def heavy_tails(seed: int) -> Layers:
    """A few rows carry nearly all of the energy."""
    r = np.random.default_rng(seed)
    n, p, q, k = sizes(r)
    X, Y = views(r, n, p, q, k)
    scale = r.standard_cauchy(n)[:, None] ** 2
    return X * scale, Y * scale


def large_means(seed: int, ratio: float, dtype: str = "float64") -> Layers:
    """Means far larger than the spread."""
    r = np.random.default_rng(seed)
    n, p, q, k = sizes(r)
    X, Y = views(r, n, p, q, k)
    return (X + ratio * r.uniform(0.5, 2, p)).astype(dtype), (Y + ratio * r.uniform(0.5, 2, q)).astype(dtype)


def nearly_as_many_neurons_as_rows(seed: int) -> Layers:
    """One to three rows more, or fewer, than neurons."""
    r = np.random.default_rng(seed)
    _, p, q, k = sizes(r)
    return views(r, max(p, q) + int(r.integers(-3, 4)), p, q, min(k, 4))


def as_float64(layer: np.ndarray | torch.Tensor) -> np.ndarray:
    return layer.astype(np.float64) if isinstance(layer, np.ndarray) else layer.double().numpy()


def cutoff(layer: np.ndarray | torch.Tensor) -> float:
    """Return the singular value of unit columns below which there is only the rounding of their number type."""
    return 1e-13 if str(layer.dtype) == "float64" else COARSE


DATA: dict[str, Callable[[int], Layers]] = {
    "LayerNorm, float32": layer_norm,
    "LayerNorm with affine part, float32": partial(layer_norm, affine=True),
    "LayerNorm, float16": partial(layer_norm, dtype="float16"),
    "massive activations, float32": massive_activations,
    "BatchNorm and ReLU, float32": batch_norm_relu,
    "BatchNorm and ReLU, float16": partial(batch_norm_relu, dtype="float16"),
    **{
        f"near-duplicates, steps of {step:g}": partial(near_duplicates, step=step)
        for step in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
    },
    "near-duplicates, steps of 0.001, float32": partial(near_duplicates, step=1e-3, dtype="float32"),
    "near-duplicates, steps of 1e-06, float32": partial(near_duplicates, step=1e-6, dtype="float32"),
    "one near-duplicate of 0.01": partial(single_near_duplicate, step=1e-2),
    "one near-duplicate of 1e-07": partial(single_near_duplicate, step=1e-7),
    "bottleneck, near-duplicates of 0.001": partial(bottleneck, step=1e-3),
    "bottleneck, near-duplicates of 1e-05": partial(bottleneck, step=1e-5),
    "bottleneck, near-duplicates of 1e-09": partial(bottleneck, step=1e-9),
    "bottleneck, duplicates, float32": partial(bottleneck, step=0.0, dtype="float32"),
    "one-hot, float32": one_hot,
    "ReLU, float16": partial(rounded, dtype="float16"),
    "ReLU, bfloat16": partial(rounded, dtype="bfloat16"),
    "heavy tails": heavy_tails,
    "means 1e+06 times the spread": partial(large_means, ratio=1e6),
    "means 1000 times the spread, float32": partial(large_means, ratio=1e3, dtype="float32"),
    "as many neurons as rows": nearly_as_many_neurons_as_rows,
}
