"""Convergent learning: which neurons, or groups of neurons, of one network are found in another."""

from .assignment import Alignment, one_to_one
from .clusters import Cluster, Clusters, clusters
from .convergence import Convergence, convergence
from .correlation import Correlation, correlation
from .information import Information, mutual_information
from .permutation import apply_permutation
from .sparse import SparseMap, sparse_map
from .universality import Universality, universality

__all__ = [
    "Alignment",
    "Cluster",
    "Clusters",
    "Convergence",
    "Correlation",
    "Information",
    "SparseMap",
    "Universality",
    "apply_permutation",
    "clusters",
    "convergence",
    "correlation",
    "mutual_information",
    "one_to_one",
    "sparse_map",
    "universality",
]
