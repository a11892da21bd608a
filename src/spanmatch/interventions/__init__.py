"""Interventions: changes to networks, or to their activations while they run."""

from .outcomes import Difference, Outcome, Transplant
from .permute import apply_permutation
from .transplants import transplant
from .untrained import untrained_copy

__all__ = ["Difference", "Outcome", "Transplant", "apply_permutation", "transplant", "untrained_copy"]
