"""Sources of activations; each feeds `Moments` and touches nothing else."""

from .from_files import capture_stored
from .from_networks import capture, runs
from .layer_list import Layer, LayerList, layers
from .pair_of_sources import pair

__all__ = ["Layer", "LayerList", "capture", "capture_stored", "layers", "pair", "runs"]
