"""Many-to-many: groups of neurons over both networks, and whether a group is also a match.

The neurons of both layers are the nodes of a graph whose edges weigh |c_ij|. With D the degrees and A the weights, the
eigenvectors of I - D^(-1/2) A D^(-1/2) of smallest eigenvalue tell the clusters; a gap in the eigenvalues tells how
many.
Source: Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 5; docs/convergent.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh

from ..drawing import axes_for, draw_matrix, row_of_axes
from ..errors import SpanmatchError
from ..factor import Array, Index
from ..joint import Pair, checked_pair
from ..quiet import ignoring
from .about import Aligned, about, inverse
from .correlation import Correlation, correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal["spectral", "hierarchical"]
Labels = NDArray[np.intp]
MOST = 30
"""The eigengap is looked for among so many clusters."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Cluster:
    """Neurons of both layers that belong together."""

    x: Index
    """Sorted indices."""
    y: Index
    between: float
    """Mean |correlation| between its two halves; 0 if one is empty."""
    within_x: float
    """Mean |correlation| of different neurons of x; 0 if there is at most one."""
    within_y: float
    outside: float
    """Mean |correlation| of its neurons with those of the other network outside it: what `between` is to be held
    against."""
    x_distances: Array
    """(|x|,) of each neuron of x to the span of the cluster's y."""
    y_distances: Array

    @property
    def eps(self) -> float:
        """The smallest eps at which the cluster is a match: its largest distance. 1 if one half is empty."""
        return float(np.concatenate([self.x_distances, self.y_distances]).max(initial=0.0))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        arrays = {name: getattr(self, name).tolist() for name in ("x", "y", "x_distances", "y_distances")}
        return arrays | {n: getattr(self, n) for n in ("between", "within_x", "within_y", "outside", "eps")}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Clusters(Aligned):
    """Groups of neurons over both layers, largest first."""

    method: Method
    within: bool
    """Whether correlations within each network count as edges too."""
    seed: int
    centred: bool
    """Whether the distances are of centred activations; correlations always are."""
    x_labels: Labels
    """(p,) the cluster of each neuron of x; -1 if it is constant."""
    y_labels: Labels
    """(q,)"""
    eigenvalues: Array
    """Of the normalised Laplacian, ascending in [0, 2], one for each neuron that varies."""
    clusters: tuple[Cluster, ...]
    tree: Array | None = field(repr=False)
    """The merges, as SciPy's `linkage` gives them, for method="hierarchical"; neurons of x first, constant ones left
    out."""
    correlations: Correlation = field(repr=False)

    def __len__(self) -> int:
        return len(self.clusters)

    def cut(self, k: int) -> tuple[Labels, Labels]:
        """Return the labels of both layers when the tree is cut into at most k clusters; -1 for constant neurons.

        Raises SpanmatchError if there is no tree.
        """
        if self.tree is None:
            raise SpanmatchError("spectral clusters have no tree to cut; cluster with method='hierarchical'")
        return self._spread(_cut(self.tree, k))

    def order(self) -> tuple[Index, Index]:
        """Return both layers' neurons by cluster, in each the most typical first, constant ones last."""
        strength = abs(self.correlations.between)
        together = self.x_labels[:, None] == self.y_labels
        typical = (strength * together).sum(axis=1), (strength * together).sum(axis=0)
        return tuple(  # type: ignore[return-value]
            np.lexsort((-own, np.where(labels < 0, len(self), labels)))
            for own, labels in zip(typical, (self.x_labels, self.y_labels), strict=True)
        )

    def plot(self) -> list[Axes]:
        """Draw |correlation| between the layers as it is, and with the neurons by cluster."""
        left, right = axes = row_of_axes("clusters.plot", 2)
        strength, (x, y) = abs(self.correlations.between), self.order()
        names = {"x": self.x_layer, "y": self.y_layer}
        draw_matrix(left, strength, title="|correlation|, as they come", **names)
        draw_matrix(right, strength[np.ix_(x, y)], title=f"{len(self)} clusters", **names)
        for k in range(1, len(self)):
            right.axhline(np.count_nonzero((self.x_labels >= 0) & (self.x_labels < k)) - 0.5, color="C1", linewidth=0.8)
            right.axvline(np.count_nonzero((self.y_labels >= 0) & (self.y_labels < k)) - 0.5, color="C1", linewidth=0.8)
        return axes

    def plot_tree(self, ax: Axes | None = None) -> Axes:
        """Draw the dendrogram.  Raises SpanmatchError if there is no tree."""
        if self.tree is None:
            raise SpanmatchError("spectral clusters have no tree to draw; cluster with method='hierarchical'")
        ax = axes_for("clusters.plot_tree", ax)
        names = [f"x{i}" for i in np.flatnonzero(self.x_labels >= 0)] + [
            f"y{j}" for j in np.flatnonzero(self.y_labels >= 0)
        ]
        from scipy.cluster.hierarchy import dendrogram

        dendrogram(self.tree, labels=names, ax=ax)
        ax.set(ylabel="1 - |correlation|")
        return ax

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the correlations as plain Python values."""
        return {
            "method": self.method,
            "within": self.within,
            "seed": self.seed,
            "centred": self.centred,
            "x_labels": self.x_labels.tolist(),
            "y_labels": self.y_labels.tolist(),
            "eigenvalues": self.eigenvalues.tolist(),
            "tree": None if self.tree is None else self.tree.tolist(),
            "clusters": [cluster.to_dict() for cluster in self.clusters],
        } | self.provenance()

    def _spread(self, labels: Labels) -> tuple[Labels, Labels]:
        x, y = self.x_labels >= 0, self.y_labels >= 0
        return _spread(labels, np.flatnonzero(x), np.flatnonzero(y), len(x), len(y))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(c.x)}+{len(c.y)}" for c in self.clusters[:8]) + ", ..." * (len(self) > 8)
        return f"<Clusters ({self.method}) of {self.x_layer} and {self.y_layer}: {len(self)} of {sizes} neurons>"


def clusters(
    pair: Pair,
    k: int | None = None,
    within: bool = False,
    method: Method = "spectral",
    *,
    seed: int = 0,
    centred: bool = False,
) -> Clusters:
    """Return clusters of the neurons of both layers, by their absolute correlations.

    spectral: k-means on the k eigenvectors of the normalised Laplacian with the smallest eigenvalues (scikit-learn).
    hierarchical: average linkage of 1 - |c| (SciPy).
    Args: k, how many clusters; by default up to the widest gap between eigenvalues, among 2 to 30. within: whether
    neurons of one network are joined by their correlations too. seed: of k-means. centred: for the distances, as in
    `maximum_match`.
    Raises SpanmatchError for a k that there cannot be, or another method.
    Cost: (p + q)^3.
    """
    checked_pair(pair)
    if method not in ("spectral", "hierarchical"):
        raise SpanmatchError(f"method={method!r}: give 'spectral' or 'hierarchical'")
    c = correlation(pair)
    x, y = pair.active(centred=True)
    graph = _graph(c, x, y, within)
    spectrum = _spectrum(graph)
    k = _eigengap(spectrum) if k is None else _checked(k, len(graph), pair)
    tree = _merged(graph) if method == "hierarchical" else None
    found = _cut(tree, k) if tree is not None else _spectral(graph, k, seed)
    x_labels, y_labels = _spread(_by_size(found), x, y, *pair.neurons)
    strength = abs(c.between)
    groups = [(np.flatnonzero(x_labels == g), np.flatnonzero(y_labels == g)) for g in range(found.max(initial=-1) + 1)]
    return Clusters(
        method=method,
        within=within,
        seed=seed,
        centred=centred,
        x_labels=x_labels,
        y_labels=y_labels,
        eigenvalues=spectrum,
        clusters=tuple(_cluster(pair, c, strength, i, j, centred) for i, j in groups),
        tree=tree,
        correlations=c,
        **about(pair),
    )


def _graph(c: Correlation, x: Index, y: Index, within: bool) -> Array:
    """Return the symmetric weights between neurons that vary, x's first."""
    between = abs(c.between[np.ix_(x, y)])
    xx, yy = (abs(own[np.ix_(who, who)]) * within for own, who in ((c.within_x, x), (c.within_y, y)))
    graph = np.block([[xx, between], [between.T, yy]])
    np.fill_diagonal(graph, 0.0)
    return graph


def _spectrum(graph: Array) -> Array:
    degree = graph.sum(axis=0)
    scale = inverse(np.sqrt(degree))
    laplacian = np.diag((degree > 0).astype(np.float64)) - scale[:, None] * graph * scale
    return np.clip(eigvalsh(laplacian), 0, 2) if len(graph) else np.empty(0)


def _eigengap(spectrum: Array) -> int:
    # The first is between the second and the third eigenvalue: two clusters. Above 1 neurons repel each other.
    gaps = np.diff(np.minimum(spectrum[1 : MOST + 2], 1))
    return 2 + int(gaps.argmax()) if len(gaps) else min(1, len(spectrum))


def _checked(k: int, neurons: int, pair: Pair) -> int:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= neurons:
        raise SpanmatchError(
            f"k={k!r}: give 1 to {neurons}, the neurons of {pair.x_layer} and {pair.y_layer} that vary"
        )
    return int(k)


def _spectral(graph: Array, k: int, seed: int) -> Labels:
    from sklearn.cluster import spectral_clustering

    if k <= 1 or k == len(graph):
        return np.arange(len(graph)) * (k > 1)
    with ignoring(message="Graph is not fully connected"):  # the best case there is
        return np.asarray(spectral_clustering(graph, n_clusters=k, random_state=seed), dtype=np.intp)


def _merged(graph: Array) -> Array | None:
    """Return the tree of average linkage of 1 - weight, if there is anything to merge."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    if len(graph) < 2:
        return None
    return np.asarray(linkage(squareform(1 - graph - np.eye(len(graph)), checks=False), "average"))


def _cut(tree: Array, k: int) -> Labels:
    from scipy.cluster.hierarchy import fcluster

    return np.asarray(fcluster(tree, k, "maxclust"), dtype=np.intp) - 1


def _by_size(labels: Labels) -> Labels:
    """Return labels renumbered, the largest cluster first, among equals the one with the first neuron."""
    known, first, size = np.unique(labels, return_index=True, return_counts=True)
    rank = np.empty(len(known), dtype=np.intp)
    rank[np.lexsort((first, -size))] = np.arange(len(known))
    return rank[np.searchsorted(known, labels)]


def _spread(labels: Labels, x: Index, y: Index, p: int, q: int) -> tuple[Labels, Labels]:
    x_labels, y_labels = np.full(p, -1), np.full(q, -1)
    x_labels[x], y_labels[y] = labels[: len(x)], labels[len(x) :]
    return x_labels, y_labels


def _cluster(pair: Pair, c: Correlation, between: Array, x: Index, y: Index, centred: bool) -> Cluster:
    inside = between[np.ix_(x, y)]
    crossing = between[x].sum() + between[:, y].sum() - 2 * inside.sum()
    edges = len(x) * (between.shape[1] - len(y)) + len(y) * (between.shape[0] - len(x))
    of_x, of_y = pair.spans(x, y, centred=centred)
    return Cluster(
        x=x,
        y=y,
        between=float(inside.mean()) if inside.size else 0.0,
        within_x=_mean_within(c.within_x, x),
        within_y=_mean_within(c.within_y, y),
        outside=float(crossing / edges) if edges else 0.0,
        x_distances=np.sqrt(of_y.outside),
        y_distances=np.sqrt(of_x.outside),
    )


def _mean_within(own: Array, neurons: Index) -> float:
    m = len(neurons)
    return float((abs(own[np.ix_(neurons, neurons)]).sum() - m) / (m * (m - 1))) if m > 1 else 0.0
