"""Capture: networks run over batches, every one of them on the same, and the moments of their layers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from .._files import Path_
from .._progress import tracked
from ..errors import BadArgument, SpanmatchError, missing_extra
from ..moments.example_ranges import checked_ids
from ..moments.moments import Moments
from ..moments.options import MomentsOptions, Pairs
from . import exported
from . import onnx as onnx_graphs
from . import torch as torch_modules
from . import transformers as transformer_models
from .checkpoints import CHECKPOINT_SECONDS, Checkpoint, checkpointed, made_from
from .layouts import Channels, Layout, Pool, Units
from .outputs import Outputs, Runner, are_texts, examples_in, joined
from .patterns import Patterns, nearest, patterns_of
from .tokens import encoded

if TYPE_CHECKING:
    from torch import nn

ROWS_TOGETHER = 4096
BYTES_TOGETHER = 256 << 20
EXAMPLES_AT_ONCE = 256
TEXTS_AT_ONCE = 16


def capture(
    networks: Mapping[str, nn.Module | Path_ | tuple[Any, Any]],
    batches: Iterable[Any],
    *,
    layers: Patterns = None,
    units: Units = "channel",
    positions: int | None = None,
    seed: int = 0,
    channels: Channels = "auto",
    pool: Pool = None,
    example_ids: Sequence[int] | None = None,
    checkpoint: Path_ | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    **options: Unpack[MomentsOptions],
) -> Moments:
    """Run networks over the same batches and return the moments of their layers, named "network:layer".

    Args:
        networks: {name: network}, any number: PyTorch modules, also of transformers, or (model, tokenizer); programs of
            torch.export; paths of .onnx files, and of folders of transformers. PyTorch runs in evaluation mode
            without gradients; training flags are put back, and no hook stays behind.
        batches: what the networks are called with: tensors or arrays, or tuples whose first member is, or dicts of
            keyword arguments (an "attention_mask" or "mask" among them drops padding tokens), or lists of texts for
            transformers. One array, or one list of texts, is cut into batches.
        layers: names or shell patterns ("*relu*"), also per network as a mapping; by default all modules without
            children, but for those that only pass values on; of transformers all hidden states. A module that is
            called several times in one forward pass gives "name", "name#2", ...
        units, positions, seed, channels, pool: see `Layout`.
        example_ids: a whole number for each example, 0 or more, in the order in which they come; by default 0, 1, 2,
            ... Folds, samples and the null are functions of these ids, whatever the batches.
        checkpoint: a file to which the moments are written every `checkpoint_seconds`, and from which an interrupted
            pass continues, given the same batches, with the same result.
        options: of `Moments`: pairs, folds, null, bins, method, top, max_memory_gb.

    Raises SpanmatchError if a pattern matches nothing, something is no network, or an output has no rows.
    Memory: the moments, and the captured outputs of some batches.
    """
    _check_names(networks)
    layout = Layout(units, positions, seed, channels, pool)
    with contextlib.ExitStack() as stack:
        runners = [
            stack.enter_context(runner(name, network, patterns_of(layers, name))) for name, network in networks.items()
        ]
        _check_common(runners, options.get("pairs", "matching"))
        what = {} if checkpoint is None else {each.name: [each.made_from(), *each.layers] for each in runners}
        kept = stack.enter_context(
            checkpointed(checkpoint, checkpoint_seconds, options, made_from(what, layout, options))
        )
        group, first = _Group(kept), 0
        for batch in tracked(cut(batches), "capturing"):
            examples = _ids_of_batch(example_ids, first, examples_in(batch))
            first += len(examples)
            if kept.holds(examples):
                continue
            outputs = Outputs(examples, layout)
            for each, own in zip(runners, encoded(batch, runners, aligned=pool is None), strict=True):
                each.run(own, outputs)
            group.add(outputs)
        group.flush()
        if not kept.moments.layers:
            raise SpanmatchError("no batches: give at least one")
        kept.write()
        return kept.moments


def runs(network: Any) -> bool:
    """Tell a network that is to be run from stored activations."""
    if isinstance(network, str | PathLike):
        path = Path(network)
        return path.suffix in (".onnx", ".pt2") or transformer_models.is_folder(path)
    return not isinstance(network, Mapping)


def runner(name: str, network: Any, patterns: Sequence[str] | None) -> contextlib.AbstractContextManager[Runner]:
    """Return what runs a network and records its layers.

    Raises SpanmatchError if it is nothing that can be run, or the package that runs it is not installed.
    """
    if isinstance(network, str | PathLike):
        path = Path(network)
        if path.suffix == ".pt2":
            raise BadArgument(exported.WHY_NOT.format(path=path))
        if path.suffix == ".onnx":
            return contextlib.nullcontext(onnx_graphs.graph(name, path, patterns))
        return transformer_models.from_folder(name, path, patterns)
    if isinstance(network, tuple) or transformer_models.is_model(network):
        return transformer_models.from_model(name, network, patterns)
    if exported.is_program(network):
        return contextlib.nullcontext(exported.Program(name, network, patterns))
    try:
        from torch import nn
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", f"network {name!r}") from error
    if not isinstance(network, nn.Module):
        raise SpanmatchError(
            f"network {name!r} is a {type(network).__name__}; give a torch.nn.Module, a program of "
            "torch.export, a model of transformers, or the path of an .onnx file"
        )
    return torch_modules.modules(name, network, patterns)


class _Group:
    """Batches put together until they are large enough for fast products, never leaving one example alone."""

    def __init__(self, kept: Checkpoint) -> None:
        self.kept, self.moments = kept, kept.moments
        self.waiting: list[Outputs] = []

    def add(self, outputs: Outputs) -> None:
        """Take a batch; what waited is added to the moments once it is enough, but for the last."""
        if self._enough():
            last = self.waiting.pop()
            self.flush()
            self.waiting = [last]
            self.kept.write_if_due()
        self.waiting.append(outputs)

    def flush(self) -> None:
        """Add everything that waits."""
        if not self.waiting:
            return
        first = self.waiting[0]
        for outputs in self.waiting:
            if outputs.rows.keys() != first.rows.keys():
                layer = next(iter(outputs.rows.keys() ^ first.rows.keys()))
                raise SpanmatchError(f"layer {layer!r} ran in some batches and not in others")
        rows = {layer: joined([o.rows[layer] for o in self.waiting]) for layer in first.rows}
        examples = {layer: np.concatenate([o.examples[layer] for o in self.waiting]) for layer in first.rows}
        self.moments.update(rows, examples)
        self.moments.describe(first.how, example_ids=np.concatenate([o.numbers for o in self.waiting]))
        self.waiting = []

    def _enough(self) -> bool:
        if len(self.waiting) < 2:
            return False
        size = sum(rows.nbytes for outputs in self.waiting for rows in outputs.rows.values())
        fewest = min(sum(len(o.rows[layer]) for o in self.waiting) for layer in self.waiting[0].rows)
        return size > BYTES_TOGETHER or fewest >= ROWS_TOGETHER


def _check_names(networks: Any) -> None:
    if not isinstance(networks, Mapping) or not networks:
        raise SpanmatchError("networks: give {name: network}, at least one")
    for name in networks:
        if not isinstance(name, str) or not name or ":" in name:
            raise SpanmatchError(f"network name {name!r}: give a text without a colon")


def _check_common(runners: Sequence[Runner], pairs: Pairs) -> None:
    if pairs != "matching" or len(runners) < 2:
        return
    names = [set(each.layers) for each in runners]
    if not any(a & b for a, b in combinations(names, 2)):
        listed = "; ".join(f"{r.name!r}: {', '.join(list(r.layers)[:8])}" for r in runners)
        raise SpanmatchError(
            f"no layer has the same name in two networks ({listed}){nearest(runners[0].layers, runners[1].layers)}; "
            "give pairs='all' or a list of pairs"
        )


def _ids_of_batch(example_ids: Sequence[int] | None, first: int, count: int) -> Any:
    if example_ids is None:
        return np.arange(first, first + count)
    own = checked_ids("example_ids", example_ids[first : first + count])
    if len(own) != count:
        raise SpanmatchError(
            f"example_ids: {len(example_ids)}; give a whole number for every example, "
            f"of which there are at least {first + count}"
        )
    return own


def cut(batches: Any, size: int | None = None) -> Iterable[Any]:
    """Return batches; one array of examples, or one list of texts, is cut into some of that size."""
    texts = are_texts(batches)
    if texts or (hasattr(batches, "shape") and hasattr(batches, "dtype")):
        size = size or (TEXTS_AT_ONCE if texts else EXAMPLES_AT_ONCE)
        return [batches[i : i + size] for i in range(0, len(batches), size)]
    return iter(batches) if not hasattr(batches, "__len__") else batches  # type: ignore[no-any-return]
