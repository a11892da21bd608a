"""An untrained copy of a network: the same architecture with newly initialised weights."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

from ..errors import SpanmatchError

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")
SHOWN = 5
"""Number of parameters that an error message names."""


def untrained_copy(network: Network, seed: int = 0) -> Network:
    """Return a copy of a network with all parameters initialised again.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is not changed.
    seed : int
        Seed of the weights.

    Returns
    -------
    torch.nn.Module
        A deep copy on the same device with the same training flags. Statistics of batch
        normalisation are reset; other buffers keep their values.

    Raises
    ------
    SpanmatchError
        If the network cannot be copied, or some parameters belong to no module with
        `reset_parameters`; the message names them.

    Notes
    -----
    Each module's own `reset_parameters` draws its weights. PyTorch's global random state is not
    changed. Weights are drawn on the CPU, so that they do not depend on the device.

    Cost: memory for a second copy.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> untrained = sm.untrained_copy(network, seed=1)
    >>> torch.equal(network[0].weight, untrained[0].weight)
    False
    """
    import torch

    device = {name: parameter.device for name, parameter in network.named_parameters()}
    if len(set(device.values())) > 1:
        raise SpanmatchError("untrained copy: the network is on several devices; create an untrained network yourself")
    try:
        untrained = copy.deepcopy(network).cpu()
    except (RuntimeError, TypeError) as error:
        raise SpanmatchError(f"untrained copy: the network cannot be copied ({error})") from error
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        # Parameters that are still nan at the end were not drawn.
        for parameter in untrained.parameters():
            if parameter.is_floating_point():
                parameter.fill_(float("nan"))
        for module in reversed(list(untrained.modules())):  # children first, as in constructors
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if callable(reset):
                reset()
    undrawn = [name for name, p in untrained.named_parameters() if not p.is_floating_point() or bool(p.isnan().any())]
    if undrawn:
        more = f" and {len(undrawn) - SHOWN} more" if len(undrawn) > SHOWN else ""
        raise SpanmatchError(
            f"untrained copy: no module's reset_parameters draws {', '.join(undrawn[:SHOWN])}{more}; create an "
            "untrained network yourself"
        )
    return untrained.to(next(iter(device.values()), "cpu"))
