"""What the tests of probes correlate: dissimilarity to a reference layer, and the difference of accuracies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..rank_correlation import rank_correlation
from ..representation import LayerKey, Representation
from .protocol import Values

Cases = tuple[list[float], list[float]]
"""Of some layers, the dissimilarity to a reference layer, and the difference of the accuracies of probes."""


def cases(values: Values, networks: Sequence[Representation], reference: LayerKey, others: Iterable[LayerKey]) -> Cases:
    """Return the dissimilarity (minus similarity) of each layer to a reference, and the difference of accuracies.

    Layers are left out whose similarity to the reference is not defined.
    """
    accuracies: Mapping[str, Mapping[str, float]] = {one.network: one.probe_accuracies for one in networks}
    defined = [other for other in others if np.isfinite(values[other, reference])]
    of_reference = accuracies[reference[0]][reference[1]]
    return (
        [-values[other, reference] for other in defined],
        [abs(of_reference - accuracies[network][layer]) for network, layer in defined],
    )


def mean_correlation(of_references: Iterable[Cases]) -> float:
    """Return the mean over reference layers of Spearman's correlation, nan if none has three values."""
    correlations = np.array([rank_correlation(*of_reference) for of_reference in of_references])
    defined = correlations[~np.isnan(correlations)]
    return float(defined.mean()) if len(defined) else float("nan")
