"""A component that is too wide for memory: its inner products in files, from its sparse rows."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from .._progress import announce
from ..errors import SpanmatchError
from ..moments.pairs import PRODUCTS
from ..moments.spans import SINGLE, Rounding
from .column_file import ColumnFile
from .feature_rows import Array, Index
from .file_spans import PANEL, FileSpan, file_span

PANEL_COPIES, BLOCK_COPIES, RELATION_COPIES = 10, 4, 4
"""Matrices in memory as large as a panel of columns, as a block of columns of a file, and as the relations."""
BYTES_OF_VALUE = 36
"""Bytes for each value of the sparse rows."""
LARGEST_WAVE = PANEL // 2
LEAST_BLOCK = 16
"""Columns of a file that are in memory at once, at least."""


@dataclass(frozen=True, eq=False)
class WideComponent:
    """Features of two layers in sparse rows, with their spans in files."""

    unit: tuple[csr_array, csr_array]
    """(p, rows) and (q, rows) the features, scaled to unit norm."""
    folder: Path
    at_once: int
    """Columns of a file that are in memory at once."""
    most_relations: int
    """Linear relations of the features of a layer that fit into memory."""

    @classmethod
    def of(cls, x: csr_array, y: csr_array, folder: Path, limit: float) -> WideComponent:
        """Return features by rows, (p, rows) and (q, rows), that are solved in files within a limit of bytes.

        Raises SpanmatchError if the memory or the disk is too small.
        """
        p, q = x.shape[0], y.shape[0]
        fixed, column = memory_needed(p, q, x.nnz + y.nnz), 8 * max(p, q)
        features = f"{p:,} and {q:,} features that are connected"
        if fixed > limit:
            raise SpanmatchError(
                f"{features}: in files, their levels take {fixed / 1e9:.3g} GB of memory, over the limit of "
                f"{limit / 1e9:.3g}; give a higher max_memory_gb=, or find partners with sm.feature_partners"
            )
        needed, free = 8.0 * (p + q) ** 2, shutil.disk_usage(folder).free
        if needed > free:
            raise SpanmatchError(
                f"{features}: their products take {needed / 1e9:.3g} GB in files, and {folder} has {free / 1e9:.3g} GB "
                "free; give another folder, scratch="
            )
        announce(f"{features}: {needed / 1e9:.3g} GB in files in {folder}")
        spare = (limit - fixed) / column
        most_relations = int(spare / 2 / RELATION_COPIES)
        at_once = min(max(p, q), LEAST_BLOCK + int(spare / 2 / BLOCK_COPIES))
        return cls((_unit(x), _unit(y)), folder, at_once, most_relations)

    @property
    def neurons(self) -> tuple[int, int]:
        """The numbers of features."""
        return self.unit[0].shape[0], self.unit[1].shape[0]

    def active(self, *, centred: bool = False) -> tuple[Index, Index]:
        """Return all features: a component has no silent ones."""
        assert not centred
        return np.arange(self.neurons[0]), np.arange(self.neurons[1])

    def removable_spans(self, x: Index, y: Index, *, centred: bool) -> tuple[FileSpan, FileSpan]:
        """Return the spans of some features, in files that overwrite those of other features."""
        assert not centred
        a, b = self.unit[0][x], self.unit[1][y]
        rounding = Rounding(SINGLE / 2, PRODUCTS["gram"])
        spans = []
        for side, (regressors, targets) in enumerate(((a, b), (b, a))):
            gram = self._products(f"products{side}", regressors, regressors)
            cross = self._products(f"cross{side}", regressors, targets)
            spans.append(file_span(gram, cross, rounding, self.most_relations))
        return spans[0], spans[1]

    def _products(self, name: str, a: csr_array, b: csr_array) -> ColumnFile:
        """Return the inner products of features, (features of a, features of b)."""
        file = ColumnFile(self.folder / name, a.shape[0], b.shape[0], self.at_once)
        for part, block in file.blocks():
            block[...] = (b[part] @ a.T).toarray().T
        return file


def memory_needed(p: int, q: int, values: int) -> float:
    """Return the least bytes of memory that a component in files takes."""
    width = min(PANEL, p + q)
    return 8 * max(p, q) * (PANEL_COPIES * width + BLOCK_COPIES * LEAST_BLOCK) + BYTES_OF_VALUE * values


def _unit(features: csr_array) -> csr_array:
    """Return features by rows, in float64, each divided by its norm."""
    values = features.data.astype(np.float64)
    lengths = np.diff(features.indptr)
    norms: Array = np.sqrt(np.add.reduceat(values * values, features.indptr[:-1]))
    return csr_array((values / np.repeat(norms, lengths), features.indices, features.indptr), shape=features.shape)
