"""spanmatch: to what extent did two neural networks learn the same representations?"""

from .errors import SpanmatchError
from .match import Match, MatchProfile, match_profile, maximum_match
from .moments import Moments, pair
from .joint import Pair

__version__ = "0.1.0"

__all__ = [
    "Match",
    "MatchProfile",
    "Moments",
    "Pair",
    "SpanmatchError",
    "match_profile",
    "maximum_match",
    "pair",
]
