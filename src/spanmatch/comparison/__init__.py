"""Comparisons of networks: results for every pair of layers, with files and a report."""

from .comparing import compare
from .pair_result import PairResult
from .result import Comparison

__all__ = ["Comparison", "PairResult", "compare"]
