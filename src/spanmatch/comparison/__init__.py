"""Comparisons of whole networks: every pair of layers, with files and a page."""

from .comparing import compare
from .pair_result import PairResult
from .result import Comparison

__all__ = ["Comparison", "PairResult", "compare"]
