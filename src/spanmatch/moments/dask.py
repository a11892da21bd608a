"""Parts of a sum as tasks of Dask: one task a part, added up as a tree."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isnan
from operator import add
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._progress import progress_bar
from ..errors import BadArgument, SpanmatchError, missing_extra

if TYPE_CHECKING:
    from dask.array import Array as DaskArray
    from distributed import Client, Future, Scheduler

    from .backends import DeviceArray

    SchedulerChoice: TypeAlias = str | int | Client | None
    """An address, a number of processes to start here, or a client; None for the client of this
    process, else threads.
    """
    Chunk: TypeAlias = Mapping[str, DeviceArray]
    """The rows of each layer."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
SECONDS_TO_CONNECT = 20


class Delayed(Protocol[T_co]):
    """A value that a task of Dask will compute, as `dask.delayed` returns it."""

    def compute(self) -> T_co:
        """Return the value, computed in this process."""


def summed(parts: Sequence[Delayed[T]], scheduler: SchedulerChoice) -> T:
    """Return the sum of delayed parts, added as a tree: the same in any order of work.

    The task of a lost worker is repeated elsewhere. A worker holds the parts it works on,
    and sums that wait for their other half: few, as Dask works depth first.
    `scheduler` is an address, a number of processes to start here, a `distributed.Client`, or None
    for the client of this process, if it has one, else threads.
    Raises SpanmatchError if no scheduler answers, or what a part raised.
    """
    while len(parts) > 1:
        pairs = list(zip(parts[::2], parts[1::2], strict=False))
        parts = delayed_tasks(add, pairs) + list(parts[2 * len(pairs) :])
    (total,) = parts
    with _client(scheduler) as client:
        return total.compute() if client is None else _computed(client, total)


def sum_of_chunks(
    arrays: Mapping[str, DaskArray],
    example_ids: ArrayLike | None,
    scheduler: SchedulerChoice,
    first_task: Callable[[Chunk], T],
    chunk_task: Callable[[Chunk, NDArray[np.int64], T], T],
) -> T:
    """Return the sum of what a task makes of each chunk of rows of Dask arrays.

    `first_task` is called with the first chunk, and `chunk_task` with each chunk, its example ids
    and what that gave. Raises SpanmatchError as `chunks_of` and `summed` do, or if there is not one
    id for each row.
    """
    chunks = chunks_of(arrays)
    starts = np.cumsum([0, *(rows for _, rows in chunks)])
    ids = np.arange(starts[-1]) if example_ids is None else np.asarray(example_ids)
    if len(ids) != starts[-1]:
        raise SpanmatchError(f"example_ids: {len(ids)} for {starts[-1]} rows; give one for each row")
    (first,) = delayed_tasks(first_task, [(chunks[0][0],)])
    tasks = [(batch, ids[a:b], first) for (batch, _), a, b in zip(chunks, starts[:-1], starts[1:], strict=True)]
    return summed(delayed_tasks(chunk_task, tasks), scheduler)


def delayed_tasks(task: Callable[..., T], arguments: Sequence[tuple[object, ...]]) -> list[Delayed[T]]:
    """Return one task for each tuple of arguments.  Raises SpanmatchError if Dask is not installed."""
    try:
        from dask import delayed
    except ImportError as error:
        raise missing_extra("Dask", "dask", "work on several machines") from error
    return [delayed(task, pure=False)(*task_arguments) for task_arguments in arguments]


def chunks_of(arrays: Mapping[str, DaskArray]) -> list[tuple[dict[str, Delayed[DeviceArray]], int]]:
    """Return the chunks of rows of Dask arrays, {name: delayed block}, and their rows.

    Raises SpanmatchError if they are no such arrays, or their rows do not correspond.
    """
    try:
        import dask.array as da
    except ImportError as error:
        raise missing_extra("Dask", "dask", "from_dask") from error
    if not arrays:
        raise SpanmatchError("no layers: give {layer: Dask array of rows x neurons}")
    first = next(iter(arrays))
    for name, array in arrays.items():
        if not isinstance(array, da.Array) or array.ndim != 2:
            shape = getattr(array, "shape", "")
            raise SpanmatchError(
                f"layer {name!r} is a {type(array).__name__} {shape}; give a Dask array, rows x neurons"
            )
        if any(isnan(size) for sizes in array.chunks for size in sizes):
            raise SpanmatchError(f"layer {name!r}: sizes of its chunks are unknown; call its compute_chunk_sizes()")
        if len(array) != len(arrays[first]):
            raise SpanmatchError(f"layers {first!r} and {name!r} have {len(arrays[first])} and {len(array)} rows")
    rows = arrays[first].chunks[0]
    blocks = {name: array.rechunk({0: rows, 1: -1}).to_delayed()[:, 0] for name, array in arrays.items()}
    return [({name: layer_blocks[i] for name, layer_blocks in blocks.items()}, count) for i, count in enumerate(rows)]


@contextlib.contextmanager
def _client(scheduler: SchedulerChoice) -> Iterator[Client | None]:
    """Give a client; close what was opened for it."""
    try:
        from distributed import Client, LocalCluster, default_client
    except ImportError as error:
        if scheduler is None:
            yield None
            return
        raise missing_extra("Dask's distributed", "dask", f"scheduler={scheduler!r}") from error
    if scheduler is None:
        with contextlib.suppress(ValueError):
            scheduler = default_client()
        yield scheduler
    elif isinstance(scheduler, Client):
        yield scheduler
    elif isinstance(scheduler, str) and not scheduler.isdecimal():
        try:
            client = Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise BadArgument(f"no scheduler answers at {scheduler} ({error or type(error).__name__})") from error
        with client:
            yield client
    else:
        workers = int(scheduler)
        if isinstance(scheduler, bool) or workers < 1:
            raise BadArgument(f"scheduler={scheduler!r}: give an address, or how many processes to start here")
        with (
            LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def _computed(client: Client, total: Delayed[T]) -> T:
    future: Future = client.compute(total)
    try:
        if sys.stderr.isatty():
            _show(client, future)
        result: T = future.result()
        return result
    except SpanmatchError:
        raise
    except KeyboardInterrupt:
        future.cancel()
        raise
    except Exception as error:  # a task's own, or the cluster's: workers lost too often, connections
        raise SpanmatchError(f"the workers could not finish ({type(error).__name__}: {error})") from error


def _show(client: Client, future: Future) -> None:
    """Show how many tasks are done until the last is."""
    with progress_bar() as bar:
        task = bar.add_task("on workers", total=None)
        while not future.done():
            done, every = client.run_on_scheduler(_counts)
            bar.update(task, completed=done, total=every)
            time.sleep(0.5)


def _counts(dask_scheduler: Scheduler) -> tuple[int, int]:
    states = [task.state for task in dask_scheduler.tasks.values()]
    return sum(state in ("memory", "released", "forgotten") for state in states), len(states)
