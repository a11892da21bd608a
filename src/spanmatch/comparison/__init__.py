"""Comparisons of whole networks: every pair of layers, with files and a page."""

from .comparing import Comparison, compare

__all__ = ["Comparison", "compare"]
