"""Trained networks, run over test examples: the rows of their layers, and their outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import torch
from torch import nn

from ..activations import capture
from ..similarity.flattened_outputs import principal_coordinates
from ..study.compared_examples import labelled_batches
from ..study.runs import TrainedVariant
from .network_sets import NetworkSet, Rows
from .representation import Array, Representation

BATCH = 256
POOL: Mapping[Rows, Literal["mean", "last"] | None] = {"pooled": "mean", "last": "last"}


def representations(network_set: NetworkSet, variants: Mapping[str, TrainedVariant]) -> Iterator[Representation]:
    """Return what each network of a set makes of the test examples, the same ones for all.

    Parameters
    ----------
    network_set : NetworkSet
        The set: what the rows are, and how many there are.
    variants : mapping of str to TrainedVariant
        The networks by group.
    """
    for group, variant in variants.items():
        batches = labelled_batches(variant.data, BATCH, network_set.n_rows)
        labels = torch.cat([label[:, -1] if label.ndim > 1 else label for _, label in batches]).numpy()
        for run in variant.runs:
            network = run.network(variant.data)
            inputs = [examples for examples, _ in batches]
            layers = _layers(network_set, network, inputs, len(labels))
            name = f"{group} {run.short_name}" if len(variants) > 1 else run.short_name
            yield Representation(
                name, group, run.seed or 0, layers, labels.astype(np.int64), _probabilities(network, inputs)
            )


def _layers(network_set: NetworkSet, network: nn.Module, inputs: list[torch.Tensor], n: int) -> dict[str, Array]:
    """Return the rows of each layer, from the input to the output."""
    # Two names for one network, so that each layer has a pair, whose sample holds the rows.
    moments = capture(
        {"x": network, "y": network},
        inputs,
        layers=network_set.layers,
        folds=1,
        null=False,
        method="qr",
        sample=n,
        pool=POOL.get(network_set.rows),
    )
    samples = {x.partition(":")[2]: moments.pair(x, y).sample.x for x, y in moments.pairs}
    if network_set.rows == "flattened":
        return {layer: principal_coordinates(sample) for layer, sample in samples.items()}
    return {layer: sample.rows.astype(np.float64) for layer, sample in samples.items()}


def _probabilities(network: nn.Module, inputs: list[torch.Tensor]) -> Array:
    """Return the probabilities of the classes; of texts, of the character after the last."""
    with torch.inference_mode():
        outputs = [network(examples) for examples in inputs]
        logits = torch.cat([output[:, -1] if output.ndim > 2 else output for output in outputs])
        probabilities: Array = logits.double().softmax(dim=1).numpy()
    return probabilities
