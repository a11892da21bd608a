"""Spans of layers that are too wide for memory: the matrices of a `GramSpan` in files, a block of columns at a time.

The inverse P of the inner products, with pivoting, comes from sweeps. A sweep of the columns K of a
symmetric matrix A, with D = A_KK, is

    A_KK <- -D^-1,    A_RK <- A_RK D^-1,    A_RR <- A_RR - A_RK D^-1 A_KR

for all other rows and columns R. After sweeps of all independent columns, A holds -P, beside the
coefficients of the dependent columns, and their squared distances to the span on its diagonal. One
sweep of a panel of columns reads and writes the file once, as the removal of a panel of neurons does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas

from ..errors import SpanmatchError
from ..moments.gram_spans import FULL, against, root
from ..moments.panels import Panel, Removal
from ..moments.products import orthonormal, product, subtract
from ..moments.spans import CLEAR, Compaction, Noise, Rounding
from .column_file import ColumnFile
from .feature_rows import Array, Index

PANEL = 256
"""Columns that are swept at once."""


@dataclass
class FileSpan:
    """The span of a layer's neurons (regressors), in inner products in files, and the other layer's (targets).

    As `GramSpan`, whose fields these are; `products` has both triangles.
    """

    products: ColumnFile
    null: Array
    cross: ColumnFile
    outside: Array
    noise: Noise
    clear: bool
    cutoff: float
    rows: Index
    columns: Index
    rank: int
    diagonal: Array
    """(s,) that of `products`."""

    def __post_init__(self) -> None:
        self.unused = np.zeros(len(self.diagonal), dtype=bool)
        """Which rows are of removed regressors."""

    @property
    def condition(self) -> float:
        """||W||_F, at least 1 / (smallest singular value) of the unit columns; at least 1."""
        return float(np.sqrt(max(1.0, self.diagonal[self.rows].sum())))

    @property
    def resolution(self) -> float:
        """The smallest distance that can be distinguished from 0; 1 if the rank is not clear."""
        return self.noise.resolution(self.condition, self.clear)

    def panel(self, regressors: Index, targets: Index) -> Panel:
        """Return the span restricted to some neurons, in smaller coordinates."""
        chosen = self.rows[regressors]
        images = self.products.columns(chosen)
        images[self.unused] = 0
        T, pivots = root(np.asfortranarray(images[chosen]))
        images = images if len(pivots) == images.shape[1] else np.asfortranarray(images[:, pivots])
        basis = (
            blas.dtrsm(1.0, np.asfortranarray(T[:, pivots]), images, side=1, overwrite_b=1) if images.size else images
        )
        relation_basis, S = orthonormal(self.null[:, regressors])
        inside = against(basis, self.cross.columns(self.columns[targets]))
        return Panel.of(T, S, inside, self.outside[targets], basis, relation_basis, self.cutoff / CLEAR)

    def lost_components(self, removal: Removal) -> Array:
        """Return the components of the targets along the lost directions, (k, t)."""
        components = np.empty((removal.lost.shape[1], self.cross.shape[1]), order="F")
        for part, block in self.cross.blocks():
            components[:, part] = against(removal.lost, block)
        return np.asarray(components.T[self.columns].T)

    def apply(self, removal: Removal, components: Array) -> None:
        """Apply a removal in place: to the inner products, the relations, and the distances."""
        lost, terms = removal.lost, []
        if removal.relations.size:
            used = np.zeros((len(self.diagonal), removal.relations.shape[1]), order="F")
            used[self.rows] = product(removal.relations, self.null).T
            subtract(self.null, removal.relations, np.asfortranarray(used[self.rows].T))
            lost = lost - used @ removal.lost_carriers.T
            halves = removal.carriers - used @ removal.carrier_products / 2
            terms = [(used, halves), (halves, used)]
        if lost.size:
            terms.append((lost, lost))
            self.outside += np.einsum("kt,kt->t", components, components)
        for part, block in self.products.blocks() if terms else ():
            for a, b in terms:
                subtract_product(block, a, b[part])
            self.diagonal[part] = block[part].diagonal()

    def drop(self, regressors: Index, targets: Index) -> None:
        """Delete neurons; the last ones move to their places (see `Compaction`)."""
        of_regressors = Compaction.of(len(self.rows), regressors)
        of_targets = Compaction.of(len(self.columns), targets)
        self.unused[self.rows[regressors]] = True
        self.null, self.rows = of_regressors(self.null), of_regressors(self.rows)
        self.outside, self.columns = of_targets(self.outside), of_targets(self.columns)
        if len(self.rows) < FULL * len(self.diagonal) or len(self.columns) < FULL * self.cross.shape[1]:
            rows, columns = np.sort(self.rows), np.sort(self.columns)
            self.products.keep(rows, rows)
            self.cross.keep(rows, columns)
            self.rows, self.columns = np.searchsorted(rows, self.rows), np.searchsorted(columns, self.columns)
            self.diagonal, self.unused = self.diagonal[rows], np.zeros(len(rows), dtype=bool)


def subtract_product(block: Array, a: Array, b: Array) -> None:
    """Compute block -= a b^T in place, for a mapped block in Fortran order."""
    if a.size and b.size:
        blas.dgemm(-1.0, a, b, beta=1.0, c=block, trans_b=1, overwrite_c=1)


def file_span(gram: ColumnFile, cross: ColumnFile, rounding: Rounding, most_relations: int) -> FileSpan:
    """Return the span of unit columns with targets.

    Parameters
    ----------
    gram : ColumnFile, (m, m)
        The inner products of the columns, which are overwritten.
    cross : ColumnFile, (m, t)
        The inner products of the columns and the unit targets.
    rounding : Rounding
        The rounding of the inner products.
    most_relations : int
        How many linear relations of the columns fit into memory.

    Returns
    -------
    FileSpan
        The span.

    Raises
    ------
    SpanmatchError
        If there are more relations.

    Notes
    -----
    Cost: 2 m^3 + 2 m^2 t operations, m / 256 times reading and writing the products, and t / (columns
    at once) times reading them.
    """
    m, cutoff = gram.shape[0], rounding.cutoff(0, gram.shape[0])
    order, sizes, diagonal = _sweep(gram, cutoff**2)
    dependent = np.setdiff1d(np.arange(m), order)
    if len(dependent) > most_relations:
        raise SpanmatchError(
            f"{len(dependent):,} of {m:,} features are linear combinations of others of their layer, and the memory "
            f"suffices for {most_relations:,}; give a higher max_memory_gb="
        )
    dropped = np.sqrt(np.maximum(diagonal[dependent], 0.0))
    relations = gram.columns(dependent)
    relations *= -1
    relations[dependent] = np.eye(len(dependent))
    resolved = np.where(dropped**2 > 4 * m * rounding.products, dropped, 0.0)
    noise = rounding.noise(resolved / np.linalg.norm(relations, axis=0))
    null = np.asfortranarray(orthonormal(relations)[0].T)
    for part, block in gram.blocks():
        block *= -1
        block[dependent] = 0
        block[:, np.isin(np.arange(part.start, part.stop), dependent)] = 0
        diagonal[part] = block[part].diagonal()
    clear, all_rows, targets = rounding.is_clear(sizes, dropped, cutoff), np.arange(m), np.arange(cross.shape[1])
    outside = _outside(gram, cross)
    return FileSpan(gram, null, cross, outside, noise, clear, cutoff, all_rows, targets, len(order), diagonal)


def _outside(products: ColumnFile, cross: ColumnFile) -> Array:
    """Return the squared distances of the targets, 1 - c^T P c for the inner products c of each."""
    outside = np.ones(cross.shape[1])
    for targets, block in cross.blocks():
        images = np.zeros(block.shape, order="F")
        for part, columns in products.blocks():
            subtract_product(images, columns, block[part].T)
        outside[targets] += np.einsum("kt,kt->t", images, block)
    return np.maximum(outside, 0.0)


def _sweep(gram: ColumnFile, tolerance: float) -> tuple[Index, Array, Array]:
    """Sweep columns in the order of their distances to those before, down to a squared distance.

    Returns the columns in that order, their distances, and the diagonal that is left.
    """
    m = gram.shape[0]
    remaining, diagonal = np.ones(m, dtype=bool), np.ones(m)
    order, sizes = [np.empty(0, dtype=np.intp)], [np.empty(0)]
    for part, block in gram.blocks():
        diagonal[part] = block[part].diagonal()
    while True:
        pivots, V = _pivots(gram, remaining, diagonal, tolerance)
        if not len(pivots):
            return np.concatenate(order), np.concatenate(sizes), diagonal
        order.append(pivots)
        L = np.asfortranarray(np.tril(V[pivots]))
        sizes.append(L.diagonal().copy())
        inverse = blas.dtrsm(1.0, L, np.eye(len(L), order="F"), lower=1)
        Z = blas.dtrsm(1.0, L, V, side=1, lower=1)
        Z[pivots] = -(inverse.T @ inverse)
        for part, block in gram.blocks():
            subtract_product(block, V, V[part])
            block[pivots] = Z[part].T
            inside = np.flatnonzero((pivots >= part.start) & (pivots < part.stop))
            block[:, pivots[inside] - part.start] = Z[:, inside]
            diagonal[part] = block[part].diagonal()


def _pivots(gram: ColumnFile, remaining: np.ndarray, diagonal: Array, tolerance: float) -> tuple[Index, Array]:
    """Return the next columns K to sweep, and V = A_:K L^-T for the Cholesky factor L of A_KK."""
    distances = np.where(remaining, diagonal, -np.inf)
    V = np.zeros((len(diagonal), min(PANEL, int(remaining.sum()))), order="F")
    pivots: list[int] = []
    for k, v in enumerate(V.T):
        pivot = int(np.argmax(distances))
        if distances[pivot] <= tolerance:
            break
        v[:] = gram.columns(np.array([pivot]))[:, 0] - V[:, :k] @ V[pivot, :k]
        v /= np.sqrt(max(v[pivot], tolerance))
        distances -= v**2
        distances[pivot] = -np.inf
        remaining[pivot] = False
        pivots.append(pivot)
    return np.array(pivots, dtype=np.intp), np.asfortranarray(V[:, : len(pivots)])
