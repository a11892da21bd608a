"""PyTorch networks: the outputs of modules, by hooks."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import SpanmatchError
from .outputs import Batch, BatchActivations, mask_of
from .patterns import chosen

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .layouts import Array

PASSING_ON = (
    "Flatten",
    "Unflatten",
    "Identity",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
)
"""Classes of modules that give the values that they take: no layers, unless asked for."""
CHANNELS_LAST = (
    "Linear",
    "LayerNorm",
    "RMSNorm",
    "Embedding",
    "Conv1D",  # what transformers calls a linear map; a convolution is a Conv1d
    "MultiheadAttention",
    "Transformer",
    "LSTM",
    "GRU",
)
"""How the names of classes begin whose outputs have neurons on the last axis."""
CHANNELS_FIRST = (
    "Conv",
    "LazyConv",
    "BatchNorm",
    "LazyBatchNorm",
    "InstanceNorm",
    "GroupNorm",
    "MaxPool",
    "AvgPool",
    "Adaptive",
)
"""How the names of classes begin whose outputs have channels on the second axis."""


class Hook(Protocol):
    """A hook on a module, as PyTorch returns it."""

    def remove(self) -> None:
        """Take it off."""


class TorchRunner:
    """A PyTorch network with hooks on the modules asked for, which record while it runs."""

    def __init__(self, name: str, network: nn.Module, modules: Mapping[str, nn.Module], hooks: list[Hook]) -> None:
        """Put hooks on the modules, and into the list of those that are to be removed."""
        self.name, self.network, self.layers = name, network, list(modules)
        self.activations: BatchActivations | None = None
        self.mask: Array | None = None
        self.calls: dict[str, int] = {}
        for path, module in modules.items():
            hooks.append(module.register_forward_hook(self._hook(path)))

    def run(self, batch: Batch, activations: BatchActivations) -> None:
        """Call the network with a batch; its hooks record."""
        import torch

        args, kwargs, self.mask = arguments(self.name, self.network, batch)
        self.activations, self.calls = activations, {}
        try:
            with torch.inference_mode():
                self.network(*args, **kwargs)
        finally:
            self.activations = None

    def fingerprint(self) -> str:
        """Return a digest of the weights."""
        return digest_of_weights(self.network)

    def _hook(self, path: str) -> Callable[[nn.Module, object, object], None]:
        """Return a hook that records a module's output, of a second call as "path#2"."""

        def record(module: nn.Module, _: object, output: object) -> None:
            if self.activations is None:
                return
            self.calls[path] = call = self.calls.get(path, 0) + 1
            layer = f"{self.name}:{path}" if call == 1 else f"{self.name}:{path}#{call}"
            tensor = first_tensor(layer, output)
            self.activations.record(layer, tensor, channels_first=channels_first(module, tensor), mask=self.mask)

        return record


@contextlib.contextmanager
def torch_runner(name: str, network: nn.Module, patterns: Sequence[str] | None) -> Iterator[TorchRunner]:
    """Give a runner of a network; its hooks are taken off at the end, however it ends."""
    with hooked(network) as hooks:
        yield TorchRunner(name, network, layers_of(name, network, patterns), hooks)


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


def layers_of(name: str, network: nn.Module, patterns: Sequence[str] | None) -> dict[str, nn.Module]:
    """Return the modules of a network that are layers, by path.

    Parameters
    ----------
    name
        The network's, for messages.
    network
        The network.
    patterns
        Paths or shell patterns of them; without, all modules that have no children, but for those
        of PASSING_ON.

    Raises
    ------
    SpanmatchError
        If a pattern matches nothing.
    """
    known = {path: module for path, module in network.named_modules() if path}
    if patterns is not None:
        return {path: known[path] for path in chosen(patterns, known, f"network {name!r}")}
    return {
        path: module
        for path, module in known.items()
        if not any(module.children()) and type(module).__name__ not in PASSING_ON
    }


def arguments(name: str, network: nn.Module, batch: Batch) -> tuple[list[object], dict[str, object], Array | None]:
    """Return a batch as what a network is called with.

    Parameters
    ----------
    name
        The network's, for messages.
    network
        The network.
    batch
        A tensor or an array; a tuple or list whose first member is one; or {argument: tensor or
        array}, of which those are left out that the network does not take.

    Returns
    -------
    args, kwargs
        Positional and keyword arguments, on the network's device.
    mask : (examples, tokens) or None
        Which tokens count, if the batch says so.

    Raises
    ------
    SpanmatchError
        If the network takes none of the arguments in the batch.
    """
    device = next((tensor.device for tensor in chain(network.parameters(), network.buffers())), None)
    if not isinstance(batch, Mapping):
        inputs = batch[0] if isinstance(batch, tuple | list) else batch
        return [_on(inputs, device)], {}, None
    parameters = inspect.signature(network.forward).parameters
    takes_any_name = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    kwargs = {key: _on(value, device) for key, value in batch.items() if takes_any_name or key in parameters}
    if not kwargs:
        raise SpanmatchError(
            f"network {name!r} takes {', '.join(parameters)}; the batch has {', '.join(map(str, batch))}"
        )
    return [], kwargs, mask_of(batch)


def _on(value: object, device: torch.device | None) -> object:
    """Return an argument on a device, if it is a tensor or an array."""
    import torch

    value = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
    return value.to(device) if isinstance(value, torch.Tensor) and device is not None else value


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


def channels_first(module: nn.Module, output: torch.Tensor) -> bool:
    """Tell a convolution's output, (examples, channels, space), from (examples, tokens, neurons).

    By the class of the module; of other classes, by the number of axes: four or more are a
    convolution's.
    """
    kind = type(module).__name__
    return not kind.startswith(CHANNELS_LAST) and (output.ndim >= 4 or kind.startswith(CHANNELS_FIRST))
