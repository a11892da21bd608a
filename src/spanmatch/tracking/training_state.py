"""The state of a training loop, put back after networks have run inside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, TypeVar

from ..activations.random_states import random_states_kept
from ..activations.torch import put_modes_back
from ..errors import SpanmatchError

if TYPE_CHECKING:
    import torch
    from torch import nn

T = TypeVar("T")


@contextlib.contextmanager
def training_state_kept(*networks: nn.Module) -> Iterator[None]:
    """Put back, however the block ends, what running networks in it may have changed.

    Parameters
    ----------
    *networks
        The networks that run in the block. Their training flags, buffers and attributes are put
        back, as are the states of the random number generators of Python, NumPy and PyTorch.

    Raises
    ------
    SpanmatchError
        If a network has parameters without a shape yet, which its first run would initialise.

    Notes
    -----
    In the block autocast is off: results do not depend on where the block is, and no weight that was
    cast without gradients stays in the cache of a surrounding autocast.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(random_states_kept())
        for network in networks:
            _check_initialised(network)
            stack.enter_context(_modules_kept(network))
        stack.enter_context(_autocast_off(networks))
        yield


@contextlib.contextmanager
def _modules_kept(network: nn.Module) -> Iterator[None]:
    """Put back the flags, the attributes and the buffers of all modules of a network.

    What modules keep for later, such as a table of positions, would otherwise be of a run without
    gradients, and could not be trained with.
    """
    from torch.jit import ScriptModule

    flags = {module: module.training for module in network.modules()}
    modules = [module for module in flags if not isinstance(module, ScriptModule)]  # whose attributes are not Python's
    attributes = [(vars(module), dict(vars(module))) for module in modules]
    buffers = [(module._buffers, dict(module._buffers)) for module in modules]
    values = [(tensor, tensor._version, tensor.clone()) for tensor in network.buffers() if not tensor.is_inference()]
    try:
        yield
    finally:
        put_modes_back(flags)
        for attributes_now, attributes_before in attributes:
            _put_back(attributes_now, attributes_before)
        for buffers_now, buffers_before in buffers:
            _put_back(buffers_now, buffers_before)
        _put_values_back(values)


def _put_back(now: MutableMapping[str, T], before: Mapping[str, T]) -> None:
    """Put back the attributes that were replaced, and remove those that are new."""
    for name in now.keys() - before.keys():
        del now[name]
    for name, value in before.items():
        if name not in now or now[name] is not value:
            now[name] = value


def _put_values_back(values: list[tuple[torch.Tensor, int, torch.Tensor]]) -> None:
    """Put back the values of tensors that were changed in place, and touch no other."""
    import torch

    with torch.no_grad():
        for tensor, version, value in values:
            if tensor._version != version:
                tensor.copy_(value)


@contextlib.contextmanager
def _autocast_off(networks: tuple[nn.Module, ...]) -> Iterator[None]:
    """Turn autocast off on the devices of some networks."""
    import torch

    devices = {tensor.device.type for network in networks for tensor in network.parameters()}
    with contextlib.ExitStack() as stack:
        for device in devices | {"cpu"}:
            stack.enter_context(torch.autocast(device, enabled=False))
        yield


def _check_initialised(network: nn.Module) -> None:
    """Raise SpanmatchError if a network has parameters or buffers without a shape."""
    from torch.nn.parameter import is_lazy

    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if is_lazy(tensor):
            raise SpanmatchError(
                f"parameter {name!r} has no shape yet; run the network on a batch once before it is tracked"
            )
