"""Subspace matches between two layers (Wang et al., NeurIPS 2018)."""

from .lattice import ExactStructure, exact_structure
from .least_squares import Coefficients
from .maximum import Match, MatchProfile, Stability, match_profile, maximum_match
from .minimum import MinimumMatch, minimum_match
from .simple import SimpleMatch, SimpleMatches, simple_matches

__all__ = [
    "Coefficients",
    "ExactStructure",
    "Match",
    "MatchProfile",
    "MinimumMatch",
    "SimpleMatch",
    "SimpleMatches",
    "Stability",
    "exact_structure",
    "match_profile",
    "maximum_match",
    "minimum_match",
    "simple_matches",
]
