"""Orthogonal Procrustes: how well one layer can be rotated onto the other.

value = ||Sxy||_* / (||X||_F ||Y||_F) of centred activations (nuclear norm), and with both scaled to unit Frobenius norm
distance^2 = min over rotations R of ||X R - Y||_F^2 = 2 - 2 value.
Sources: Schoenemann 1966; Williams, Kunz, Kornblith, Linderman, NeurIPS 2021; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._threads import few_threads
from ..moments.pairs import Pair
from .measure import Measured, cross_of_unit_layers, seen


@dataclass(frozen=True, eq=False, kw_only=True)
class Procrustes(Measured):
    """The Procrustes similarity."""

    @property
    def distance(self) -> float:
        """sqrt(2 - 2 value), in [0, sqrt 2]."""
        return float(np.sqrt(2 - 2 * self.value))


@few_threads
def procrustes(pair: Pair) -> Procrustes:
    """Return the Procrustes similarity of the centred layers, in [0, 1], and with it the distance.

    Raises SpanmatchError if a layer never varies. Cost: of the singular values of a p x q matrix.

    >>> import numpy as np, spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(sm.procrustes(sm.pair(X, 2 * X[:, ::-1])).value, 6)
    1.0
    """
    about = seen(pair, "procrustes")
    return Procrustes(value=float(min(1.0, np.linalg.svd(cross_of_unit_layers(pair), compute_uv=False).sum())), **about)
