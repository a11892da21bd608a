"""Thumbnails for the report: images in one file, or texts, of the inputs with the largest
activations.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._values import short
from ..errors import SpanmatchError, missing_extra
from ..moments.moments import Moments

if TYPE_CHECKING:
    from ..schema import InputsRecord, PicturesRecord, TextsRecord, TopRecord

Inputs = NDArray[np.uint8] | Sequence[str | Sequence[str]]
"""Images (n, height, width) or (n, height, width, 3), or texts, each a string or a list of tokens.
"""
SHOWN = 1500
"""Largest number of examples shown; others appear as numbers."""
SIDE = 40
"""Largest length in pixels of an image's longer side."""
COLUMNS = 50
"""Number of images in each row of the file."""


def inputs_of(moments: Moments, examples: Inputs | None) -> InputsRecord:
    """Return each neuron's top inputs as plain Python values, and what those examples look like.

    Parameters
    ----------
    moments : Moments
        With top inputs.
    examples : ndarray, sequence or None
        In the order in which they were captured: images (n, height, width) or (n, height, width, 3)
        of uint8; or texts, each a string or a list of tokens.

    Returns
    -------
    dict
        "layers", and "shown", which is None without examples.

    Raises
    ------
    SpanmatchError
        If there are fewer examples than were captured, or they are neither images nor texts.
    """
    layers: dict[str, TopRecord] = {}
    counts = Counter[int]()
    for layer in moments.layers:
        top = moments.top(layer)
        layers[layer] = {
            "examples": top.examples.tolist(),
            "places": top.places.tolist(),
            "values": [short(np.where(np.isneginf(row), np.nan, row)) for row in top.values],
        }
        counts.update(top.examples[top.examples >= 0].tolist())
    example_ids = sorted(example for example, _ in counts.most_common(SHOWN))
    if examples is None or not example_ids:
        return {"layers": layers, "shown": None}
    if len(examples) <= max(counts):
        raise SpanmatchError(f"inputs: {len(examples)} given, but example {max(counts)} was captured")
    if isinstance(examples, np.ndarray):
        return {"layers": layers, "shown": _images(examples, example_ids)}
    return {"layers": layers, "shown": _texts(examples, example_ids)}


def _images(images: NDArray[np.uint8], example_ids: Sequence[int]) -> PicturesRecord:
    """Return one image with the requested images in rows."""
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("Pillow", "study", "showing images") from error
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
        raise SpanmatchError(
            f"inputs: images of {images.dtype} {images.shape}; give bytes (uint8), (n, height, width) or "
            "(n, height, width, 3)"
        )
    height, width = images.shape[1:3]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rows = -(-len(example_ids) // COLUMNS)
    sheet = Image.new("RGB" if images.ndim == 4 else "L", (COLUMNS * size[0], rows * size[1]))
    for i, example in enumerate(example_ids):
        thumbnail = Image.fromarray(images[example]).resize(size)
        sheet.paste(thumbnail, (i % COLUMNS * size[0], i // COLUMNS * size[1]))
    file = io.BytesIO()
    sheet.save(file, "WEBP", quality=80)
    address = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
    return {
        "kind": "images",
        "examples": list(example_ids),
        "width": size[0],
        "height": size[1],
        "columns": COLUMNS,
        "sheet": address,
    }


def _texts(texts: Sequence[str | Sequence[str]], example_ids: Sequence[int]) -> TextsRecord:
    """Return the tokens of the requested texts."""
    tokens = [list(texts[example]) for example in example_ids]
    if not all(isinstance(token, str) for text in tokens for token in text):
        raise SpanmatchError("inputs: give images as an array of bytes, or texts, each a string or a list of tokens")
    return {"kind": "texts", "examples": list(example_ids), "tokens": tokens}
