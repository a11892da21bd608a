"""A layer's values for other examples: within blocks of 256, each example receives those of another
one.

Values are permuted and not changed, so every neuron keeps its mean, its energy and its distribution
within the block, and only its relation to the example is removed. The permutation depends on the
seed and on the positions of the examples, not on batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..activations.outputs import Batch
from ..moments.spans import Index

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 256
"""Number of examples that exchange their values."""


def other_examples(n: int, seed: int) -> Index:
    """Return for each of n examples the position of another one; a single example is assigned
    itself.
    """
    starts = range(0, max(n - 1, 1), BLOCK)  # a single last example joins the previous block
    ends = [*starts[1:], n]
    return np.concatenate([_cycle(start, end - start, seed) for start, end in zip(starts, ends, strict=True)])


def _cycle(start: int, size: int, seed: int) -> Index:
    """Return a cyclic permutation, which has no fixed point, of the positions from start."""
    order = np.random.default_rng([seed, start]).permutation(size)
    partner = np.empty(size, dtype=np.intp)
    partner[order] = np.roll(order, 1)
    return start + partner


class Others:
    """A queue of batches that wait for values of other examples."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.refused = ""
        """Why there are no values of other examples."""
        self.waiting: deque[tuple[int, Batch, Tensor]] = deque()
        self.rows: dict[int, Tensor] = {}
        self.partner: dict[int, int] = {}
        self.total = self.drawn = self.dropped = 0

    def add(self, batch: Batch, values: Tensor) -> Iterator[tuple[Batch, Tensor, Tensor | None]]:
        """Add a batch and a layer's values for it; yield the ready batches with both kinds of
        values.
        """
        self.waiting.append((self.total, batch, values))
        self.rows.update(enumerate(values, self.total))
        self.total += len(values)
        while self.total - self.drawn >= BLOCK + 2:
            self._draw(BLOCK)
        yield from self._ready()
        needed = self.waiting[0][0] // BLOCK * BLOCK
        for example in range(self.dropped, needed):
            del self.rows[example], self.partner[example]
        self.dropped = needed

    def end(self) -> Iterator[tuple[Batch, Tensor, Tensor | None]]:
        """Yield the remaining batches."""
        if self.total == 1:
            self.refused = "there is only one example"
        if self.total > self.drawn:
            self._draw(self.total - self.drawn)
        yield from self._ready()

    def _draw(self, size: int) -> None:
        """Assign other examples to the next block of examples."""
        self.partner.update(enumerate(_cycle(self.drawn, size, self.seed).tolist(), self.drawn))
        self.drawn += size

    def _ready(self) -> Iterator[tuple[Batch, Tensor, Tensor | None]]:
        """Yield the waiting batches whose examples all have others assigned."""
        while self.waiting:
            first, batch, values = self.waiting[0]
            if first + len(values) > self.drawn:
                return
            self.waiting.popleft()
            yield batch, values, self._of_others(first, values)

    def _of_others(self, first: int, values: Tensor) -> Tensor | None:
        """Return the values of other examples; None if their shapes differ."""
        import torch

        rows = [self.rows[self.partner[example]] for example in range(first, first + len(values))]
        if any(row.shape != values.shape[1:] for row in rows):
            self.refused = "examples of different batches differ in shape, so that values cannot be exchanged"
        return None if self.refused else torch.stack(rows)
