"""PyTorch networks: what modules and functions give while they run."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING

from ..errors import SpanmatchError, SpanmatchWarning
from .inputs import arguments, failures_named
from .layer_choice import LayerChoice, parts_of
from .layouts import MASKED_TOKENS
from .outputs import Batch, BatchActivations
from .torch_axes import tensors_in
from .torch_calls import FUNCTIONS, Calls
from .wrappers import eager, unwrapped

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .layouts import Array, Channels
    from .torch_axes import Axes
    from .torch_calls import Call, Hook, Shown

DECODER = "decoder"
"""How the module is called whose tokens are those of "decoder_input_ids" in a batch."""


class CallRunner:
    """What runners have in common whose layers are calls of modules and functions."""

    _recorder: CallRecorder

    @property
    def layers(self) -> list[str]:
        """The names of the layers, in the order in which they run; known once the network has run."""
        return self._recorder.choice.layers

    @property
    def kinds(self) -> Mapping[str, str]:
        """What each layer is the result of."""
        return self._recorder.choice.kinds


class TorchRunner(CallRunner):
    """A PyTorch network whose layers, those asked for or those by default, are recorded while it runs."""

    def __init__(
        self,
        name: str,
        network: nn.Module,
        patterns: Sequence[str] | None,
        hooks: list[Hook],
        input_name: str | None,
    ) -> None:
        """Put hooks on the modules, and into the list of those that are to be removed."""
        self.name, self.network, self.input_name = name, network, input_name
        self._calls = Calls(network, hooks)
        self._recorder = CallRecorder(name, LayerChoice(name, parts_of(self._calls.modules), patterns))

    def run(self, batch: Batch, activations: BatchActivations) -> None:
        """Call the network with a batch, and record its layers."""
        import torch

        with failures_named(self.name, batch), eager(), torch.no_grad():
            args, kwargs, mask = arguments(self.name, self.network, batch, self.input_name)
            with self._recorder.recording_to(activations, mask, decoder_mask=decoder_mask_of(batch, mask)) as take:
                self._calls.run(args, kwargs, len(activations.example_ids), take, **self._recorder.needs)

    def fingerprint(self) -> str:
        """Return a digest of the weights."""
        return digest_of_weights(self.network)


class CallRecorder:
    """Records the calls that are layers, examples and channels where they are known to be.

    Parameters
    ----------
    name
        The network's.
    choice
        Which calls are layers.
    """

    def __init__(self, name: str, choice: LayerChoice) -> None:
        self.name, self.choice = name, choice
        self.axes: dict[str, Axes] = {}
        """The axes of each layer, of the first forward pass, as far as they are known."""

    @contextlib.contextmanager
    def recording_to(
        self,
        activations: BatchActivations,
        mask: Array | None,
        masked_tokens: str = MASKED_TOKENS,
        decoder_mask: Array | None = None,
    ) -> Iterator[Callable[[Call], None]]:
        """Give a function of calls that records layers; after the first forward pass, decide which these are.

        Parameters
        ----------
        activations
            Where they are recorded.
        mask, masked_tokens
            Which tokens count, if not all, and what these are called.
        decoder_mask
            Which count of layers in a decoder.
        """
        unknown: list[str] = []
        count, channels = len(activations.example_ids), activations.channels

        def can_be_rows(call: Call, layer: str) -> bool:
            output = next(iter(tensors_in(call.output)), None)
            if output is None or not output.is_floating_point() or output.ndim < 2:
                return False
            if not activations.needs_known_axes or are_known(output, self.axes[layer], count, channels):
                return True
            unknown.append(layer)
            return False

        def take(call: Call) -> None:
            layer = self.choice.layer_of(call)
            if layer is None:
                return
            full_name, axes = f"{self.name}:{layer}", self.axes.setdefault(layer, call.axes)
            is_open = not self.choice.is_decided and not self.choice.is_named(call)
            if is_open and not can_be_rows(call, layer):
                self.choice.leave_out(layer)
                return
            tensor, first = arranged(first_tensor(full_name, call.output).detach(), axes, channels)
            counted = decoder_mask if DECODER in call.path.replace("/", ".").split(".") else mask
            if first and counted is not None and tensor.ndim == 3 and counted.shape == (count, tensor.shape[2]):
                tensor, first = tensor.movedim(1, 2), False  # tokens, though of a convolution
            activations.record(
                full_name, tensor, channels_first=first, mask=None if first else counted, masked_tokens=masked_tokens
            )

        yield take
        if self.choice.is_decided:
            return
        if unknown:
            warnings.warn(
                f"network {self.name!r}: not compared: {', '.join(dict.fromkeys(unknown))}, of which it is not known "
                "which axes have the examples and the neurons; name them with layers= and give channels='first' or "
                "'last' (--channels)",
                SpanmatchWarning,
                stacklevel=5,
            )
        self.choice.decide()
        activations.keep_of(self.name, [*self.choice.others, *self.choice.layers])

    @property
    def needs(self) -> Shown:
        """What forward passes must show: all calls and axes in the first, then only what is a layer."""
        is_first = not self.choice.is_decided
        has_functions = any(kind in FUNCTIONS for kind in self.choice.kinds.values())
        return {"follows": is_first, "sees_functions": is_first or has_functions}


def decoder_mask_of(batch: Batch, mask: Array | None) -> Array | None:
    """Return which tokens count in a decoder: of a batch with tokens of its own, those of its own mask."""
    if not isinstance(batch, Mapping) or f"{DECODER}_input_ids" not in batch:
        return mask
    return batch.get(f"{DECODER}_attention_mask")


def are_known(tensor: torch.Tensor, axes: Axes, count: int, channels: Channels) -> bool:
    """Tell whether it is known which axes of an output have the examples and the neurons.

    If nothing was followed, the first axis has the examples if no other one is as long.
    """
    if axes.examples is None:
        is_first = tensor.shape[0] == count and list(tensor.shape).count(count) == 1
    else:
        is_first = tensor.shape[axes.examples] == count
    return is_first and (tensor.ndim == 2 or bool(axes.neurons) or channels != "auto")


def arranged(tensor: torch.Tensor, axes: Axes, channels: Channels) -> tuple[torch.Tensor, bool | None]:
    """Return an output with examples first and neurons second or last, and which; None if that is unknown.

    Parameters
    ----------
    tensor
        An output.
    axes
        Its axes, as far as they are known.
    channels
        Where the neurons are if it is not "auto".
    """
    order = order_of_axes(tensor.ndim, axes)
    tensor = tensor.permute(order)
    if not axes.neurons or tensor.ndim == 2 or channels != "auto":
        return tensor, None
    if len(axes.neurons) > 1:
        return tensor.flatten(-len(axes.neurons)), False
    return tensor, order[1] == axes.neurons[0]


def order_of_axes(ndim: int, axes: Axes) -> tuple[int, ...]:
    """Return the axes of an output in the order in which its rows are made: examples first, neurons second or last."""
    examples = axes.examples or 0
    others = [axis for axis in range(ndim) if axis != examples]
    rest = [axis for axis in others if axis not in axes.neurons]
    if not axes.neurons or ndim == 2:
        return (examples, *others)
    if len(axes.neurons) > 1 or (ndim == 3 and others[0] != axes.neurons[0]):
        return (examples, *rest, *axes.neurons)
    return (examples, *axes.neurons, *rest)


@contextlib.contextmanager
def torch_runner(
    name: str, network: nn.Module, patterns: Sequence[str] | None, input_name: str | None = None
) -> Iterator[TorchRunner]:
    """Give a runner of a network, without its wrappers; its hooks are taken off at the end, however it ends."""
    network = unwrapped(network)
    with hooked(network) as hooks:
        yield TorchRunner(name, network, patterns, hooks, input_name)


@contextlib.contextmanager
def hooked(network: nn.Module) -> Iterator[list[Hook]]:
    """Put a network in evaluation mode, and give an empty list for hooks on it.

    At the end, however it ends, the hooks in the list are taken off the network, and its training
    flags are put back.
    """
    hooks: list[Hook] = []
    try:
        with evaluating(network):
            yield hooks
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode; at the end, however it ends, put its flags back."""
    training = {module: module.training for module in network.modules()}
    try:
        network.eval()
        yield
    finally:
        put_modes_back(training)


def put_modes_back(training: Mapping[nn.Module, bool]) -> None:
    """Put modules back into training or evaluation mode, each into its own."""
    from torch.nn import Module

    for module, flag in training.items():
        if type(module).train is not Module.train:  # it may do more than set a flag, as merge weights
            module.train(flag)
    for module, flag in training.items():
        module.training = flag


def digest_of_weights(network: nn.Module) -> str:
    """Return a digest of a network's weights and their names."""
    import torch

    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in network.state_dict().items():
        if isinstance(tensor, torch.Tensor):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def with_first_tensor(output: object, tensor: torch.Tensor) -> object:
    """Return an output with another tensor in the place of the one that `first_tensor` returns."""
    if isinstance(output, MutableMapping):
        changed = copy.copy(output)
        key = next(iter(output))
        changed[key] = with_first_tensor(output[key], tensor)
        return changed
    if isinstance(output, list):
        return [with_first_tensor(output[0], tensor), *output[1:]]
    if isinstance(output, tuple):
        make: Callable[[Iterable[object]], object] = getattr(type(output), "_make", tuple)
        return make((with_first_tensor(output[0], tensor), *output[1:]))
    return tensor


def first_tensor(layer: str, output: object) -> torch.Tensor:
    """Return the tensor that a module gave: of tuples, lists and dicts the first.

    Raises
    ------
    SpanmatchError
        If that is not a tensor; it names the layer.
    """
    import torch

    if isinstance(output, Mapping):
        output = tuple(output.values())
    while isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise SpanmatchError(f"layer {layer!r} gives a {type(output).__name__}, not a tensor; choose other layers")
    return output
