"""Same layer, other seed: is the most similar layer of another network the one at the same place?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from ..representation import PairKey, Representation
from .protocol import OfLayersAsTheyAre, Values

if TYPE_CHECKING:
    from ...schema import BenchDetails


@dataclass(frozen=True)
class SameLayer(OfLayersAsTheyAre):
    """For each layer of network A, is the most similar layer of network B the same one?

    The score is the share of layers for which it is, over layers and ordered pairs of networks. Of k
    layers that are equally similar, the right one counts 1 / k.

    References
    ----------
    Kornblith, S., Norouzi, M., Lee, H., and Hinton, G. (2019). Similarity of neural network
    representations revisited. ICML.
    """

    n_layers: int
    name: str = "same layer"
    question: str = "Is the most similar layer of a network of another seed the same layer?"
    unit: str = "share of layers that are found"
    lowest: float = 0.0
    perfect: float = 1.0
    chance: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "chance", 1 / self.n_layers)

    def pairs(self, networks: Sequence[Representation]) -> Iterator[PairKey]:
        """Return every layer of each network with every layer of each other."""
        for x, y in permutations(networks, 2):
            for i in x.layers:
                for j in y.layers:
                    yield (x.network, i), (y.network, j)

    def score(self, values: Values, networks: Sequence[Representation]) -> float:
        """Return the share of layers that are found; nan if a measure is defined for no layer."""
        found = [share for shares in self._found(values, networks).values() for share in shares]
        return float(np.mean(found)) if found else float("nan")

    def details(self, values: Values, networks: Sequence[Representation]) -> BenchDetails:
        """Return the share by layer."""
        found = self._found(values, networks)
        shares = [float(np.mean(shares)) if shares else None for shares in found.values()]
        return {"kind": "bars", "labels": list(found), "values": shares}

    def _found(self, values: Values, networks: Sequence[Representation]) -> Mapping[str, list[float]]:
        """Return whether each layer is found, by layer, for each ordered pair of networks."""
        layers = list(networks[0].layers)
        found: dict[str, list[float]] = {layer: [] for layer in layers}
        for x, y in permutations(networks, 2):
            for layer in layers:
                similarities = np.array([values[(x.network, layer), (y.network, other)] for other in layers])
                if not np.isnan(similarities[layers.index(layer)]):
                    best = similarities == np.nanmax(similarities)
                    found[layer].append(float(best[layers.index(layer)] / best.sum()))
        return found
