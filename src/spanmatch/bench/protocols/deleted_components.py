"""Whether a measure notices deleted principal components as far as they matter: docs/bench/deleted-components.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..components import components
from ..probes import with_probes
from ..representation import Array, LayerKey, PairKey, Representation
from .probe_differences import Cases, cases, mean_correlation
from .protocol import Values

if TYPE_CHECKING:
    from ...schema import BenchDetails


@dataclass(frozen=True)
class DeletedComponents:
    """Does a layer become less similar as deleting principal components costs accuracy of a linear probe?

    The score is the mean, over the full layers of all networks as references, of Spearman's
    correlation over the reduced layers of all networks and the full ones of the others.

    Parameters
    ----------
    n_layers : int
        The number of layers of each network whose components are deleted, evenly spaced.

    References
    ----------
    Ding, F., Denain, J.-S., and Steinhardt, J. (2021). Grounding representation similarity through
    statistical testing. NeurIPS.
    """

    n_layers: int = 3
    name: str = "deleted components"
    question: str = "Do layers become less similar as deleting principal components costs a linear probe accuracy?"
    unit: str = "rank correlation"
    lowest: float = -1.0
    chance: float = 0.0
    perfect: float = 1.0

    def prepared(self, networks: Sequence[Representation]) -> list[Representation]:
        """Return the networks with reduced layers, and the accuracies of probes of these and of the full ones."""
        return [self._with_reduced_layers(network) for network in networks]

    def _with_reduced_layers(self, network: Representation) -> Representation:
        """Return a network with reduced layers and the accuracies of probes."""
        layers, count = list(network.layers), min(self.n_layers, len(network.layers))
        chosen = [layers[int((part + 0.5) * len(layers) / count)] for part in range(count)]
        reduced = {layer: reduced_layers(layer, network.layers[layer]) for layer in chosen}
        added = {name: rows for of_layer in reduced.values() for name, rows in of_layer.items()}
        names = {layer: list(of_layer) for layer, of_layer in reduced.items() if of_layer}
        prepared = replace(network, layers={**network.layers, **added}, reduced_layers=names)
        return with_probes(prepared, [*names, *added])

    def pairs(self, networks: Sequence[Representation]) -> Iterator[PairKey]:
        """Return each reduced or full layer with the full layers of the same name of all networks."""
        for reference in _references(networks):
            for other in _others(networks, reference):
                yield other, reference

    def score(self, values: Values, networks: Sequence[Representation]) -> float:
        """Return the mean correlation over the references, nan if none has three values."""
        return mean_correlation(_cases(values, networks, reference) for reference in _references(networks))

    def details(self, values: Values, networks: Sequence[Representation]) -> BenchDetails:
        """Return both quantities for the middle reference of the first network, a line for each network."""
        references = _references(networks[:1])
        reference = references[len(references) // 2]
        lines = {one.network: cases(values, networks, reference, _others([one], reference)) for one in networks}
        return {
            "kind": "curves",
            "x_axis": f"dissimilarity to {':'.join(reference)} (minus similarity)",
            "y_axis": "difference of the accuracies of probes",
            "labels": list(lines),
            "x": [dissimilarities for dissimilarities, _ in lines.values()],
            "y": [differences for _, differences in lines.values()],
        }


def _references(networks: Sequence[Representation]) -> list[LayerKey]:
    """Return the full layers whose components were deleted."""
    return [(network.network, layer) for network in networks for layer in network.reduced_layers]


def _others(networks: Sequence[Representation], reference: LayerKey) -> list[LayerKey]:
    """Return the reduced and full layers of the reference's name, the fewest deleted components first."""
    layer = reference[1]
    keys = [
        (network.network, name)
        for network in networks
        if layer in network.reduced_layers
        for name in (layer, *network.reduced_layers[layer])
    ]
    return [key for key in keys if key != reference]


def _cases(values: Values, networks: Sequence[Representation], reference: LayerKey) -> Cases:
    """Return what is correlated over the layers of the reference's name."""
    return cases(values, networks, reference, _others(networks, reference))


def reduced_layers(name: str, rows: Array) -> dict[str, Array]:
    """Return a layer with its principal components deleted from the smallest variance up, at several numbers.

    Parameters
    ----------
    name : str
        The layer's name.
    rows : array of float, (n, neurons)
        The layer.

    Returns
    -------
    dict of arrays of float, (n, neurons)
        The first half of the components, a quarter, an eighth and so on down to the first one, in
        the axes of the neurons and with their means, by names; none if the layer has a single
        component.

    Notes
    -----
    Cost: one singular value decomposition.
    """
    full = components(rows)
    kept = [full.rank >> halvings for halvings in range(1, full.rank.bit_length())]
    return {f"{name}, {count} of {full.rank} components": full.first(count) for count in kept}
