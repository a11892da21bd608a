"""The arrays of one network's stored activations: a file, a folder, or arrays in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..._files import Path_
from ...errors import BadArgument, SpanmatchError
from ...moments.backends import DeviceArray
from .arrays import StoredArray, listed
from .formats import open_arrays
from .in_memory import arrays_in_memory

ActivationSource = Path_ | Mapping[str, DeviceArray] | DeviceArray


class StoredActivations:
    """The arrays of one file or folder, or of what is in memory: shapes at once, values in parts.

    Parameters
    ----------
    source
        A file or a folder of `formats.FORMATS`; an array, table or sparse matrix in memory, or
        {layer: one of these}, with rows or examples first.
    rows_by
        The name of the array or column of row ids. By default "ids"; a frame's index is used where
        there is no such column.

    Raises
    ------
    BadArgument
        If there is no such file, or it is of no known type, or has no ids of the given name.
    SpanmatchError
        If it is damaged, or holds no arrays of real numbers.
    """

    def __init__(self, source: ActivationSource, rows_by: str | None = None) -> None:
        self._stack = contextlib.ExitStack()
        if isinstance(source, str | PathLike):
            self.name = str(source)
            arrays = open_arrays(Path(source), self._stack, rows_by)
        else:
            self.name = "activations"
            arrays = _in_memory(source, rows_by)
        without_ids = [array.name for array in arrays if array.ids is None or array.ids.is_default]
        if rows_by is not None and without_ids:
            self._stack.close()
            raise BadArgument(
                f"{self.name}: no ids {rows_by!r} of the rows of {listed(without_ids)}; give the name of a column, or "
                "of an array with one id for each row"
            )
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


def _in_memory(source: DeviceArray, rows_by: str | None) -> list[StoredArray]:
    """Return the arrays of what is in memory, of which there must be one."""
    try:
        arrays = arrays_in_memory(source, rows_by)
    except SpanmatchError as error:
        raise SpanmatchError(f"activations: {error}") from error
    if not arrays:
        raise SpanmatchError("activations: holds no arrays")
    return arrays
