"""Subspace matches between two layers (Wang et al., NeurIPS 2018)."""

from .maximum import Match, MatchProfile, match_profile, maximum_match

__all__ = ["Match", "MatchProfile", "match_profile", "maximum_match"]
