"""Dictionaries of sparse features, as of sparse autoencoders: kept as sparse rows, compared between networks."""

from .across_seeds import FeatureUniversality, feature_universality
from .component_levels import feature_profile
from .feature_rows import SparseFeatures
from .partners import FeaturePartners, feature_partners

__all__ = [
    "FeaturePartners",
    "FeatureUniversality",
    "SparseFeatures",
    "feature_partners",
    "feature_profile",
    "feature_universality",
]
