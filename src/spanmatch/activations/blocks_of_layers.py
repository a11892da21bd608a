"""All pairs of layers of stored activations, in moments of a few layers at a time: memory does not grow with their
number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, combinations_with_replacement, product
from typing import Any

from ..errors import SpanmatchError
from ..moments.moments import Moments
from .from_files import capture_stored
from .patterns import Patterns, chosen, patterns_of
from .stored import ActivationSource, StoredActivations

LARGEST_GB = 1.0
"""What the moments of a block take at most by default."""


class BlocksOfLayers:
    """The layers of stored activations and all pairs of them, within networks and between.

    Parameters
    ----------
    networks : mapping of str to file, folder or {layer: array}
        As of `capture_stored`.
    layers : str, sequence of str or mapping, optional
        Names or shell patterns of arrays, or {network: names or patterns}; by default all.
    max_memory_gb : float
        What the moments of a block may take. Blocks have at least two layers, whatever these take.
    **options
        Of `capture_stored`; by default `folds=1` and `null=False`.

    Raises
    ------
    SpanmatchError
        As `capture_stored` does.

    Notes
    -----
    Each array is read once for every other block of layers.
    """

    def __init__(
        self,
        networks: Mapping[str, ActivationSource],
        layers: Patterns = None,
        max_memory_gb: float = LARGEST_GB,
        **options: Any,
    ) -> None:
        self._networks = networks
        self._options = {"folds": 1, "null": False} | options
        names, self._width = [], 1
        for network, source in networks.items():
            patterns = patterns_of(layers, network)
            with StoredActivations(source, options.get("rows_by")) as stored:
                arrays = stored.shapes if patterns is None else chosen(patterns, stored.arrays, stored.name)
                names += [(network, layer) for layer in arrays]
                self._width = max([self._width, *(max(stored.shapes[layer][1:], default=1) for layer in arrays)])
        self._names = names
        self._size = self._layers_at_once(1e9 * max_memory_gb)

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of all layers, "network:layer"."""
        return tuple(f"{network}:{layer}" for network, layer in self._names)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All pairs of layers."""
        return list(combinations(self.layers, 2))

    def __iter__(self) -> Iterator[Moments]:
        """Yield moments of a few layers, each with pairs that no other has."""
        groups = [self._names[at : at + self._size] for at in range(0, len(self._names), self._size)]
        for i, j in combinations_with_replacement(range(len(groups)), 2):
            if i < j:
                yield self._moments([*groups[i], *groups[j]], list(product(groups[i], groups[j])))
            elif len(groups[i]) > 1:
                yield self._moments(groups[i], list(combinations(groups[i], 2)))

    def _layers_at_once(self, limit: float) -> int:
        """Return the number of layers in each of two groups whose moments take no more than a limit."""
        of_product = 8.0 * int(self._options["folds"]) * (self._width + 1) ** 2
        size = 1
        while of_product * ((size + 1) ** 2 + 2 * (size + 1)) <= limit and size < len(self._names):
            size += 1
        return size

    def _moments(self, names: list[tuple[str, str]], pairs: list[tuple[tuple[str, str], tuple[str, str]]]) -> Moments:
        """Return the moments of some layers with some pairs."""
        layers: dict[str, list[str]] = {}
        for network, layer in names:
            layers.setdefault(network, []).append(layer)
        listed = [(":".join(x), ":".join(y)) for x, y in pairs]
        return capture_stored(
            {network: self._networks[network] for network in layers}, layers=layers, pairs=listed, **self._options
        )


def check_stored(networks: object) -> Mapping[str, ActivationSource]:
    """Return stored activations by network.  Raises SpanmatchError if it is something else."""
    if not isinstance(networks, Mapping) or not networks:
        raise SpanmatchError(
            f"expected moments, or stored activations as {{network: file or {{layer: array}}}}, got "
            f"{type(networks).__name__}"
        )
    return networks
