"""Transplants from the command line: labels of the examples, and the accuracy of A with B's neurons in it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._progress import tracked
from ..activations.from_networks import cut
from ..activations.outputs import examples_in
from ..activations.stored import StoredActivations
from ..errors import BadArgument, SpanmatchError, SpanmatchWarning
from ..interventions import Transplant, transplant
from ..match import maximum_match

if TYPE_CHECKING:
    from torch import nn

    from ..activations.outputs import Batch
    from ..comparison import Comparison

Labels = NDArray[np.int64]
WANTED = "give a whole number from 0 for each example"


def read_labels(text: str | None, data: str | None) -> Labels:
    """Return the class labels of examples.

    Parameters
    ----------
    text
        A .npy file, a .txt file with a number a line, or the name of an array in the data.
    data
        The file of the data.

    Returns
    -------
    (n,) int64

    Raises
    ------
    BadArgument
        If there are none, or they are no whole numbers from 0.
    """
    if text is None or data is None:
        raise BadArgument("--labels is missing: which classes are the examples of?")
    try:
        labels = _read(text, data)
    except (OSError, ValueError) as error:
        raise BadArgument(f"--labels {text}: {error}; {WANTED}") from error
    if labels.ndim != 1 or not len(labels) or not np.array_equal(labels, np.floor(labels)) or labels.min() < 0:
        raise BadArgument(f"--labels {text}: {labels.dtype} of shape {labels.shape}; {WANTED}")
    return labels.astype(np.int64)


def with_transplants(
    comparison: Comparison,
    networks: Mapping[str, object],
    batches: Iterable[Batch] | None,
    labels: Labels,
    eps: float,
    input_name: str | None,
) -> Comparison:
    """Return a comparison with a transplant for each pair of layers: matched neurons of A predicted from B's.

    Parameters
    ----------
    comparison
        Of these networks, over these batches.
    networks
        By name.
    batches
        What they were compared on.
    labels : (n,)
        The class of each example, in the order of the batches.
    eps
        Of the matches.
    input_name
        Which member of batches that are dicts is the input; None for the default.

    Raises
    ------
    SpanmatchError
        If a network is no PyTorch module, or there is not one label an example.

    Warns
    -----
    SpanmatchWarning
        If no layer has a match.
    """
    from torch import nn

    modules: dict[str, nn.Module] = {}
    for name, network in networks.items():
        if not isinstance(network, nn.Module):
            raise SpanmatchError(f"--transplant: network {name!r} is no PyTorch module; only these can be changed")
        modules[name] = network
    batches = [_input_in(batch, input_name) for batch in cut(batches or [])]
    count = sum(map(examples_in, batches))
    if len(labels) != count:
        raise SpanmatchError(f"--labels: {len(labels):,} for {count:,} examples of --data")
    results = list(_transplants(comparison, modules, batches, labels, eps))
    if not results:
        warnings.warn(
            f"--transplant {eps:g}: no layer has a match at this eps; give a larger one", SpanmatchWarning, stacklevel=2
        )
    return replace(comparison, transplants=tuple(results))


def _transplants(
    comparison: Comparison, networks: Mapping[str, nn.Module], batches: list[Batch], labels: Labels, eps: float
) -> Iterator[Transplant]:
    """Yield the transplants of the pairs of layers that have a match."""
    labelled = list(_labelled(batches, labels))
    for result in tracked(comparison.pairs, "transplanting"):
        pair = comparison.moments.pair(result.x_layer, result.y_layer)
        match = maximum_match(pair, eps, centred=result.provenance.centred)
        if len(match.x) and len(match.y):
            yield transplant(networks, labelled, pair, match, fit_batches=batches)


def _input_in(batch: Batch, input_name: str | None) -> Batch:
    """Return the input that a batch holds under a name; without one, the batch."""
    return batch if input_name is None or not isinstance(batch, Mapping) else batch[input_name]


def _labelled(batches: list[Batch], labels: Labels) -> Iterator[Batch]:
    """Yield batches with the labels of their examples."""
    import torch

    first = 0
    for batch in batches:
        part = torch.from_numpy(labels[first : first + examples_in(batch)])
        first += len(part)
        if isinstance(batch, Mapping):
            yield {**batch, "labels": part}
        else:
            yield (batch[0] if isinstance(batch, tuple | list) else batch), part


def _read(text: str, data: str) -> NDArray[np.floating | np.integer]:
    """Return the array that a text names."""
    path = Path(text)
    if path.suffix == ".txt":
        return np.loadtxt(path, ndmin=1)
    if path.suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    with StoredActivations(data) as stored:
        if text not in stored.shapes:
            raise ValueError(f"no .npy or .txt file, and no array in {data}; it has {', '.join(stored.shapes)}")
        return np.asarray(stored.read(text, 0, stored.shapes[text][0]))
