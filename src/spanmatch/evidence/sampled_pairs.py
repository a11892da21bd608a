"""The moments of the sampled examples, and of the same with y's examples in another order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import SupportsFloat

import numpy as np

from ..errors import SpanmatchError
from ..moments.moments import Moments
from ..moments.pairs import Pair
from ..moments.sample import LayerSample, Sample
from ..moments.spans import Array, Index

ROWS_AT_ONCE = 4096
"""Bounds the memory that rows in double precision take."""


class SampledPair:
    """The moments of the sampled examples of two layers.

    Parameters
    ----------
    pair : Pair
        The layers, with a sample.

    Raises
    ------
    SpanmatchError
        If there is no sample, or examples have different numbers of rows in the two layers.
    """

    def __init__(self, pair: Pair) -> None:
        sample = pair.sample
        x, y = sample.x, sample.y
        if x.rows_per_example != y.rows_per_example:
            raise SpanmatchError(
                f"layers {x.layer!r} and {y.layer!r}: {x.rows_per_example} and {y.rows_per_example} rows in each "
                "sampled example, so that rows do not correspond; use sample_rows='mean'"
            )
        self.sample, self.pair = sample, _pair_of(sample, pair, np.arange(len(sample)))
        shifts = self.pair.parts[0].shift
        self._blocks = [(block, _lifted(x, block, shifts[0])) for block in _blocks_of(len(sample), x.rows_per_example)]
        self._y_shift = shifts[1]

    def permuted(self, order: Index) -> Pair:
        """Return the moments with y's example order[i] in the place of y's example i.

        Parameters
        ----------
        order : array of int, (m,)
            An order of the examples.

        Returns
        -------
        Pair
            Without folds.

        Notes
        -----
        Cost: one product of m r x (p + 1) and m r x (q + 1) numbers, for r rows an example.
        """
        products = (rows.T @ _lifted(self.sample.y, order[block], self._y_shift) for block, rows in self._blocks)
        return self.pair.with_cross_product(_added(products))


def values_of_reordered(pair: Pair, function: Callable[[Pair], SupportsFloat]) -> Callable[[Index], float]:
    """Return the function of an order of y's examples that computes everything from the sample again.

    Parameters
    ----------
    pair : Pair
        The layers, with a sample.
    function : callable
        Any function of a pair: it may use folds and the sample.

    Returns
    -------
    callable
        Of an order (m,); returns the value of the function.
    """
    sample = pair.sample

    def value_of(order: Index) -> float:
        return float(function(_pair_of(sample, pair, order)))

    return value_of


def _pair_of(sample: Sample, pair: Pair, order: Index) -> Pair:
    """Return the moments of the sampled examples, y's in this order, with folds and the same sample."""
    moments = Moments(
        pairs=[(pair.x_layer, pair.y_layer)],
        folds=max(1, pair.n_folds),
        null=False,
        method=pair.method,
        sample=len(sample),
        sample_rows="flat",
    )
    r = sample.x.rows_per_example
    for block in _blocks_of(len(sample), r):
        rows = {pair.x_layer: _rows(sample.x, block), pair.y_layer: _rows(sample.y, order[block])}
        moments._add_batch(rows, np.repeat(sample.example_ids[block], r))
    return moments.pair(pair.x_layer, pair.y_layer)


def _blocks_of(examples: int, rows_per_example: int) -> Iterator[Index]:
    """Yield blocks of examples that have some thousand rows."""
    step = max(1, ROWS_AT_ONCE // rows_per_example)
    for start in range(0, examples, step):
        yield np.arange(start, min(examples, start + step))


def _rows(layer: LayerSample, examples: Index) -> Array:
    """Return the rows of some examples (rows, neurons), in double precision."""
    return layer.rows[examples].reshape(-1, layer.neurons).astype(np.float64)


def _lifted(layer: LayerSample, examples: Index, shift: Array) -> Array:
    """Return rows about a shift, and their squared norms as one more column."""
    rows = _rows(layer, examples) - shift
    return np.hstack([rows, np.einsum("np,np->n", rows, rows)[:, None]])


def _added(products: Iterator[Array]) -> Array:
    """Return the sum of matrices."""
    total = next(products)
    for product in products:
        total += product
    return total
