"""Rows of a layer by feature: the rows in which each feature is active, of as many features as fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .feature_rows import Index, parts_of_rows

BYTES_OF_ALL, BYTES_OF_SOME = 9, 36
"""Bytes for each value of a layer that is arranged by feature at once; of a part of its features, with
what is needed on the way."""


class ByFeature:
    """The rows in which each feature of a layer is active: kept for all features, or found for some at a time."""

    def __init__(self, rows: csr_array, most_bytes: float = np.inf) -> None:
        self._rows = rows
        self.counts = np.bincount(rows.indices, minlength=rows.shape[1])
        """(features,) the number of rows in which each is active."""
        self.is_kept = BYTES_OF_ALL * rows.nnz <= most_bytes
        """Whether all features fit into memory at once."""
        self._most_values = max(1.0, most_bytes / BYTES_OF_SOME)

    @cached_property
    def _all(self) -> csr_array:
        return self._rows.T.tocsr()

    def blocks(self, features: Index) -> list[Index]:
        """Return features in their order, in parts that fit into memory."""
        if self.is_kept or not len(features):
            return [features] if len(features) else []
        return np.split(features, cuts(self.counts[features], self._most_values))

    def lookup(self, features: Index) -> tuple[csr_array, Index]:
        """Return a matrix of features x rows, and which of its rows are these features."""
        return (self._all, features) if self.is_kept else (self._found(features), np.arange(len(features)))

    def of(self, features: Index) -> csr_array:
        """Return the rows of some features, (features, rows)."""
        return self._all[features] if self.is_kept else self._found(features)

    def _found(self, features: Index) -> csr_array:
        """Find the values of some features among those of the rows."""
        place = np.full(self._rows.shape[1], -1, dtype=np.int32)
        place[features] = np.arange(len(features))
        parts = list(self._values(place))
        feature, row, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        return csr_array((values, (feature, row)), shape=(len(features), self._rows.shape[0]))

    def _values(self, place: NDArray[np.int32]) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield the places of features, the rows and the values of the features that have a place."""
        rows = self._rows
        for start, stop in parts_of_rows(rows):
            ends = rows.indptr[start : stop + 1]
            feature = place[rows.indices[ends[0] : ends[-1]]]
            chosen = np.flatnonzero(feature >= 0)
            row = np.repeat(np.arange(start, stop, dtype=np.int32), np.diff(ends))[chosen]
            yield feature[chosen], row, rows.data[ends[0] : ends[-1]][chosen]


def cuts(sizes: NDArray[np.integer], most: float) -> Index:
    """Return where to cut a list, so that the sizes of a part add up to at most this, or it has one element."""
    places, total = [], 0.0
    for place, size in enumerate(sizes.tolist()):
        if total and total + size > most:
            places.append(place)
            total = 0.0
        total += size
    return np.array(places, dtype=np.intp)
