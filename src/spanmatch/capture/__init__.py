"""Sources of activations; each feeds `Moments` and touches nothing else."""

from .arrays import capture_stored
from .running import capture, runs

__all__ = ["capture", "capture_stored", "runs"]
