"""All measures, with their declared properties."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import SupportsFloat

import numpy as np

from ..moments.pairs import Pair
from .canonical_correlation import adjusted_pillai, cca, pwcca, svcca
from .dissimilarities_from_moments import rsa_of_moments
from .distance_covariance import distance_correlation
from .held_out_regression import ridge_regression
from .kernel_alignment import cka, debiased_cka
from .measure import Invariance, Measure
from .neighbourhoods import cknna, knn_jaccard, mutual_knn, rank_similarity, second_order_cosine
from .neuron_matching import correlation_match, match_area
from .neuron_transport import soft_matching
from .prediction_distance import gulp
from .procrustes_analysis import procrustes
from .regression import adjusted_linear_regression, linear_regression
from .representational_similarity import rsa
from .sampled_kernel_alignment import debiased_kernel_cka, debiased_rbf_cka, kernel_cka, rbf_cka
from .shapes import permutation_procrustes, shape_distance
from .subspaces import eigenspace_overlap

_ROTATIONS: frozenset[Invariance] = frozenset({"orthogonal", "isotropic scaling", "translation", "permutation"})
_SCALINGS: frozenset[Invariance] = frozenset({"isotropic scaling", "neuron scaling", "translation", "permutation"})
_ANGLES: frozenset[Invariance] = frozenset({"orthogonal", "isotropic scaling", "permutation"})
_ALL: frozenset[Invariance] = frozenset({*_ROTATIONS, *_SCALINGS, "invertible linear"})


def measures() -> tuple[Measure, ...]:
    """Return all measures with their ranges, the value of a layer with itself, and their
    invariances.

    Returns
    -------
    tuple of Measure
        First those of the second moments of all rows: debiased CKA and CKA, adjusted Pillai, CCA,
        SVCCA and PWCCA, Procrustes, adjusted, plain and held-out linear regression, matches of
        neurons, and the shape distance and GULP, which are distances. "rsa sqeuclidean" is `rsa` with
        squared Euclidean dissimilarities and the Pearson correlation. Then those of a sample: CKA
        with linear and RBF kernels, RSA, mutual k-NN, CKNNA, k-NN Jaccard, second-order cosine, rank
        similarity and distance correlation.

    Examples
    --------
    >>> import spanmatch as sm
    >>> [measure.name for measure in sm.measures()][:3]
    ['debiased cka', 'cka', 'rsa sqeuclidean']
    >>> [measure.name for measure in sm.measures() if measure.kind == "distance"]
    ['gulp', 'shape distance']
    """
    return (*_of_moments(), *_of_samples())


def _of_moments() -> tuple[Measure, ...]:
    """Return the measures of the second moments of all rows."""
    unbiased_range, corrected_range = (-1.0, 1.0), (-np.inf, 1.0)
    return (
        Measure("debiased cka", debiased_cka, _ROTATIONS, range=unbiased_range, estimator="unbiased"),
        Measure("cka", cka, _ROTATIONS, corrected_by="debiased cka", is_metric=True),
        Measure("rsa sqeuclidean", rsa_of_moments, _ROTATIONS, range=(-1.0, 1.0), is_metric=True),
        Measure("adjusted pillai", adjusted_pillai, _ALL, range=corrected_range, estimator="corrected"),
        Measure("cca", cca, _ALL),
        Measure("svcca", svcca, _ROTATIONS),
        Measure("pwcca", pwcca, frozenset({"isotropic scaling", "translation", "permutation"}), symmetric=False),
        Measure("eigenspace overlap", eigenspace_overlap, _ALL - {"translation"}, is_metric=True),
        Measure("gulp", gulp, _ALL, range=(0.0, np.inf), itself=0.0, kind="distance", is_metric=True),
        Measure("procrustes", procrustes, _ROTATIONS, is_metric=True),
        Measure(
            "shape distance",
            shape_distance,
            _ROTATIONS,
            range=(0.0, np.pi / 2),
            itself=0.0,
            kind="distance",
            is_metric=True,
        ),
        Measure(
            "adjusted linear regression",
            adjusted_linear_regression,
            _ROTATIONS,
            range=corrected_range,
            symmetric=False,
            estimator="corrected",
        ),
        Measure(
            "linear regression",
            linear_regression,
            _ROTATIONS,
            symmetric=False,
            corrected_by="adjusted linear regression",
        ),
        Measure(
            "ridge regression",
            ridge_regression,
            _ROTATIONS,
            range=corrected_range,
            symmetric=False,
            estimator="held out",
        ),
        Measure("correlation match", correlation_match, _SCALINGS, range=(-1.0, 1.0)),
        Measure("soft matching", soft_matching, _SCALINGS, range=(-1.0, 1.0), is_metric=True),
        Measure(
            "permutation procrustes",
            permutation_procrustes,
            frozenset({"isotropic scaling", "translation", "permutation"}),
            range=(-1.0, 1.0),
        ),
        Measure("match area", match_area, frozenset({"isotropic scaling", "neuron scaling", "permutation"})),
    )


def _of_samples() -> tuple[Measure, ...]:
    """Return the measures of the rows of a sample of the examples."""
    measure, unbiased_range = partial(Measure, needs="sample"), (-1.0, 1.0)
    return (
        measure("kernel cka", kernel_cka, _ROTATIONS, corrected_by="debiased kernel cka"),
        measure("debiased kernel cka", debiased_kernel_cka, _ROTATIONS, range=unbiased_range, estimator="unbiased"),
        measure("rbf cka", rbf_cka, _ROTATIONS, corrected_by="debiased rbf cka"),
        measure("debiased rbf cka", debiased_rbf_cka, _ROTATIONS, range=unbiased_range, estimator="unbiased"),
        measure("rsa", rsa, frozenset({"isotropic scaling", "permutation"}), range=(-1.0, 1.0)),
        measure("mutual knn", mutual_knn, _ANGLES),
        measure("cknna", cknna, _ANGLES, range=(-np.inf, np.inf), symmetric=False),
        measure("knn jaccard", knn_jaccard, _ANGLES),
        measure("second order cosine", second_order_cosine, _ANGLES),
        measure("rank similarity", rank_similarity, _ANGLES),
        measure("distance correlation", distance_correlation, _ROTATIONS),
    )


def declared_measure(measure: Callable[[Pair], SupportsFloat]) -> Measure | None:
    """Return the declared measure that a function is, or None.

    Parameters
    ----------
    measure : Measure or callable
        Any function of a pair.

    Returns
    -------
    Measure or None
    """
    if isinstance(measure, Measure):
        return measure
    return next((declared for declared in measures() if declared.function is measure), None)
