"""Images in folders that are named by their classes, in a folder or an archive; decoded once and cached.

An archive is read as it is: nothing of it is unpacked to disk. Members that could reach outside it (links, absolute
paths, "..") are refused, as are members larger than any image.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .._files import read_tensors, write_tensors
from ..errors import SpanmatchError, missing_extra

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
FORMAT, VERSION = "spanmatch.images", 1
MAX_BYTES, MAX_PIXELS = 2**26, 2**26
"""The largest file of one image, and the most pixels of one image: 64 MiB, 67 million."""
CHUNK, WAITING = 256, 16
"""Images that a thread decodes at once, and the most such tasks that wait for one."""

Pixels = NDArray[np.uint8]
File = tuple[PurePosixPath, bytes]
"""The path of an image inside its folder or archive, and the contents of its file."""


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
    """Tell whether there are training images in a folder, or images in an archive."""
    if path.is_dir():
        return (path / "train").is_dir()
    try:
        return path.is_file() and next(_files(path), None) is not None
    except SpanmatchError:
        return False


def read_image_folder(path: Path, size: int | None, cache: Path | None) -> ImageFolder:
    """Return the images of a folder, or of an archive of one.

    Parameters
    ----------
    path : Path
        A folder or an archive (.tar, .tar.gz, .tgz, .zip) with one folder of images for each class, or with such
        folders in "train" and in "test". All may be inside one folder of the archive.
    size : int, optional
        Pixels along each side that images are resized to.
    cache : Path, optional
        The folder in which decoded images are kept, under a name that depends on the checksum of the archive, or on
        the names, sizes and times of a folder's files.

    Raises
    ------
    SpanmatchError
        If there are fewer than two classes; if a file is no image, or has another size than the first; if an archive
        is cut short, or has a member that is a link, leads out of it, or is too large.
    """
    if not path.exists():
        raise SpanmatchError(
            f"{path} is not there; give a folder with one folder of images for each class, or an "
            f"archive of one ({', '.join(ARCHIVES)})"
        )
    if cache is None:
        return _decoded(path, size)
    cached = cache / f"images-{_fingerprint(path, size)}.safetensors"
    if cached.is_file():
        return _loaded(cached)
    folder = _decoded(path, size)
    cache.mkdir(parents=True, exist_ok=True)
    _save(folder, cached)
    return folder


def resized(images: Tensor, size: int | None) -> Tensor:
    """Return images with so many pixels along each side."""
    if size is None or images.shape[-1] == images.shape[-2] == size:
        return images
    parts = [
        nn.functional.interpolate(part.float(), (size, size), mode="bilinear", antialias=True)
        for part in torch.split(images, 1024)
    ]
    return torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in parts])


def _fingerprint(path: Path, size: int | None) -> str:
    """Return a short name of the contents of a folder or an archive, and of the size asked for."""
    digest = hashlib.sha256(json.dumps([VERSION, size]).encode())
    if path.is_file():
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    else:
        for file_path in sorted(path.rglob("*")):
            status = file_path.stat()
            about = [file_path.relative_to(path).as_posix(), status.st_size, status.st_mtime_ns]
            digest.update(json.dumps(about).encode())
    return digest.hexdigest()[:16]


def _save(folder: ImageFolder, path: Path) -> None:
    """Write decoded images to one file."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for kind, part in folder.parts.items():
        arrays |= {f"{kind}/images": part.images.numpy(), f"{kind}/labels": part.labels.numpy()}
    about = {"format": FORMAT, "version": str(VERSION), "classes": json.dumps(folder.classes)}
    write_tensors(path, arrays, about)


def _loaded(path: Path) -> ImageFolder:
    """Return the decoded images in a file."""
    arrays, about = read_tensors(path)
    if (about.get("format"), about.get("version")) != (FORMAT, str(VERSION)):
        raise SpanmatchError(f"{path}: not images that this spanmatch decoded; remove the file")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    kinds = sorted({name.partition("/")[0] for name in tensors})
    parts = {kind: Images(tensors[f"{kind}/images"], tensors[f"{kind}/labels"]) for kind in kinds}
    return ImageFolder(parts, tuple(json.loads(about["classes"])))


def _decoded(path: Path, size: int | None) -> ImageFolder:
    """Read and decode all images."""
    images = dict(_all_decoded(_files(path), path, size))
    if not images:
        raise SpanmatchError(f"{path}: no images; known are {', '.join(IMAGES)}")
    _check_sizes(images, path)
    by_kind, classes = _arranged(images, path)
    parts = {}
    for kind, paths in by_kind.items():
        labels = torch.tensor([classes.index(label) for label, _ in paths])
        parts[kind] = Images(torch.from_numpy(np.stack([images[file] for _, file in paths])), labels)
    return ImageFolder(parts, tuple(classes))


def _arranged(
    files: Iterable[PurePosixPath], path: Path
) -> tuple[dict[str, list[tuple[str, PurePosixPath]]], list[str]]:
    """Return the (class, file) of each image, by part, and the classes.  Raises SpanmatchError for fewer than two."""
    depth = _outer_folders(files) if path.is_file() else 0
    inner = {file: file.parts[depth:] for file in sorted(files)}
    kinds = {parts[0] for parts in inner.values() if len(parts) > 2}
    if {"train", "test"} <= kinds:
        found = {
            kind: [(parts[1], file) for file, parts in inner.items() if parts[0] == kind and len(parts) > 2]
            for kind in ("train", "test")
        }
    else:
        found = {"all": [(parts[0], file) for file, parts in inner.items() if len(parts) > 1]}
    classes = sorted({name for name, _ in next(iter(found.values()))})
    if len(classes) < 2:
        raise SpanmatchError(f"{path}: give a folder with one folder of images for each class, two or more")
    for name, file in found.get("test", ()):
        if name not in classes:
            raise SpanmatchError(f"{path}: {file}: there are no training images of {name!r}")
    return found, classes


def _outer_folders(files: Iterable[PurePosixPath]) -> int:
    """Return how many folders of an archive, one inside the other, contain all images with their classes."""
    parts = [file.parts for file in files]
    depth = 0
    while len({p[depth] for p in parts}) == 1 and min(map(len, parts)) > depth + 2:
        depth += 1
    return depth


def _check_sizes(images: dict[PurePosixPath, Pixels], path: Path) -> None:
    """Raise SpanmatchError if an image has another size than the first one by name."""
    ordered = sorted(images)
    first = images[ordered[0]].shape
    for file in ordered:
        if images[file].shape != first:
            sizes = " and ".join("x".join(map(str, shape[1:])) for shape in (first, images[file].shape))
            raise SpanmatchError(f"{path}: {file}: images of different size ({sizes}); give data.size")


def _all_decoded(files: Iterator[File], path: Path, size: int | None) -> Iterator[tuple[PurePosixPath, Pixels]]:
    """Yield the pixels of every file, decoded in several threads."""
    waiting: deque[Future[list[tuple[PurePosixPath, Pixels]]]] = deque()
    with ThreadPoolExecutor() as pool:
        while chunk := list(islice(files, CHUNK)):
            waiting.append(pool.submit(_chunk_decoded, chunk, path, size))
            if len(waiting) > WAITING:
                yield from waiting.popleft().result()
        for decoded in waiting:
            yield from decoded.result()


def _chunk_decoded(files: Sequence[File], path: Path, size: int | None) -> list[tuple[PurePosixPath, Pixels]]:
    """Return the pixels of some files."""
    return [(name, _pixels(name, content, path, size)) for name, content in files]


def _pixels(name: PurePosixPath, content: bytes, path: Path, size: int | None) -> Pixels:
    """Return the pixels (3, height, width) of an image, in colour."""
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("Pillow", "study", "a folder of images") from error
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise SpanmatchError(f"{path}: {name}: {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
            pixels = np.array(image.convert("RGB")).transpose(2, 0, 1)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise SpanmatchError(f"{path}: {name}: cut short, or not an image ({error})") from error
    return pixels if size is None else resized(torch.from_numpy(pixels)[None], size)[0].numpy()


def _files(path: Path) -> Iterator[File]:
    """Yield the files of images in a folder or an archive."""
    if path.is_dir():
        return _in_folder(path)
    return _named_errors(_in_zip(path) if zipfile.is_zipfile(path) else _in_tar(path), path)


def _named_errors(files: Iterator[File], path: Path) -> Iterator[File]:
    """Yield the files of an archive; turn errors of reading it into one that names it."""
    try:
        yield from files
    except SpanmatchError:
        raise
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError) as error:
        raise SpanmatchError(f"{path}: cut short, or not an archive ({error})") from error


def _in_folder(path: Path) -> Iterator[File]:
    """Yield the files of images in a folder."""
    for file in sorted(path.rglob("*")):
        name = PurePosixPath(file.relative_to(path).as_posix())
        if _is_image(name) and file.is_file():
            _check_bytes(path, name, file.stat().st_size)
            yield name, file.read_bytes()


def _in_tar(path: Path) -> Iterator[File]:
    """Yield the files of images in a tar archive."""
    with tarfile.open(path) as archive:
        for member in archive:
            name = _inside(path, member.name)
            if member.isdir() or not (_is_image(name) or member.issym() or member.islnk()):
                continue
            if not member.isfile():
                raise SpanmatchError(f"{path}: {name}: a link or a device; give an archive of files")
            _check_bytes(path, name, member.size)
            content = archive.extractfile(member)
            assert content is not None  # a regular file
            yield name, content.read()


def _in_zip(path: Path) -> Iterator[File]:
    """Yield the files of images in a zip archive."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = _inside(path, member.filename)
            if member.is_dir() or not _is_image(name):
                continue
            with archive.open(member) as file:
                content = file.read(MAX_BYTES + 1)
            _check_bytes(path, name, len(content))
            yield name, content


def _inside(path: Path, name: str) -> PurePosixPath:
    """Return a member's path.  Raises SpanmatchError if it leads out of the archive."""
    inner = PurePosixPath(name.replace("\\", "/"))
    if inner.is_absolute() or ".." in inner.parts or ":" in (inner.parts or ("",))[0]:
        raise SpanmatchError(f"{path}: the member {name!r} leads out of the archive; give one of relative paths")
    return inner


def _is_image(name: PurePosixPath) -> bool:
    """Tell whether a file is an image by its name; hidden files are none."""
    return name.suffix.lower() in IMAGES and not any(part.startswith((".", "__MACOSX")) for part in name.parts)


def _check_bytes(path: Path, name: PurePosixPath, count: int) -> None:
    """Raise SpanmatchError if a file is larger than any image."""
    if count > MAX_BYTES:
        raise SpanmatchError(f"{path}: {name}: larger than {MAX_BYTES // 2**20} MiB; give images")
