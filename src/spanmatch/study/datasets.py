"""Data sets: read from disk, or those that come with Python and scikit-learn; nothing is downloaded."""

from __future__ import annotations

import hashlib
import io
import pickle
import sysconfig
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn

from ..activations.from_names import function, is_code
from ..errors import SpanmatchError, missing_extra
from .settings import DataSettings

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
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

    @property
    def is_text(self) -> bool:
        """Whether examples are characters, and labels the characters that follow."""
        return self.train.ndim == 2

    def prepared(self, examples: Tensor) -> Tensor:
        """Return examples as networks take them.

        Images are float32, with mean 0 and variance 1 in every channel over the training images; characters are as they
        were.
        """
        if self.is_text:
            return examples
        mean, deviation = self._scale
        return (examples.float() / 255 - mean) / deviation

    @cached_property
    def _scale(self) -> tuple[Tensor, Tensor]:
        """The mean and the deviation of each channel, over the training images from 0 to 1."""
        images = self.train.float() / 255
        mean, deviation = images.mean(dim=(0, 2, 3), keepdim=True), images.std(dim=(0, 2, 3), keepdim=True)
        return mean, deviation.clamp_min(1e-6)

    @property
    def words(self) -> str:
        """The data set in a few words."""
        kind = f"of {self.train.shape[1]} characters" if self.is_text else "x".join(map(str, self.train.shape[1:]))
        return f"{self.name}: {len(self.train):,} to train on, {len(self.test):,} for tests, {kind}"


def read_data(settings: DataSettings, folder: Path = Path()) -> Data:
    """Return a data set.

    Parameters
    ----------
    settings : DataSettings
        The name of the data set, its files, and how many examples of what size to take.
    folder : Path
        The folder that relative paths are taken from.

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
        data = _folder(_needed(path, "a folder with one folder of images for each class"), settings)
    elif settings.name == "text":
        data = _text(path, settings)
    else:
        data = _cifar(settings.name, _needed(path, f"the archive {', or '.join(ARCHIVES[settings.name])}"), settings)
    if settings.max_examples is not None:
        data = _shortened(data, settings.max_examples)
    return _relabelled(data) if settings.labels == "random" else data


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
    return _resized(images, size)


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
    return _split("digits", _resized(images, settings.size), torch.from_numpy(digits.target), "0123456789", settings)


def _split(name: str, examples: Tensor, labels: Tensor, classes: Sequence[str], settings: DataSettings) -> Data:
    """Return data whose test examples are drawn once and for all."""
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))
    first = round(len(examples) * settings.held_out)
    test, train = order[:first], order[first:]
    return Data(name, examples[train], labels[train], examples[test], labels[test], tuple(classes))


def _resized(images: Tensor, size: int | None) -> Tensor:
    """Return images with so many pixels along each side."""
    if size is None or images.shape[-1] == images.shape[-2] == size:
        return images
    parts = [
        nn.functional.interpolate(part.float(), (size, size), mode="bilinear", antialias=True)
        for part in torch.split(images, 1024)
    ]
    return torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in parts])


def _shortened(data: Data, max_examples: int) -> Data:
    """Return so many training examples at most, and a quarter as many for tests."""

    def first(count: int, *tensors: Tensor) -> list[Tensor]:
        order = torch.randperm(len(tensors[0]), generator=torch.Generator().manual_seed(0))[:count]
        return [tensor[order] for tensor in tensors]

    train, train_labels = first(max_examples, data.train, data.train_labels)
    test, test_labels = first(-(-max_examples // 4), data.test, data.test_labels)
    return Data(data.name, train, train_labels, test, test_labels, data.classes)


def _relabelled(data: Data) -> Data:
    """Return the data with labels that are drawn at random, whatever the images."""
    if data.is_text:
        raise SpanmatchError("data.labels = 'random': of text, the labels are the text itself; give images")
    random = torch.Generator().manual_seed(0)
    train, test = (
        torch.randint(len(data.classes), (len(labels),), generator=random)
        for labels in (data.train_labels, data.test_labels)
    )
    return replace(data, name=f"{data.name}, random labels", train_labels=train, test_labels=test)


PUBLISHED = "Alex Krizhevsky's page on CIFAR at the University of Toronto"
ARCHIVES = {
    "cifar10": {
        "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    },
    "cifar100": {
        "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
        "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
    },
}
"""The published archives and their md5."""
MEMBERS: dict[str, dict[str, tuple[str, ...]]] = {
    "cifar10": {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)},
    "cifar100": {"train": ("train",), "test": ("test",)},
}
"""The files in an archive, without the ending that binary ones have."""
PIXELS = 3 * 32 * 32


def _cifar(name: str, path: Path, settings: DataSettings) -> Data:
    """Return CIFAR-10 or CIFAR-100 (fine labels) from a published archive, which is not unpacked."""
    known = ARCHIVES[name]
    if path.is_dir():
        path = next((path / archive for archive in known if (path / archive).is_file()), path / next(iter(known)))
    if not path.is_file():
        raise SpanmatchError(
            f"{path} is not there. It is one of {', '.join(known)}, published on {PUBLISHED}; put it there, or say in "
            "data.path where it is"
        )
    _check_md5(path, [settings.md5] if settings.md5 else list(known.values()))
    try:
        files = _members(path)
        parts = {kind: _part(files, name, members, settings.size) for kind, members in MEMBERS[name].items()}
        classes = _classes(files, name)
    except (
        tarfile.TarError,
        OSError,
        EOFError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        pickle.PickleError,
    ) as error:
        raise SpanmatchError(f"{path}: not an archive of {name} as published ({error})") from error
    return Data(name, *parts["train"], *parts["test"], classes)


def _part(files: dict[str, bytes], name: str, members: tuple[str, ...], size: int | None) -> tuple[Tensor, Tensor]:
    """Return the images and labels of some members, python or binary."""
    batches = []
    for member in members:
        if member in files:
            batches.append(_python(files[member], name))
        elif f"{member}.bin" in files:
            batches.append(_binary(files[f"{member}.bin"], name))
        else:
            raise ValueError(f"it holds no {member}")
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    if len(images) != len(labels) or not len(images):
        raise ValueError(f"{len(images)} images and {len(labels)} labels in {', '.join(members)}")
    return _resized(torch.from_numpy(images.reshape(-1, 3, 32, 32)), size), torch.from_numpy(labels)


def _check_md5(path: Path, allowed: list[str]) -> None:
    """Raise SpanmatchError if a file has another checksum."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest not in allowed:
        raise SpanmatchError(
            f"{path}: its md5 is {digest}, and that of what was published {' or '.join(allowed)}: it is cut short or "
            "another file. If it is meant, say so with data.md5"
        )


def _members(path: Path) -> dict[str, bytes]:
    """Return the contents of the files in an archive, by their names without folders."""
    with tarfile.open(path, "r:gz") as archive:
        files = {Path(member.name).name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _binary(content: bytes, name: str) -> Batch:
    """Return images and labels of a file of records: the labels (in CIFAR-100 coarse, fine) and the pixels."""
    labels = 1 if name == "cifar10" else 2
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, labels + PIXELS)
    return records[:, labels:], records[:, labels - 1].astype(np.int64)


def _python(content: bytes, name: str) -> Batch:
    """Return images and labels of a pickled dictionary."""
    batch = _unpickled(content)
    array = batch[b"data"]
    if not isinstance(array, _Inert):
        raise ValueError("a pickle holds no array")
    by_columns, pixels = array.array_state()
    shape = len(pixels) // PIXELS, PIXELS
    images = np.frombuffer(pixels, dtype=np.uint8).reshape(shape, order="F" if by_columns else "C")
    return images, np.array(batch[b"labels" if name == "cifar10" else b"fine_labels"], dtype=np.int64)


def _unpickled(content: bytes) -> dict[bytes, object]:
    """Return the dictionary in a pickle, without running anything that it names."""
    value = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    if not isinstance(value, dict):
        raise ValueError(f"a pickle holds a {type(value).__name__}")
    return value


class _Inert:
    """Stands for any object in a pickle: it keeps the object's state, and does nothing."""

    def __init__(self, *_: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def array_state(self) -> tuple[bool, bytes]:
        """Return whether a NumPy array is stored by columns, and its bytes.  Raises ValueError if this is none."""
        if not isinstance(self.state, tuple) or len(self.state) < 2 or not isinstance(self.state[-1], bytes):
            raise ValueError("a pickle holds no array")
        return bool(self.state[-2]), self.state[-1]


class _Unpickler(pickle.Unpickler):
    """Reads the values in a pickle without importing or calling anything that it names."""

    def find_class(self, module: str, name: str) -> type[_Inert]:
        """Return the stand-in, whatever the pickle names."""
        return _Inert


def _classes(files: dict[str, bytes], name: str) -> tuple[str, ...]:
    """Return the names of the classes, from the file of names, or their numbers."""
    for member, key in (("batches.meta", b"label_names"), ("meta", b"fine_label_names")):
        if member in files:
            names = _unpickled(files[member])[key]
            if not isinstance(names, list):
                raise ValueError(f"{member} holds no names of classes")
            return tuple(name.decode() for name in names)
    for member in ("batches.meta.txt", "fine_label_names.txt"):
        if member in files:
            return tuple(files[member].decode().split())
    return tuple(map(str, range(10 if name == "cifar10" else 100)))


def _folder(path: Path, settings: DataSettings) -> Data:
    """Return the images in folders that are named by their classes, in "train" and "test" or to be split."""
    kinds = [path / kind for kind in ("train", "test")]
    if all(kind.is_dir() for kind in kinds):
        names = _class_names(kinds[0])
        parts = [_images_of(kind, names, settings.size) for kind in kinds]
        return Data(path.name, *parts[0], *parts[1], tuple(names))
    names = _class_names(path)
    return _split(path.name, *_images_of(path, names, settings.size), names, settings)


def _class_names(path: Path) -> list[str]:
    """Return the names of the folders in a folder.  Raises SpanmatchError if there are fewer than two."""
    names = sorted(folder.name for folder in path.iterdir() if folder.is_dir()) if path.is_dir() else []
    if len(names) < 2:
        raise SpanmatchError(f"{path}: give a folder with one folder of images for each class, two or more")
    return names


def _images_of(path: Path, names: list[str], size: int | None) -> tuple[Tensor, Tensor]:
    """Return the images in the folders of some names, and their labels, the index of the name."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise missing_extra("Pillow", "study", "a folder of images") from error
    images, labels = [], []
    for label, name in enumerate(names):
        for file in sorted(p for p in (path / name).rglob("*") if p.suffix.lower() in IMAGES):
            try:
                with Image.open(file) as image:
                    pixels = np.asarray(image.convert("RGB"))
            except (UnidentifiedImageError, OSError) as error:
                raise SpanmatchError(f"{file}: cut short, or not an image ({error})") from error
            images.append(_resized(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None], size))
            labels.append(label)
            if images[-1].shape != images[0].shape:
                shapes = " and ".join("x".join(map(str, image.shape[2:])) for image in (images[0], images[-1]))
                raise SpanmatchError(f"{file}: images of different size ({shapes}); give data.size")
    if not images:
        raise SpanmatchError(f"{path}: no images; known are {', '.join(IMAGES)}")
    return torch.cat(images), torch.tensor(labels)


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
