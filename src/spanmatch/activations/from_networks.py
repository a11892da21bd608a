"""Capture: networks are run over the same batches, and the moments of their layers are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from .._files import Path_
from .._progress import tracked
from ..errors import BadArgument, SpanmatchError, among, missing_extra
from ..moments.backends import DeviceArray
from ..moments.example_ranges import checked_ids
from ..moments.moments import Moments
from ..moments.options import MomentsOptions, Pairs, SeededOptions
from ..moments.samples import ExampleOutputs
from .checkpoints import CHECKPOINT_SECONDS, Checkpoint, checkpointed, made_from
from .constants import Constant, Constants, checked_constants, described_constants
from .layouts import Channels, Layout, Pool, Units
from .onnx import OnnxRunner, onnx_runner
from .outputs import Batch, BatchActivations, Runner, are_texts, examples_in, joined_outputs, joined_rows, numbers_of
from .patterns import OTHER_PAIRS, Patterns, nearest, patterns_of
from .random_states import random_states_kept
from .stored import is_in_memory
from .tokens import inputs_of_runners
from .torch import torch_runner
from .torch_export import WHY_FILES_ARE_REFUSED, ExportRunner, is_program
from .transformers import folder_runner, is_folder, is_model, model_runner
from .wrappers import inside_wrappers

if TYPE_CHECKING:
    from .layouts import Array
    from .outputs import Network

ROWS_TOGETHER = 4096
"""Batches are put together until every layer has so many rows,"""
BYTES_TOGETHER = 256 << 20
"""or their rows take more than that."""
EXAMPLES_AT_ONCE = 256
TEXTS_AT_ONCE = 16
"""Into how many one array of examples, or one list of texts, is cut: texts are many rows each."""


def capture(
    networks: Mapping[str, Network | Path_],
    batches: Iterable[Batch],
    *,
    layers: Patterns = None,
    units: Units = "channel",
    positions: int | None = None,
    seed: int = 0,
    channels: Channels = "auto",
    pool: Pool = None,
    input: str | None = None,  # noqa: A002
    constants: Constants | None = None,
    example_ids: Sequence[int] | None = None,
    checkpoint: Path_ | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    **options: Unpack[MomentsOptions],
) -> Moments:
    """Run networks over the same batches and return the moments of their layers, "network:layer".

    Parameters
    ----------
    networks : mapping
        {name: network}, one or more; a name is any text without a colon. A network is a PyTorch
        module, a model of transformers or (model, tokenizer), a program of torch.export, or the
        path of an .onnx file or of a folder with a model of transformers. PyTorch runs in
        evaluation mode without gradients; training flags are put back, and no hook stays behind.
        DataParallel, DistributedDataParallel and torch.compile are left out, and compiled modules
        run as they are written.
    batches : iterable
        What the networks are called with, examples first: tensors or arrays (examples, ...); tuples
        whose first member is one; dicts of keyword arguments, of which an "attention_mask" or a
        "mask", (examples, tokens), drops padding tokens; or lists of texts, for transformers. One
        array, or one list of texts, is cut into batches. Inputs are moved to the network's device;
        those of floating-point numbers become of the type of its first floating-point parameter.
    layers : str, sequence of str or mapping, optional
        Names or shell patterns ("*relu*"), or {network: names or patterns}; `layers` lists what
        there is. By default what is usually compared: the results of non-linearities, recurrent
        modules and attention, of blocks, and the network's output; of transformers all hidden
        states. A function that a module calls is "module/function", as "layer1.0/relu". What is
        called several times in one forward pass gives "name", "name#2", ...
    units : {"channel", "location"}
        Whether the channels of a convolution are neurons, and its positions rows, or every channel
        at every position is a neuron.
    positions : int, optional
        How many positions of a convolution to sample in each example; by default all.
    seed : int
        Of that sample, and of the sample of examples.
    channels : {"auto", "first", "last"}
        Where the neurons of outputs with more than two axes are: on the second axis or on the last.
        "auto": as followed from the convolutions and linear maps before; what cannot be known is
        refused.
    pool : {"mean", "last"} or int, optional
        One row for each example, the mean over its positions or tokens or its last token; or means
        over a grid of so many positions along each axis.
    input : str, optional
        Which member of batches that are dicts is the networks' input, where their arguments have
        other names. By default, if none of the names is an argument, the only array that is neither
        labels nor a mask.
    constants : mapping, optional
        {input: value} of inputs of ONNX graphs that are the same for all examples: a number, an
        array of the shape that the graph takes, or "zeros". A number and "zeros" fill the declared
        shape, with the batch axis as long as the batch; so does an array that has length 1 there.
    example_ids : sequence of int, optional
        (examples,), a whole number from 0 for each, in the order in which they come; by default 0,
        1, 2, ... Folds, samples and the null pairing are functions of these ids, whatever the
        batches.
    checkpoint : path, optional
        A file to which the moments are written while they grow, and from which an interrupted pass
        continues, given the same batches, with the same result.
    checkpoint_seconds : float
        How many seconds pass between two writes.
    **options
        Of `Moments`: pairs, folds, null, bins, method, top, sample, sample_rows, max_memory_gb. A sample
        of 1,000 examples is kept by default, of features and feature maps all outputs ("flat"), of
        sequences the mean over tokens; if it takes too much memory and `sample` was not given, none
        is kept, and functions that need it say so.

    Returns
    -------
    Moments
        Of all layers, and of the pairs asked for.

    Raises
    ------
    SpanmatchError
        If something is no network, or cannot be read; a pattern matches nothing; it is not known
        which axis of a layer has the neurons; no layer has the
        same name in two networks and `pairs` asks for such; an output cannot be made into rows, or
        is not finite; a layer runs in some batches only; there are no batches; it is not clear
        which member of a batch is the input; or a network fails, with its name, the shapes and
        types of the batch, and the error chained.

    See Also
    --------
    capture_stored : the same of activations in files.

    Notes
    -----
    Memory: the moments with the sample, and the outputs of some batches: these are put together
    until they have some thousand rows. The outputs of a layer are copied once, where they could still
    change. What layers have in common, as the positions that are sampled, is computed once for each
    batch.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> a, b = (torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()) for _ in range(2))
    >>> moments = sm.capture({"a": a, "b": b}, torch.randn(100, 4), layers="1")
    >>> moments.layers
    {'a:1': 3, 'b:1': 3}
    >>> moments.pair("a:1", "b:1").rows
    100
    """
    _check_names(networks)
    layout = Layout(units, positions, seed, channels, pool)
    with contextlib.ExitStack() as stack:
        given_constants = checked_constants(constants)
        fixed_inputs = {**numbers_of(batches), **given_constants}
        runners = [
            stack.enter_context(runner_of(name, network, patterns_of(layers, name), input, fixed_inputs))
            for name, network in networks.items()
        ]
        _check_taken(given_constants, runners)
        fingerprints = {}
        if checkpoint is not None:
            fingerprints = {
                runner.name: [runner.fingerprint(), *(patterns_of(layers, runner.name) or ())] for runner in runners
            }
        inputs_given: dict[str, object] = {} if input is None else {"input": input}
        if fixed_inputs:
            inputs_given["constants"] = described_constants(fixed_inputs)
        source = made_from(fingerprints, layout, {**options, **inputs_given})
        seeded: SeededOptions = {**options, "seed": seed}
        stack.enter_context(random_states_kept())
        pass_checkpoint = stack.enter_context(checkpointed(checkpoint, checkpoint_seconds, seeded, source))
        group, first = BatchGroup(pass_checkpoint), 0
        for batch in tracked(cut(batches), "capturing"):
            ids = _ids_of_batch(example_ids, first, examples_in(batch))
            first += len(ids)
            if pass_checkpoint.holds(ids):
                continue
            activations = BatchActivations(ids, layout, pass_checkpoint.moments._candidates(ids))
            inputs = inputs_of_runners(batch, runners, rows_are_tokens=pool is None)
            for runner, runner_inputs in zip(runners, inputs, strict=True):
                runner.run(runner_inputs, activations)
            if not group.has_layers:
                _check_common(runners, options.get("pairs", "matching"))
            group.add(activations)
        group.flush()
        if not pass_checkpoint.moments.layers:
            raise SpanmatchError("no batches: give at least one")
        pass_checkpoint.write()
        return pass_checkpoint.moments


def runs(network: object) -> bool:
    """Tell a network that is to be run, by `capture`, from stored activations."""
    if isinstance(network, str | PathLike):
        path = Path(network)
        return path.suffix in (".onnx", ".pt2") or is_folder(path)
    return not isinstance(network, Mapping) and not is_in_memory(network)


def runner_of(
    name: str,
    network: object,
    patterns: Sequence[str] | None,
    input_name: str | None,
    constants: Mapping[str, Constant],
) -> contextlib.AbstractContextManager[Runner]:
    """Return what runs a network and records its layers.

    Parameters
    ----------
    name
        The network's.
    network
        A module, a model of transformers, a program, or a path, as `capture` takes them.
    patterns
        Names or shell patterns of layers; None for the default.
    input_name
        Which member of batches that are dicts is the input; None for the default.
    constants
        Of inputs of an ONNX graph.

    Raises
    ------
    SpanmatchError
        If it is nothing that can be run, the package that runs it is not installed, or a pattern
        matches nothing.
    """
    if isinstance(network, str | PathLike):
        return _runner_of_path(name, Path(network), patterns, input_name, constants)
    network = inside_wrappers(network)
    if isinstance(network, tuple) or is_model(network):
        return model_runner(name, network, patterns, input_name)
    if is_program(network):
        return contextlib.nullcontext(ExportRunner(name, network, patterns, input_name))
    try:
        from torch import nn
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", f"network {name!r}") from error
    if not isinstance(network, nn.Module):
        raise SpanmatchError(
            f"network {name!r} is of type {type(network).__name__}; give a torch.nn.Module, a program of "
            "torch.export, a model of transformers, or the path of an .onnx file"
        )
    return torch_runner(name, network, patterns, input_name)


def _runner_of_path(
    name: str, path: Path, patterns: Sequence[str] | None, input_name: str | None, constants: Mapping[str, Constant]
) -> contextlib.AbstractContextManager[Runner]:
    """Return what runs the network in a file or a folder.  Raises BadArgument if there is none."""
    if path.suffix == ".pt2":
        raise BadArgument(f"{path}: {WHY_FILES_ARE_REFUSED}")
    if path.suffix == ".onnx":
        return contextlib.nullcontext(onnx_runner(name, path, patterns, input_name, constants))
    return folder_runner(name, path, patterns, input_name)


class BatchGroup:
    """Batches put together until they are large enough; no example is left alone."""

    def __init__(self, pass_checkpoint: Checkpoint) -> None:
        self.checkpoint, self.moments = pass_checkpoint, pass_checkpoint.moments
        self.waiting: list[BatchActivations] = []

    @property
    def has_layers(self) -> bool:
        """Whether it is known which layers there are."""
        return bool(self.waiting or self.moments.layers)

    def add(self, batch: BatchActivations) -> None:
        """Take a batch; once those before it are enough, add all but their last."""
        if self._enough():
            last = self.waiting.pop()
            self.flush()
            self.waiting = [last]
            self.checkpoint.write_if_due()
        self.waiting.append(batch)

    def flush(self) -> None:
        """Add everything that waits."""
        if not self.waiting:
            return
        first = self.waiting[0]
        for batch in self.waiting:
            if batch.rows.keys() != first.rows.keys():
                layer = next(iter(batch.rows.keys() ^ first.rows.keys()))
                raise SpanmatchError(
                    f"layer {layer!r} ran in some batches and not in others; leave it out with layers="
                )
        self.update_moments(*joined_rows(self.waiting), joined_outputs(self.waiting))
        example_ids = np.concatenate([batch.example_ids for batch in self.waiting])
        self.moments.describe(first.layouts, example_ids=example_ids)
        self.waiting = []

    def update_moments(
        self, rows: Mapping[str, Array], row_ids: Mapping[str, NDArray[np.int64]], outputs: ExampleOutputs
    ) -> None:
        """Add joined rows to the moments."""
        self.moments._update(rows, row_ids, outputs)

    def _enough(self) -> bool:
        """Tell whether two or more batches wait, with many rows of every layer, or many bytes."""
        if len(self.waiting) < 2:
            return False
        size = sum(rows.nbytes for batch in self.waiting for rows in batch.rows.values())
        size += sum(rows.nbytes for batch in self.waiting for rows, _ in batch.complete.values())
        fewest_rows = min(sum(len(batch.rows[layer]) for batch in self.waiting) for layer in self.waiting[0].rows)
        return size > BYTES_TOGETHER or fewest_rows >= ROWS_TOGETHER


def _check_names(networks: Mapping[str, object]) -> None:
    """Raise SpanmatchError unless networks have names without a colon."""
    if not isinstance(networks, Mapping) or not networks:
        raise SpanmatchError("networks: give {name: network}, at least one")
    for name in networks:
        if not isinstance(name, str) or not name or ":" in name:
            raise SpanmatchError(f"network name {name!r}: give a text without a colon")


def _check_taken(constants: Mapping[str, Constant], runners: Sequence[Runner]) -> None:
    """Raise SpanmatchError unless every constant is an input of an ONNX graph."""
    graphs = [runner for runner in runners if isinstance(runner, OnnxRunner)]
    known = {name for runner in graphs for name in runner.input_names}
    for name in constants:
        if not graphs:
            raise SpanmatchError(f"constants: {name!r} is for ONNX graphs; none of the networks is one")
        if name not in known:
            raise SpanmatchError(f"constants: {name!r} is no input of any of the graphs{among(name, known)}")


def _check_common(runners: Sequence[Runner], pairs: Pairs) -> None:
    """Raise SpanmatchError if layers of the same name are to be paired, and there are none."""
    if pairs != "matching" or len(runners) < 2:
        return
    names = [set(runner.layers) for runner in runners]
    if not any(a & b for a, b in combinations(names, 2)):
        listed = "; ".join(f"{runner.name!r}: {', '.join(runner.layers[:8])}" for runner in runners)
        raise SpanmatchError(
            f"no layer has the same name in two networks ({listed}){nearest(runners[0].layers, runners[1].layers)}; "
            f"{OTHER_PAIRS}"
        )


def _ids_of_batch(example_ids: Sequence[int] | None, first: int, count: int) -> NDArray[np.int64]:
    """Return the ids of a batch's examples, checked where they were given."""
    if example_ids is None:
        return np.arange(first, first + count)
    ids = checked_ids("example_ids", example_ids[first : first + count])
    if len(ids) != count:
        raise SpanmatchError(
            f"example_ids: {len(example_ids)}; give a whole number for every example, "
            f"of which there are at least {first + count}"
        )
    return ids


def cut(batches: Iterable[Batch], size: int | None = None) -> Iterable[Batch]:
    """Return batches.

    Parameters
    ----------
    batches
        Batches already, or one array or tensor (examples, ...), or one list of texts, which is cut
        into batches.
    size
        How many examples these have; by default 256, of texts 16.
    """
    is_texts = are_texts(batches)
    if is_texts or (hasattr(batches, "shape") and hasattr(batches, "dtype")):
        size = size or (TEXTS_AT_ONCE if is_texts else EXAMPLES_AT_ONCE)
        examples: DeviceArray = batches
        return [examples[i : i + size] for i in range(0, len(examples), size)]
    return batches if hasattr(batches, "__len__") else iter(batches)
