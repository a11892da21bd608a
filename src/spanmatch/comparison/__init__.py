"""Comparisons of networks: results for every pair of layers, with files and a report."""

from .changes import Changes, LayerChange
from .comparing import compare
from .pair_result import PairResult
from .result import Comparison

__all__ = ["Changes", "Comparison", "LayerChange", "PairResult", "compare"]
