"""Similarity measures: functions of a `Pair` that return one number, with declared invariances."""

from .canonical_correlation import CCA, cca, pwcca, svcca
from .kernel_alignment import cka, debiased_cka
from .matrices import LayerMatrix, layer_matrix, matrices_of
from .measure import Invariance, Measure, Measured
from .neuron_matching import correlation_match, match_area
from .procrustes_analysis import Procrustes, procrustes
from .regression import Regression, linear_regression

_ROTATIONS: frozenset[Invariance] = frozenset({"orthogonal", "isotropic scaling", "translation", "permutation"})
_SCALINGS: frozenset[Invariance] = frozenset({"isotropic scaling", "neuron scaling", "translation", "permutation"})
_ALL: frozenset[Invariance] = frozenset({*_ROTATIONS, *_SCALINGS, "invertible linear"})


def measures() -> tuple[Measure, ...]:
    """Return all measures with their ranges, the value of a layer with itself, and their
    invariances.

    Returns
    -------
    tuple of Measure
        CKA and debiased CKA, CCA, SVCCA and PWCCA, Procrustes, linear regression, correlation match
        and match area.
    """
    return (
        Measure("cka", cka, _ROTATIONS),
        Measure("debiased cka", debiased_cka, _ROTATIONS, range=(-1.0, 1.0)),
        Measure("cca", cca, _ALL),
        Measure("svcca", svcca, _ROTATIONS),
        Measure("pwcca", pwcca, frozenset({"isotropic scaling", "translation", "permutation"}), symmetric=False),
        Measure("procrustes", procrustes, _ROTATIONS),
        Measure("linear regression", linear_regression, _ROTATIONS, symmetric=False),
        Measure("correlation match", correlation_match, _SCALINGS, range=(-1.0, 1.0)),
        Measure("match area", match_area, frozenset({"isotropic scaling", "neuron scaling", "permutation"})),
    )


__all__ = [
    "CCA",
    "LayerMatrix",
    "Measure",
    "Measured",
    "Procrustes",
    "Regression",
    "cca",
    "cka",
    "correlation_match",
    "debiased_cka",
    "layer_matrix",
    "linear_regression",
    "match_area",
    "matrices_of",
    "measures",
    "procrustes",
    "pwcca",
    "svcca",
]
