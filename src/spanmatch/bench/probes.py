"""The accuracy of linear probes: how well the class of an example can be read off a layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifierCV

from .representation import Array, Representation

PENALTIES = np.logspace(-6, 0, 7)
"""The ridge penalties that a probe chooses from, relative to the total variance of the layer."""
SEED = 0
"""Of the halves of the examples, which are the same for all layers of all networks."""


def with_probes(network: Representation, layers: Iterable[str]) -> Representation:
    """Return a network with the accuracies of probes of some layers; those it has are not computed again."""
    missing = [layer for layer in layers if layer not in network.probe_accuracies]
    probed = {layer: probe_accuracy(network.layers[layer], network.labels) for layer in missing}
    return replace(network, probe_accuracies={**network.probe_accuracies, **probed})


def probe_accuracy(rows: Array, labels: NDArray[np.int64]) -> float:
    """Return the share of the examples whose class a linear probe of a layer predicts.

    Parameters
    ----------
    rows : array of float, (n, neurons)
        The layer.
    labels : array of int, (n,)
        The class of each example.

    Returns
    -------
    float
        The share of right predictions over all examples, each by a probe of the other half.

    Notes
    -----
    The probe is a ridge classifier: a ridge regression of the classes, coded as -1 and 1, on the
    centred layer. Its penalty is chosen by leave-one-out errors on the half that it is fitted to.
    The layer is divided by its total standard deviation, so that the accuracy is invariant to
    rotation, isotropic scaling and translation of the neurons. If all examples of a half are of one
    class, that class is predicted.
    """
    centred = rows - rows.mean(axis=0)
    centred /= np.abs(centred).max() or 1.0
    centred /= np.sqrt(np.sum(centred**2) / len(rows)) or 1.0
    halves = np.array_split(np.random.default_rng(SEED).permutation(len(rows)), 2)
    right = [np.sum(_predicted(centred, labels, fit, score) == labels[score]) for fit, score in (halves, halves[::-1])]
    return float(np.sum(right)) / len(rows)


def _predicted(
    rows: Array, labels: NDArray[np.int64], fit: NDArray[np.int64], score: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the classes of some examples, predicted by a probe that is fitted to others."""
    if len(np.unique(labels[fit])) == 1:
        return np.full(len(score), labels[fit][0])
    probe = RidgeClassifierCV(alphas=PENALTIES * len(fit)).fit(rows[fit], labels[fit])
    return np.asarray(probe.predict(rows[score]))
