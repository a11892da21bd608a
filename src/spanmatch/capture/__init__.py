"""Sources of activations; each feeds `Moments` and touches nothing else."""

from .arrays import capture_stored
from .modules import capture

__all__ = ["capture", "capture_stored"]
