"""A layer inside a network: its output for a batch, and the replacement of that output while the
network runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..activations.inputs import arguments, failures_named
from ..activations.layouts import Layout, Units
from ..activations.outputs import Batch, mask_of
from ..activations.torch import channels_first, first_tensor
from ..activations.wrappers import eager, modules_of, unwrapped
from ..errors import SpanmatchError, among
from ..moments.provenance import network_and_layer
from ..moments.spans import Index

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..activations.layouts import Array

UNITS: tuple[Units, Units] = ("channel", "location")
"""Kinds of neurons that a layer's width may refer to."""


@dataclass(frozen=True, eq=False)
class Place:
    """A module of a network, and which of its calls in a forward pass is the layer."""

    network: nn.Module
    """The network."""
    module: nn.Module
    """The module whose output is the layer."""
    call: int
    """Which call of the module in a forward pass, from 1."""
    layer: str
    """The layer's name "network:module", with "#call" for calls after the first."""

    @property
    def name(self) -> str:
        """The network's name."""
        return network_and_layer(self.layer)[0]

    @property
    def path(self) -> str:
        """The layer's name within the network."""
        return network_and_layer(self.layer)[1]

    def run(self, batch: Batch) -> object:
        """Return the network's output for a batch."""
        with failures_named(self.name, batch), eager():
            args, kwargs, _ = arguments(self.name, self.network, batch)
            return self.network(*args, **kwargs)

    def output(self, batch: Batch) -> Tensor:
        """Return the layer's output for a batch.  Raises SpanmatchError if it does not run."""
        outputs: list[Tensor] = []
        # The next module may work in place, so the tensor is copied.
        with self.changed(lambda output: outputs.append(first_tensor(self.layer, output).clone())):
            self.run(batch)
        if not outputs:
            raise SpanmatchError(f"layer {self.layer!r} did not run")
        return outputs[0]

    @contextlib.contextmanager
    def changed(self, change: Callable[[object], object]) -> Iterator[None]:
        """Replace the layer's output by a function of it within the context; None leaves it
        unchanged.
        """
        calls = 0

        def hook(_: nn.Module, __: object, output: object) -> object:
            nonlocal calls
            calls += 1
            return change(output) if calls == self.call else None

        handle = self.module.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def neurons_last(self, tensor: Tensor, width: int) -> Tensor:
        """Return an output with its neurons (channels or locations) on the last axis."""
        by_channel = tensor.movedim(1, -1) if channels_first(self.module, tensor) else tensor
        for arranged in (by_channel, tensor.flatten(1)):
            if arranged.shape[-1] == width:
                return arranged
        raise SpanmatchError(f"layer {self.layer!r} gives {tuple(tensor.shape)}, which has no axis of {width} neurons")

    def neurons_back(self, changed: Tensor, tensor: Tensor) -> Tensor:
        """Return the result of `neurons_last` in the layout of the output."""
        if channels_first(self.module, tensor) and changed.ndim == tensor.ndim:
            return changed.movedim(-1, 1)
        return changed.reshape(tensor.shape)

    def rows(
        self, tensor: Tensor, width: int, batch: Batch, example_ids: NDArray[np.int64]
    ) -> tuple[Array, NDArray[np.int64]]:
        """Return an output as rows x neurons without masked tokens, and the example of each row."""
        first = channels_first(self.module, tensor)
        for units in UNITS:
            mask = None if units == "location" else mask_of(batch)
            rows, examples, _ = Layout(units).rows(self.layer, tensor, example_ids, channels_first=first, mask=mask)
            if rows.shape[-1] == width:
                return rows, examples
        raise SpanmatchError(f"layer {self.layer!r} gives {tuple(tensor.shape)}, which has no axis of {width} neurons")


def place_of(networks: Mapping[str, nn.Module], layer: str) -> Place:
    """Return the place of a layer "network:module".  Raises SpanmatchError if it does not exist."""
    name, _, path = layer.partition(":")
    if name not in networks:
        raise SpanmatchError(f"layer {layer!r}: no network {name!r}{among(name, networks)}")
    path, _, call = path.partition("#")
    network = unwrapped(networks[name])
    modules = modules_of(network)
    if path not in modules:
        raise SpanmatchError(f"layer {layer!r}: network {name!r} has no module {path!r}{among(path, modules)}")
    return Place(network, modules[path], int(call or 1), layer)


def on_device(neurons: Index, tensor: Tensor) -> Tensor:
    """Return indices as a tensor on the device of another tensor."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(neurons)).to(tensor.device)
