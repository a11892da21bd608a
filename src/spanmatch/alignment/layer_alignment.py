"""All alignments of convergent learning for two layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .._plotting import X, Y, legend
from .._threads import few_threads
from .._values import coarse, short
from ..moments.pairs import Pair
from ..moments.spans import Index
from .assignment import Alignment, one_to_one
from .chance import AlignmentResult, alignment_fields
from .clustering import Clusters, clusters
from .correlations import Correlation, correlation
from .sparse import SparseMap, sparse_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..schema import AlignmentRecord, ClusterRecord, ClustersRecord, DrawnRecord, PartnersRecord

DRAWN = 96
"""Largest side of a matrix of correlations in the JSON. Larger matrices are reduced to the maxima
of blocks.
"""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LayerAlignment(AlignmentResult):
    """One-to-one, few-to-one and many-to-many alignment of two layers.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> alignment = sm.align(pair)
    >>> alignment.semi.y.tolist(), alignment.correlation.between.shape
    ([0, 1, 2], (3, 3))
    """

    correlation: Correlation = field(repr=False)
    """Correlations between and within the layers."""
    bipartite: Alignment
    """Partners by the largest total correlation."""
    semi: Alignment
    """The best partner of each neuron of x."""
    information: Alignment | None
    """Bipartite partners by mutual information; None without bins."""
    by_information_only: Index = field(repr=False)
    """(k, 2) significant partners by mutual information that are not partners by absolute
    correlation.
    """
    maps: tuple[SparseMap, ...]
    """Sparse maps of y from x and of x from y; empty if not requested."""
    clusters: Clusters | None
    """Clusters of neurons of both layers; None if not requested."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the strengths of partners in decreasing order: each neuron taken once, and the best of each.

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
        ax = self.bipartite.plot(ax, color=X)
        ranks = np.arange(1, len(self.semi.strength) + 1)
        ax.plot(ranks, self.semi.strength, color=Y, label="semi: best partner of each neuron")
        legend(ax)
        return ax

    def to_dict(self) -> AlignmentRecord:
        """Return everything as plain Python values, to four digits; sparse maps as tables."""
        clusters = self.clusters
        return {
            "constant": [list(self.x_constant), list(self.y_constant)],
            "chance_correlation": self.chance_correlation,
            "effective_sample_size": self.effective_sample_size,
            "mean_activation": [short(self.correlation.x_mean), short(self.correlation.y_mean)],
            "bipartite": _alignment_record(self.bipartite),
            "semi": _alignment_record(self.semi),
            "information": None if self.information is None else _alignment_record(self.information),
            "by_information_only": self.by_information_only.tolist(),
            "sparse": [{"from": m.x_layer, "to": m.y_layer, "table": m.table(), "few": m.few()} for m in self.maps],
            "clusters": None if clusters is None else _clusters_record(clusters, self.correlation),
        }


@few_threads
def align(pair: Pair, *, sparse: bool = False, grouped: bool = True, centred: bool = False) -> LayerAlignment:
    """Return both one-to-one matchings of two layers, and on request sparse maps and clusters.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q). With bins, partners are also computed by mutual information.
    sparse : bool
        Whether to compute sparse maps in both directions.
    grouped : bool
        Whether to compute clusters.
    centred : bool
        Whether the distances within clusters are of centred activations.

    Returns
    -------
    LayerAlignment

    Raises
    ------
    SpanmatchError
        If `pair` is not a `Pair`.

    Notes
    -----
    Cost: see `one_to_one`, `sparse_map` and `clusters`.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> alignment = sm.align(pair)
    >>> alignment.bipartite.strength.round(2).tolist(), len(alignment.maps)
    ([1.0, 1.0, 0.99], 0)
    """
    information = None if pair.counts is None else one_to_one(pair, by="information")
    return LayerAlignment(
        correlation=correlation(pair),
        bipartite=one_to_one(pair),
        semi=one_to_one(pair, method="semi"),
        information=information,
        by_information_only=_by_information_only(pair, information),
        maps=(sparse_map(pair), sparse_map(pair.swapped)) if sparse else (),
        clusters=clusters(pair, centred=centred) if grouped else None,
        **alignment_fields(pair),
    )


def _by_information_only(pair: Pair, information: Alignment | None) -> Index:
    """Return the significant partners by mutual information that are not partners by absolute
    correlation.
    """
    if information is None:
        return np.empty((0, 2), dtype=np.intp)
    partners = information.apart_from(one_to_one(pair, by="absolute"))
    return partners[np.isin(partners[:, 0], information.x[information.significant])]


def _alignment_record(alignment: Alignment) -> PartnersRecord:
    """Return an alignment for the JSON: indices, and values to four digits."""
    return {
        "x": alignment.x.tolist(),
        "y": alignment.y.tolist(),
        "next_y": alignment.next_y.tolist(),
        "next_x": alignment.next_x.tolist(),
        "strength": short(alignment.strength),
        "p_value": short(alignment.p_value),
        "margin": short(alignment.margin),
        "back_margin": short(alignment.back_margin),
        "x_baseline": short(alignment.x_baseline),
        "y_baseline": short(alignment.y_baseline),
    }


def _clusters_record(clusters: Clusters, correlation: Correlation) -> ClustersRecord:
    """Return clusters for the JSON: statistics of each cluster, and the reordered correlations."""
    groups: list[ClusterRecord] = [
        {
            "x": cluster.x.tolist(),
            "y": cluster.y.tolist(),
            "between": short(cluster.between),
            "within_x": short(cluster.within_x),
            "within_y": short(cluster.within_y),
            "outside": short(cluster.outside),
            "eps": short(cluster.eps),
        }
        for cluster in clusters.clusters
    ]
    return {
        "method": clusters.method,
        "seed": clusters.seed,
        "eigenvalues": short(clusters.eigenvalues),
        "null_eigenvalue": short(clusters.null_eigenvalue),
        "clear": clusters.clear,
        "order": [side.tolist() for side in clusters.order()],
        "groups": groups,
        "drawn": _drawn(correlation, clusters.order()),
    }


def _drawn(correlation: Correlation, order: tuple[Index, Index]) -> DrawnRecord:
    """Return |correlation| in percent, in original order and by cluster, reduced to the maxima of
    blocks.
    """
    percent = np.rint(100 * np.abs(correlation.between)).astype(int)
    return {
        "as_they_come": coarse(percent, DRAWN).tolist(),
        "by_cluster": coarse(percent[np.ix_(*order)], DRAWN).tolist(),
    }
