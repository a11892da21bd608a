"""Order of depth: are layers of one network less similar, the more layers lie between them?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np

from ..rank_correlation import levels
from ..representation import PairKey, Representation
from .protocol import OfLayersAsTheyAre, Values

if TYPE_CHECKING:
    from ...schema import BenchDetails


@dataclass(frozen=True)
class DepthOrder(OfLayersAsTheyAre):
    """For layers i < j < k of a network, is s(i, j) > s(i, k) and s(j, k) > s(i, k)?

    The score is the share of triples for which both hold, over triples and networks. A triple for which
    the measure is not defined is not in order.

    References
    ----------
    Klabunde, M., et al. (2025). ReSi: a comprehensive benchmark for representational similarity
    measures. ICLR.
    """

    name: str = "order of depth"
    question: str = "Are layers of one network less similar, the more layers lie between them?"
    unit: str = "share of triples of layers in order"
    lowest: float = 0.0
    chance: float = 1 / 3
    perfect: float = 1.0

    def pairs(self, networks: Sequence[Representation]) -> Iterator[PairKey]:
        """Return all ordered pairs of layers of each network."""
        for network in networks:
            for i, j in permutations(network.layers, 2):
                yield (network.network, i), (network.network, j)

    def score(self, values: Values, networks: Sequence[Representation]) -> float:
        """Return the share of triples in order; nan if networks have fewer than three layers."""
        return float(np.mean([self._share(values, network) for network in networks]))

    def details(self, values: Values, networks: Sequence[Representation]) -> BenchDetails:
        """Return the share by network."""
        shares = {network.network: self._share(values, network) for network in networks}
        values_or_none = [None if np.isnan(share) else share for share in shares.values()]
        return {"kind": "bars", "labels": list(shares), "values": values_or_none}

    def _share(self, values: Values, network: Representation) -> float:
        """Return the share of triples of a network in order."""
        in_order = []
        for i, j, k in combinations(network.layers, 3):
            three = [values[(network.network, a), (network.network, b)] for a, b in ((i, j), (j, k), (i, k))]
            first, second, apart = levels(three)
            in_order.append(not np.isnan(three).any() and first > apart and second > apart)
        return float(np.mean(in_order)) if in_order else float("nan")
