"""What the layers of all networks gave for one batch, and the protocol of a network that is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from ..moments.samples import ExampleOutputs
from .layouts import MASKED_TOKENS, BatchRows, Layout

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..moments.sample import Reduction
    from .layouts import Array

    Network: TypeAlias = nn.Module | ExportedProgram | PreTrainedModel | tuple[PreTrainedModel, PreTrainedTokenizerBase]
    """A network in memory that can be run; see `capture`."""

Batch: TypeAlias = object
"""What networks are called with: arrays, tuples or dicts of them, or texts; see `capture`."""
MASKS = ("attention_mask", "mask")
"""Names in batches of what says which tokens count."""


class BatchActivations:
    """The rows of all layers, of all networks, for one batch.

    Parameters
    ----------
    example_ids : (examples,)
        Those of the batch.
    layout
        How outputs become rows.
    candidates : (examples,), optional
        Which examples could enter the sample; by default none.
    """

    def __init__(
        self, example_ids: NDArray[np.int64], layout: Layout, candidates: NDArray[np.bool_] | None = None
    ) -> None:
        self.example_ids = example_ids
        self.rows: dict[str, Array] = {}
        """(rows, neurons) by layer."""
        self.row_ids: dict[str, NDArray[np.int64]] = {}
        """(rows,) by layer, the example of each row; layers share arrays where they are equal."""
        self.layouts: dict[str, str] = {}
        """How the rows were made, in words, by layer."""
        self.needs_known_axes = True
        """Whether outputs are refused of which it is not known which axes have the examples and the neurons."""
        self.channels = layout.channels
        """Where the neurons of outputs with more than two axes are."""
        self.reductions: dict[str, Reduction] = {}
        """What the sample keeps of an example by default, by layer."""
        self.complete: dict[str, tuple[Array, NDArray[np.int64]]] = {}
        """All rows of the examples that could be sampled, of layers of which only some are rows."""
        self._batch_rows = BatchRows(layout, example_ids, candidates)

    def record(
        self,
        layer: str,
        output: Array,
        *,
        channels_first: bool | None,
        mask: Array | None = None,
        masked_tokens: str = MASKED_TOKENS,
    ) -> None:
        """Take a layer's output as rows, in memory of their own; see `BatchRows.rows`."""
        rows = self._batch_rows.rows(
            layer, output, channels_first=channels_first, mask=mask, masked_tokens=masked_tokens
        )
        self.rows[layer] = _owned(rows.values, output)
        self.row_ids[layer] = rows.example_ids
        self.layouts[layer], self.reductions[layer] = rows.layout, rows.reduction
        if rows.complete is not None:
            self.complete[layer] = rows.complete

    def keep_of(self, network: str, layers: Sequence[str]) -> None:
        """Keep these layers of a network alone."""
        kept = {f"{network}:{layer}" for layer in layers}
        for layer in [layer for layer in self.rows if layer.startswith(f"{network}:") and layer not in kept]:
            del self.rows[layer], self.row_ids[layer], self.layouts[layer]
            self.complete.pop(layer, None)

    def reorder(self, layers: Sequence[str]) -> None:
        """Put these layers, which ran in any order, in this one."""
        self.rows.update({layer: self.rows.pop(layer) for layer in layers})


class Runner(Protocol):
    """A network that is run on batches and gives the outputs of some of its layers."""

    name: str

    @property
    def layers(self) -> list[str]:
        """The names of its layers; of some kinds of networks known once it has run."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """What each layer is the result of: the class of a module, a function, an operator."""

    def run(self, batch: Batch, activations: BatchActivations) -> None:
        """Run the network on a batch, and record its layers' outputs."""

    def fingerprint(self) -> str:
        """Return what tells this network from others, weights included."""


def joined_rows(batches: Sequence[BatchActivations]) -> tuple[dict[str, Array], dict[str, NDArray[np.int64]]]:
    """Return the rows of several batches one after another, and the example of each row, by layer.

    Layers that share an array of example ids share the joined one too, so that what follows from it
    is computed once.
    """
    layers = batches[0].rows
    rows = {layer: _concatenated([batch.rows[layer] for batch in batches]) for layer in layers}
    joined: dict[tuple[int, ...], NDArray[np.int64]] = {}
    row_ids = {}
    for layer in layers:
        parts = [batch.row_ids[layer] for batch in batches]
        key = tuple(map(id, parts))
        if key not in joined:
            joined[key] = np.concatenate(parts)
        row_ids[layer] = joined[key]
    return rows, row_ids


def joined_outputs(batches: Sequence[BatchActivations]) -> ExampleOutputs:
    """Return what is known of the outputs of several batches; all rows of an example are in one."""
    first = batches[0]
    complete = {}
    for layer in first.complete:
        parts = [batch.complete[layer] for batch in batches]
        ids = np.concatenate([example_ids for _, example_ids in parts])
        complete[layer] = _concatenated([values for values, _ in parts]), ids
    return ExampleOutputs(first.reductions, complete, in_pieces=False)


def are_texts(batch: Batch) -> TypeGuard[Sequence[str]]:
    """Tell a list of texts from other batches."""
    return isinstance(batch, list | tuple) and bool(batch) and isinstance(batch[0], str)


def mask_of(batch: Batch) -> Array | None:
    """Return the mask of tokens, (examples, tokens), in a batch of named arrays, if any."""
    if not isinstance(batch, Mapping):
        return None
    return next((batch[name] for name in MASKS if name in batch), None)


def numbers_of(batches: object) -> dict[str, NDArray[np.generic]]:
    """Return the numbers that are the same in all batches, by name, of batches that are read from a file."""
    numbers: dict[str, NDArray[np.generic]] = getattr(batches, "numbers", {})
    return numbers


def examples_in(batch: Batch) -> int:
    """Return how many examples a batch holds: the length of its first array, or how many texts.

    Raises
    ------
    SpanmatchError
        If there are neither arrays nor texts in it.
    """
    if are_texts(batch):
        return len(batch)
    if isinstance(batch, Mapping):
        members = list(batch.values())
    else:
        members = list(batch) if isinstance(batch, list | tuple) else [batch]
    for member in members:
        if getattr(member, "shape", ()):
            return int(member.shape[0])
    raise SpanmatchError(
        f"a batch of type {type(batch).__name__} holds no array of examples, and no texts; give a tensor or an array, "
        "examples first, a tuple or a dict of such, or a list of texts"
    )


def _concatenated(parts: Sequence[Array]) -> Array:
    """Return rows one after another; those of one batch as they are."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    import torch

    return torch.cat(cast("list[torch.Tensor]", list(parts)))


def _owned(rows: Array, output: Array) -> Array:
    """Return rows in memory of their own: the next module may change the output, as a ReLU does.

    Arrays of NumPy are those of ONNX Runtime, which makes new ones in each run.
    """
    if isinstance(rows, np.ndarray) or isinstance(output, np.ndarray):
        return rows
    return rows.clone() if rows.untyped_storage().data_ptr() == output.untyped_storage().data_ptr() else rows
