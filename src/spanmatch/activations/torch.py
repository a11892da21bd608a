"""PyTorch networks: the outputs of modules, by hooks."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpanmatchError
from .outputs import Outputs, mask_of
from .patterns import chosen

if TYPE_CHECKING:
    import torch
    from torch import nn

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


class Modules:
    """A PyTorch network with hooks on the modules asked for, which record while it runs, and only then."""

    def __init__(self, name: str, network: nn.Module, modules: Mapping[str, nn.Module], hooks: list[Any]) -> None:
        """Put hooks on the modules, and into the list of those that are to be removed."""
        self.name, self.network, self.layers = name, network, list(modules)
        self.outputs: Outputs | None = None
        self.mask: Any = None
        self.calls: dict[str, int] = {}
        for path, module in modules.items():
            hook = self._hook(path)
            hooks.append(module.register_forward_hook(hook))

    def run(self, batch: Any, outputs: Outputs) -> None:
        """Call the network with a batch; its hooks write to `outputs`."""
        import torch

        args, kwargs, self.mask = arguments(self.name, self.network, batch)
        self.outputs, self.calls = outputs, {}
        try:
            with torch.inference_mode():
                self.network(*args, **kwargs)
        finally:
            self.outputs = None

    def made_from(self) -> str:
        """Return a digest of the weights."""
        return digest_of_weights(self.network)

    def _hook(self, path: str) -> Any:
        def record(module: nn.Module, _: Any, output: Any) -> None:
            if self.outputs is None:
                return
            self.calls[path] = call = self.calls.get(path, 0) + 1
            layer = f"{self.name}:{path}" + (f"#{call}" if call > 1 else "")
            tensor = first_tensor(layer, output)
            self.outputs.record(layer, tensor, channels_first=channels_first(module, tensor), mask=self.mask)

        return record


@contextlib.contextmanager
def modules(name: str, network: nn.Module, patterns: Sequence[str] | None) -> Iterator[Modules]:
    """Give a network with hooks; take them off at the end, however it ends."""
    with hooked(network) as hooks:
        yield Modules(name, network, layers_of(name, network, patterns), hooks)


@contextlib.contextmanager
def hooked(network: nn.Module) -> Iterator[list[Any]]:
    """Put a network in evaluation mode, and give an empty list for hooks on it.

    At the end, however it ends, the hooks in the list are taken off the network, and its training flags are put back.
    """
    hooks: list[Any] = []
    try:
        with evaluating(network):
            yield hooks
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode, and every training flag back at the end, however it ends."""
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
    """Return the modules of a network that patterns choose, by path; without patterns all that have no children."""
    known = {path: module for path, module in network.named_modules() if path}
    if patterns is not None:
        return {path: known[path] for path in chosen(patterns, known, f"network {name!r}")}
    leaves = {path: module for path, module in known.items() if not any(module.children())}
    return {path: module for path, module in leaves.items() if type(module).__name__ not in PASSING_ON}


def arguments(name: str, network: nn.Module, batch: Any) -> tuple[list[Any], dict[str, Any], Any]:
    """Return positional and keyword arguments on the network's device, and the mask of tokens."""
    device = next((t.device for t in [*network.parameters(), *network.buffers()]), None)
    if not isinstance(batch, Mapping):
        inputs = batch[0] if isinstance(batch, tuple | list) else batch
        return [_on(inputs, device)], {}, None
    parameters = inspect.signature(network.forward).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    kwargs = {key: _on(value, device) for key, value in batch.items() if anything or key in parameters}
    if not kwargs:
        raise SpanmatchError(
            f"network {name!r} takes {', '.join(parameters)}; the batch has {', '.join(map(str, batch))}"
        )
    return [], kwargs, mask_of(batch)


def _on(value: Any, device: torch.device | None) -> Any:
    import torch

    tensor = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
    return tensor.to(device) if isinstance(tensor, torch.Tensor) and device is not None else tensor


def first_tensor(layer: str, output: Any) -> torch.Tensor:
    """Return the tensor that a module gave, the first one if it gave several."""
    import torch

    if isinstance(output, Mapping):
        output = tuple(output.values())
    while isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise SpanmatchError(f"layer {layer!r} gives a {type(output).__name__}; choose layers that give tensors")
    return output


def channels_first(module: nn.Module, output: torch.Tensor) -> bool:
    """Tell convolutional outputs, (examples, channels, space), from sequences, (examples, tokens, neurons)."""
    kind = type(module).__name__
    return not kind.startswith(CHANNELS_LAST) and (output.ndim >= 4 or kind.startswith(CHANNELS_FIRST))
