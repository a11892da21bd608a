"""Universality of sparse features: in how many other dictionaries each feature has a partner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np

from .._display import Displayed
from .._plotting import COLOURS, axes_for, label, legend
from .._values import Json, data_frame
from ..alignment.across_networks import (
    Counts,
    Partners,
    Triangle,
    both_ways,
    closed_chains,
    in_all_networks,
    layers_of_networks,
    share_closed,
    triangle_record,
)
from ..errors import SpanmatchError
from ..moments.folds import Plan
from .feature_layers import FeatureLayers, check_options
from .feature_rows import Index, SparseFeatures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FeatureUniversality(Displayed):
    """For every feature of several dictionaries, in how many of the others it has a partner.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> import spanmatch as sm
    >>> X = scipy.sparse.random_array((2000, 6), density=0.05, rng=np.random.default_rng(0), format="csr")
    >>> features = sm.SparseFeatures()
    >>> features.update({"a:sae": X, "b:sae": X[:, ::-1], "c:sae": X})
    >>> shared = sm.feature_universality(features, "sae")
    >>> shared.cycle_consistency, shared.everywhere[0].tolist()
    (1.0, [0, 5, 0])
    """

    layer: str
    """The dictionaries' name without the network."""
    networks: tuple[str, ...]
    """The networks, or seeds, that have such a dictionary."""
    rows: int
    """Number of rows."""
    min_correlation: float
    """The smallest correlation of a partner."""
    min_active_rows: int
    """Rows in which a feature must be active to be given a partner."""
    partners: Mapping[str, Counts]
    """By network, (features,): number of other networks in which each feature has a partner."""
    active: Mapping[str, Counts]
    """By network, (features,): number of rows in which each feature is active."""
    everywhere: Index
    """(groups, networks) features of all networks that are all partners of each other."""
    triangles: tuple[Triangle, ...]
    """Cycle consistency for every three networks."""

    @property
    def cycle_consistency(self) -> float:
        """Share of cycle-consistent partners: chains a -> b -> c that agree with a -> c; nan
        without chains.
        """
        chains = sum(triangle.chains for triangle in self.triangles)
        return sum(triangle.closed for triangle in self.triangles) / chains if chains else float("nan")

    def distribution(self) -> Counts:
        """Return how many features, over all networks, have partners in 0, 1, ... other networks.

        Returns
        -------
        ndarray of shape (networks,)
            Without features that are active in too few rows to be given partners.
        """
        counts = [self.partners[network][self._can_have_partners(network)] for network in self.networks]
        return np.bincount(np.concatenate(counts), minlength=len(self.networks))

    def _can_have_partners(self, network: str) -> Counts:
        return np.flatnonzero(self.active[network] >= self.min_active_rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the share of each network's features that have partners in 0, 1, ... other networks.

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
        ax = axes_for("universality.plot", ax)
        others, width = np.arange(len(self.networks)), 0.8 / len(self.networks)
        for k, network in enumerate(self.networks):
            counts = self.partners[network][self._can_have_partners(network)]
            share = np.bincount(counts, minlength=len(others)) / max(1, len(counts))
            colour = COLOURS[k % len(COLOURS)]
            ax.bar(others + (k + 0.5) * width - 0.4, share, 0.92 * width, label=network, color=colour)
        ax.set(xticks=others, ylim=(0, 1))
        label(ax, f"other networks with a partner of {self.min_correlation:g} or more", "share of features", self.layer)
        legend(ax)
        return ax

    def to_dict(self) -> dict[str, Json]:
        """Return everything as plain Python values, nan as None.

        Returns
        -------
        dict of str to object
        """
        return {
            "layer": self.layer,
            "networks": list(self.networks),
            "rows": self.rows,
            "min_correlation": self.min_correlation,
            "min_active_rows": self.min_active_rows,
            "partners": {network: counts.tolist() for network, counts in self.partners.items()},
            "active": {network: counts.tolist() for network, counts in self.active.items()},
            "distribution": self.distribution().tolist(),
            "everywhere": self.everywhere.tolist(),
            "cycle_consistency": None if np.isnan(self.cycle_consistency) else self.cycle_consistency,
            "triangles": [dict(triangle_record(triangle)) for triangle in self.triangles],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each feature of each network.

        Returns
        -------
        pandas.DataFrame
            With columns network, feature, active_rows, partners.

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("FeatureUniversality.to_frame", self._records())

    def _records(self) -> list[dict[str, object]]:
        return [
            {"network": network, "feature": k, "active_rows": active, "partners": partners}
            for network in self.networks
            for k, (active, partners) in enumerate(
                zip(self.active[network].tolist(), self.partners[network].tolist(), strict=True)
            )
        ]

    def _summary(self) -> str:
        return (
            f"of {self.layer} over {len(self.networks)} networks: {len(self.everywhere)} in all, "
            f"{self.cycle_consistency:.0%} cycle-consistent"
        )


def feature_universality(
    features: SparseFeatures,
    layer: str,
    *,
    min_correlation: float = 0.5,
    candidates: int = 32,
    min_active_rows: int = 10,
    tolerance: float = 1e-6,
    null: bool = True,
    max_memory_gb: float | None = None,
) -> FeatureUniversality:
    """Return in how many other dictionaries each feature has a partner, with cycle consistency.

    Parameters
    ----------
    features : SparseFeatures
        The rows of the dictionaries of at least two networks or seeds, "network:layer".
    layer : str
        The dictionaries' name without the network.
    min_correlation : float
        The smallest correlation of a partner.
    candidates, min_active_rows, tolerance
        As of `feature_partners`.
    null : bool
        Whether to match again with rows of other examples, for the cycle consistency under the null.
    max_memory_gb : float, optional
        As of `feature_partners`.

    Returns
    -------
    FeatureUniversality
        Counts for each feature, groups of partners over all networks, and cycle consistency.

    Raises
    ------
    SpanmatchError
        If fewer than two networks have the layer, an option makes no sense, or the memory does not
        suffice for the candidates.

    Notes
    -----
    The cycle consistency is the share of chains a -> b -> c of partners that agree with a -> c. Under
    the null, as many of the strongest partners are kept as there are.

    Cost: that of `feature_partners` without null and held-out values for every two networks, twice
    with the null of three or more.

    References
    ----------
    Li et al., ICLR 2016, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> import spanmatch as sm
    >>> X = scipy.sparse.random_array((2000, 6), density=0.05, rng=np.random.default_rng(0), format="csr")
    >>> features = sm.SparseFeatures()
    >>> features.update({"a:sae": X, "b:sae": X[:, ::-1], "c:sae": X})
    >>> shared = sm.feature_universality(features, "sae")
    >>> shared.cycle_consistency, shared.everywhere[0].tolist()
    (1.0, [0, 5, 0])
    """
    check_options(features, candidates, min_active_rows, tolerance)
    if not isinstance(min_correlation, int | float | np.number) or not 0 <= min_correlation <= 1:
        raise SpanmatchError(f"min_correlation={min_correlation!r}: give a number in [0, 1]")
    names = layers_of_networks(features.layers, layer)
    partner: Partners = {}
    partner_under_null: Partners = {}
    pairing = Plan(features.example_ids, 1).partner if null and len(names) > 2 else None
    for a, b in combinations(names, 2):
        layers = FeatureLayers.of(features, names[a], names[b], min_active_rows, candidates, max_memory_gb)
        widths = features.layers[names[a]], features.layers[names[b]]
        matching = layers.matching(layers.all_rows, candidates, tolerance, f"{a} and {b}")
        strong = matching.weight >= min_correlation
        partner[a, b], partner[b, a] = both_ways(matching.x[strong], matching.y[strong], widths)
        if pairing is not None:
            other = layers.matching_of_few(layers.other_examples(pairing), candidates, f"null of {a} and {b}")
            kept = np.argsort(-other.weight, kind="stable")[: int(strong.sum())]
            partner_under_null[a, b], partner_under_null[b, a] = both_ways(other.x[kept], other.y[kept], widths)
    order = list(names).index
    chains = [(a, b, c) for a, b, c in permutations(names, 3) if order(a) < order(c)]
    return FeatureUniversality(
        layer=layer,
        networks=tuple(names),
        rows=features.rows,
        min_correlation=min_correlation,
        min_active_rows=min_active_rows,
        partners={a: np.sum([partner[a, b] >= 0 for b in names if b != a], axis=0) for a in names},
        active={a: features._activity_of(name).active_rows.copy() for a, name in names.items()},
        everywhere=in_all_networks(partner, list(names)),
        triangles=tuple(
            Triangle(*chain, *closed_chains(partner, *chain), share_closed([partner_under_null], chain))
            for chain in chains
        ),
    )
