"""Images in folders that are named by their classes, in a folder or an archive; decoded once and cached."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._files import read_tensors, write_tensors
from ..activations.archive_files import ARCHIVES, folder_files, read_files
from ..activations.image_decoding import IMAGES, File, Pixels, decoded_images
from ..errors import SpanmatchError

FORMAT, VERSION = "spanmatch.images", 1
LAYOUT = "give one folder of images for each class, or such folders in train and in test"


@dataclass(frozen=True)
class Images:
    """Images (n, 3, height, width) of bytes with the index of each one's class."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder or an archive, by part ("train" and "test", or "all"), and the names of the classes."""

    parts: dict[str, Images]
    classes: tuple[str, ...]


def contains_images(path: Path) -> bool:
    """Tell whether there are images in a folder or an archive.  Raises SpanmatchError if it cannot be read."""
    return path.exists() and any(content is not None for _, content in read_files(path, IMAGES))


def read_image_folder(path: Path, size: int | None, n_classes: int | None, cache: Path | None) -> ImageFolder:
    """Return the images of a folder, or of an archive of one.

    Parameters
    ----------
    path : Path
        A folder or an archive (.tar, .tar.gz, .tgz, .zip) with one folder of images for each class, or with such
        folders in "train" and in "test". All may be inside one folder, or several.
    size : int, optional
        Pixels along each side that images are resized to.
    n_classes : int, optional
        How many classes there must be; by default two or more.
    cache : Path, optional
        The folder in which decoded images are kept, under a name that depends on the checksum of the archive, or on
        the names, sizes and times of a folder's files. A file there that is damaged is replaced.

    Raises
    ------
    SpanmatchError
        If there is another number of classes, or a class of the tests that is not trained on; if an image is in no
        class's folder, cannot be decoded, has more than 8 bits per channel, or another size than the first; if an
        archive is cut short, damaged, or unsafe (see `archive_files.read_files`).
    """
    if not path.is_dir() and not path.is_file():
        raise SpanmatchError(f"{path} is not there; {LAYOUT}, or an archive of that ({', '.join(ARCHIVES)})")
    if cache is None:
        return _decoded(path, size, n_classes)
    cached = cache / f"images-{_fingerprint(path, size)}.safetensors"
    folder = _loaded(cached)
    if folder is not None:
        _check_classes(folder.classes, n_classes, path)
        return folder
    folder = _decoded(path, size, n_classes)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpanmatchError(f"cannot make folder {cache}: {error.strerror}") from error
    _save(folder, cached)
    return folder


def _fingerprint(path: Path, size: int | None) -> str:
    """Return a short name of the contents of a folder or an archive, and of the size asked for."""
    digest = hashlib.sha256(json.dumps([VERSION, size]).encode())
    try:
        if path.is_file():
            with path.open("rb") as archive:
                digest.update(hashlib.file_digest(archive, "sha256").digest())
        else:
            for name, file in folder_files(path, IMAGES):
                status = None if file is None else file.stat()
                about = [str(name), status and [status.st_size, status.st_mtime_ns]]
                digest.update(json.dumps(about).encode())
    except OSError as error:
        raise SpanmatchError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()[:16]


def _save(folder: ImageFolder, path: Path) -> None:
    """Write decoded images to one file."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for kind, part in folder.parts.items():
        arrays |= {f"{kind}/images": part.images.numpy(), f"{kind}/labels": part.labels.numpy()}
    about = {"format": FORMAT, "version": str(VERSION), "classes": json.dumps(folder.classes)}
    write_tensors(path, arrays, about)


def _loaded(path: Path) -> ImageFolder | None:
    """Return the decoded images in a file; None if there is none, or it is damaged, so that it must be made again."""
    try:
        arrays, about = read_tensors(path)
    except SpanmatchError:
        return None
    if (about.get("format"), about.get("version")) != (FORMAT, str(VERSION)):
        return None
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    kinds = sorted({name.partition("/")[0] for name in tensors})
    parts = {kind: Images(tensors[f"{kind}/images"], tensors[f"{kind}/labels"]) for kind in kinds}
    return ImageFolder(parts, tuple(json.loads(about["classes"])))


def _decoded(path: Path, size: int | None, n_classes: int | None) -> ImageFolder:
    """Read and decode all images."""
    folders: set[PurePosixPath] = set()
    images: dict[PurePosixPath, Pixels] = {}
    first = None
    for name, pixels in decoded_images(_images_only(path, folders), path, size):
        first = pixels.shape if first is None else first
        if pixels.shape != first:
            sizes = " and ".join("x".join(map(str, shape[1:])) for shape in (first, pixels.shape))
            raise SpanmatchError(f"{path}: {name}: images of different size ({sizes}); give data.size")
        images[name] = pixels
    if first is None:
        raise SpanmatchError(f"{path}: no images; known are {', '.join(IMAGES)}")
    by_kind, classes = _arranged(images, folders, path)
    _check_classes(classes, n_classes, path)
    label_of = {name: label for label, name in enumerate(classes)}
    parts = {}
    for kind, files in by_kind.items():
        joined = np.empty((len(files), *first), np.uint8)
        for i, (_, file) in enumerate(files):
            joined[i] = images.pop(file)  # so that there are no two copies of all
        parts[kind] = Images(torch.from_numpy(joined), torch.tensor([label_of[name] for name, _ in files]))
    return ImageFolder(parts, classes)


def _images_only(path: Path, folders: set[PurePosixPath]) -> Iterator[File]:
    """Yield the files of images in a folder or an archive, and add its folders to a set."""
    for name, content in read_files(path, IMAGES):
        if content is None:
            folders.add(name)
        else:
            yield name, content


def _arranged(
    files: Iterable[PurePosixPath], folders: Iterable[PurePosixPath], path: Path
) -> tuple[dict[str, list[tuple[str, PurePosixPath]]], tuple[str, ...]]:
    """Return the (class, file) of each image, by part, and the classes.  Raises SpanmatchError for any other layout."""
    files = sorted(files)
    outer = files[0].parts[: _outer_depth(files)]
    inner = {file: file.parts[len(outer) :] for file in files}
    in_parts = {"train", "test"} <= {parts[0] for parts in inner.values()}
    found: dict[str, list[tuple[str, PurePosixPath]]] = {"train": [], "test": []} if in_parts else {"all": []}
    for file, parts in inner.items():
        kind = parts[0] if in_parts else "all"
        if len(parts) != (3 if in_parts else 2) or kind not in found:
            raise SpanmatchError(f"{path}: {file}: in no class's folder; {LAYOUT}")
        found[kind].append((parts[-2], file))
    filled = {parent for file in files for parent in file.parents}
    for folder in sorted(folders):
        parts = folder.parts[len(outer) :]
        is_class = folder.parts[: len(outer)] == outer and (
            len(parts) == 2 and parts[0] in found if in_parts else len(parts) == 1
        )
        if is_class and folder not in filled:
            raise SpanmatchError(f"{path}: {folder}: no images in this folder; known are {', '.join(IMAGES)}")
    classes = tuple(sorted({name for name, _ in next(iter(found.values()))}))
    for name, file in found.get("test", ()):
        if name not in classes:
            raise SpanmatchError(f"{path}: {file}: there are no training images of {name!r}")
    return found, classes


def _outer_depth(files: Sequence[PurePosixPath]) -> int:
    """Return how many folders, one inside the other, contain all images with their classes."""
    parts = [file.parts for file in files]
    depth = 0
    while len({p[depth] for p in parts}) == 1 and min(map(len, parts)) > depth + 2:
        depth += 1
    return depth


def _check_classes(classes: Sequence[str], n_classes: int | None, path: Path) -> None:
    """Raise SpanmatchError if there are fewer than two classes, or another number than there must be."""
    if len(classes) < 2:
        raise SpanmatchError(f"{path}: images of one class; {LAYOUT}, two classes or more")
    if n_classes is not None and len(classes) != n_classes:
        raise SpanmatchError(f"{path}: images of {len(classes)} classes; give those of {n_classes}, or name = 'folder'")
