"""What examples look like, for the page: small pictures in one file, or texts, of those that excite neurons most."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._values import short
from ..errors import SpanmatchError, missing_extra
from ..moments.moments import Moments

SHOWN = 1500
"""Examples at most; the rest are named by their number."""
SIDE = 40
"""Pixels at most along a picture's longer side."""
COLUMNS = 50


def inputs_of(moments: Moments, examples: Any) -> dict[str, Any]:
    """Return each neuron's top inputs as plain Python values, and what those examples look like.

    Args: examples, images (n, height, width) or (n, height, width, 3) of bytes; texts, a string or a list of tokens
    each; or None. They are numbered as they were captured.
    Raises SpanmatchError if there are fewer than were captured, or they are neither.
    """
    layers, counts = {}, Counter[int]()
    for layer in moments.layers:
        top = moments.top(layer)
        layers[layer] = {
            "examples": top.examples.tolist(),
            "places": top.places.tolist(),
            "values": [short(np.where(np.isneginf(row), np.nan, row)) for row in top.values],
        }
        counts.update(top.examples[top.examples >= 0].tolist())
    wanted = sorted(example for example, _ in counts.most_common(SHOWN))
    if examples is None or not wanted:
        return {"layers": layers, "shown": None}
    if len(examples) <= max(counts):
        raise SpanmatchError(f"inputs: {len(examples)} given, but number {max(counts)} was captured")
    shown = _pictures(examples, wanted) if isinstance(examples, np.ndarray) else _texts(examples, wanted)
    return {"layers": layers, "shown": shown}


def _pictures(images: NDArray[Any], wanted: Sequence[int]) -> dict[str, Any]:
    """Return one picture with the wanted images in rows."""
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
    rows = -(-len(wanted) // COLUMNS)
    sheet = Image.new("RGB" if images.ndim == 4 else "L", (COLUMNS * size[0], rows * size[1]))
    for i, example in enumerate(wanted):
        small = Image.fromarray(images[example]).resize(size)
        sheet.paste(small, (i % COLUMNS * size[0], i // COLUMNS * size[1]))
    file = io.BytesIO()
    sheet.save(file, "WEBP", quality=80)
    address = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
    return {
        "kind": "images",
        "examples": list(wanted),
        "width": size[0],
        "height": size[1],
        "columns": COLUMNS,
        "sheet": address,
    }


def _texts(texts: Sequence[Any], wanted: Sequence[int]) -> dict[str, Any]:
    tokens = [list(texts[example]) for example in wanted]
    if not all(isinstance(token, str) for text in tokens for token in text):
        raise SpanmatchError("inputs: give images as an array of bytes, or texts, each a string or a list of tokens")
    return {"kind": "texts", "examples": list(wanted), "tokens": tokens}
