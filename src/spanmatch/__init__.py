"""spanmatch: to what extent did two neural networks learn the same representations?"""

from .__about__ import VERSION as __version__
from .capture import capture
from .compare import Comparison, compare
from .errors import SpanmatchError
from .joint import Pair
from .match import Match, MatchProfile, match_profile, maximum_match
from .moments import Moments, pair

__all__ = [
    "Comparison",
    "Match",
    "MatchProfile",
    "Moments",
    "Pair",
    "SpanmatchError",
    "__version__",
    "capture",
    "compare",
    "match_profile",
    "maximum_match",
    "pair",
]
