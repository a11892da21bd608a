"""Many-to-many alignment: clusters of neurons of both networks, and whether a cluster is a match.

The neurons of both layers are the nodes of a graph with edge weights |c_ij|. With the weights A and
the degrees D, the eigenvectors of the normalised Laplacian I - D^(-1/2) A D^(-1/2) with the
smallest eigenvalues give the clusters. A gap between the eigenvalues gives their number. Only
eigenvalues below those of chance correlations are considered.
Source: Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 5; docs/convergent.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigh, eigvalsh, svdvals

from .._display import Displayed
from .._plotting import NULL, TICK_SIZE, X, Y, axes_for, draw_matrix, label, legend, whole_ticks
from .._threads import few_threads
from .._values import Json
from .._warnings import ignoring
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.spans import Array, Index
from .chance import AlignmentResult, alignment_fields, inverse
from .correlations import Correlation, correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal["spectral", "hierarchical"]
Labels = NDArray[np.intp]
MOST_LEAVES = 60
"""Neurons that a drawn tree names."""
JITTER = 1e-4
"""Added to the diagonal of correlations, so that those of linearly dependent neurons can be
factored.
"""
SMALL = 8
"""Smallest dimension at which the second singular value is computed iteratively."""
DRAWS = 5
"""Number of graphs of chance correlations that the null draws."""
STARTS = 10
"""Number of runs of k-means from random centres."""
STEPS = 50
"""Number of steps of each run."""
FEW_NODES = 512
"""The number of nodes up to which all matrices are dense: an iteration is not faster there."""
LEAST_SQUARE = 1e-6
"""The smallest squared singular value whose right vector follows from the left one."""
SHIFT = 1e-5
"""How far below 0 the eigenvalues of the Laplacian are inverted, of which the smallest is 0."""
DEVIATIONS = 3.0
"""Number of standard deviations below the mean of the null at which an eigenvalue is not due to
chance.
"""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Cluster(Displayed):
    """A cluster: neurons of both layers, with their correlations and distances.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, *noise = np.random.default_rng(0).standard_normal((6, 500))
    >>> X = np.column_stack([a + 0.5 * noise[0], a + 0.5 * noise[1], b])
    >>> Y = np.column_stack([b + 0.5 * noise[2], a + 0.5 * noise[3]])
    >>> cluster = sm.clusters(sm.pair(X, Y), k=2).clusters[0]
    >>> cluster.x.tolist(), cluster.y.tolist(), round(cluster.between, 2)
    ([0, 1], [1], 0.8)
    """

    x: Index
    """Neurons of x, sorted."""
    y: Index
    """Neurons of y, sorted."""
    between: float
    """Mean |correlation| between its neurons of x and of y; 0 if it has none of one layer."""
    within_x: float
    """Mean |correlation| of its different neurons of x; 0 for fewer than two."""
    within_y: float
    """Mean |correlation| of its different neurons of y; 0 for fewer than two."""
    outside: float
    """Mean |correlation| of its neurons with the other network's neurons outside it: the reference
    for `between`.
    """
    x_distances: Array
    """(|x|,) distance of each neuron of x to the span of the cluster's neurons of y."""
    y_distances: Array
    """(|y|,) distance of each neuron of y to the span of the cluster's neurons of x."""

    @property
    def eps(self) -> float:
        """The smallest eps at which the cluster is a match: its largest distance."""
        return float(np.concatenate([self.x_distances, self.y_distances]).max(initial=0.0))

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain Python values."""
        arrays = {name: getattr(self, name).tolist() for name in ("x", "y", "x_distances", "y_distances")}
        return arrays | {n: getattr(self, n) for n in ("between", "within_x", "within_y", "outside", "eps")}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Clusters(AlignmentResult):
    """Clusters of neurons of both layers, largest first.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, *noise = np.random.default_rng(0).standard_normal((6, 500))
    >>> X = np.column_stack([a + 0.5 * noise[0], a + 0.5 * noise[1], b])
    >>> Y = np.column_stack([b + 0.5 * noise[2], a + 0.5 * noise[3]])
    >>> groups = sm.clusters(sm.pair(X, Y), k=2)
    >>> groups.x_labels.tolist(), groups.y_labels.tolist()
    ([0, 0, 1], [1, 0])
    """

    method: Method
    """"spectral" or "hierarchical"."""
    within: bool
    """Whether correlations within each network are edges too."""
    seed: int
    """Seed of k-means and of the null."""
    centred: bool
    """Whether the distances are of centred activations. Correlations always are."""
    x_labels: Labels
    """(p,) the cluster of each neuron of x; -1 for constant neurons."""
    y_labels: Labels
    """(q,) the cluster of each neuron of y; -1 for constant neurons."""
    eigenvalues: Array
    """Of the normalised Laplacian, ascending in [0, 2], one for each non-constant neuron."""
    null_eigenvalue: float
    """Lower bound of the second eigenvalue under chance correlations. Only smaller ones indicate
    clusters.
    """
    gap: float
    """The eigenvalue after those of the clusters minus the last of theirs."""
    clear: bool
    """Whether the eigenvalues determine the number of clusters.

    The gap must be at least twice as wide as any other below `null_eigenvalue`, and wider by more
    than chance correlations move an eigenvalue. One cluster is clear if only the first eigenvalue
    is below `null_eigenvalue`.
    """
    clusters: tuple[Cluster, ...]
    """The clusters, largest first."""
    tree: Array | None = field(repr=False)
    """The merges as in SciPy's `linkage`, for method="hierarchical": neurons of x first, constant
    ones left out.
    """
    correlations: Correlation = field(repr=False)
    """The correlations that were clustered."""

    def __len__(self) -> int:
        return len(self.clusters)

    def cut(self, k: int) -> tuple[Labels, Labels]:
        """Return the labels of both layers when the tree is cut into at most k clusters.

        Parameters
        ----------
        k : int
            The largest number of clusters.

        Returns
        -------
        x_labels, y_labels : ndarray of shape (p,) and (q,)
            -1 for constant neurons.

        Raises
        ------
        SpanmatchError
            If there is no tree, because the method is "spectral".
        """
        if self.tree is None:
            raise SpanmatchError("spectral clusters have no tree to cut; use method='hierarchical'")
        return self._spread(_cut(self.tree, k))

    def order(self) -> tuple[Index, Index]:
        """Return the neurons of both layers by cluster.

        Returns
        -------
        x, y : ndarray of shape (p,) and (q,)
            Within a cluster, neurons with the largest total |correlation| come first. Constant
            neurons are last.
        """
        strength = abs(self.correlations.between)
        together = self.x_labels[:, None] == self.y_labels
        typicalities = (strength * together).sum(axis=1), (strength * together).sum(axis=0)
        return tuple(  # type: ignore[return-value]
            np.lexsort((-typicality, np.where(labels < 0, len(self), labels)))
            for typicality, labels in zip(typicalities, (self.x_labels, self.y_labels), strict=True)
        )

    def plot(self, ax: Axes | None = None, *, by_cluster: bool = True) -> Axes:
        """Draw |correlation| between the layers as a heat map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        by_cluster : bool
            Whether to order the neurons by cluster, with lines between clusters; else they are in their
            original order.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("clusters.plot", ax)
        strength, (x, y) = abs(self.correlations.between), self.order()
        names = {"x": self.x_layer, "y": self.y_layer, "meaning": "|correlation|"}
        if not by_cluster:
            draw_matrix(ax, strength, title="in original order", **names)
            return ax
        draw_matrix(ax, strength[np.ix_(x, y)], title=f"{len(self)} clusters", **names)
        for k in range(1, len(self)):
            for labels, line in ((self.x_labels, ax.axhline), (self.y_labels, ax.axvline)):
                line(np.count_nonzero((labels >= 0) & (labels < k)) - 0.5, color=Y, linewidth=0.8)
        return ax

    def plot_eigenvalues(self, ax: Axes | None = None) -> Axes:
        """Draw the smallest eigenvalues of the Laplacian: there are as many clusters as before the gap.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("clusters.plot_eigenvalues", ax)
        k = len(self)
        shown = self.eigenvalues[: max(2 * k, 12)]
        places = np.arange(1, len(shown) + 1)
        ax.plot(places[:k], shown[:k], "o", color=X, markersize=5, label=f"of the {k} clusters")
        ax.plot(places[k:], shown[k:], "o", color=X, markersize=5, markerfacecolor="none", label="others")
        ax.axhline(self.null_eigenvalue, color=NULL, linestyle=":", label="bound under the null")
        whole_ticks(ax, "x")
        ax.set(ylim=(min(-0.02, float(shown.min(initial=0.0))), None))
        label(ax, "number", "eigenvalue", f"gap after {k}: {self.gap:.2f}, {'clear' if self.clear else 'not clear'}")
        legend(ax)
        return ax

    def plot_tree(self, ax: Axes | None = None) -> Axes:
        """Draw the dendrogram.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If there is no tree, or matplotlib is not installed.
        """
        if self.tree is None:
            raise SpanmatchError("spectral clusters have no tree to draw; use method='hierarchical'")
        ax = axes_for("clusters.plot_tree", ax)
        names = [f"x{i}" for i in np.flatnonzero(self.x_labels >= 0)] + [
            f"y{j}" for j in np.flatnonzero(self.y_labels >= 0)
        ]
        from scipy.cluster.hierarchy import dendrogram

        drawn = dendrogram(self.tree, labels=names, ax=ax, no_labels=len(names) > MOST_LEAVES, color_threshold=0)
        for leaf in ax.get_xticklabels():
            leaf.set_color(X if leaf.get_text().startswith("x") else Y)
        for collection in ax.collections:
            collection.set_color(NULL)
        ax.tick_params(axis="x", rotation=90, labelsize=TICK_SIZE)
        label(ax, f"{len(drawn['leaves'])} neurons", "1 - |correlation|", f"{self.x_layer} (x) and {self.y_layer} (y)")
        return ax

    def to_dict(self) -> dict[str, Json]:
        """Return everything but the correlations as plain Python values."""
        return {
            "method": self.method,
            "within": self.within,
            "seed": self.seed,
            "centred": self.centred,
            "x_labels": self.x_labels.tolist(),
            "y_labels": self.y_labels.tolist(),
            "eigenvalues": self.eigenvalues.tolist(),
            "null_eigenvalue": self.null_eigenvalue,
            "gap": self.gap,
            "clear": self.clear,
            "tree": None if self.tree is None else self.tree.tolist(),
            "clusters": [cluster.to_dict() for cluster in self.clusters],
        } | self._plain()

    def _spread(self, labels: Labels) -> tuple[Labels, Labels]:
        """Return labels of non-constant neurons as labels of all neurons of each layer."""
        x, y = self.x_labels >= 0, self.y_labels >= 0
        return _spread(labels, np.flatnonzero(x), np.flatnonzero(y), len(x), len(y))

    def _summary(self) -> str:
        sizes = ", ".join(f"{len(c.x)}+{len(c.y)}" for c in self.clusters[:3]) + (", ..." if len(self) > 3 else "")
        unclear = "" if self.clear else "; no clear gap"
        return f"({self.method}) of {self.x_layer} and {self.y_layer}: {len(self)} of {sizes} neurons{unclear}"


@few_threads
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

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    k : int, optional
        Number of clusters; by default the number of eigenvalues before the widest gap.
    within : bool
        Whether correlations within each network are edges too.
    method : {"spectral", "hierarchical"}
        "spectral" is k-means on the k eigenvectors of the normalised Laplacian with the smallest
        eigenvalues. "hierarchical" is average linkage of 1 - |c| (SciPy).
    seed : int
        Seed of k-means and of the null.
    centred : bool
        Whether distances are of centred activations, as in `maximum_match`.

    Returns
    -------
    Clusters
        Labels, eigenvalues, and statistics of each cluster.

    Raises
    ------
    SpanmatchError
        If `k` is not between 1 and the number of non-constant neurons, or `method` is another word.

    Notes
    -----
    Only eigenvalues below `null_eigenvalue` indicate clusters. If only the first is below, there is
    one cluster.

    The null draws five graphs of chance correlations and weights them by the observed degrees.
    `null_eigenvalue` is the mean of their second eigenvalues minus three standard deviations. The
    correlations are c = L_x G L_y^T / sqrt(n) with L L^T the correlations within each layer, G
    standard normal and n the effective sample size. With `within`, they are those of unrelated
    neurons.

    Cost: about 10 min(p, q)^2 max(p, q) operations; (p + q)^3 with `within`, and for the
    eigenvectors.

    References
    ----------
    Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 5.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, *noise = np.random.default_rng(0).standard_normal((6, 500))
    >>> X = np.column_stack([a + 0.5 * noise[0], a + 0.5 * noise[1], b])
    >>> Y = np.column_stack([b + 0.5 * noise[2], a + 0.5 * noise[3]])
    >>> groups = sm.clusters(sm.pair(X, Y), k=2)
    >>> groups.x_labels.tolist(), groups.y_labels.tolist()
    ([0, 0, 1], [1, 0])
    """
    checked_pair(pair)
    if method not in ("spectral", "hierarchical"):
        raise SpanmatchError(f"method={method!r}: give 'spectral' or 'hierarchical'")
    c = correlation(pair)
    x, y = pair.active(centred=True)
    graph = _graph(c, x, y, within)
    of_x = None if within else len(x)
    spectrum = _spectrum(graph, of_x)
    lowest = _null(graph, _among(len(graph), c.effective_sample_size) if within else _between(c, x, y), seed)
    k = _eigengap(spectrum, lowest) if k is None else _checked(k, len(graph), pair)
    tree = _merged(graph) if method == "hierarchical" else None
    labels = _cut(tree, k) if tree is not None else _spectral(graph, of_x, k, seed)
    x_labels, y_labels = _spread(_by_size(labels), x, y, *pair.neurons)
    strength = abs(c.between)
    groups = [(np.flatnonzero(x_labels == g), np.flatnonzero(y_labels == g)) for g in range(labels.max(initial=-1) + 1)]
    return Clusters(
        method=method,
        within=within,
        seed=seed,
        centred=centred,
        x_labels=x_labels,
        y_labels=y_labels,
        eigenvalues=spectrum,
        null_eigenvalue=lowest,
        gap=float(spectrum[k] - spectrum[k - 1]) if 0 < k < len(spectrum) else 0.0,
        clear=_clear(spectrum, lowest, k),
        clusters=tuple(_cluster(pair, c, strength, i, j, centred) for i, j in groups),
        tree=tree,
        correlations=c,
        **alignment_fields(pair),
    )


def _graph(c: Correlation, x: Index, y: Index, within: bool) -> Array:
    """Return the symmetric edge weights between non-constant neurons, those of x first."""
    between = abs(c.between[np.ix_(x, y)])
    xx, yy = abs(c.within_x[np.ix_(x, x)]), abs(c.within_y[np.ix_(y, y)])
    if not within:
        xx, yy = np.zeros_like(xx), np.zeros_like(yy)
    graph = np.block([[xx, between], [between.T, yy]])
    np.fill_diagonal(graph, 0.0)
    return graph


def _spectrum(graph: Array, p: int | None) -> Array:
    """Return the eigenvalues of the Laplacian; p is the number of neurons of x in a bipartite
    graph.
    """
    if not len(graph):
        return np.empty(0)
    degree = graph.sum(axis=0)
    joined = degree > 0
    weights = _normalised(graph, degree)[np.ix_(joined, joined)]
    if p is None:
        values = eigvalsh(np.eye(len(weights)) - weights) if len(weights) else np.empty(0)
    else:
        first = np.count_nonzero(joined[:p])
        off = svdvals(weights[:first, first:]) if len(weights) else np.empty(0)
        values = np.concatenate([1 - off, np.ones(len(weights) - 2 * len(off)), 1 + off[::-1]])
    return np.asarray(np.clip(np.concatenate([np.zeros(np.count_nonzero(~joined)), values]), 0, 2))


def _normalised(graph: Array, degree: Array) -> Array:
    """Return the weights divided by the square roots of the degrees of both nodes."""
    scale = inverse(np.sqrt(degree))
    return np.asarray(scale[:, None] * graph * scale)


def _null(graph: Array, draw: Callable[[np.random.Generator], Array], seed: int) -> float:
    """Return the lower bound of the second eigenvalue under chance correlations, for the graph's
    degrees.
    """
    r, scale = np.random.default_rng(seed), inverse(np.sqrt(graph.sum(axis=0)))
    values = np.array([_second(draw(r), scale) for _ in range(DRAWS)])
    return float(np.clip(1 - values.mean() - DEVIATIONS * values.std(ddof=1), 0, 1))


def _second(weights: Array, scale: Array) -> float:
    """Return the second largest singular value of weights (m, k), scaled by the first m and last k
    scales.
    """
    m, k = weights.shape
    weights = np.float32(scale[:m, None]) * abs(weights) * np.float32(scale[len(scale) - k :])
    if min(m, k) < SMALL:
        return float(np.append(svdvals(weights) if weights.size else [], [0, 0])[1])
    from scipy.sparse.linalg import svds

    start = np.ones(min(m, k), dtype=np.float32)
    return float(svds(weights, k=2, tol=1e-2, v0=start, return_singular_vectors=False).min())


def _between(c: Correlation, x: Index, y: Index) -> Callable[[np.random.Generator], Array]:
    """Return a function that draws chance correlations between layers, given those within each."""
    L, R = _factor(c.within_x[np.ix_(x, x)]), _factor(c.within_y[np.ix_(y, y)])
    left, right = np.float32(L / np.sqrt(c.effective_sample_size)), np.float32(R.T)
    return lambda r: np.asarray(left @ r.standard_normal((len(x), len(y)), dtype=np.float32) @ right)


def _factor(correlations: Array) -> Array:
    """Return the lower Cholesky factor of correlations with `JITTER` added to their diagonal."""
    if not len(correlations):
        return correlations
    return np.asarray(cholesky(correlations + JITTER * np.eye(len(correlations)), lower=True))


def _among(neurons: int, rows: float) -> Callable[[np.random.Generator], Array]:
    """Return a function that draws the chance correlations of unrelated neurons."""

    def draw(r: np.random.Generator) -> Array:
        upper = np.triu(r.standard_normal((neurons, neurons), dtype=np.float32), 1) / np.float32(np.sqrt(rows))
        return np.asarray(upper + upper.T)

    return draw


def _eigengap(spectrum: Array, lowest: float) -> int:
    """Return the number of clusters: the position of the widest gap below the null eigenvalue."""
    gaps = _gaps(spectrum, lowest)
    return 2 + int(gaps.argmax()) if len(gaps) else min(1, len(spectrum))


def _gaps(spectrum: Array, lowest: float) -> Array:
    """Return the gaps after the second, third, ... eigenvalue below the null eigenvalue."""
    below = np.count_nonzero(spectrum[1:] < lowest)
    return np.asarray(np.diff(np.minimum(spectrum[1 : below + 2], 1)))


def _clear(spectrum: Array, lowest: float, k: int) -> bool:
    """Return whether the gap after the k-th eigenvalue is clearly the widest."""
    gaps = _gaps(spectrum, lowest)
    if not len(gaps) or not 2 <= k < len(gaps) + 2:
        return not len(gaps) and k <= 1
    gap, next_gap = gaps[k - 2], np.delete(gaps, k - 2).max(initial=0.0)
    return bool(gap >= 2 * next_gap and gap - next_gap > 1 - lowest)


def _checked(k: int, neurons: int, pair: Pair) -> int:
    """Return the number of clusters as an int.  Raises SpanmatchError if it is out of range."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= neurons:
        raise SpanmatchError(
            f"k={k!r}: give 1 to {neurons}, the number of non-constant neurons of {pair.x_layer} and {pair.y_layer}"
        )
    return int(k)


def _spectral(graph: Array, p: int | None, k: int, seed: int) -> Labels:
    """Return the spectral clusters of a graph: k-means of each node's entries in the k eigenvectors of the
    normalised Laplacian with the smallest eigenvalues, divided by the root of its degree; p is the number of
    neurons of x in a bipartite graph.
    """
    if k <= 1 or k == len(graph):
        return np.arange(len(graph)) if k > 1 else np.zeros(len(graph), dtype=np.intp)
    degree, r = graph.sum(axis=0), np.random.default_rng(seed)
    start = r.uniform(-1, 1, len(graph))
    vectors = _lowest_eigenvectors(_normalised(graph, degree), p, k, start)
    return _k_means(vectors / np.sqrt(np.where(degree > 0, degree, 1.0))[:, None], k, r)


def _lowest_eigenvectors(weights: Array, p: int | None, k: int, start: Array) -> Array:
    """Return the k eigenvectors of I - weights with the smallest eigenvalues (nodes, k); p is the number of
    neurons of x in a bipartite graph.

    Those of a bipartite graph are the singular vectors of its weights B between the two sides, which products
    with B find in a fraction of the time that inverting the Laplacian takes.
    """
    nodes = len(weights)
    if nodes <= FEW_NODES:
        return np.asarray(eigh(np.eye(nodes) - weights, subset_by_index=[0, k - 1])[1])
    from scipy.sparse.linalg import LinearOperator, eigsh  # slow to import

    if p is not None and k < min(p, nodes - p):
        B = np.ascontiguousarray(weights[:p, p:])
        product = LinearOperator((p, p), matvec=lambda v: B @ (v.ravel() @ B), dtype=np.float64)
        squares, of_x = eigsh(product, k=k, which="LA", v0=start[:p])
        if squares.min() > LEAST_SQUARE:
            return np.asarray(np.vstack([of_x, (of_x.T @ B).T / np.sqrt(squares)]) / np.sqrt(2))
    _, vectors = eigsh(np.eye(nodes) - weights, k=k, sigma=-SHIFT, which="LM", v0=start)
    return np.asarray(vectors)


def _k_means(points: Array, k: int, r: np.random.Generator) -> Labels:
    """Return the labels of the best of several runs of k-means, one from the clusters of Ward's linkage and the
    others from random centres; fewer than k if fewer points differ.
    """
    from scipy.cluster.hierarchy import fcluster, ward  # slow to import
    from scipy.cluster.vq import kmeans2

    of_ward = np.unique(fcluster(ward(points), k, "maxclust"), return_inverse=True)[1]
    centres = np.array([points[of_ward == cluster].mean(axis=0) for cluster in range(of_ward.max() + 1)])
    with ignoring(message="One of the clusters is empty"):
        runs = [kmeans2(points, centres, iter=STEPS, minit="matrix")]
        runs += [kmeans2(points, k, iter=STEPS, minit="++", rng=r) for _ in range(STARTS)]
    return np.asarray(min(runs, key=lambda run: _squares_within(points, *run))[1], dtype=np.intp)


def _squares_within(points: Array, centres: Array, labels: Labels) -> float:
    """Return the sum of squared distances of points from their centres."""
    return float(np.sum((points - centres[labels]) ** 2))


def _merged(graph: Array) -> Array | None:
    """Return the tree of average linkage of 1 - weight; None for fewer than two nodes."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    if len(graph) < 2:
        return None
    return np.asarray(linkage(squareform(1 - graph - np.eye(len(graph)), checks=False), "average"))


def _cut(tree: Array, k: int) -> Labels:
    """Return the labels of a tree cut into at most k clusters."""
    from scipy.cluster.hierarchy import fcluster

    return np.asarray(fcluster(tree, k, "maxclust"), dtype=np.intp) - 1


def _by_size(labels: Labels) -> Labels:
    """Return labels renumbered by decreasing size, and equally large clusters by their first
    neuron.
    """
    names, first, size = np.unique(labels, return_index=True, return_counts=True)
    rank = np.empty(len(names), dtype=np.intp)
    rank[np.lexsort((first, -size))] = np.arange(len(names))
    return rank[np.searchsorted(names, labels)]


def _spread(labels: Labels, x: Index, y: Index, p: int, q: int) -> tuple[Labels, Labels]:
    """Return labels of non-constant neurons as labels of all neurons of each layer."""
    x_labels, y_labels = np.full(p, -1), np.full(q, -1)
    x_labels[x], y_labels[y] = labels[: len(x)], labels[len(x) :]
    return x_labels, y_labels


def _cluster(pair: Pair, c: Correlation, between: Array, x: Index, y: Index, centred: bool) -> Cluster:
    """Return a cluster with its mean correlations and distances."""
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


def _mean_within(correlations: Array, neurons: Index) -> float:
    """Return the mean |correlation| of different neurons of one layer."""
    m = len(neurons)
    return float((abs(correlations[np.ix_(neurons, neurons)]).sum() - m) / (m * (m - 1))) if m > 1 else 0.0
