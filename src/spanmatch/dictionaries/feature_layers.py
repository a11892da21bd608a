"""The rows of two layers of features, arranged for correlations over all rows or some, and for matching."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..errors import SpanmatchError
from ..moments.memory_limit import limit_in_bytes
from ..moments.provenance import Provenance
from .by_feature import ByFeature
from .coactivation import Coactivation, products_of_pairs
from .feature_rows import Activity, Array, Index, SparseFeatures
from .weighted_matching import BYTES_OF_CANDIDATE, MOST_CANDIDATES, Matching, best_matching

FEW = 8
"""Candidates of each feature for matchings under the null and of halves of the examples."""
BYTES_OF_FEATURE = 1000
"""The bytes that each feature takes for its counts, means, bounds and correlations with another one."""
BYTES_OF_ROW = 110
"""The bytes that each row takes for its example, its partner under the null, its half, and the order of these."""


@dataclass(frozen=True, eq=False)
class FeatureLayers:
    """The rows of two layers, arranged for correlations."""

    x_rows: csr_array
    """(rows, p)"""
    y_rows: csr_array
    """(rows, q)"""
    x_by_feature: ByFeature
    y_by_feature: ByFeature
    x: Activity
    y: Activity
    x_eligible: NDArray[np.bool_]
    y_eligible: NDArray[np.bool_]
    memory: float = np.inf
    """Bytes for what is not counted in the features arranged: half for more candidates, half for products of pairs."""

    @classmethod
    def of(
        cls,
        features: SparseFeatures,
        x: str,
        y: str,
        min_active_rows: int,
        candidates: int = 32,
        max_memory_gb: float | None = None,
    ) -> FeatureLayers:
        """Return the rows of two layers, whose features can have partners if they are active in enough of them.

        Raises SpanmatchError if the memory does not suffice for candidates and rows.
        """
        x_rows, y_rows = features.matrix(x), features.matrix(y)
        activity = [features._activity_of(layer) for layer in (x, y)]
        eligible = [(one.active_rows >= min_active_rows) & (one.deviation > 0) for one in activity]
        sizes, limit = (features.rows, x_rows.shape[1] + y_rows.shape[1]), limit_in_bytes(max_memory_gb)
        quarter = _memory_left(x, y, sizes, candidates, limit) / 4
        by_feature = ByFeature(x_rows, quarter), ByFeature(y_rows, quarter)
        return cls(x_rows, y_rows, *by_feature, activity[0], activity[1], eligible[0], eligible[1], 2 * quarter)

    @property
    def all_rows(self) -> Coactivation:
        """The correlations over all rows."""
        return Coactivation(self.x_by_feature, self.y_rows, self.x, self.y, self.x_eligible, self.y_eligible)

    def other_examples(self, partner: Index) -> Coactivation:
        """Return the correlations where each row of x meets another row of y."""
        return replace(self.all_rows, partner=partner)

    def some_rows(self, chosen: NDArray[np.bool_]) -> Coactivation:
        """Return the correlations over some rows."""
        x, y = Activity.of(self.x_rows, chosen), Activity.of(self.y_rows, chosen)
        return replace(self.all_rows, x=x, y=y, chosen=chosen)

    def matching(self, coactivation: Coactivation, k: int, tolerance: float, told: str) -> Matching:
        """Return the best matching of the features over these rows, with a bound that is tight, unless
        the candidates that would need are too many for the memory.
        """
        candidates = coactivation.strongest(k, told=told)
        most = min(MOST_CANDIDATES, self.memory / 2 / BYTES_OF_CANDIDATE)
        return best_matching(
            candidates, lambda features, k: coactivation.strongest(k, features), k=k, tolerance=tolerance, most=most
        )

    def products_of_pairs(self, i: Index, j: Index, group: NDArray[np.intp]) -> tuple[Array, Array]:
        """Return sums of products of pairs of features, and rows in which both are active, by group of rows."""
        return products_of_pairs(self.x_by_feature, self.y_by_feature, i, j, group, self.memory / 2)

    @staticmethod
    def matching_of_few(coactivation: Coactivation, k: int, told: str) -> Matching:
        """Return the best matching of few candidates, for what a matching is compared with."""
        return best_matching(coactivation.strongest(min(k, FEW), told=told))


def _memory_left(x: str, y: str, sizes: tuple[int, int], candidates: int, limit: float) -> float:
    """Return the bytes that are left for rows by feature, or raise SpanmatchError; sizes are rows and features."""
    rows, features = sizes
    of_features = features * (BYTES_OF_FEATURE + min(candidates, features) * BYTES_OF_CANDIDATE)
    of_rows = rows * BYTES_OF_ROW
    if of_features + of_rows >= limit:
        raise SpanmatchError(
            f"layers {x!r} and {y!r}: {candidates:,} candidates for each of {features:,} features take "
            f"{of_features / 1e9:.2g} GB, and what is needed of {rows:,} rows {of_rows / 1e9:.2g}, over the limit of "
            f"{limit / 1e9:.2g}; give fewer candidates=, or a higher max_memory_gb="
        )
    return limit - of_features - of_rows


def check_options(features: SparseFeatures, candidates: int, min_active_rows: int, tolerance: float) -> None:
    """Raise SpanmatchError for options that make no sense."""
    check_features(features)
    if not all(isinstance(value, int | np.integer) and value >= 1 for value in (candidates, min_active_rows)):
        raise SpanmatchError(
            f"candidates={candidates!r}, min_active_rows={min_active_rows!r}: give whole numbers, 1 or more"
        )
    if not isinstance(tolerance, int | float | np.number) or not 0 <= tolerance < 1:
        raise SpanmatchError(f"tolerance={tolerance!r}: give a number in [0, 1)")


def check_features(features: SparseFeatures) -> None:
    """Raise SpanmatchError for what is not sparse features."""
    if not isinstance(features, SparseFeatures):
        raise SpanmatchError(
            f"features: {type(features).__name__}; give sm.SparseFeatures with the rows of both layers"
        )


def provenance_of(features: SparseFeatures, x: str, y: str) -> Provenance:
    """Return what results of two layers are computed from."""
    return Provenance(
        x_layer=x,
        y_layer=y,
        x_neurons=features.layers[x],
        y_neurons=features.layers[y],
        rows=features.rows,
        n_examples=features.n_examples,
        layout="sparse features",
        centred=True,
    )
