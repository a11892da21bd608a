"""Loss and accuracy of a network's outputs for each example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..activations.torch import first_tensor
from ..errors import SpanmatchError
from ..moments.spans import Array

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[[Any, Any], "Tensor"]
"""A function of outputs and labels that returns one value for each example, (n,)."""
NOT_COUNTED = -100
"""The label of a position that is not counted, as in PyTorch's cross-entropy."""


def scores_of(outputs: object, labels: object, loss: Loss | None, condition: str) -> Array:
    """Return an array (2, examples) of losses and accuracies; accuracies are nan if outputs are not
    class scores.

    Raises SpanmatchError if a loss is not finite or there is not one for each example, or if no
    loss is given and outputs are not class scores of the labels.
    """
    import torch

    logits = first_tensor("the network's output", getattr(outputs, "logits", outputs))
    labels = torch.as_tensor(labels).to(logits.device)
    n, classes = len(labels), _by_position(logits, labels)
    if classes is None and loss is None:
        raise SpanmatchError(
            f"outputs {tuple(logits.shape)} for labels {tuple(labels.shape)} of {labels.dtype}: classes are expected "
            "on the last axis, and labels as whole numbers; give a loss of your own"
        )
    correct = torch.full((n,), float("nan")) if classes is None else _share_correct(*classes)
    if loss is not None:
        losses = torch.as_tensor(loss(outputs, labels))
        if losses.shape != (n,):
            raise SpanmatchError(
                f"loss: gives shape {tuple(losses.shape)} for {n} examples; give one value for each (reduction='none')"
            )
    else:
        assert classes is not None
        losses = _cross_entropies(*classes)
    if not losses.isfinite().all():
        i = int((~losses.isfinite()).nonzero()[0])
        raise SpanmatchError(f"{condition}: the loss of example {i} of a batch is {float(losses[i])}")
    return np.stack([values.detach().double().cpu().numpy() for values in (losses, correct)])


def class_labels(batches_of_labels: Sequence[object]) -> NDArray[np.int64] | None:
    """Return the labels of all batches if each example has one class label, else None."""
    import torch

    tensors = [torch.as_tensor(labels) for labels in batches_of_labels]
    if any(labels.is_floating_point() or labels.is_complex() or labels.numel() != len(labels) for labels in tensors):
        return None
    return np.concatenate([labels.reshape(-1).cpu().numpy() for labels in tensors]).astype(np.int64)


def _by_position(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return class scores (n, positions, classes) and labels (n, positions); None if outputs are
    not class scores.
    """
    n = len(labels)
    if labels.is_floating_point() or labels.is_complex() or logits.ndim < 2 or len(logits) != n or not n:
        return None
    if logits.numel() != labels.numel() * logits.shape[-1]:
        return None
    return logits.reshape(n, -1, logits.shape[-1]), labels.reshape(n, -1).long()


def _cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of each example's counted positions."""
    from torch.nn.functional import cross_entropy

    counted, classes = _counted(labels), logits.shape[-1]
    wrong = labels[counted & ((labels < 0) | (labels >= classes))]
    if len(wrong):
        raise SpanmatchError(f"label {int(wrong[0])}: give 0 to {classes - 1}, or {NOT_COUNTED} to ignore it")
    losses = cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=NOT_COUNTED, reduction="none")
    return losses.reshape(labels.shape).sum(1) / counted.sum(1)


def _share_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the share of each example's counted positions that are correct."""
    counted = _counted(labels)
    return ((logits.argmax(-1) == labels) & counted).sum(1).double() / counted.sum(1)


def _counted(labels: Tensor) -> Tensor:
    """Return which labels count.  Raises SpanmatchError if an example has none."""
    counted = labels != NOT_COUNTED
    if not counted.any(1).all():
        i = int((~counted.any(1)).nonzero()[0])
        raise SpanmatchError(f"example {i} of a batch has no label that counts: all are {NOT_COUNTED}")
    return counted
