"""Convergent learning: which neurons, or groups of neurons, of one network are found in another."""

from .across_networks import Universality, universality
from .assignment import Alignment, one_to_one
from .clustering import Cluster, Clusters, clusters
from .convergent import Convergence, convergence
from .correlations import Correlation, correlation
from .information import Information, mutual_information
from .sparse import SparseMap, sparse_map

__all__ = [
    "Alignment",
    "Cluster",
    "Clusters",
    "Convergence",
    "Correlation",
    "Information",
    "SparseMap",
    "Universality",
    "clusters",
    "convergence",
    "correlation",
    "mutual_information",
    "one_to_one",
    "sparse_map",
    "universality",
]
