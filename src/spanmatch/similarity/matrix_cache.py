"""Matrices of the examples of a layer's sample, cached for all pairs of the layer within a limit of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from weakref import finalize

from ..moments.sample import LayerSample
from ..moments.spans import Array

LIMIT = 10**9
"""The bytes that cached matrices may take."""
LIMIT_OF_UNIT_KERNELS = 10**8
"""The bytes that centred kernels may take, which are soon computed again: those of one pair of 1,000 examples."""
ALWAYS_KEPT = 4
"""The number of matrices that are cached whatever they take: two for each layer of a pair."""


class MatrixCache:
    """The matrices that were used last, of any layers; those of a layer are released with its sample.

    Parameters
    ----------
    limit : int
        The bytes that they may take.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.RLock()  # a sample may be released while its thread holds the lock
        self._matrices: OrderedDict[tuple[int, Hashable], Array] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """The bytes that the cached matrices take."""
        with self._lock:
            return sum(matrix.nbytes for matrix in self._matrices.values())

    def get(self, sample: LayerSample, key: Hashable, compute: Callable[[], Array]) -> Array:
        """Return a matrix of a layer; computed if it is not cached.

        Parameters
        ----------
        sample : LayerSample
            Of the layer.
        key : hashable
            What the matrix is.
        compute : callable
            Returns the matrix.

        Returns
        -------
        array of float
            The matrix, read-only, as all callers share it.
        """
        place = (id(sample), key)
        with self._lock:
            if place in self._matrices:
                self._matrices.move_to_end(place)
                return self._matrices[place]
        matrix = compute()
        matrix.flags.writeable = False
        with self._lock:
            if not any(owner == id(sample) for owner, _ in self._matrices):
                finalize(sample, self._release, id(sample)).atexit = False
            self._matrices[place] = matrix
            while len(self._matrices) > ALWAYS_KEPT and self.nbytes > self._limit:
                self._matrices.popitem(last=False)
        return matrix

    def release(self, sample: LayerSample) -> None:
        """Forget the matrices of a layer.

        Parameters
        ----------
        sample : LayerSample
            Of the layer.
        """
        self._release(id(sample))

    def _release(self, owner: int) -> None:
        with self._lock:
            for place in [place for place in self._matrices if place[0] == owner]:
                del self._matrices[place]


CACHE = MatrixCache(LIMIT)
"""The matrices of this process."""
UNIT_KERNELS = MatrixCache(LIMIT_OF_UNIT_KERNELS)
"""Centred kernels with norm 1, each of which the value, the permutations and the corrected measure of a pair
share."""


def forget(sample: LayerSample) -> None:
    """Release everything that was computed from a layer's sample: some hundred MB of 1,000 examples.

    Parameters
    ----------
    sample : LayerSample
        Of a layer that is in no pair to come. What is asked of it later is computed again.
    """
    CACHE.release(sample)
    UNIT_KERNELS.release(sample)
    sample.results.clear()
