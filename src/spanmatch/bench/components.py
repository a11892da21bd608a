"""The principal components of a layer over its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .representation import Array


@dataclass(frozen=True, eq=False)
class Components:
    """A layer as the mean of each neuron and principal components: rows = mean + (scores * spreads) @ axes."""

    mean: Array
    """(neurons,)"""
    scores: Array
    """(n, rank) orthonormal columns, the largest variance first."""
    spreads: Array
    """(rank,) singular values."""
    axes: Array
    """(rank, neurons) orthonormal rows."""

    @property
    def rank(self) -> int:
        """The number of components."""
        return len(self.spreads)

    def first(self, count: int) -> Array:
        """Return the layer with all but the first components deleted, (n, neurons)."""
        return np.asarray(self.mean + (self.scores[:, :count] * self.spreads[:count]) @ self.axes[:count])


def components(rows: Array) -> Components:
    """Return the principal components of a layer; those that rounding could have made are none.

    Parameters
    ----------
    rows : array of float, (n, neurons)
        The layer.

    Returns
    -------
    Components
        About the means, at most min(n - 1, neurons); none if the layer never varies.

    Notes
    -----
    Cost: one singular value decomposition.
    """
    mean = rows.mean(axis=0)
    scores, spreads, axes = np.linalg.svd(rows - mean, full_matrices=False)
    rank = int(np.sum(spreads > max(rows.shape) * np.finfo(float).eps * np.linalg.norm(rows)))
    return Components(mean, scores[:, :rank], spreads[:rank], axes[:rank])
