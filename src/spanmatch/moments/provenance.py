"""The provenance of results: the layers, the rows and the options that they were computed from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from .._display import Displayed
from .._values import Json

Method = Literal["gram", "qr", "single"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Provenance(Displayed):
    """The layers, the rows and the options that a result was computed from.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> networks = {"a": {"fc1": X, "fc2": X**2}, "b": {"fc1": X + noise, "fc2": X**2}}
    >>> comparison = sm.compare(networks, evidence=False)
    >>> provenance = comparison["fc1"].provenance
    >>> provenance.x_layer, provenance.rows, provenance.x_neurons, provenance.method
    ('a:fc1', 500, 4, 'gram')
    """

    x_layer: str
    """The name of the first layer, "network:layer"."""
    y_layer: str
    """The name of the second layer, "network:layer"."""
    x_neurons: int
    """The number of neurons of the first layer, silent ones included."""
    y_neurons: int
    """The number of neurons of the second layer, silent ones included."""
    rows: int
    """The number of rows."""
    n_examples: int
    """The number of examples that the rows come from."""
    layout: str = ""
    """How activations became rows, in words."""
    method: Method = "gram"
    """How the moments were accumulated: "gram", "qr" or "single"."""
    centred: bool = False
    """Whether each neuron's mean was subtracted."""
    resolution: float | None = None
    """The smallest distance that can be distinguished from 0; None if the result has none."""
    sample_size: int | None = None
    """The number of sampled examples; None if the result is of all rows."""
    sample_rows: str = ""
    """What was made of a sampled example's rows: "flat", "mean" or "last"; of both layers, "flat and
    mean", if it is not the same; empty if the result is of all rows."""
    sample_seed: int | None = None
    """The seed of the sample; None if the result is of all rows."""

    @property
    def neurons(self) -> tuple[int, int]:
        """The numbers of neurons of both layers."""
        return self.x_neurons, self.y_neurons

    @property
    def x_network(self) -> str:
        """The network of the first layer: the part of its name before the colon."""
        return network_and_layer(self.x_layer)[0]

    @property
    def y_network(self) -> str:
        """The network of the second layer: the part of its name before the colon."""
        return network_and_layer(self.y_layer)[0]

    def to_dict(self) -> dict[str, Json]:
        """Return all fields as plain Python values.

        Returns
        -------
        dict of str to object
            One entry for each field, by its name.
        """
        return asdict(self)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Result(Displayed):
    """The base class of all results that are computed from a pair of layers."""

    provenance: Provenance
    """The layers, the rows and the options that the result was computed from."""

    @property
    def x_layer(self) -> str:
        """The name of the first layer, "network:layer"."""
        return self.provenance.x_layer

    @property
    def y_layer(self) -> str:
        """The name of the second layer, "network:layer"."""
        return self.provenance.y_layer

    def _summary(self) -> str:
        return f"of {self.x_layer} and {self.y_layer}{super()._summary()}"


def name_of_pair(x_layer: str, y_layer: str) -> str:
    """Return the layers' name without the networks; if they differ both, as in "conv1 ~ conv2"."""
    return " ~ ".join(dict.fromkeys(network_and_layer(layer)[1] or layer for layer in (x_layer, y_layer)))


def network_and_layer(name: str) -> tuple[str, str]:
    """Return the two parts of a layer's name.

    Parameters
    ----------
    name : str
        A name "network:layer".

    Returns
    -------
    network : str
        The part before the first colon; all of the name if it has no colon.
    layer : str
        The part after the first colon; empty if there is no colon.
    """
    network, _, layer = name.partition(":")
    return network, layer
