"""CIFAR-10 and CIFAR-100 from the archives as published, whose checksums are known."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import SpanmatchError

PUBLISHER = "Alex Krizhevsky's page on CIFAR at the University of Toronto"
PUBLISHED = {
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
CLASSES = {"cifar10": 10, "cifar100": 100}


Part = tuple[Tensor, Tensor]
"""Images (n, 3, 32, 32) of bytes, and their labels."""


def read_cifar(name: str, path: Path, md5: str | None) -> tuple[Part, Part, tuple[str, ...]]:
    """Return CIFAR-10 or CIFAR-100 (fine labels) from a published archive, which is not unpacked.

    Parameters
    ----------
    name : {"cifar10", "cifar100"}
        Which of the two.
    path : Path
        The archive, or the folder that it is in.
    md5 : str, optional
        The checksum of an archive that is not the published one.

    Returns
    -------
    train, test : tuple of Tensor
        The images (n, 3, 32, 32) of bytes and the labels (n,).
    classes : tuple of str
        The names of the classes.

    Raises
    ------
    SpanmatchError
        If the archive is missing, cut short, or not the published one.
    """
    known = PUBLISHED[name]
    if path.is_dir():
        path = next((path / archive for archive in known if (path / archive).is_file()), path / next(iter(known)))
    if not path.is_file():
        raise SpanmatchError(
            f"{path} is not there. It is one of {', '.join(known)}, published on {PUBLISHER}; put it there, or say in "
            "data.path where it, or a folder or an archive of its images, is"
        )
    if md5 is None:
        _check_published(path, list(known.values()))
    else:
        check_md5(path, md5)
    try:
        files = _members(path)
        train, test = (_part(files, name, MEMBERS[name][kind]) for kind in ("train", "test"))
        return train, test, _classes(files, name)
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


def _part(files: dict[str, bytes], name: str, members: tuple[str, ...]) -> Part:
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
    return torch.from_numpy(images.reshape(-1, 3, 32, 32)), torch.from_numpy(labels)


def check_md5(path: Path, md5: str) -> None:
    """Raise SpanmatchError if a file has another checksum than the settings say."""
    digest = _md5(path)
    if digest != md5:
        raise SpanmatchError(f"{path}: its md5 is {digest}, and data.md5 is {md5}: it is cut short or another file")


def _check_published(path: Path, md5s: list[str]) -> None:
    """Raise SpanmatchError if a file has another checksum than those of what was published."""
    digest = _md5(path)
    if digest not in md5s:
        raise SpanmatchError(
            f"{path}: its md5 is {digest}, and that of what was published {' or '.join(md5s)}: it is cut short or "
            "another file. If it is meant, say so with data.md5"
        )


def _md5(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


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
    return tuple(map(str, range(CLASSES[name])))
