"""Random labels and shortcuts: examples altered so that networks learn something else from them.

What is random is drawn once, the same for every seed of a study, and does not depend on the share of the examples that
is altered: the altered examples of a smaller share are among those of a larger one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import SpanmatchError

LABELS_SEED, SHORTCUT_SEED = 0, 1
"""Random labels and the choice of the images whose shortcut is true are independent of each other."""
BRIGHT = 255
"""The byte of a bright pixel."""


def with_random_labels(labels: Tensor, n_classes: int, share: float) -> Tensor:
    """Return the labels, a share of them replaced by classes drawn at random.

    Parameters
    ----------
    labels : torch.Tensor
        (n,) the classes of the images.
    n_classes : int
        How many classes there are.
    share : float
        The probability that a label is replaced, perhaps by the same class.
    """
    random = torch.Generator().manual_seed(LABELS_SEED)
    drawn = torch.randint(n_classes, labels.shape, generator=random)
    return torch.where(torch.rand(labels.shape, generator=random) < share, drawn, labels)


def with_random_characters(labels: Tensor, share: float) -> Tensor:
    """Return the characters that follow, a share of them replaced by those at other, random places of the text.

    Parameters
    ----------
    labels : torch.Tensor
        (examples, context) the numbers of the characters.
    share : float
        The probability that a character is replaced, perhaps by the same one.
    """
    random, n = torch.Generator().manual_seed(LABELS_SEED), labels.numel()
    steps = torch.randint(1, n, (n,), generator=random)
    elsewhere = labels.flatten()[(torch.arange(n) + steps) % n].view_as(labels)
    return torch.where(torch.rand(labels.shape, generator=random) < share, elsewhere, labels)


def with_shortcuts(
    train: Tensor, train_labels: Tensor, test: Tensor, n_classes: int, share: float
) -> tuple[Tensor, Tensor]:
    """Return training and test images with one bright pixel each, whose place says a class.

    Parameters
    ----------
    train : torch.Tensor
        (n, channels, height, width) the training images, of bytes.
    train_labels : torch.Tensor
        (n,) their classes.
    test : torch.Tensor
        (m, channels, height, width) the test images.
    n_classes : int
        How many classes there are, which is how many pixels, row by row from the top left, are overwritten.
    share : float
        The probability that the pixel of a training image says its class. Otherwise, and in all test images, it says a
        class drawn at random.

    Raises
    ------
    SpanmatchError
        If the images have fewer pixels than there are classes.
    """
    random = torch.Generator().manual_seed(SHORTCUT_SEED)
    in_test = torch.randint(n_classes, (len(test),), generator=random)
    in_train = torch.randint(n_classes, (len(train),), generator=random)
    is_true = torch.rand(len(train), generator=random) < share
    return _marked(train, torch.where(is_true, train_labels, in_train), n_classes), _marked(test, in_test, n_classes)


def _marked(images: Tensor, classes: Tensor, n_classes: int) -> Tensor:
    """Return the images with the pixel of their class bright and those of all other classes 0."""
    height, width = images.shape[-2:]
    if height * width < n_classes:
        raise SpanmatchError(
            f"data.shortcut: images of {height} x {width} pixels have no place for each of {n_classes} classes; set a "
            "larger data.size"
        )
    pixels = images.flatten(2).clone()
    pixels[:, :, :n_classes] = 0
    pixels[torch.arange(len(images)), :, classes] = BRIGHT
    return pixels.view(images.shape)
