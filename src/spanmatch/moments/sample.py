"""The sample of two layers: one row for each of m examples, for what second moments cannot answer.

Neighbours, ranks, kernels, and feature maps that are too wide for a matrix of all their outputs
need rows, but not all of them. The examples are those with the smallest hashes of their ids: a
simple random sample, the same in all layers, whatever the order and the parts of the data.
See docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .._display import Displayed
from ..errors import SpanmatchError

Reduction = Literal["flat", "mean", "last"]
REDUCTIONS: tuple[Reduction, ...] = ("flat", "mean", "last")
Rows = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LayerSample:
    """The rows of the sampled examples at one layer. All pairs of the layer share it."""

    layer: str
    """The name of the layer, "network:layer"."""
    rows: Rows = field(repr=False)
    """(m, features) one row for each example, in the order of their ids."""
    example_ids: Ids = field(repr=False)
    """(m,) the ids of the examples, ascending."""
    neurons: int
    """The number of neurons. With "flat", features are the neurons of the example's first row, then
    those of its second row, and so on."""
    reduction: Reduction
    """What was made of an example's rows: all of them, flattened; their mean; or the last one."""
    results: dict[Hashable, object] = field(default_factory=dict, repr=False)
    """Cached results of functions of this layer, see `remembered`."""

    @property
    def rows_per_example(self) -> int:
        """How many rows of neurons the features of an example are."""
        return int(self.rows.shape[1]) // self.neurons


@dataclass(frozen=True, eq=False, repr=False)
class Sample(Displayed):
    """The rows of the same m examples at two layers, see `Pair.sample`.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((500, 4))
    >>> sample = sm.pair(X, 2 * X).sample
    >>> sample.X.shape, sample.n_examples, sample.seed
    ((500, 4), 500, 0)
    """

    x: LayerSample
    """The first layer."""
    y: LayerSample
    """The second layer."""
    n_examples: int
    """The number of examples that the m were sampled from."""
    seed: int
    """The seed of the sample."""

    @property
    def X(self) -> Rows:  # noqa: N802
        """(m, features of x) float32: one row for each example."""
        return self.x.rows

    @property
    def Y(self) -> Rows:  # noqa: N802
        """(m, features of y) float32: one row for each example."""
        return self.y.rows

    @property
    def example_ids(self) -> Ids:
        """(m,) the ids of the examples, ascending."""
        return self.x.example_ids

    @property
    def swapped(self) -> Sample:
        """The sample with the two layers exchanged."""
        return Sample(self.y, self.x, self.n_examples, self.seed)

    def __len__(self) -> int:
        """Return the number m of examples."""
        return len(self.example_ids)

    def _summary(self) -> str:
        shapes = f"{self.X.shape[1]:,} ({self.x.reduction}) and {self.Y.shape[1]:,} ({self.y.reduction}) features"
        return f"of {self.x.layer} and {self.y.layer}: {len(self):,} of {self.n_examples:,} examples, {shapes}"


def sample_of(x: LayerSample, y: LayerSample, n_examples: int, seed: int) -> Sample:
    """Return the sample of two layers.

    Parameters
    ----------
    x, y : LayerSample
        The layers.
    n_examples : int
        The number of examples that were sampled from.
    seed : int
        The seed of the sample.

    Returns
    -------
    Sample

    Raises
    ------
    SpanmatchError
        If the layers have rows of different examples.
    """
    if not np.array_equal(x.example_ids, y.example_ids):
        raise SpanmatchError(f"layers {x.layer!r} and {y.layer!r}: their samples are not of the same examples")
    return Sample(x, y, n_examples, seed)
