"""The arrays of one network's stored activations: a file, a folder, or arrays in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..._files import Path_
from ...errors import SpanmatchError
from ...moments.backends import DeviceArray
from .arrays import StoredArray, rows_of
from .formats import open_arrays

ActivationSource = Path_ | Mapping[str, DeviceArray]


class StoredActivations:
    """The arrays of one file or folder, or of a mapping: shapes at once, values in parts.

    Parameters
    ----------
    source
        A file or a folder of `formats.FORMATS`, or {layer: (rows, ...)}, arrays in memory.

    Raises
    ------
    BadArgument
        If there is no such file, or it is of no known type.
    SpanmatchError
        If it is damaged, or holds no arrays of real numbers.
    """

    def __init__(self, source: ActivationSource) -> None:
        self._stack = contextlib.ExitStack()
        if isinstance(source, Mapping):
            self.name = "activations"
            arrays = [_in_memory(layer, array) for layer, array in source.items()]
            if not arrays:
                raise SpanmatchError(f"{self.name}: holds no arrays")
        else:
            self.name = str(source)
            arrays = open_arrays(Path(source), self._stack)
        self.arrays = {array.name: array for array in arrays}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the arrays."""
        return {name: array.shape for name, array in self.arrays.items()}

    def read(self, layer: str, start: int, stop: int) -> NDArray[np.generic]:
        """Return rows start to stop of a layer, (stop - start, ...).

        Raises
        ------
        SpanmatchError
            If they cannot be read; it names the file and the array.
        """
        try:
            return self.arrays[layer].read(start, stop)
        except SpanmatchError as error:
            raise SpanmatchError(f"{self.name}: array {layer!r}: {error}") from error
        except Exception as error:  # whatever a damaged file makes its library raise
            raise SpanmatchError(f"{self.name}: array {layer!r} is cut short or damaged ({error})") from error


def _in_memory(layer: str, array: DeviceArray) -> StoredArray:
    """Return an array in memory, of any library; its type is checked where its rows are added."""
    return StoredArray(layer, tuple(np.shape(array)), np.dtype(np.float64), rows_of(array))
