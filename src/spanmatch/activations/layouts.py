"""From a layer's output to rows x neurons, for NumPy arrays and PyTorch tensors alike.

(examples, neurons)                 rows are examples
(examples, channels, space ...)     channels are neurons, positions are rows; or, with units="location",
                                    every channel at every position is a neuron and rows are examples
(examples, tokens, neurons)         tokens are rows, without those that a mask drops
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._hashing import hashes, streams
from ..errors import SpanmatchError

Units = Literal["channel", "location"]
Channels = Literal["auto", "first", "last"]
Pool = Literal["mean", "last"] | int | None
HASHES_AT_ONCE = 1 << 18
"""Bounds the memory that a sample of positions takes."""


@dataclass(frozen=True)
class Layout:
    """How outputs become rows.

    Args:
        units: "channel", or "location" to flatten each example into one row.
        channels: where the neurons of an output with more than two axes are, "first" after the examples
            (convolutions) or "last" (sequences); "auto" goes by the kind of the module.
        positions: None for all positions of a convolution, or how many to sample in each example.
        pool: None, "mean" for one row an example, the mean over its positions or tokens, "last" for its last token, or
            a number g for the means over a grid of g positions along each axis of space; so layers of different size
            get rows that correspond.
        seed: of the sample, a whole number, 0 or more. Which positions of an example are sampled is a function of the
            seed, the example's id and the layer's number of positions, and of nothing else: two layers of equally many
            positions get the same sample, in whatever network, so that rows correspond.
    """

    units: Units = "channel"
    positions: int | None = None
    seed: int = 0
    channels: Channels = "auto"
    pool: Pool = None

    def __post_init__(self) -> None:
        if self.units not in ("channel", "location"):
            raise SpanmatchError(f"units={self.units!r}: give 'channel' or 'location'")
        if self.channels not in ("auto", "first", "last"):
            raise SpanmatchError(f"channels={self.channels!r}: give 'auto', 'first' or 'last'")
        if self.positions is not None and (not isinstance(self.positions, int) or self.positions < 1):
            raise SpanmatchError(f"positions={self.positions!r}: give a whole number, 1 or more, or None for all")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer) or not 0 <= self.seed < 2**64:
            raise SpanmatchError(f"seed={self.seed!r}: give a whole number from 0 to 2^64 - 1")
        wrong = isinstance(self.pool, bool) or not (isinstance(self.pool, int) and self.pool >= 1)
        if self.pool not in (None, "mean", "last") and wrong:
            raise SpanmatchError(
                f"pool={self.pool!r}: give 'mean', 'last', a number of positions along each axis, or None"
            )
        if self.pool is not None and self.positions is not None:
            raise SpanmatchError("pool and positions: give one of them")

    def rows(
        self, layer: str, output: Any, examples: NDArray[np.int64], *, channels_first: bool, mask: Any = None
    ) -> tuple[Any, NDArray[np.int64], str]:
        """Return rows x neurons, the example of each row, and how the rows were made.

        Args:
            output: examples first. `examples`: (examples,) their numbers.
            channels_first: what "auto" means for it: neurons on the second axis, or on the last.
            mask: (examples, tokens), which tokens of a sequence count.
        Raises SpanmatchError if the output has no neurons to speak of.
        """
        if output.ndim < 2:
            raise SpanmatchError(
                f"layer {layer!r}: output of shape {tuple(output.shape)}; examples and neurons are needed"
            )
        if self.channels != "auto":
            channels_first = self.channels == "first"
        n = output.shape[0]
        if n != len(examples):
            raise SpanmatchError(
                f"layer {layer!r}: output of shape {tuple(output.shape)} for {len(examples)} examples; they come first"
            )
        if output.ndim == 2:
            return output, examples, "rows are examples"
        if self.pool == "mean":
            how = "rows are examples, neurons are means over positions or tokens"
            return _means(layer, output, channels_first, mask), examples, how
        if self.pool == "last":
            if channels_first:
                raise SpanmatchError(f"layer {layer!r}: positions have no last one; use pool='mean'")
            return _last(layer, output, mask), examples, "rows are the last tokens of examples"
        if self.pool is not None:
            if not channels_first:
                raise SpanmatchError(f"layer {layer!r}: tokens have no grid; use pool='mean'")
            output = _pooled(layer, output, self.pool)
        if self.units == "location":
            if mask is not None and not channels_first:
                raise SpanmatchError(f"layer {layer!r}: a mask drops tokens, so that locations cannot be neurons")
            return (
                output.reshape(n, -1),
                examples,
                "rows are examples, each location of each channel is a neuron",
            )
        if channels_first:
            rows, each, how = self._positions(output, examples)
            return rows, each, how + (f"; positions pooled to a grid of {self.pool}" if self.pool else "")
        return _tokens(layer, output, examples, mask)

    def _positions(self, output: Any, examples: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64], str]:
        n, channels = output.shape[:2]
        rows = _move_last(output.reshape(n, channels, -1))
        count = rows.shape[1]
        if self.positions is None or self.positions >= count:
            how = f"rows are examples x {count} positions, channels are neurons"
            return rows.reshape(-1, channels), np.repeat(examples, count), how
        chosen = self._sample(examples, count)
        rows = rows[_like(rows, np.arange(n)[:, None]), _like(rows, chosen)]
        how = (
            f"rows are examples x {self.positions} of {count} positions, sampled with seed {self.seed}; "
            "channels are neurons"
        )
        return rows.reshape(-1, channels), np.repeat(examples, self.positions), how

    def _sample(self, examples: NDArray[np.int64], count: int) -> NDArray[np.intp]:
        """Return (examples, positions), ascending: of each example, the positions of the smallest hashes."""
        k, step = self.positions or 0, max(1, HASHES_AT_ONCE // count)
        starts = hashes(examples, (self.seed, count))
        blocks = (streams(starts[i : i + step], count) for i in range(0, len(starts), step))
        chosen = [np.argpartition(block, k, axis=1)[:, :k] for block in blocks]
        return np.sort(np.concatenate(chosen), axis=1)


def _means(layer: str, output: Any, channels_first: bool, mask: Any) -> Any:
    """Return (examples, neurons) means over positions, or over the tokens that a mask keeps."""
    n = output.shape[0]
    if channels_first:
        return output.reshape(n, output.shape[1], -1).mean(2)
    if mask is None:
        return output.reshape(n, -1, output.shape[-1]).mean(1)
    rows, counts = _kept(layer, output, mask)
    ends = np.cumsum(counts)
    return _stacked([rows[end - k : end].mean(0) for end, k in zip(ends.tolist(), counts.tolist(), strict=True)], 0)


def _last(layer: str, output: Any, mask: Any) -> Any:
    """Return (examples, neurons), each example's last token, of those that a mask keeps."""
    if mask is None:
        return output.reshape(output.shape[0], -1, output.shape[-1])[:, -1]
    rows, counts = _kept(layer, output, mask)
    return rows[_like(rows, np.cumsum(counts) - 1)]


def _kept(layer: str, output: Any, mask: Any) -> tuple[Any, NDArray[np.intp]]:
    """Return the tokens that a mask keeps, and how many each example has.  Raises SpanmatchError if one has none."""
    n = output.shape[0]
    rows, each, _ = _tokens(layer, output, np.arange(n), mask)
    counts = np.bincount(each, minlength=n)
    if not counts.all():
        raise SpanmatchError(f"layer {layer!r}: the mask keeps no token of example {int(np.argmin(counts))} of a batch")
    return rows, counts


def _pooled(layer: str, output: Any, grid: int) -> Any:
    """Return the means over a grid of positions, bins overlapping by one where sizes do not divide."""
    for axis in range(2, output.ndim):
        size = output.shape[axis]
        if size < grid:
            raise SpanmatchError(f"layer {layer!r}: {size} positions cannot be pooled to {grid}; use a smaller pool")
        at = [slice(None)] * axis
        bins = [slice(i * size // grid, -(-(i + 1) * size // grid)) for i in range(grid)]
        parts = [output[(*at, part)].mean(axis) for part in bins]
        output = _stacked(parts, axis)
    return output


def _stacked(parts: list[Any], axis: int) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.stack(parts, axis)
    import torch

    return torch.stack(parts, axis)


def _tokens(layer: str, output: Any, examples: NDArray[np.int64], mask: Any) -> tuple[Any, NDArray[np.int64], str]:
    neurons = output.shape[-1]
    tokens = output.reshape(len(examples), -1, neurons)
    each = np.repeat(examples, tokens.shape[1])
    rows = tokens.reshape(-1, neurons)
    if mask is None:
        return rows, each, "rows are tokens"
    if tuple(mask.shape) != tuple(tokens.shape[:2]):
        raise SpanmatchError(
            f"layer {layer!r}: mask of shape {tuple(mask.shape)} for {tuple(tokens.shape[:2])} examples x tokens"
        )
    kept = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask).astype(bool).ravel()
    return rows[_like(rows, np.flatnonzero(kept))], each[kept], "rows are tokens that the mask keeps"


def _move_last(array: Any) -> Any:
    """Return (n, channels, positions) as (n, positions, channels)."""
    return array.swapaxes(1, 2)


def _like(array: Any, index: NDArray[Any]) -> Any:
    """Return an index as `array` takes it."""
    if isinstance(array, np.ndarray):
        return index
    return _torch_index(array, index)


def _torch_index(array: Any, index: NDArray[Any]) -> Any:
    import torch

    return torch.from_numpy(index).to(array.device)
