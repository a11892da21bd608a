"""A layer inside a network: its output for a batch, and the replacement of that output while the
network runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..activations.inputs import arguments, failures_named
from ..activations.layouts import Layout, Units
from ..activations.outputs import Batch, examples_in, mask_of
from ..activations.torch import arranged, first_tensor, order_of_axes
from ..activations.torch_calls import LAST_STATE, Calls
from ..activations.wrappers import eager, modules_of, unwrapped
from ..errors import SpanmatchError, among
from ..moments.provenance import network_and_layer
from ..moments.spans import Index

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..activations.layouts import Array
    from ..activations.torch_axes import Axes
    from ..activations.torch_calls import Call, Hook

UNITS: tuple[Units, Units] = ("channel", "location")
"""Kinds of neurons that a layer's width may refer to."""


class Output(NamedTuple):
    """A layer's output for a batch."""

    tensor: Tensor
    """(examples, ...), as the network gives it."""
    axes: Axes
    """Its axes, as far as they are known."""


@dataclass(frozen=True, eq=False)
class Place:
    """A call in the forward pass of a network whose result is a layer."""

    network: nn.Module
    """The network."""
    layer: str
    """The layer's name, "network:layer"."""
    layout: str = ""
    """How the rows were made that it was compared by, in words; empty if that is not known."""

    @property
    def name(self) -> str:
        """The network's name."""
        return network_and_layer(self.layer)[0]

    @property
    def path(self) -> str:
        """The layer's name within the network."""
        return network_and_layer(self.layer)[1]

    def run(self, batch: Batch, change: Callable[[object, Axes], object] | None = None) -> object:
        """Return the network's output for a batch.

        Parameters
        ----------
        batch
            The batch.
        change
            A function of the layer's result and its axes; what it returns, if not None, takes the place of
            the result.

        Raises
        ------
        SpanmatchError
            If there is no such layer, with those that are like it, or its result cannot be replaced.
        """
        ran: list[str] = []

        def on_call(call: Call) -> object:
            ran.append(call.name)
            changed = None if change is None or call.name != self.path else change(call.output, call.axes)
            if changed is not None and call.kind == LAST_STATE:
                raise SpanmatchError(
                    f"layer {self.layer!r}: a last state cannot be replaced; choose what it is used for"
                )
            return changed

        hooks: list[Hook] = []
        try:
            calls = Calls(self.network, hooks)
            with failures_named(self.name, batch), eager():
                args, kwargs, _ = arguments(self.name, self.network, batch)
                output = calls.run(args, kwargs, examples_in(batch), on_call)
        finally:
            for hook in hooks:
                hook.remove()
        if self.path not in ran:
            raise SpanmatchError(f"layer {self.layer!r} did not run{among(self.path, ran)}")
        return output

    def output(self, batch: Batch) -> Output:
        """Return the layer's output for a batch."""
        outputs: list[Output] = []

        # The next module may work in place, so the tensor is copied.
        def keep(result: object, axes: Axes) -> None:
            outputs.append(Output(first_tensor(self.layer, result).detach().clone(), axes))

        self.run(batch, keep)
        return outputs[0]

    def neurons_last(self, output: Output, width: int) -> Tensor:
        """Return an output with its neurons (channels or locations) on the last axis."""
        neurons = self._neuron_axes(output, width)
        return _neuron_axes_last(output, neurons).flatten(-len(neurons))

    def replaced(self, output: Output, neurons: Index, values: Tensor, width: int) -> Tensor:
        """Return a copy of an output with values, (..., neurons), in the place of those of some neurons."""
        changed = Output(output.tensor.clone(), output.axes)
        axes = self._neuron_axes(output, width)
        view = _neuron_axes_last(changed, axes)
        indices = np.unravel_index(neurons, view.shape[-len(axes) :])
        view[(slice(None),) * (view.ndim - len(axes)) + tuple(on_device(index, view) for index in indices)] = values
        return changed.tensor

    def rows(
        self, output: Output, width: int, batch: Batch, example_ids: NDArray[np.int64]
    ) -> tuple[Array, NDArray[np.int64]]:
        """Return an output as rows x neurons without masked tokens, and the example of each row."""
        tensor, first = arranged(output.tensor, output.axes, "auto")
        for units in UNITS:
            mask = None if units == "location" else mask_of(batch)
            rows = Layout(units).rows(self.layer, tensor, example_ids, channels_first=first, mask=mask)
            if rows.values.shape[-1] == width:
                return rows.values, rows.example_ids
        raise self._no_axis_of(tensor, width)

    def _neuron_axes(self, output: Output, width: int) -> tuple[int, ...]:
        """Return the axes that make up so many neurons: channels, or channels at their locations."""
        self._check_layout(output)
        tensor, axes = output
        _, *locations = order_of_axes(tensor.ndim, axes)  # the order in which locations are neurons
        channels = axes.neurons or ((tensor.ndim - 1,) if tensor.ndim == 2 else ())
        for neurons in (channels, tuple(locations)):
            if neurons and prod(tensor.shape[axis] for axis in neurons) == width:
                return neurons
        raise self._no_axis_of(tensor, width)

    def _check_layout(self, output: Output) -> None:
        """Raise SpanmatchError if rows were made with other axes as neurons than those that are followed."""
        channels_first = arranged(output.tensor, output.axes, "auto")[1]
        says = ["tokens" in self.layout, "positions" in self.layout]
        if channels_first is not None and says in ([True, False], [False, True]) and says[0] == channels_first:
            raise SpanmatchError(
                f"layer {self.layer!r}: {self.layout}, which is not how its axes follow from the network; "
                "capture it with channels='auto' to change it"
            )

    def _no_axis_of(self, tensor: Tensor, width: int) -> SpanmatchError:
        return SpanmatchError(f"layer {self.layer!r} gives {tuple(tensor.shape)}, which has no axis of {width} neurons")


def place_of(networks: Mapping[str, nn.Module], layer: str, layout: str = "") -> Place:
    """Return the place of a layer "network:layer".  Raises SpanmatchError if there is no such network, or no such
    module for the layer to be of or in.
    """
    name, _, path = layer.partition(":")
    if name not in networks:
        raise SpanmatchError(f"layer {layer!r}: no network {name!r}{among(name, networks)}")
    network = unwrapped(networks[name])
    modules = modules_of(network)
    module_path = path.partition("#")[0].partition("/")[0]
    if module_path not in modules:
        raise SpanmatchError(f"layer {layer!r}: network {name!r} has no module {module_path!r}{among(path, modules)}")
    return Place(network, layer, layout)


def _neuron_axes_last(output: Output, neurons: tuple[int, ...]) -> Tensor:
    """Return a view of an output with examples first and the axes of the neurons last."""
    rest = [axis for axis in range(output.tensor.ndim) if axis not in neurons]
    rest.sort(key=lambda axis: axis != (output.axes.examples or 0))
    return output.tensor.permute(*rest, *neurons)


def on_device(neurons: Index, tensor: Tensor) -> Tensor:
    """Return indices as a tensor on the device of another tensor."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(neurons)).to(tensor.device)
