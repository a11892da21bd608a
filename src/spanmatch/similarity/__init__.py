"""Similarity measures: functions of a `Pair` that return one number, with declared invariances."""

from .canonical_correlation import CCA, adjusted_pillai, cca, pwcca, svcca
from .correspondence import (
    Correspondence,
    Counterpart,
    NetworkScore,
    best_counterparts,
    correspondence_of,
    network_score,
)
from .declared_measures import declared_measure, measures
from .dissimilarities_from_moments import rsa_of_moments
from .distance_covariance import distance_correlation
from .flattened_outputs import flattened
from .held_out_regression import HeldOutRegression, ridge_regression
from .kernel_alignment import cka, debiased_cka, one_minus_cka
from .matrices import LayerMatrix, layer_matrix, matrices_of
from .measure import Estimator, Kind, Measure, Measured, Needs, check_similarity
from .neighbourhoods import cknna, knn_jaccard, mutual_knn, rank_similarity, second_order_cosine
from .neuron_matching import correlation_match, match_area
from .neuron_transport import SoftMatching, soft_matching
from .prediction_distance import PredictionDistance, gulp
from .procrustes_analysis import Procrustes, procrustes
from .regression import Regression, adjusted_linear_regression, linear_regression
from .representational_similarity import rsa
from .sampled_kernel_alignment import debiased_kernel_cka, kernel_cka
from .shapes import PermutationProcrustes, permutation_procrustes, shape_distance
from .subspaces import eigenspace_overlap

__all__ = [
    "CCA",
    "Correspondence",
    "Counterpart",
    "Estimator",
    "HeldOutRegression",
    "Kind",
    "LayerMatrix",
    "Measure",
    "Measured",
    "Needs",
    "NetworkScore",
    "PermutationProcrustes",
    "PredictionDistance",
    "Procrustes",
    "Regression",
    "SoftMatching",
    "adjusted_linear_regression",
    "adjusted_pillai",
    "best_counterparts",
    "cca",
    "check_similarity",
    "cka",
    "cknna",
    "correlation_match",
    "correspondence_of",
    "debiased_cka",
    "debiased_kernel_cka",
    "declared_measure",
    "distance_correlation",
    "eigenspace_overlap",
    "flattened",
    "gulp",
    "kernel_cka",
    "knn_jaccard",
    "layer_matrix",
    "linear_regression",
    "match_area",
    "matrices_of",
    "measures",
    "mutual_knn",
    "network_score",
    "one_minus_cka",
    "permutation_procrustes",
    "procrustes",
    "pwcca",
    "rank_similarity",
    "ridge_regression",
    "rsa",
    "rsa_of_moments",
    "second_order_cosine",
    "shape_distance",
    "soft_matching",
    "svcca",
]
