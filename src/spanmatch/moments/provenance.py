"""Where a result comes from: one record for everything that is computed from a pair of layers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Method = Literal["gram", "qr", "single"]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The layers, the rows and the options that a result was computed from."""

    x_layer: str
    """The name of the first layer, "network:layer"."""
    y_layer: str
    x_neurons: int
    y_neurons: int
    rows: int
    n_examples: int
    """How many examples the rows are of."""
    layout: str = ""
    """How activations became rows, in words."""
    method: Method = "gram"
    """How the moments were kept."""
    centred: bool = False
    """Whether each neuron's mean was subtracted."""
    resolution: float | None = None
    """The distance below which neurons cannot be told from dependent ones; None where nothing depends on it."""

    @property
    def neurons(self) -> tuple[int, int]:
        """The widths of both layers."""
        return self.x_neurons, self.y_neurons

    @property
    def x_network(self) -> str:
        """The network of the first layer: what stands before the colon of its name."""
        return network_and_layer(self.x_layer)[0]

    @property
    def y_network(self) -> str:
        """The network of the second layer."""
        return network_and_layer(self.y_layer)[0]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return asdict(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What is common to all results that are computed from a pair of layers."""

    provenance: Provenance

    @property
    def x_layer(self) -> str:
        """The name of the first layer, "network:layer"."""
        return self.provenance.x_layer

    @property
    def y_layer(self) -> str:
        """The name of the second layer."""
        return self.provenance.y_layer


def network_and_layer(name: str) -> tuple[str, str]:
    """Return the parts of "network:layer"."""
    network, _, layer = name.partition(":")
    return network, layer
