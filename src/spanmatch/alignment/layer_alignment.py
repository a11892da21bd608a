"""Everything that convergent learning asks of two layers, at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._threads import few_threads
from .._values import coarse, short
from ..moments.pairs import Pair
from ..moments.spans import Index
from .assignment import Alignment, one_to_one
from .chance import AlignmentResult, alignment_fields
from .clustering import Clusters, clusters
from .correlations import Correlation, correlation
from .sparse import SparseMap, sparse_map

DRAWN = 96
"""Along each side of a matrix of correlations that is written out to be drawn; larger ones are drawn in blocks."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerAlignment(AlignmentResult):
    """One-to-one, few-to-one and many-to-many alignment of two layers."""

    correlation: Correlation = field(repr=False)
    bipartite: Alignment
    semi: Alignment
    information: Alignment | None
    """The bipartite matching by mutual information, if bins were counted."""
    by_information_only: Index = field(repr=False)
    """(k, 2) partners by mutual information that are significant, and that absolute correlation pairs otherwise."""
    maps: tuple[SparseMap, ...]
    """y from x and x from y, if asked for."""
    clusters: Clusters | None
    """If asked for."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, to four digits, of sparse maps only the tables."""
        grouped = self.clusters
        return {
            "constant": [list(self.x_constant), list(self.y_constant)],
            "chance_correlation": self.chance_correlation,
            "effective_sample_size": self.effective_sample_size,
            "mean_activation": [short(self.correlation.x_mean), short(self.correlation.y_mean)],
            "bipartite": _aligned(self.bipartite),
            "semi": _aligned(self.semi),
            "information": None if self.information is None else _aligned(self.information),
            "by_information_only": self.by_information_only.tolist(),
            "sparse": [{"from": m.x_layer, "to": m.y_layer, "table": m.table(), "few": m.few()} for m in self.maps],
            "clusters": None if grouped is None else _grouped(grouped, self.correlation),
        }


@few_threads
def align(pair: Pair, *, sparse: bool = False, grouped: bool = True, centred: bool = False) -> LayerAlignment:
    """Return both one-to-one matchings, and where asked for the sparse maps both ways and the clusters."""
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
    if information is None:
        return np.empty((0, 2), dtype=np.intp)
    apart = information.apart_from(one_to_one(pair, by="absolute"))
    return apart[np.isin(apart[:, 0], information.x[information.significant])]


def _aligned(alignment: Alignment) -> dict[str, Any]:
    indices = {name: getattr(alignment, name).tolist() for name in ("x", "y", "next_y", "next_x")}
    values = ("strength", "p_value", "margin", "back_margin", "x_baseline", "y_baseline")
    return indices | {name: short(getattr(alignment, name)) for name in values}


def _grouped(found: Clusters, correlation: Correlation) -> dict[str, Any]:
    groups = [
        {"x": c.x.tolist(), "y": c.y.tolist()}
        | {name: short(getattr(c, name)) for name in ("between", "within_x", "within_y", "outside", "eps")}
        for c in found.clusters
    ]
    return {
        "method": found.method,
        "seed": found.seed,
        "eigenvalues": short(found.eigenvalues),
        "null_eigenvalue": short(found.null_eigenvalue),
        "clear": found.clear,
        "order": [side.tolist() for side in found.order()],
        "groups": groups,
        "drawn": _drawn(correlation, found.order()),
    }


def _drawn(correlation: Correlation, order: tuple[Index, Index]) -> dict[str, list[list[int]]]:
    """Return |correlation| in percent, with neurons as they come and by cluster, in blocks: the largest of each."""
    percent = np.rint(100 * np.abs(correlation.between)).astype(int)
    orders = {"as_they_come": percent, "by_cluster": percent[np.ix_(*order)]}
    return {name: coarse(values, DRAWN).tolist() for name, values in orders.items()}
