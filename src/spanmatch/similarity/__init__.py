"""Similarity measures: functions of a `Pair` that return one number, with declared invariances."""

import numpy as np

from .canonical_correlation import CCA, adjusted_pillai, cca, pwcca, svcca
from .correspondence import (
    Correspondence,
    Counterpart,
    NetworkScore,
    best_counterparts,
    correspondence_of,
    network_score,
)
from .kernel_alignment import cka, debiased_cka, one_minus_cka
from .matrices import LayerMatrix, layer_matrix, matrices_of
from .measure import Estimator, Invariance, Measure, Measured
from .neuron_matching import correlation_match, match_area
from .procrustes_analysis import Procrustes, procrustes
from .regression import Regression, adjusted_linear_regression, linear_regression

_ROTATIONS: frozenset[Invariance] = frozenset({"orthogonal", "isotropic scaling", "translation", "permutation"})
_SCALINGS: frozenset[Invariance] = frozenset({"isotropic scaling", "neuron scaling", "translation", "permutation"})
_ALL: frozenset[Invariance] = frozenset({*_ROTATIONS, *_SCALINGS, "invertible linear"})


def measures() -> tuple[Measure, ...]:
    """Return all measures with their ranges, the value of a layer with itself, and their
    invariances.

    Returns
    -------
    tuple of Measure
        Debiased CKA and CKA, adjusted Pillai, CCA, SVCCA and PWCCA, Procrustes, adjusted and plain
        linear regression, correlation match and match area.
    """
    unbiased_range, corrected_range = (-1.0, 1.0), (-np.inf, 1.0)
    return (
        Measure("debiased cka", debiased_cka, _ROTATIONS, range=unbiased_range, estimator="unbiased"),
        Measure("cka", cka, _ROTATIONS, corrected_by="debiased cka"),
        Measure("adjusted pillai", adjusted_pillai, _ALL, range=corrected_range, estimator="corrected"),
        Measure("cca", cca, _ALL),
        Measure("svcca", svcca, _ROTATIONS),
        Measure("pwcca", pwcca, frozenset({"isotropic scaling", "translation", "permutation"}), symmetric=False),
        Measure("procrustes", procrustes, _ROTATIONS),
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
        Measure("correlation match", correlation_match, _SCALINGS, range=(-1.0, 1.0)),
        Measure("match area", match_area, frozenset({"isotropic scaling", "neuron scaling", "permutation"})),
    )


__all__ = [
    "CCA",
    "Correspondence",
    "Counterpart",
    "Estimator",
    "LayerMatrix",
    "Measure",
    "Measured",
    "NetworkScore",
    "Procrustes",
    "Regression",
    "adjusted_linear_regression",
    "adjusted_pillai",
    "best_counterparts",
    "cca",
    "cka",
    "correlation_match",
    "correspondence_of",
    "debiased_cka",
    "layer_matrix",
    "linear_regression",
    "match_area",
    "matrices_of",
    "measures",
    "network_score",
    "one_minus_cka",
    "procrustes",
    "pwcca",
    "svcca",
]
