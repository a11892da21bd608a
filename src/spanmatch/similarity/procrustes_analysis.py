"""Orthogonal Procrustes analysis: how well a rotation maps one layer onto the other.

Of centred activations, with the nuclear norm ||.||_*: value = ||Sxy||_* / (||X||_F ||Y||_F). With
both layers scaled to unit Frobenius norm, distance^2 = min over rotations R of ||X R - Y||_F^2 = 2
- 2 value.
Sources: Schoenemann 1966; Williams, Kunz, Kornblith, Linderman, NeurIPS 2021; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._threads import few_threads
from ..moments.pairs import Pair
from .measure import Measured, measured_fields, nuclear_norm_of_unit_layers


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Procrustes(Measured):
    """The Procrustes similarity of two layers, with the distance that it corresponds to.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> result = sm.procrustes(pair)
    >>> round(result.value, 3), round(result.distance, 3)
    (0.703, 0.771)
    """

    @property
    def distance(self) -> float:
        """The Procrustes distance sqrt(2 - 2 value), in [0, sqrt 2]."""
        return float(np.sqrt(2 - 2 * self.value))


@few_threads
def procrustes(pair: Pair) -> Procrustes:
    """Return the Procrustes similarity of the centred layers, in [0, 1].

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    Procrustes
        `.value`, the similarity, and `.distance`.

    Raises
    ------
    SpanmatchError
        If a layer is constant.

    Notes
    -----
    With the nuclear norm of the centred cross product:

        value = ||Sxy||_* / sqrt(tr Sxx tr Syy)

    Cost: the singular values of a p x q matrix.

    References
    ----------
    Schoenemann, Psychometrika 31, 1966; Williams, Kunz, Kornblith, Linderman, NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(sm.procrustes(sm.pair(X, 2 * X[:, ::-1])).value, 6)
    1.0
    """
    fields = measured_fields(pair, "procrustes")
    return Procrustes(value=min(1.0, nuclear_norm_of_unit_layers(pair)), **fields)
