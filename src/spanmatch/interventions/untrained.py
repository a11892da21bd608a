"""A network that has learned nothing: the same architecture with its weights drawn again."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

from ..errors import SpanmatchError

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")
SHOWN = 5


def untrained_copy(network: Network, seed: int = 0) -> Network:
    """Return a copy of a network with every parameter drawn again, as its modules draw them at the start.

    Parameters
    ----------
    network : torch.nn.Module
        It is left as it is.
    seed : int
        The same seed gives the same weights.

    Returns
    -------
    torch.nn.Module
        A deep copy on the same device, with the same training flags. Statistics of batch normalisation start anew;
        other buffers keep their values.

    Raises
    ------
    SpanmatchError
        If the network cannot be copied, or some parameters belong to no module with `reset_parameters`; it names them.

    Notes
    -----
    The global state of PyTorch's random numbers is left as it was. Weights are drawn on the CPU, so that they do not
    depend on the device. Cost: memory for a second copy.
    """
    import torch

    device = {name: parameter.device for name, parameter in network.named_parameters()}
    if len(set(device.values())) > 1:
        raise SpanmatchError("untrained copy: the network is on several devices; make an untrained network yourself")
    try:
        fresh = copy.deepcopy(network).cpu()
    except (RuntimeError, TypeError) as error:
        raise SpanmatchError(f"untrained copy: the network cannot be copied ({error})") from error
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        # What is still nan at the end was not drawn.
        for parameter in fresh.parameters():
            if parameter.is_floating_point():
                parameter.fill_(float("nan"))
        for module in reversed(list(fresh.modules())):  # children first, as when a network is made
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if callable(reset):
                reset()
    left = [name for name, p in fresh.named_parameters() if not p.is_floating_point() or bool(p.isnan().any())]
    if left:
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        raise SpanmatchError(
            f"untrained copy: no module's reset_parameters draws {', '.join(left[:SHOWN])}{more}; make an untrained "
            "network yourself"
        )
    return fresh.to(next(iter(device.values()), "cpu"))
