"""What networks gave for one batch: rows and their examples by layer; and networks as what gives them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from .layouts import Layout


class Outputs:
    """The outputs of all networks for one batch."""

    def __init__(self, examples: NDArray[np.int64], layout: Layout) -> None:
        self.numbers, self.layout = examples, layout
        self.rows: dict[str, Any] = {}
        self.examples: dict[str, NDArray[np.int64]] = {}
        self.how: dict[str, str] = {}

    def record(self, layer: str, output: Any, *, channels_first: bool, mask: Any = None, which: str = "") -> None:
        """Take a layer's output as rows, in memory of their own.

        Args: mask (examples, tokens), which tokens count, and `which` those are, in words, if not all but padding.
        """
        rows, examples, how = self.layout.rows(layer, output, self.numbers, channels_first=channels_first, mask=mask)
        # What runs next may work in place (a ReLU): rows must not share its memory.
        self.rows[layer] = _own(rows, output)
        self.examples[layer] = examples
        self.how[layer] = how.replace("tokens that the mask keeps", which) if which else how

    def arrange(self, layers: Sequence[str]) -> None:
        """Put these layers, which ran in any order, in this one."""
        self.rows.update({layer: self.rows.pop(layer) for layer in layers})


class Runner(Protocol):
    """A network that is run on batches and gives the outputs of some of its layers."""

    name: str
    layers: list[str]

    def run(self, batch: Any, outputs: Outputs) -> None:
        """Run the network on a batch, and record its layers' outputs."""

    def made_from(self) -> str:
        """Return what tells this network from others, weights included."""


def joined(parts: Sequence[Any]) -> Any:
    """Return rows one after another, of NumPy or PyTorch."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    import torch

    return torch.cat(list(parts))


def are_texts(batch: Any) -> bool:
    """Tell a list of texts from other batches."""
    return isinstance(batch, list | tuple) and bool(batch) and isinstance(batch[0], str)


def mask_of(batch: Any) -> Any:
    """Return the mask of tokens that a batch by name holds; None if there is none."""
    return batch.get("attention_mask", batch.get("mask")) if isinstance(batch, Mapping) else None


def examples_in(batch: Any) -> int:
    """Return how many examples a batch holds.  Raises SpanmatchError if that cannot be told."""
    if are_texts(batch):
        return len(batch)
    members: Any = batch if isinstance(batch, list | tuple) else [batch]
    for value in batch.values() if isinstance(batch, Mapping) else members:
        if getattr(value, "shape", ()):
            return int(value.shape[0])
    raise SpanmatchError(f"a batch of type {type(batch).__name__} holds no array of examples, and no texts")


def _own(rows: Any, output: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(rows, torch.Tensor):
        return rows.copy() if np.shares_memory(rows, output) else rows
    return rows.clone() if rows.untyped_storage().data_ptr() == output.untyped_storage().data_ptr() else rows
