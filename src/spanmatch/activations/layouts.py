"""From a layer's output to rows x neurons, for NumPy arrays and PyTorch tensors alike.

(examples, neurons)              rows are examples
(examples, channels, space ...)  channels are neurons, positions are rows; or, with
                                 units="location", every channel at every position is a neuron and
                                 rows are examples
(examples, tokens, neurons)      tokens are rows, without those that a mask drops
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._hashing import hashes, streams
from ..errors import SpanmatchError
from ..moments.sample import Reduction

if TYPE_CHECKING:
    import torch

    Array = NDArray[Any] | torch.Tensor

Units = Literal["channel", "location"]
Channels = Literal["auto", "first", "last"]
Pool = Literal["mean", "last"] | int | None
HASHES_AT_ONCE = 1 << 18
"""Bounds the memory that a sample of positions takes."""
MASKED_TOKENS = "tokens that the mask keeps"


class Rows(NamedTuple):
    """A layer's output for some examples, as rows x neurons."""

    values: Array
    """(rows, neurons)"""
    example_ids: NDArray[np.int64]
    """(rows,) the example that each row is of. Layers may share this array."""
    layout: str
    """How the rows were made, in words."""
    reduction: Reduction = "flat"
    """What the sample of examples keeps of an example by default."""
    complete: tuple[Array, NDArray[np.int64]] | None = None
    """If only a sample of the positions are rows: all positions of the examples that could be sampled,
    (rows, neurons), in memory of their own, one example after another, and these examples."""


@dataclass(frozen=True)
class Layout:
    """How the outputs of layers become rows.

    Parameters
    ----------
    units : {"channel", "location"}
        "channel": in a convolution, channels are neurons and each position is a row. "location":
        each example is one row, and every channel at every position is a neuron.
    positions : int, optional
        How many positions of a convolution to sample in each example; by default all.
    seed : int
        Of the sample, from 0 to 2^64 - 1. Which positions of an example are sampled is a function
        of the seed, the example's id and the layer's number of positions, and of nothing else: two
        layers of equally many positions get the same sample, in whatever network, so that rows
        correspond.
    channels : {"auto", "first", "last"}
        Where the neurons of an output with more than two axes are: after the examples
        (convolutions), or on the last axis (sequences). "auto" goes by the kind of the module.
    pool : {"mean", "last"} or int, optional
        "mean": one row for each example, the mean over its positions or tokens. "last": its last
        token. A number g: the means over a grid of g positions along each axis of space, so that
        layers of different size get rows that correspond.

    Raises
    ------
    SpanmatchError
        If a value is none of these, or both `positions` and `pool` are given.
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
        is_grid = isinstance(self.pool, int) and not isinstance(self.pool, bool) and self.pool >= 1
        if self.pool not in (None, "mean", "last") and not is_grid:
            raise SpanmatchError(
                f"pool={self.pool!r}: give 'mean', 'last', a number of positions along each axis, or None"
            )
        if self.pool is not None and self.positions is not None:
            raise SpanmatchError("pool and positions: give one of them")

    def rows(
        self,
        layer: str,
        output: Array,
        example_ids: NDArray[np.int64],
        *,
        channels_first: bool | None,
        mask: Array | None = None,
    ) -> Rows:
        """Return the output of one layer as rows; of several layers, see `BatchRows`."""
        return BatchRows(self, example_ids).rows(layer, output, channels_first=channels_first, mask=mask)

    def _sample(self, example_ids: NDArray[np.int64], count: int) -> NDArray[np.intp]:
        """Return (examples, positions), ascending: those of each example's smallest hashes."""
        k, step = self.positions or 0, max(1, HASHES_AT_ONCE // count)
        starts = hashes(example_ids, (self.seed, count))
        blocks = (streams(starts[i : i + step], count) for i in range(0, len(starts), step))
        sampled = [np.argpartition(block, k, axis=1)[:, :k] for block in blocks]
        return np.sort(np.concatenate(sampled), axis=1)


class BatchRows:
    """Makes the rows of many layers, for the same examples.

    What layers have in common (the sample of positions, the tokens that a mask keeps, the example
    of each row) is computed for the first of them.

    Parameters
    ----------
    layout
        How outputs become rows.
    example_ids : (examples,)
        In the order in which outputs have the examples.
    candidates : (examples,), optional
        Which examples could enter the sample; by default none.
    """

    def __init__(
        self, layout: Layout, example_ids: NDArray[np.int64], candidates: NDArray[np.bool_] | None = None
    ) -> None:
        self.layout, self.example_ids = layout, example_ids
        self._candidates = _Index(np.flatnonzero(candidates if candidates is not None else np.zeros(0, dtype=bool)))
        self._repeated_ids: dict[int, NDArray[np.int64]] = {}
        self._samples: dict[int, tuple[_Index, _Index]] = {}
        self._masks: dict[int, tuple[Array, _KeptTokens]] = {}

    def rows(
        self,
        layer: str,
        output: Array,
        *,
        channels_first: bool | None,
        mask: Array | None = None,
        masked_tokens: str = MASKED_TOKENS,
    ) -> Rows:
        """Return the output of a layer as rows.

        Parameters
        ----------
        layer
            Its name, for messages.
        output : (examples, ...)
            At least two axes.
        channels_first
            What "auto" means for it: neurons on the second axis, or on the last; None if that is
            not known.
        mask : (examples, tokens), optional
            Which tokens of a sequence count.
        masked_tokens
            Those, in words.

        Returns
        -------
        Rows
            The values may share memory with the output.

        Raises
        ------
        SpanmatchError
            If the output does not have examples first and neurons, it is not known which axis holds
            the neurons, or it does not go with the layout or the mask.
        """
        layout, shape = self.layout, tuple(output.shape)
        if len(shape) < 2:
            raise SpanmatchError(f"layer {layer!r}: output of shape {shape}; examples and neurons are needed")
        if shape[0] != len(self.example_ids):
            raise SpanmatchError(
                f"layer {layer!r}: output of shape {shape} for {len(self.example_ids)} examples; they come first"
            )
        if layout.channels != "auto":
            channels_first = layout.channels == "first"
        if len(shape) == 2:
            return Rows(output, self.example_ids, "rows are examples")
        if channels_first is None and (layout.units == "channel" or layout.pool is not None):
            raise SpanmatchError(f"layer {layer!r}: {_two_readings(shape)}")
        if layout.pool == "mean":
            means = self._position_means(output) if channels_first else self._token_means(layer, output, mask)
            return Rows(means, self.example_ids, "rows are examples, neurons are means over positions or tokens")
        if layout.pool == "last":
            if channels_first:
                raise SpanmatchError(f"layer {layer!r}: positions have no last one; use pool='mean'")
            return Rows(
                self._last_tokens(layer, output, mask), self.example_ids, "rows are the last tokens of examples"
            )
        if layout.pool is not None:
            if not channels_first:
                raise SpanmatchError(f"layer {layer!r}: tokens have no grid; use pool='mean'")
            output = _pooled_to_grid(layer, output, layout.pool)
        if layout.units == "location":
            if mask is not None and not channels_first:
                raise SpanmatchError(f"layer {layer!r}: a mask drops tokens, so that locations cannot be neurons")
            how = "rows are examples, each location of each channel is a neuron"
            return Rows(output.reshape(shape[0], -1), self.example_ids, how)
        return self._positions(output) if channels_first else self._tokens(layer, output, mask, masked_tokens)

    def _positions(self, output: Array) -> Rows:
        """Return all positions of a convolution, or a sample of them."""
        n, channels = output.shape[:2]
        values = output.reshape(n, channels, -1).swapaxes(1, 2)
        count, sampled = values.shape[1], self.layout.positions
        if sampled is None or sampled >= count:
            how = f"rows are examples x {count} positions, channels are neurons"
            if self.layout.pool:
                how += f"; positions pooled to a grid of {self.layout.pool}"
            return Rows(values.reshape(-1, channels), self._ids(count), how)
        if count not in self._samples:
            self._samples[count] = (
                _Index(np.arange(n)[:, None]),
                _Index(self.layout._sample(self.example_ids, count)),
            )
        examples, positions = (index.like(values) for index in self._samples[count])
        how = (
            f"rows are examples x {sampled} of {count} positions, sampled with seed {self.layout.seed}; "
            "channels are neurons"
        )
        chosen = self._candidates.index
        complete = values[self._candidates.like(values)].reshape(-1, channels), self.example_ids[chosen]
        return Rows(values[examples, positions].reshape(-1, channels), self._ids(sampled), how, "flat", complete)

    def _tokens(self, layer: str, output: Array, mask: Array | None, masked_tokens: str) -> Rows:
        """Return the tokens of a sequence, without those that a mask drops."""
        tokens = output.reshape(len(self.example_ids), -1, output.shape[-1])
        values = tokens.reshape(-1, output.shape[-1])
        if mask is None:
            return Rows(values, self._ids(tokens.shape[1]), "rows are tokens", "mean")
        kept_tokens = self._kept_tokens(layer, tokens, mask)
        values = values[kept_tokens.index.like(values)]
        return Rows(values, kept_tokens.example_ids, f"rows are {masked_tokens}", "mean")

    def _ids(self, count: int) -> NDArray[np.int64]:
        """Return the example of each row, where each example has so many."""
        if count not in self._repeated_ids:
            self._repeated_ids[count] = np.repeat(self.example_ids, count)
        return self._repeated_ids[count]

    def _kept_tokens(self, layer: str, tokens: Array, mask: Array) -> _KeptTokens:
        """Return which tokens a mask keeps.  Raises SpanmatchError if it is of another shape."""
        if tuple(mask.shape) != tuple(tokens.shape[:2]):
            raise SpanmatchError(
                f"layer {layer!r}: mask of shape {tuple(mask.shape)} for {tuple(tokens.shape[:2])} examples x tokens"
            )
        if id(mask) not in self._masks:
            self._masks[id(mask)] = mask, _KeptTokens(mask, self.example_ids)
        return self._masks[id(mask)][1]

    def _all_kept(self, layer: str, output: Array, mask: Array) -> tuple[Array, NDArray[np.intp]]:
        """Return the tokens that a mask keeps, and how many each example has: one or more."""
        counts = self._kept_tokens(layer, output.reshape(output.shape[0], -1, output.shape[-1]), mask).counts
        if not counts.all():
            raise SpanmatchError(
                f"layer {layer!r}: the mask keeps no token of example {int(np.argmin(counts))} of a batch"
            )
        return self._tokens(layer, output, mask, MASKED_TOKENS).values, counts

    def _position_means(self, output: Array) -> Array:
        """Return (examples, neurons), means over positions."""
        means: Array = output.reshape(output.shape[0], output.shape[1], -1).mean(2)
        return means

    def _token_means(self, layer: str, output: Array, mask: Array | None) -> Array:
        """Return (examples, neurons), means over tokens, of those that a mask keeps."""
        if mask is None:
            means: Array = output.reshape(output.shape[0], -1, output.shape[-1]).mean(1)
            return means
        values, counts = self._all_kept(layer, output, mask)
        ends = np.cumsum(counts).tolist()
        return _stacked([values[end - k : end].mean(0) for end, k in zip(ends, counts.tolist(), strict=True)], 0)

    def _last_tokens(self, layer: str, output: Array, mask: Array | None) -> Array:
        """Return (examples, neurons), each example's last token, of those that a mask keeps."""
        if mask is None:
            return output.reshape(output.shape[0], -1, output.shape[-1])[:, -1]
        values, counts = self._all_kept(layer, output, mask)
        return values[_Index(np.cumsum(counts) - 1).like(values)]


class _KeptTokens:
    """The tokens of a batch that a mask keeps."""

    def __init__(self, mask: Array, example_ids: NDArray[np.int64]) -> None:
        is_kept = np.asarray(mask if isinstance(mask, np.ndarray) else mask.cpu()).astype(bool)
        self.index = _Index(np.flatnonzero(is_kept))
        self.counts: NDArray[np.intp] = np.count_nonzero(is_kept, axis=1)
        """(examples,)"""
        self.example_ids = np.repeat(example_ids, self.counts)
        """(kept tokens,)"""


class _Index:
    """An index, moved once to each device on which something is indexed by it."""

    def __init__(self, index: NDArray[np.intp]) -> None:
        self.index = index
        self.on_device: dict[torch.device, torch.Tensor] = {}

    def like(self, array: Array) -> Any:
        """Return the index as `array` takes it."""
        if isinstance(array, np.ndarray):
            return self.index
        if array.device not in self.on_device:
            import torch

            self.on_device[array.device] = torch.from_numpy(self.index).to(array.device)
        return self.on_device[array.device]


def _two_readings(shape: tuple[int, ...]) -> str:
    """Say what an output can be taken for whose axes are not known, and what to give."""
    first, last, size = shape[1], shape[-1], math.prod(shape[1:])
    return (
        f"it is not known which axis holds the neurons of an output of shape {shape}: {first} neurons at "
        f"{size // max(first, 1)} positions, or {last} neurons at {size // max(last, 1)} positions; give "
        "channels='first' or channels='last' (--channels), or leave the layer out"
    )


def _pooled_to_grid(layer: str, output: Array, grid: int) -> Array:
    """Return means over a grid of positions; bins overlap by one where sizes do not divide."""
    for axis in range(2, output.ndim):
        size = output.shape[axis]
        if size < grid:
            raise SpanmatchError(
                f"layer {layer!r}: {size} positions cannot be pooled to {grid}; give pool={size} or less"
            )
        leading = [slice(None)] * axis
        bins = [slice(i * size // grid, -(-(i + 1) * size // grid)) for i in range(grid)]
        output = _stacked([output[(*leading, part)].mean(axis) for part in bins], axis)
    return output


def _stacked(parts: list[Any], axis: int) -> Array:
    """Return arrays of NumPy or PyTorch side by side along a new axis."""
    if isinstance(parts[0], np.ndarray):
        return np.stack(parts, axis)
    import torch

    return torch.stack(parts, axis)
