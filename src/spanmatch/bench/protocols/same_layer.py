"""Same layer, other seed: is the most similar layer of another network the one at the same place?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..rank_correlation import levels
from ..representation import PairKey, Representation
from .protocol import OfLayersAsTheyAre, Values

if TYPE_CHECKING:
    from ...schema import BenchDetails


@dataclass(frozen=True)
class SameLayer(OfLayersAsTheyAre):
    """For each layer of network A, is the most similar layer of network B the same one?

    The score is the share of layers for which it is, over layers and ordered pairs of networks. Of k
    layers that are equally similar, the right one counts 1 / k; one for which the measure is not
    defined counts 0.

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
        """Return the share of layers that are found."""
        return float(np.mean(list(self._found(values, networks).values())))

    def details(self, values: Values, networks: Sequence[Representation]) -> BenchDetails:
        """Return the share by layer."""
        found = self._found(values, networks)
        shares: list[float | None] = [float(np.mean(shares)) for shares in found.values()]
        return {"kind": "bars", "labels": list(found), "values": shares}

    def _found(self, values: Values, networks: Sequence[Representation]) -> Mapping[str, list[float]]:
        """Return whether each layer is found, by layer, for each ordered pair of networks."""
        layers = list(networks[0].layers)
        found: dict[str, list[float]] = {layer: [] for layer in layers}
        for x, y in permutations(networks, 2):
            for layer in layers:
                similarities = np.array([values[(x.network, layer), (y.network, other)] for other in layers])
                found[layer].append(_found(similarities, layers.index(layer)))
        return found


def _found(similarities: NDArray[np.float64], right: int) -> float:
    """Return 1 if the right layer is the most similar one, 1 / k if it is one of k; 0 if it is not, or not defined."""
    defined = np.flatnonzero(~np.isnan(similarities))
    order = levels(similarities[defined])
    best = defined[order == order.max(initial=0)]
    return 1 / len(best) if right in best else 0.0
