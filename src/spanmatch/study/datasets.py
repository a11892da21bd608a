"""Data sets: read from disk, or those that come with Python and scikit-learn; nothing is downloaded."""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from ..activations.code_names import is_code
from ..activations.from_names import function
from ..activations.image_decoding import resized
from ..errors import SpanmatchError
from .altered_examples import with_random_characters, with_random_labels, with_shortcuts
from .cifar_archives import CLASSES, PUBLISHED, check_md5, read_cifar
from .image_files import contains_images, read_image_folder
from .settings import DataSettings

ALPHABET = "\n\t" + "".join(map(chr, range(32, 127)))
"""Characters of text; any other is taken for the last of these, a tilde."""


@dataclass(frozen=True)
class Data:
    """Examples for training and for tests: images (n, channels, size, size) of bytes, or characters (n, length)."""

    name: str
    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    standardise: bool = True
    """Whether networks take images with mean 0 and variance 1 in every channel, or with pixels from 0 to 1."""

    @property
    def is_text(self) -> bool:
        """Whether examples are characters, and labels the characters that follow."""
        return self.train.ndim == 2

    def to(self, device: torch.device) -> Data:
        """Return the data with all examples on a device."""
        train, train_labels = self.train.to(device), self.train_labels.to(device)
        test, test_labels = self.test.to(device), self.test_labels.to(device)
        return replace(self, train=train, train_labels=train_labels, test=test, test_labels=test_labels)

    def prepared(self, examples: Tensor) -> Tensor:
        """Return examples as networks take them.

        Images are float32, with mean 0 and variance 1 in every channel over the training images, or from 0 to 1 without
        `standardise`; characters are as they were.
        """
        if self.is_text:
            return examples
        if not self.standardise:
            return examples.float() / 255
        mean, deviation = self._scale
        return (examples.float() / 255 - mean) / deviation

    @cached_property
    def _scale(self) -> tuple[Tensor, Tensor]:
        """The mean and the deviation of each channel, over the training images from 0 to 1."""
        images = self.train.float().div_(255)
        mean, deviation = images.mean(dim=(0, 2, 3), keepdim=True), images.std(dim=(0, 2, 3), keepdim=True)
        return mean, deviation.clamp_min(1e-6)

    @cached_property
    def digest(self) -> str:
        """A short name of what the examples and labels are."""
        digest = hashlib.sha256(b"" if self.standardise else b"pixels from 0 to 1")
        for tensor in (self.train, self.train_labels, self.test, self.test_labels):
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()[:16]

    @property
    def words_of_inputs(self) -> str:
        """What networks take, in a few words, with the setting that says so; nothing if it is text."""
        if self.is_text:
            return ""
        if self.standardise:
            return "mean 0 and variance 1 in every channel; from 0 to 1 with data.standardise = false"
        return "pixels from 0 to 1"

    @property
    def words(self) -> str:
        """The data set in a few words."""
        kind = f"of {self.train.shape[1]} characters" if self.is_text else "x".join(map(str, self.train.shape[1:]))
        return f"{self.name}: {len(self.train):,} to train on, {len(self.test):,} for tests, {kind}"


def read_data(settings: DataSettings, folder: Path = Path(), cache: Path | None = None) -> Data:
    """Return a data set.

    Parameters
    ----------
    settings : DataSettings
        The name of the data set, its files, and how many examples of what size to take.
    folder : Path
        The folder that relative paths are taken from.
    cache : Path, optional
        The folder in which decoded images are kept, so that they are decoded once.

    Raises
    ------
    SpanmatchError
        If a file is missing, truncated, or not the published one; the message says where it comes from and where it
        is expected.
    """
    path = None if settings.path is None else folder / settings.path
    if is_code(settings.name):
        data = _from_function(folder / settings.name, settings)
    elif settings.name == "digits":
        data = _digits(settings)
    elif settings.name == "folder":
        data = _folder(_needed(path, "a folder with one folder of images for each class"), settings, cache)
    elif settings.name == "text":
        data = _text(path, settings)
    else:
        data = _cifar(_needed(path, f"the archive {', or '.join(PUBLISHED[settings.name])}"), settings, cache)
    if settings.max_examples is not None:
        data = _shortened(data, settings.max_examples)
    data = replace(data, standardise=settings.standardise)
    if settings.shortcut is not None:
        data = _with_shortcuts(data, settings.shortcut)
    return _with_random_labels(data, settings.random_labels) if settings.random_labels > 0 else data


def reader(folder: Path, cache: Path | None = None) -> Callable[[DataSettings], Data]:
    """Return a function that reads data sets as `read_data` does, each once."""
    known: dict[str, Data] = {}

    def read(settings: DataSettings) -> Data:
        key = settings.model_dump_json()
        if key not in known:
            known[key] = read_data(settings, folder, cache)
        return known[key]

    return read


def _from_function(code: Path, settings: DataSettings) -> Data:
    """Return the images and labels that file.py:function gives; tests are split off if it gives none."""
    make = function(str(code))
    try:
        parts = [torch.as_tensor(part) for part in make(**settings.options)]
    except Exception as error:
        raise SpanmatchError(f"{code.name} failed: {type(error).__name__}: {error}") from error
    if len(parts) not in (2, 4):
        raise SpanmatchError(
            f"{code.name} gives {len(parts)} arrays; give images and labels, and those for tests if any"
        )
    images = [_images(code.name, part, settings.size) for part in parts[::2]]
    labels = [_labels(code.name, *part) for part in zip(images, parts[1::2], strict=True)]
    classes = tuple(map(str, range(int(max(part.max() for part in labels)) + 1)))
    if len(parts) == 2:
        return _split(code.name, images[0], labels[0], classes, settings)
    return Data(code.name, images[0], labels[0], images[1], labels[1], classes)


def _images(name: str, images: Tensor, size: int | None) -> Tensor:
    """Return images (n, channels, size, size) of bytes.  Raises SpanmatchError if they are something else."""
    if images.ndim == 3:
        images = images[:, None]
    if images.dtype != torch.uint8 or images.ndim != 4 or not len(images):
        shape, kind = tuple(images.shape), str(images.dtype).removeprefix("torch.")
        raise SpanmatchError(f"{name} gives images {shape} of {kind}; give (n, channels, size, size) of bytes (uint8)")
    return resized(images, size)


def _labels(name: str, images: Tensor, labels: Tensor) -> Tensor:
    """Return a label for each image.  Raises SpanmatchError if they are something else."""
    integers = not labels.is_floating_point() and not labels.is_complex()
    if labels.shape != images.shape[:1] or not integers or int(labels.min()) < 0:
        shape, kind = tuple(labels.shape), str(labels.dtype).removeprefix("torch.")
        raise SpanmatchError(f"{name} gives labels {shape} of {kind}; give {len(images)} whole numbers from 0 on")
    return labels.long()


def _needed(path: Path | None, what: str) -> Path:
    """Return the path of the data.  Raises SpanmatchError if the settings have none."""
    if path is None:
        raise SpanmatchError(f"data.path is missing: give {what}")
    return path


def _digits(settings: DataSettings) -> Data:
    """Return scikit-learn's digits."""
    digits = load_digits()
    images = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8))[:, None]
    return _split("digits", resized(images, settings.size), torch.from_numpy(digits.target), "0123456789", settings)


def _split(name: str, examples: Tensor, labels: Tensor, classes: Sequence[str], settings: DataSettings) -> Data:
    """Return data whose test examples are drawn once and for all."""
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))
    first = round(len(examples) * settings.held_out)
    test, train = order[:first], order[first:]
    return Data(name, examples[train], labels[train], examples[test], labels[test], tuple(classes))


def _shortened(data: Data, max_examples: int) -> Data:
    """Return so many training examples at most, and a quarter as many for tests."""

    def first(count: int, *tensors: Tensor) -> list[Tensor]:
        order = torch.randperm(len(tensors[0]), generator=torch.Generator().manual_seed(0))[:count]
        return [tensor[order] for tensor in tensors]

    train, train_labels = first(max_examples, data.train, data.train_labels)
    test, test_labels = first(-(-max_examples // 4), data.test, data.test_labels)
    return replace(data, train=train, train_labels=train_labels, test=test, test_labels=test_labels)


def _with_shortcuts(data: Data, share: float) -> Data:
    """Return the images with a pixel that says a class: for a share of the training images, their own."""
    train, test = with_shortcuts(data.train, data.train_labels, data.test, len(data.classes), share)
    return replace(data, name=f"{data.name}, shortcut {100 * share:g}%", train=train, test=test)


def _with_random_labels(data: Data, share: float) -> Data:
    """Return the data with a share of the training labels replaced by random ones."""
    if data.is_text:
        labels = with_random_characters(data.train_labels, share)
    else:
        labels = with_random_labels(data.train_labels, len(data.classes), share)
    return replace(data, name=f"{data.name}, {100 * share:g}% random labels", train_labels=labels)


def _folder(path: Path, settings: DataSettings, cache: Path | None, n_classes: int | None = None) -> Data:
    """Return the images in folders that are named by their classes, in "train" and "test" or to be split."""
    if settings.md5 is not None and path.is_dir():
        raise SpanmatchError(f"data.md5 is the checksum of an archive, and {path} is a folder; leave it out")
    if settings.md5 is not None and path.is_file():
        check_md5(path, settings.md5)
    folder = read_image_folder(path, settings.size, n_classes, cache)
    name = path.resolve().name if path.is_dir() else path.name.partition(".")[0]
    if "all" in folder.parts:
        images = folder.parts["all"]
        return _split(name, images.images, images.labels, folder.classes, settings)
    train, test = folder.parts["train"], folder.parts["test"]
    return Data(name, train.images, train.labels, test.images, test.labels, folder.classes)


def _cifar(path: Path, settings: DataSettings, cache: Path | None) -> Data:
    """Return CIFAR-10 or CIFAR-100 from a published archive, or from a folder or an archive of its images."""
    name = settings.name
    is_published = any(path.name == archive or (path / archive).is_file() for archive in PUBLISHED[name])
    if not is_published and contains_images(path):
        return _folder(path, settings, cache, CLASSES[name])
    train, test, classes = read_cifar(name, path, settings.md5)
    return Data(name, resized(train[0], settings.size), train[1], resized(test[0], settings.size), test[1], classes)


def _text(path: Path | None, settings: DataSettings) -> Data:
    """Return text in examples of equal length, by default Python's standard library; the last ones are for tests."""
    if path is None:
        files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
        name = "the standard library's sources"
    else:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        name = path.name
    text = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)
    if len(text) < 4 * (settings.context + 1):
        raise SpanmatchError(f"{path}: {len(text)} characters of text; give at least {4 * (settings.context + 1)}")
    codes = np.full(0x110000, len(ALPHABET) - 1, dtype=np.int64)
    codes[[ord(letter) for letter in ALPHABET]] = np.arange(len(ALPHABET))
    values = torch.from_numpy(codes[np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)])
    count = (len(values) - 1) // settings.context
    inputs, labels = (values[i : i + count * settings.context].view(count, -1) for i in (0, 1))
    first = count - max(1, round(count * settings.held_out))
    return Data(name, inputs[:first], labels[:first], inputs[first:], labels[first:], tuple(ALPHABET))
