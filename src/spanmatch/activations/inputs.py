"""Batches as what PyTorch networks are called with, and what is said of a network that fails on one."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SpanmatchError, among
from .outputs import MASKS, Batch, mask_of
from .wrappers import only_module

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .layouts import Array

LABELS = ("label", "labels", "target", "targets", "y")
"""Names in batches of what is to be predicted, which is no input."""
WHOLE_BATCH = "batch"
"""What the parameter of a forward is called that takes all of a batch."""


def arguments(
    name: str, network: nn.Module, batch: Batch, input_name: str | None = None
) -> tuple[list[object], dict[str, object], Array | None]:
    """Return a batch as what a network is called with.

    Parameters
    ----------
    name
        The network's, for messages.
    network
        The network.
    batch
        A tensor or an array; a tuple or list whose first member is one; or {argument: tensor or
        array}, of which those are left out that the network does not take. If it takes none of
        them, the only one that can be its input is its first argument. A `forward(batch)` takes a
        dict as it is, and that of a Lightning module also a tuple.
    input_name
        Which member of a dict is the input.

    Returns
    -------
    args, kwargs
        Positional and keyword arguments, on the network's device; those of floating-point numbers
        are of the type of its first floating-point parameter.
    mask : (examples, tokens) or None
        Which tokens count, if the batch says so.

    Raises
    ------
    SpanmatchError
        If the network takes none of the arguments in the batch and it is not clear which of them is
        its input, or there is no `input_name` in the batch.
    """
    device, dtype = _device_and_type(network)
    parameters = _parameters_of(network)
    if input_name is None and _takes_whole_batch(network, parameters, batch):
        return [_put(batch, device, dtype)], {}, mask_of(batch)
    if not isinstance(batch, Mapping):
        if input_name is not None:
            raise SpanmatchError(
                f"input={input_name!r}: a batch of type {type(batch).__name__} has no names; leave input out"
            )
        inputs = batch[0] if isinstance(batch, tuple | list) else batch
        return [_put(inputs, device, dtype)], {}, None
    positional, keys = _chosen_names(name, parameters, batch, input_name)
    args = [_put(batch[key], device, dtype) for key in positional]
    return args, {key: _put(batch[key], device, dtype) for key in keys}, mask_of(batch)


def input_in(name: str, takes: Sequence[str], batch: Mapping[str, object], input_name: str | None) -> str:
    """Return which member of a batch is a network's input, where none has the name of an argument.

    Parameters
    ----------
    name
        The network's, for messages.
    takes
        The names of its arguments.
    batch
        {name: array}.
    input_name
        The member that was asked for, if any. Otherwise it is the only array that is neither called
        as labels are nor as a mask is; of several arrays it must have two or more axes.

    Raises
    ------
    SpanmatchError
        If there is no such member, or several could be the input.
    """
    if input_name is not None:
        if input_name not in batch:
            raise SpanmatchError(f"input={input_name!r}: not in the batch{among(input_name, map(str, batch))}")
        return input_name
    axes = {key: len(getattr(value, "shape", ())) for key, value in batch.items() if key not in takes}
    arrays = [key for key in axes if axes[key]]
    fitting = [key for key in arrays if key not in (*LABELS, *MASKS) and (axes[key] > 1 or len(arrays) == 1)]
    if len(fitting) != 1:
        example = (fitting or arrays or ["image"])[0]
        raise SpanmatchError(
            f"network {name!r} takes {', '.join(takes) or 'no arguments'}; the batch has {described(batch)}; say which "
            f"of them is the input, as input={example!r} (--input {example} on the command line)"
        )
    return fitting[0]


@contextlib.contextmanager
def failures_named(name: str, batch: Batch) -> Iterator[None]:
    """Raise SpanmatchError with a network's name and its batch for what is raised in it."""
    try:
        yield
    except SpanmatchError:
        raise
    except Exception as error:  # whatever the network's own code raises
        raise SpanmatchError(
            f"network {name!r} failed on a batch of {described(batch)}: {type(error).__name__}: {error}"
        ) from error


def described(batch: Batch) -> str:
    """Return the shapes and number types of a batch, in words."""
    if isinstance(batch, Mapping):
        return ", ".join(f"{key}: {described(value)}" for key, value in batch.items())
    if hasattr(batch, "shape") and hasattr(batch, "dtype"):
        return f"{str(batch.dtype).removeprefix('torch.')} {tuple(batch.shape)}"
    if isinstance(batch, tuple | list):
        return f"{type(batch).__name__} of {', '.join(map(described, batch[:4]))}{', ...' if len(batch) > 4 else ''}"
    return type(batch).__name__


def _chosen_names(
    name: str, parameters: Mapping[str, inspect.Parameter], batch: Mapping[str, object], input_name: str | None
) -> tuple[list[str], list[str]]:
    """Return the members of a batch that a network takes by position and by name."""
    ordinary = [key for key, value in parameters.items() if value.kind not in (value.VAR_POSITIONAL, value.VAR_KEYWORD)]
    takes_any_name = any(value.kind is value.VAR_KEYWORD for value in parameters.values())
    named = [key for key in batch if key in ordinary]
    if input_name is None:
        has_input = bool(set(named) - {*LABELS, *MASKS}) or (named and ordinary[0] in named)
        if has_input or (takes_any_name and not ordinary):
            return [], list(batch) if takes_any_name else named
    key = input_in(name, list(parameters), batch, input_name)
    masks = [mask for mask in named if mask in MASKS and mask not in (key, ordinary[0])]
    return ([], [key, *masks]) if key in named else ([key], masks)


def _parameters_of(network: nn.Module) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a network's forward; of a wrapper that passes all of them on, those of what is in it."""
    parameters = inspect.signature(network.forward).parameters
    inner = only_module(network)
    passes_on = all(value.kind in (value.VAR_POSITIONAL, value.VAR_KEYWORD) for value in parameters.values())
    return _parameters_of(inner) if inner is not None and passes_on else parameters


def _takes_whole_batch(network: nn.Module, parameters: Mapping[str, inspect.Parameter], batch: Batch) -> bool:
    """Tell whether a network takes a batch of several arrays as one argument."""
    if next(iter(parameters), None) != WHOLE_BATCH:
        return False
    if isinstance(batch, Mapping):
        return not any(key in parameters for key in batch)
    is_lightning = any(base.__name__ == "LightningModule" for base in type(network).__mro__)
    return is_lightning and isinstance(batch, tuple | list)


def _device_and_type(network: nn.Module) -> tuple[torch.device | None, torch.dtype | None]:
    """Return the device of a network's first tensor and the type of its first floating-point parameter."""
    import torch

    device = next((tensor.device for tensor in chain(network.parameters(), network.buffers())), None)
    computed_in = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    dtype = next((parameter.dtype for parameter in network.parameters() if parameter.dtype in computed_in), None)
    return device, dtype


def _put(value: object, device: torch.device | None, dtype: torch.dtype | None) -> object:
    """Return tensors and arrays, at any depth, on a device, and those of floating-point numbers in a type."""
    import torch

    if isinstance(value, Mapping):
        return {key: _put(member, device, dtype) for key, member in value.items()}
    if isinstance(value, tuple | list):
        members = [_put(member, device, dtype) for member in value]
        return members if isinstance(value, list) else _like(value, members)
    value = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(device, dtype if value.is_floating_point() else None)


def _like(value: tuple[object, ...], members: list[object]) -> tuple[object, ...]:
    """Return members as a tuple of the same kind as another one, which may have names."""
    make: Callable[[Iterable[object]], tuple[object, ...]] = getattr(type(value), "_make", tuple)
    return make(members)
