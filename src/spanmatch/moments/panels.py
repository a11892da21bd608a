"""Panels: some neurons of a span in small coordinates, and what their removal does to the span."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from .products import Array, orthonormal, product, row, subtract_outer, times

RELATION_TOLERANCE = 1e-7
"""The norm below which columns of Z are rounding; the rows of Z are orthonormal."""
SHORTEST = 0.5
"""The length below which the dual vector of an independent regressor is wrong: w_i . a_i = 1."""


@dataclass
class Removal:
    """The effect of removing some regressors on a span.

    Notes
    -----
    Directions are in the coordinates of the span's basis; for a `GramSpan`, their inner products
    with the dual basis take their place.
    """

    lost: Array
    """(r, k) orthonormal directions that the span loses, in the order of removal."""
    relations: Array
    """(d, s) orthonormal directions of the relations that are used up."""
    carriers: Array
    """(r, s) the vectors by which the dual basis changes: w_i -= carriers (relations^T z_i)."""
    lost_carriers: Array
    """(k, s) inner products of the lost directions with the carriers."""
    carrier_products: Array
    """(s, s) inner products of the carriers."""
    reach: float = 0.0
    """A bound on how large the dual basis becomes; infinite if the relations are not clear."""

    def first(self, lost: int, relations: int) -> Removal:
        """Return the effect of the first losses alone.

        Parameters
        ----------
        lost : int
            How many directions are lost.
        relations : int
            How many relations are used up.

        Returns
        -------
        Removal
            Their effect.
        """
        return Removal(
            self.lost[:, :lost],
            self.relations[:, :relations],
            self.carriers[:, :relations],
            self.lost_carriers[:lost, :relations],
            self.carrier_products[:relations, :relations],
            self.reach,
        )


@dataclass
class Panel:
    """Some regressors and targets of a span, in smaller coordinates.

    Notes
    -----
    With W_J = B T for an orthonormal B and Z_J = E S, the removal of these regressors has the same
    effect on T, S and B^T C as on W, Z and C.
    """

    both: Array
    """(at most j, j + k) the dual basis T, and beside it the coordinates B^T C of the targets."""
    dual: Array
    """(at most j, j) T, a view."""
    null: Array
    """(at most j, j) S."""
    outside: Array
    """(k,) the squared distances of the targets to the span."""
    basis: Array
    """(r, at most j) B; for a `GramSpan`, (m, at most j) its inner products W^T B."""
    relation_basis: Array
    """(d, at most j) E."""
    hidden: float
    """The size above which a column of `null` may be a relation that rounding hides."""

    @classmethod
    def of(
        cls,
        dual: Array,
        null: Array,
        inside: Array,
        outside: Array,
        basis: Array,
        relation_basis: Array,
        hidden: float,
    ) -> Panel:
        """Return a panel, given the coordinates of the targets alone.

        Parameters
        ----------
        dual, null, outside, basis, relation_basis, hidden
            The fields of the panel.
        inside : array of float, (at most j, k)
            The coordinates of the targets.

        Returns
        -------
        Panel
            The panel, with arrays of its own.
        """
        both = np.asfortranarray(np.hstack([dual, inside]))
        return cls(both, both[:, : dual.shape[1]], null, outside.copy(), basis, relation_basis, hidden)

    def reach(self, regressor: int) -> float:
        """Return how large the dual basis can become if a regressor is removed.

        Parameters
        ----------
        regressor : int
            The column of the regressor.

        Returns
        -------
        float
            A bound if the removal uses up a relation, and 0 if it does not. Infinite if rounding
            may hide a relation, or has shortened the dual vector of an independent regressor, which
            is at least 1 long.

        Notes
        -----
        The bound is large if the other regressors express this one only with very large
        coefficients, such as the difference of two neurons that nearly repeat each other. Without
        it, the others are badly conditioned.
        """
        w, size = self.dual[:, regressor], self._relation_size(regressor)
        length = sqrt(w @ w)
        if size > RELATION_TOLERANCE:
            return length / size
        return inf if size > self.hidden or length < SHORTEST else 0.0

    def take(self, regressor: int) -> tuple[Array, Array | None, Array]:
        """Remove one regressor in place.

        Parameters
        ----------
        regressor : int
            The column of the regressor.

        Returns
        -------
        lost : array of float, (at most j,) or (0,)
            The direction that the span lost; empty if a relation was used up instead.
        relation : array of float, (at most j,), or None
            The relation that was used up; None if a direction was lost.
        carrier : array of float, (at most j,) or (0,)
            The change of the dual basis by the relation, see `Removal`; empty without a relation.
        """
        w, size = self.dual[:, regressor], self._relation_size(regressor)
        if size > RELATION_TOLERANCE:
            relation, carrier = self.null[:, regressor] / size, w / size
            used = row(relation, self.null)
            subtract_outer(self.null, relation, used)
            subtract_outer(self.dual, carrier, used)
            return w[:0], relation, carrier
        lost = w / sqrt(w @ w)
        components = row(lost, self.both)
        subtract_outer(self.both, lost, components)
        self.outside += components[self.dual.shape[1] :] ** 2
        return lost, None, w[:0]

    def _relation_size(self, regressor: int) -> float:
        """Return the norm of a column of the relations."""
        if not len(self.null):
            return 0.0
        z = self.null[:, regressor]
        return sqrt(z @ z)

    def removal(self, lost: Array, relations: Array, carriers: Array, reach: float = 0.0) -> Removal:
        """Return the effect on the complete span of a removal in the small coordinates.

        Parameters
        ----------
        lost : array of float, (at most j, k)
            Orthonormal directions that the span loses.
        relations : array of float, (at most j, s)
            Orthonormal directions of the relations that are used up.
        carriers : array of float, (at most j, s)
            The vectors by which the dual basis changes.
        reach : float
            A bound on how large the dual basis becomes.

        Returns
        -------
        Removal
            The effect.
        """
        return Removal(
            times(self.basis, lost),
            times(self.relation_basis, relations),
            times(self.basis, carriers),
            product(lost, carriers),
            product(carriers, carriers),
            reach,
        )

    def removal_of_all(self) -> Removal:
        """Return the effect of removing all regressors of the panel at once.

        Returns
        -------
        Removal
            The effect.
        """
        W, Z = self.dual, self.null
        if not len(Z):
            pivots = abs(W.diagonal()) if len(W) == W.shape[1] else np.zeros(1)
            nothing = np.zeros((0, 0), order="F")
            carriers = np.zeros((len(W), 0), order="F")
            reach = 0.0 if pivots.min(initial=1.0) > SHORTEST else inf
            return Removal(self.basis, nothing, carriers, carriers, nothing, reach)
        left, size, right = np.linalg.svd(Z, full_matrices=True)
        s = int(np.count_nonzero(size > RELATION_TOLERANCE))
        carriers = np.asfortranarray(W @ (right[:s].T / size[:s]))
        reach = float(np.linalg.norm(carriers, axis=0).max(initial=0.0))
        lost = orthonormal(W @ right[s:].T)[0]
        return self.removal(
            lost, np.asfortranarray(left[:, :s]), carriers, reach if size[s:].max(initial=0.0) <= self.hidden else inf
        )
