"""What one network makes of the examples: the rows of its layers, and its outputs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LayerKey = tuple[str, str]
"""The names of a network and of one of its layers."""
PairKey = tuple[LayerKey, LayerKey]
"""Two layers, of one network or of two."""


@dataclass(frozen=True, eq=False)
class Representation:
    """What one network makes of the examples."""

    network: str
    """Its name."""
    group: str
    """The name of its group: networks of one group differ in their seed alone."""
    seed: int
    """Of its training: networks of one seed begin with the same weights, in all groups."""
    layers: Mapping[str, Array] = field(repr=False)
    """(n, neurons) the rows of each layer, from the input to the output; the same examples in all networks."""
    labels: NDArray[np.int64] = field(repr=False)
    """(n,) the class of each example."""
    probabilities: Array = field(repr=False)
    """(n, classes) the probabilities that the network gives to the classes."""
    probe_accuracies: Mapping[str, float] = field(default_factory=dict, repr=False)
    """The accuracy of a linear probe of each layer that a test has probed; see `probes.py`."""
    reduced_layers: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    """The names of the layers that were made of a layer by deleting principal components, by its name."""
    results: dict[Hashable, object] = field(default_factory=dict, repr=False)
    """Cached results of functions of this network, see `remembered`."""

    @property
    def accuracy(self) -> float:
        """The share of the examples whose class has the largest probability."""
        return float(np.mean(self.probabilities.argmax(axis=1) == self.labels))
