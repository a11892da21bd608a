"""Sources of activations; each feeds `Moments` and touches nothing else."""

from .from_files import capture_stored
from .from_networks import capture, runs

__all__ = ["capture", "capture_stored", "runs"]
