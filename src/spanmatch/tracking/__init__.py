"""Tracking: the similarity of every layer of a network in training to a reference, step by step."""

from .results import LayerSimilarity, TrackedStep
from .tracker import Tracker

__all__ = ["LayerSimilarity", "TrackedStep", "Tracker"]
