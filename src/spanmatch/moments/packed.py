"""Symmetric matrices of which one triangle is stored: panels of columns, one behind the other in a flat array.

A panel holds some columns of the matrix from the first row down to the diagonal: for columns i to j,
the rows 0 to j. Its last rows are a square on the diagonal, of which the lower triangle counts. A
narrow matrix is one panel, the complete square. Tiles of a panel are contiguous, so that BLAS adds
products to them in place, and what is additive stays one array.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCK = 2048
"""The fewest columns of a panel. Tiles of half as many make an update a twentieth slower: benchmarks/update.py.
Another number makes another format of files."""
AT_ONCE = 128
"""The number of rows that are copied at once to the other side of the diagonal."""


class Panel(NamedTuple):
    """Some columns of a symmetric matrix, down to the diagonal."""

    start: int
    """The first column."""
    stop: int
    """The column after the last, and the number of rows."""
    first: int
    """Where it begins in the flat array."""
    last: int
    """Where it ends in the flat array."""

    def of(self, flat: Any) -> Any:
        """Return the panel (stop, stop - start), a view of a flat array of NumPy or PyTorch."""
        return flat[self.first : self.last].reshape(self.stop, self.stop - self.start)


@dataclass(frozen=True)
class Packed:
    """How symmetric matrices of one width are stored."""

    width: int
    """The number of rows and columns."""

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """The panels, of nearly equal width."""
        count = max(1, self.width // BLOCK)
        ends = [self.width * i // count for i in range(count + 1)]
        panels, first = [], 0
        for start, stop in pairwise(ends):
            panels.append(Panel(start, stop, first, first + stop * (stop - start)))
            first = panels[-1].last
        return tuple(panels)

    @property
    def length(self) -> int:
        """The number of elements of a flat array."""
        return self.panels[-1].last

    def dense(self, *flats: Array, size: int | None = None) -> Array:
        """Return a symmetric matrix, the sum of stored ones.

        Parameters
        ----------
        *flats : array of float, (length,)
            One or more stored matrices.
        size : int, optional
            How many of the first rows and columns to return; all by default.

        Returns
        -------
        array of float, (size, size)
            With both triangles, in new memory.
        """
        size = self.width if size is None else size
        full = np.empty((size, size))
        for panel in self.panels:
            start, stop = panel.start, min(panel.stop, size)
            if start < stop:
                columns = _summed(panel, flats)[:stop, : stop - start]
                full[:stop, start:stop] = columns
                _mirror(full[:stop, :stop], start)
        return full

    def last_row(self, *flats: Array) -> Array:
        """Return the last row of the sum of stored matrices (width,), in new memory."""
        panel = self.panels[-1]
        columns = _summed(panel, flats)
        return np.concatenate([columns[: panel.start, -1], columns[-1]])

    def stored(self, dense: Array) -> Array:
        """Return the flat array of a symmetric matrix (width, width), of which the lower triangle counts."""
        flat = np.empty(self.length)
        for panel in self.panels:
            start, stop, columns = panel.start, panel.stop, panel.of(flat)
            columns[:start] = dense[start:stop, :start].T
            columns[start:] = np.tril(dense[start:stop, start:stop])
        return flat

    def clear(self, flat: Array) -> None:
        """Set in place to 0 what does not count, above the diagonal of the squares."""
        for panel in self.panels:
            square = panel.of(flat)[panel.start :]
            square[:] = np.tril(square)

    def places(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return where elements of the lower triangle, columns <= rows, are in a flat array."""
        starts, first = (np.array([getattr(panel, name) for panel in self.panels]) for name in ("start", "first"))
        widths = np.array([panel.stop - panel.start for panel in self.panels])
        panel = np.searchsorted(starts, rows, side="right") - 1
        within = rows - starts[panel]
        on_diagonal = columns >= starts[panel]
        down, along = np.where(on_diagonal, rows, columns), np.where(on_diagonal, columns - starts[panel], within)
        return np.asarray(first[panel] + down * widths[panel] + along)


def _summed(panel: Panel, flats: tuple[Array, ...]) -> Array:
    """Return a panel of the sum of stored matrices; of one matrix, a view."""
    columns: Array = panel.of(flats[0])
    if len(flats) > 1:
        columns = columns.copy()
    for flat in flats[1:]:
        columns += panel.of(flat)
    return columns


def _mirror(full: Array, start: int) -> None:
    """Copy the last columns of a symmetric matrix to its last rows, in place.

    From column `start` on the matrix is complete above row `start`; below, the lower triangle counts.
    """
    stop = len(full)
    for row in range(0, start, AT_ONCE):
        rows = slice(row, min(row + AT_ONCE, start))
        full[start:, rows] = full[rows, start:].T
    for row in range(start, stop, AT_ONCE):
        end = min(row + AT_ONCE, stop)
        block = np.tril(full[row:end, row:end])
        full[row:end, row:end] = block + np.tril(block, -1).T
        full[row:end, end:] = full[end:, row:end].T
