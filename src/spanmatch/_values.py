"""Results as plain Python values, for JSON, and as data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import missing_extra

if TYPE_CHECKING:
    import pandas as pd

Number = TypeVar("Number", bound=np.generic)
Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | float | None"
"""A value that JSON can hold."""


def plain(values: NDArray[np.floating]) -> list[Any]:
    """Return an array as nested lists of Python numbers; nan as None."""
    objects = values.astype(object)
    objects[np.isnan(values)] = None
    return list(objects.tolist())


def short(values: NDArray[np.floating] | float) -> Any:
    """Return a number, or an array as nested lists, to four significant digits; nan as None."""
    if isinstance(values, np.ndarray):
        return [short(value) for value in values.tolist()] if values.ndim == 1 else [short(row) for row in values]
    return None if np.isnan(values) else float(f"{values:.4g}")


def coarse(values: NDArray[Number], side: int) -> NDArray[Number]:
    """Return a matrix (p, q) reduced to at most side x side, each entry the largest value of a
    block.
    """
    for axis, size in enumerate(values.shape):
        starts = np.arange(min(size, side)) * size // min(size, side)
        values = np.maximum.reduceat(values, starts, axis=axis)
    return values


def data_frame(purpose: str, data: Any, **options: Any) -> pd.DataFrame:
    """Return a data frame.  Raises SpanmatchError if pandas is not installed."""
    try:
        import pandas as pd
    except ImportError as error:
        raise missing_extra("pandas", "frames", purpose) from error
    return pd.DataFrame(data, **options)
