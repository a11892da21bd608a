"""Sources of activations; each feeds `Moments` and touches nothing else."""

from .from_files import capture_stored
from .from_networks import capture, runs
from .pair_of_sources import pair

__all__ = ["capture", "capture_stored", "pair", "runs"]
