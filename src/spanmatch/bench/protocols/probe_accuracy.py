"""Whether layers are the less similar, the more the accuracies of their probes differ: docs/bench/probe-accuracy.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..probes import with_probes
from ..representation import LayerKey, PairKey, Representation
from .probe_differences import Cases, cases, mean_correlation
from .protocol import Values

if TYPE_CHECKING:
    from ...schema import BenchDetails


@dataclass(frozen=True)
class ProbeAccuracy:
    """Over seeds and depth, are layers the less similar to the best one, the more accuracy their probes lose?

    The score is the mean, over the best layer of each network as the reference, of Spearman's
    correlation over all other layers of all networks.

    References
    ----------
    Ding, F., Denain, J.-S., and Steinhardt, J. (2021). Grounding representation similarity through
    statistical testing. NeurIPS.
    """

    name: str = "probe accuracy"
    question: str = "Are layers the less similar to the best one, the more the accuracies of linear probes differ?"
    unit: str = "rank correlation"
    lowest: float = -1.0
    chance: float = 0.0
    perfect: float = 1.0

    def prepared(self, networks: Sequence[Representation]) -> list[Representation]:
        """Return the networks with the accuracy of a probe of each layer."""
        return [with_probes(network, network.layers) for network in networks]

    def pairs(self, networks: Sequence[Representation]) -> Iterator[PairKey]:
        """Return every layer with the best layer of every network."""
        for reference in map(_best, networks):
            for other in _others(networks, reference):
                yield other, reference

    def score(self, values: Values, networks: Sequence[Representation]) -> float:
        """Return the mean correlation over the references, nan if none has three values."""
        return mean_correlation(_cases(values, networks, _best(network)) for network in networks)

    def details(self, values: Values, networks: Sequence[Representation]) -> BenchDetails:
        """Return both quantities of all layers, for the reference of the first network."""
        dissimilarities, differences = _cases(values, networks, _best(networks[0]))
        return {
            "kind": "scatter",
            "x_axis": f"dissimilarity to {':'.join(_best(networks[0]))} (minus similarity)",
            "y_axis": "difference of the accuracies of probes",
            "x": dissimilarities,
            "y": differences,
        }


def _best(network: Representation) -> LayerKey:
    """Return the layer with the most accurate probe, the first of those that are tied."""
    return network.network, max(network.layers, key=lambda layer: network.probe_accuracies[layer])


def _others(networks: Sequence[Representation], reference: LayerKey) -> list[LayerKey]:
    """Return all layers but one."""
    keys = [(network.network, layer) for network in networks for layer in network.layers]
    return [key for key in keys if key != reference]


def _cases(values: Values, networks: Sequence[Representation], reference: LayerKey) -> Cases:
    """Return what is correlated over all other layers."""
    return cases(values, networks, reference, _others(networks, reference))
