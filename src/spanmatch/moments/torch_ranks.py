"""Sums over the processes of torch.distributed, along a tree, with a bounded wait."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError, missing_extra

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Description = dict[str, Any]
"""A JSON object."""
StateArray = NDArray[Any]
"""An array of any type, which whoever reads it checks."""
State = tuple[Description, dict[str, StateArray]]
"""What JSON can hold, and arrays."""
FAILED = "error"


def summed_over_ranks(mine: State, add: Callable[[State, State], State], timeout: float) -> State:
    """Return on every rank the sum of all ranks' states, added as a tree and sent back.

    `timeout` is the seconds that a rank waits for another.
    Raises SpanmatchError on every rank if an addition does, and on those that are left if one is
    lost. Cost: log2(ranks) messages of one state up and as many down; memory for two states.
    """
    with _group(timeout) as (dist, group):
        rank, size = dist.get_rank(), dist.get_world_size()
        step, total = 1, mine
        while step < size and rank % (2 * step) == 0:
            if rank + step < size:
                total = _added(total, _received(dist, group, rank + step), add)
            step *= 2
        if rank:
            _send(dist, group, rank - step, total)
            total = _received(dist, group, rank - step)
        while step > 1:
            step //= 2
            if rank + step < size:
                _send(dist, group, rank + step, total)
    if FAILED in total[0]:
        raise SpanmatchError(total[0][FAILED])
    return total


def _added(a: State, b: State, add: Callable[[State, State], State]) -> State:
    """Return the sum, or, so that no rank waits for one that gave up, what went wrong."""
    for state in (a, b):
        if FAILED in state[0]:
            return state
    try:
        return add(a, b)
    except SpanmatchError as error:
        return {FAILED: str(error)}, {}


@contextlib.contextmanager
def _group(timeout: float) -> Iterator[tuple[ModuleType, ProcessGroup]]:
    """Give a group of all ranks that sends from the host's memory, whatever the default one does."""
    try:
        import torch.distributed as dist
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", "all_reduce") from error
    if not (dist.is_available() and dist.is_initialized()):
        raise SpanmatchError(
            "all_reduce: there are no ranks; start with torchrun and call torch.distributed.init_process_group first"
        )
    try:
        group = dist.new_group(backend="gloo", timeout=timedelta(seconds=timeout))
        yield dist, group
        dist.destroy_process_group(group)
    except RuntimeError as error:  # the other end is gone, or silent
        raise SpanmatchError(f"all_reduce: a rank is lost, or did not come within {timeout:g} s ({error})") from error


def _send(dist: ModuleType, group: ProcessGroup, to: int, state: State) -> None:
    import torch

    about, arrays = state
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    listed = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    head = np.frombuffer(json.dumps([about, listed]).encode(), dtype=np.uint8)
    dist.send(torch.tensor([len(head)]), to, group=group)
    for array in (head, *arrays.values()):
        if array.size:
            dist.send(torch.from_numpy(array.reshape(-1).view(np.uint8).copy()), to, group=group)


def _received(dist: ModuleType, group: ProcessGroup, of: int) -> State:
    import torch

    def bytes_of(count: int) -> NDArray[np.uint8]:
        buffer = torch.empty(count, dtype=torch.uint8)
        if count:
            dist.recv(buffer, of, group=group)
        return np.asarray(buffer.numpy())

    length = torch.zeros(1, dtype=torch.int64)
    dist.recv(length, of, group=group)
    about, listed = json.loads(bytes_of(int(length)).tobytes())
    arrays = {}
    for name, dtype, shape in listed:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        arrays[name] = bytes_of(size).view(dtype).reshape(shape)
    return about, arrays
