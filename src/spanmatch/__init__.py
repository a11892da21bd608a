"""spanmatch: to what extent did two neural networks learn the same representations?"""

from .__about__ import VERSION as __version__
from .align import (
    Alignment,
    Cluster,
    Clusters,
    Correlation,
    Information,
    SparseMap,
    Universality,
    apply_permutation,
    clusters,
    correlation,
    mutual_information,
    one_to_one,
    sparse_map,
    universality,
)
from .capture import capture
from .compare import Comparison, compare
from .errors import SpanmatchError
from .joint import Pair
from .match import (
    Coefficients,
    ExactStructure,
    Match,
    MatchProfile,
    MinimumMatch,
    SimpleMatch,
    SimpleMatches,
    Stability,
    exact_structure,
    match_profile,
    maximum_match,
    minimum_match,
    simple_matches,
)
from .moments import Moments, pair

__all__ = [
    "Alignment",
    "Cluster",
    "Clusters",
    "Coefficients",
    "Comparison",
    "Correlation",
    "ExactStructure",
    "Information",
    "Match",
    "MatchProfile",
    "MinimumMatch",
    "Moments",
    "Pair",
    "SimpleMatch",
    "SimpleMatches",
    "SpanmatchError",
    "SparseMap",
    "Stability",
    "Universality",
    "__version__",
    "apply_permutation",
    "capture",
    "clusters",
    "compare",
    "correlation",
    "exact_structure",
    "match_profile",
    "maximum_match",
    "minimum_match",
    "mutual_information",
    "one_to_one",
    "pair",
    "simple_matches",
    "sparse_map",
    "universality",
]
