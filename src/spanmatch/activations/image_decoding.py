"""Files of images decoded to bytes, in several threads; formats that run further programs are refused."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError, missing_extra

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM")
"""Formats that Pillow may take a file for; others run further programs."""
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
MAX_PIXELS = 2**26
"""The most pixels of one image: 67 million."""
CHUNK, CHUNK_BYTES, WAITING = 64, 2**22, 8
"""Images that a thread decodes at once, and bytes of their files, and the most such tasks that wait for one."""

Pixels = NDArray[np.uint8]
File = tuple[PurePosixPath, bytes]
"""The path of an image inside its folder or archive, and the contents of its file."""


def resized(images: Tensor, size: int | None) -> Tensor:
    """Return images (n, channels, height, width) of bytes with so many pixels along each side: bilinear, smoothed."""
    if size is None or images.shape[-1] == images.shape[-2] == size:
        return images
    import torch
    from torch import nn

    parts = [
        nn.functional.interpolate(part.float(), (size, size), mode="bilinear", antialias=True)
        for part in torch.split(images, 1024)
    ]
    return torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in parts])


def decoded_images(files: Iterator[File], path: Path, size: int | None) -> Iterator[tuple[PurePosixPath, Pixels]]:
    """Yield the pixels (3, height, width) of every image, decoded in several threads, in order.

    Parameters
    ----------
    files : iterator of tuple of PurePosixPath and bytes
        The path of each image inside its folder or archive, and the contents of its file.
    path : Path
        The folder or archive, for messages.
    size : int, optional
        Pixels along each side that images are resized to.

    Raises
    ------
    SpanmatchError
        If an image cannot be decoded, is too large, or has more than 8 bits per channel.
    """
    waiting: deque[Future[list[tuple[PurePosixPath, Pixels]]]] = deque()
    pool = ThreadPoolExecutor()
    try:
        for chunk in _chunks(files):
            waiting.append(pool.submit(_chunk_decoded, chunk, path, size))
            if len(waiting) > WAITING:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(files: Iterator[File]) -> Iterator[list[File]]:
    """Yield files in lists that are neither long nor large."""
    chunk: list[File] = []
    for file in files:
        chunk.append(file)
        if len(chunk) == CHUNK or sum(len(content) for _, content in chunk) > CHUNK_BYTES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


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
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise SpanmatchError(f"{path}: {name}: {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
            if image.mode.startswith(("I", "F")):
                raise SpanmatchError(f"{path}: {name}: more than 8 bits per channel ({image.mode}); give 8 bits")
            image.info.pop("transparency", None)  # of which Pillow warns; colours are those without it
            pixels = np.array(image.convert("RGB")).transpose(2, 0, 1)
    except SpanmatchError:
        raise
    except Exception as error:  # Pillow does not say which errors damaged images lead to
        why = " ".join(str(error).split())
        raise SpanmatchError(f"{path}: {name}: cut short, or not an image ({why})") from error
    return pixels if size is None else _resized_pixels(pixels, size)


def _resized_pixels(pixels: Pixels, size: int) -> Pixels:
    """Return an image with so many pixels along each side."""
    try:
        import torch
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", "resizing images") from error
    resized_pixels: Pixels = resized(torch.from_numpy(pixels)[None], size)[0].numpy()
    return resized_pixels
