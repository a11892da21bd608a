"""PyTorch networks: the outputs of modules, by hooks."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ..errors import SpanmatchError
from .inputs import arguments, failures_named
from .outputs import Batch, BatchActivations
from .patterns import chosen
from .wrappers import eager, modules_of, unwrapped

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

    def __init__(
        self,
        name: str,
        network: nn.Module,
        modules: Mapping[str, nn.Module],
        hooks: list[Hook],
        input_name: str | None,
    ) -> None:
        """Put hooks on the modules, and into the list of those that are to be removed."""
        self.name, self.network, self.layers, self.input_name = name, network, list(modules), input_name
        self.activations: BatchActivations | None = None
        self.mask: Array | None = None
        self.calls: dict[str, int] = {}
        for path, module in modules.items():
            hooks.append(module.register_forward_hook(self._hook(path)))

    def run(self, batch: Batch, activations: BatchActivations) -> None:
        """Call the network with a batch; its hooks record."""
        import torch

        self.activations, self.calls = activations, {}
        try:
            with failures_named(self.name, batch), eager(), torch.inference_mode():
                args, kwargs, self.mask = arguments(self.name, self.network, batch, self.input_name)
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
def torch_runner(
    name: str, network: nn.Module, patterns: Sequence[str] | None, input_name: str | None = None
) -> Iterator[TorchRunner]:
    """Give a runner of a network, without its wrappers; its hooks are taken off at the end, however it ends."""
    network = unwrapped(network)
    with hooked(network) as hooks:
        yield TorchRunner(name, network, layers_of(name, network, patterns), hooks, input_name)


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
    known = {path: module for path, module in modules_of(network).items() if path}
    if patterns is not None:
        return {path: known[path] for path in chosen(patterns, known, f"network {name!r}")}
    return {
        path: module
        for path, module in known.items()
        if not any(module.children()) and type(module).__name__ not in PASSING_ON
    }


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
