"""spanmatch: to what extent did two neural networks learn the same representations?"""

from .__about__ import VERSION as __version__
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
    "Coefficients",
    "Comparison",
    "ExactStructure",
    "Match",
    "MatchProfile",
    "MinimumMatch",
    "Moments",
    "Pair",
    "SimpleMatch",
    "SimpleMatches",
    "SpanmatchError",
    "Stability",
    "__version__",
    "capture",
    "compare",
    "exact_structure",
    "match_profile",
    "maximum_match",
    "minimum_match",
    "pair",
    "simple_matches",
]
