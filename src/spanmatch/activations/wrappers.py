"""Networks inside wrappers: what is run, under which names, and without compiled code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .._process_state import ProcessState

if TYPE_CHECKING:
    from torch import nn

COMPILED, WRAPPED = "_orig_mod", "module"
"""What wrappers call the network inside: that of torch.compile; those of parallel training and of Accelerate."""
_compiler = ProcessState()


def unwrapped(network: nn.Module) -> nn.Module:
    """Return the network inside wrappers that change nothing about a forward pass.

    Parameters
    ----------
    network
        Any module. DataParallel, DistributedDataParallel, AveragedModel and what torch.compile
        returns are such wrappers, also one inside the other.
    """
    inner = _inside(network)
    while inner is not None:
        network, inner = inner, _inside(inner)
    return network


def inside_wrappers(network: object) -> object:
    """Return the network inside wrappers, and what is no module as it is, without importing PyTorch."""
    torch = sys.modules.get("torch")
    return unwrapped(network) if torch is not None and isinstance(network, torch.nn.Module) else network


def modules_of(network: nn.Module) -> dict[str, nn.Module]:
    """Return the modules of a network by their paths, which are the same with and without wrappers.

    Parameters
    ----------
    network
        Any module. Of a wrapper of another kind, whose only part is a `module`, the paths are those
        inside it.
    """
    root = unwrapped(network)
    while (inner := only_module(root)) is not None:
        root = unwrapped(inner)
    modules: dict[str, nn.Module] = {}
    _collect(root, "", modules, set())
    return modules


def only_module(network: nn.Module) -> nn.Module | None:
    """Return the `module` of a network that has nothing else, neither parts nor parameters."""
    children = dict(network.named_children())
    has_own = any(True for tensors in (network.parameters, network.buffers) for _ in tensors(recurse=False))
    return children[WRAPPED] if list(children) == [WRAPPED] and not has_own else None


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Run compiled modules as they are written, in all threads, while the block runs.

    Hooks under compiled code fail or are not called. Versions of PyTorch before 2.6 cannot be told
    to; there, only what `unwrapped` finds is run as it is written.
    """
    import torch

    set_stance = getattr(torch.compiler, "set_stance", None)
    if "torch._dynamo" not in sys.modules or set_stance is None:  # nothing has been compiled
        yield
        return

    def run_eagerly() -> Callable[[], object]:
        stance = set_stance("force_eager")
        stance.__enter__()
        return lambda: stance.__exit__(None, None, None)

    with _compiler.changed(run_eagerly):
        yield


def _inside(network: nn.Module) -> nn.Module | None:
    """Return what a wrapper that changes nothing is around, None for other modules."""
    from torch import nn
    from torch.optim.swa_utils import AveragedModel

    compiled = getattr(network, COMPILED, None)
    if isinstance(compiled, nn.Module):
        return compiled
    if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel | AveragedModel):
        return network.module
    return None


def _collect(module: nn.Module, path: str, modules: dict[str, nn.Module], known: set[nn.Module]) -> None:
    """Add a module and those in it by their paths, each once, without the wrappers in between."""
    if module in known:
        return
    known.add(module)
    modules[path] = module
    for name, child in module.named_children():
        _collect(unwrapped(child), f"{path}.{name}" if path else name, modules, known)
