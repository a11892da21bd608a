"""Convergent learning: which neurons, or groups of neurons, of one network correspond to those of
another.
"""

from .across_networks import Universality, universality
from .assignment import Alignment, one_to_one
from .clustering import Cluster, Clusters, clusters
from .correlations import Correlation, correlation
from .information import Information, mutual_information
from .layer_alignment import LayerAlignment, align
from .sparse import SparseMap, sparse_map

__all__ = [
    "Alignment",
    "Cluster",
    "Clusters",
    "Correlation",
    "Information",
    "LayerAlignment",
    "SparseMap",
    "Universality",
    "align",
    "clusters",
    "correlation",
    "mutual_information",
    "one_to_one",
    "sparse_map",
    "universality",
]
