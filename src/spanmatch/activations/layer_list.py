"""What layers a network has: names, kinds, shapes, and which are compared by default."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._display import Displayed
from .._values import data_frame
from .._warnings import ignoring
from ..errors import SpanmatchError, SpanmatchWarning
from .constants import checked_constants
from .from_networks import runner_of
from .layouts import MASKED_TOKENS, Layout
from .outputs import BatchActivations, examples_in
from .tokens import inputs_of_runners
from .wrappers import modules_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from .._files import Path_
    from .constants import Constants
    from .layouts import Array, Channels
    from .outputs import Batch, Network, Runner


@dataclass(frozen=True, repr=False)
class Layer(Displayed):
    """A layer of a network.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> layer = sm.layers(network, torch.zeros(3, 4))[1]
    >>> layer.name, layer.kind, layer.neurons
    ('1', 'ReLU', 8)
    """

    name: str
    """Its name, as in `layers=`."""
    kind: str
    """The class of a module, or the name of a function or an operator."""
    shape: tuple[int, ...] | None
    """That of its output for the batch, examples first, and neurons second or last; None without a batch."""
    neurons: int | None
    """How many neurons it has, channels as neurons; None without a batch, or if it is not known which axis has them."""
    is_compared: bool
    """Whether it is compared if no layers are named; False without a batch."""


class LayerList(Displayed, tuple[Layer, ...]):
    """The layers of a network, in the order in which they run; printed, a table.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> [layer.name for layer in sm.layers(network, torch.zeros(3, 4))]
    ['0', '1', '2']
    """

    __slots__ = ()

    def to_frame(self) -> DataFrame:
        """Return a data frame with a row for each layer.  Raises SpanmatchError if pandas is not installed."""
        return data_frame("layers.to_frame", [asdict(layer) for layer in self])

    def _records(self) -> list[dict[str, object]]:
        return [asdict(layer) for layer in self]

    def __repr__(self) -> str:
        """Return a line for each layer."""
        rows = [("layer", "kind", "shape", "neurons", "compared"), *map(cells, self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


def layers(
    network: Network | Path_,
    batch: Batch | None = None,
    *,
    channels: Channels = "auto",
    input: str | None = None,  # noqa: A002
    constants: Constants | None = None,
) -> LayerList:
    """List the layers of a network: what `capture` and `compare` can be asked for.

    Parameters
    ----------
    network : module, path, ...
        One network, as `capture` takes them.
    batch : array, tensor, tuple, dict or list of str, optional
        A batch, as `capture` takes them; two examples are enough, but one leaves it open which axis
        has the examples. Without it, only the modules of a PyTorch network are listed.
    channels : {"auto", "first", "last"}
        As in `capture`.
    input : str, optional
        As in `capture`.
    constants : mapping, optional
        As in `capture`.

    Returns
    -------
    LayerList
        A `Layer` for each call of a module or of a function that gives activations, in the order in
        which they run. Those with `is_compared` are compared if none are named.

    Raises
    ------
    SpanmatchError
        As `capture` does, or if there is no batch and the network is no PyTorch module.

    Notes
    -----
    Cost: two forward passes over the batch.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten())
    >>> sm.layers(network, torch.zeros(2, 1, 5, 5))
    layer  kind     shape         neurons  compared
    0      Conv2d   (2, 8, 3, 3)  8
    1      ReLU     (2, 8, 3, 3)  8        yes
    2      Flatten  (2, 72)       72       yes
    """
    if batch is None:
        return _modules(network)
    count = examples_in(batch)
    fixed = checked_constants(constants)

    def shapes(patterns: Sequence[str] | None) -> tuple[_Shapes, Runner]:
        recorded = _Shapes(count, channels)
        recorded.needs_known_axes = patterns is None
        with ignoring(SpanmatchWarning), runner_of("network", network, patterns, input, fixed) as runner:
            (inputs,) = inputs_of_runners(batch, [runner], rows_are_tokens=True)
            runner.run(inputs, recorded)
            return recorded, runner

    everything, runner = shapes(["*"])
    try:
        compared = set(shapes(None)[1].layers)
    except SpanmatchError:  # nothing is compared by default
        compared = set()
    kinds = runner.kinds
    return LayerList(
        Layer(name, kinds.get(name, ""), shape, neurons, name in compared)
        for name, (shape, neurons) in everything.of_layers.items()
    )


class _Shapes(BatchActivations):
    """The shapes of the outputs of layers, without their values."""

    def __init__(self, count: int, channels: Channels) -> None:
        super().__init__(np.arange(count), Layout(channels=channels))
        self.of_layers: dict[str, tuple[tuple[int, ...], int | None]] = {}
        """Shape and number of neurons by layer."""

    def record(
        self,
        layer: str,
        output: Array,
        *,
        channels_first: bool | None,
        mask: Array | None = None,
        masked_tokens: str = MASKED_TOKENS,
    ) -> None:
        """Take the shape of a layer's output."""
        if self.channels != "auto":
            channels_first = self.channels == "first"
        shape = tuple(output.shape)
        is_first = channels_first or len(shape) == 2
        neurons = None if channels_first is None and len(shape) > 2 else shape[1 if is_first else -1]
        self.of_layers[layer.partition(":")[2]] = shape, neurons

    def reorder(self, layers: Sequence[str]) -> None:
        """Put the layers in this order."""
        names = [layer.partition(":")[2] for layer in layers]
        self.of_layers = {name: self.of_layers[name] for name in names if name in self.of_layers}


def _modules(network: object) -> LayerList:
    """Return the modules of a PyTorch network, of which nothing is known before it runs."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(network, torch.nn.Module):
        raise SpanmatchError(f"layers: {network!r} is no torch.nn.Module; give a batch that it can be run on")
    modules = modules_of(network)
    return LayerList(Layer(path, type(module).__name__, None, None, False) for path, module in modules.items() if path)


def cells(layer: Layer) -> tuple[str, str, str, str, str]:
    """Return a layer as a row of a table: name, kind, shape, neurons, and whether it is compared by default."""
    neurons, shape = ("?" if value is None else str(value) for value in (layer.neurons, layer.shape))
    return layer.name, layer.kind, shape, neurons, "yes" if layer.is_compared else ""
