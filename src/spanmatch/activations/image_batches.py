"""Batches of the images in a folder, as networks take them: named in order, resized, normalised."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import BadArgument, SpanmatchError
from .archive_files import folder_files, read_files
from .image_decoding import IMAGES, Pixels, decoded_images

Normalisation = Literal["unit", "imagenet"]
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue of ImageNet's training images, from 0 to 1; torchvision's networks are trained with them."""


def is_image_folder(path: Path) -> bool:
    """Tell whether there are images in a folder, or in folders inside it."""
    return path.is_dir() and any(file is not None for _, file in folder_files(path, IMAGES))


class ImageBatches:
    """The images of a folder in batches, in the order of their paths; each iterator decodes them from their files.

    Parameters
    ----------
    folder : Path
        The folder; images in folders inside it count too.
    batch_size : int
        The images in a batch.
    size : int, optional
        Pixels along each side that images are resized to. Without it, all must have the same size.
    normalise : {"unit", "imagenet"}
        "unit": values from 0 to 1. "imagenet": from these, the mean of each channel of ImageNet is subtracted, and
        they are divided by its deviation.

    Raises
    ------
    BadArgument
        If the size or the normalisation makes no sense.
    SpanmatchError
        If a file cannot be read or decoded, or images are of different size.
    """

    def __init__(self, folder: Path, batch_size: int, size: int | None, normalise: Normalisation) -> None:
        if size is not None and size < 1:
            raise BadArgument(f"size {size}: give 1 pixel or more")
        if normalise not in NORMALISATIONS:
            raise BadArgument(f"normalise {normalise!r}: give {' or '.join(NORMALISATIONS)}")
        self.folder, self.batch_size, self.size, self.normalise = folder, batch_size, size, normalise
        self.total = sum(file is not None for _, file in folder_files(folder, IMAGES))

    def __len__(self) -> int:
        return -(-self.total // self.batch_size)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        images = self._images()
        while batch := list(islice(images, self.batch_size)):
            yield self._normalised(np.stack(batch))

    @property
    def words(self) -> str:
        """The images and how they are prepared, in a few words."""
        resized = "" if self.size is None else f", resized to {self.size} x {self.size} pixels"
        return f"{self.total:,} images{resized}, normalised: {self.normalise}"

    def pictures(self) -> Pixels:
        """Return all images as the report shows them, (n, height, width, 3)."""
        return np.stack([image.transpose(1, 2, 0) for image in self._images()])

    def _images(self) -> Iterator[Pixels]:
        """Yield the pixels (3, height, width) of all images, which have one size."""
        contents = ((name, content) for name, content in read_files(self.folder, IMAGES) if content is not None)
        first: tuple[PurePosixPath, tuple[int, ...]] | None = None
        for name, pixels in decoded_images(contents, self.folder, self.size):
            first = first or (name, pixels.shape)
            if pixels.shape != first[1]:
                sizes = (f"{shape[2]} x {shape[1]} pixels" for shape in (first[1], pixels.shape))
                listed = " and ".join(f"{file}: {size}" for file, size in zip((first[0], name), sizes, strict=True))
                raise SpanmatchError(f"{self.folder}: images of different size ({listed}); resize them with --size")
            yield pixels

    def _normalised(self, images: Pixels) -> NDArray[np.float32]:
        """Return images as float32, normalised."""
        values = images.astype(np.float32) / np.float32(255)
        if self.normalise == "imagenet":
            mean, deviation = (np.array(x, np.float32)[:, None, None] for x in (IMAGENET_MEAN, IMAGENET_DEVIATION))
            values = (values - mean) / deviation
        return values
