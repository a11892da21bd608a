"""Measures of complete outputs, one row for each example: feature maps that are flattened.

A flattened feature map has more features than any matrix of second moments could hold, but m
examples span at most m dimensions. In the principal axes of the sampled rows, which follow from
their m x m inner products, a layer has at most m coordinates, and every measure that is invariant
to rotations has the value that it has on the features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.linalg import eigh

from ..errors import SpanmatchError
from ..moments.moments import Moments
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.sample import LayerSample
from ..moments.spans import UNIT, Array
from .declared_measures import declared_measure
from .measure import Measured
from .sampled_kernels import check_rows, products, row_sums, threads_of_sample

ROUNDINGS = 8
"""How many roundings of the largest variance a component's variance must exceed, for each example."""


@threads_of_sample
def flattened(pair: Pair, measure: Callable[[Pair], Measured]) -> Measured:
    """Return a measure of complete outputs: of the sampled examples, one row for each example.

    Of a feature map, `measure(pair)` compares channels over all positions of all examples. This
    compares outputs of examples, every channel at every position being a feature.

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of m examples.
    measure : callable
        A measure of moments, such as `sm.procrustes`, `sm.svcca` or `sm.linear_regression`. If a
        layer has more features than there are examples, one of `sm.measures()` that is invariant to
        rotations.

    Returns
    -------
    Measured
        As the measure returns it. Its provenance says which examples it is of.

    Raises
    ------
    SpanmatchError
        If there is no sample, features outnumber examples and the measure is not invariant to
        rotations, or the measure is not defined.

    Notes
    -----
    With features X of m examples, m less than their number, and X = U S V^T, the layer is replaced by
    U S: rotated, without directions in which no example differs. CCA and linear regression in sample
    are 1 for any layers with as many features as examples; SVCCA, `sm.ridge_regression` and
    Procrustes are not. `sm.kernel_cka` is CKA of the same rows.

    Cost: m^2 p operations for each layer, then m^3.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> maps = np.random.default_rng(0).standard_normal((50, 4 * 30))  # 50 examples of 30 positions, 4 channels
    >>> pair = sm.pair(maps.reshape(-1, 4), -maps.reshape(-1, 4), example_ids=np.repeat(np.arange(50), 30))
    >>> result = sm.flattened(pair, sm.procrustes)
    >>> round(result.value, 6), result.provenance.neurons
    (1.0, (120, 120))
    """
    checked_pair(pair)
    if not callable(measure):
        raise SpanmatchError(f"measure={measure!r}: give a function of a pair, such as sm.procrustes")
    sample, declared = pair.sample, declared_measure(measure)
    name = str(getattr(declared or measure, "name", None) or getattr(measure, "__name__", "measure"))
    is_rotatable = declared is not None and "orthogonal" in declared.invariances
    if declared is not None and declared.needs == "sample":
        raise SpanmatchError(f"{name}: it is a measure of the sample; use it as it is")
    for layer in (sample.x, sample.y):
        if layer.rows.shape[1] > len(sample) and not is_rotatable:
            raise SpanmatchError(
                f"{name}: layer {layer.layer!r} has {layer.rows.shape[1]:,} features in {len(sample):,} examples; "
                "that many are compared by their principal components, of measures that are invariant to rotations: "
                "use a larger sample, or sample_rows='mean'"
            )
    check_rows(pair, name)
    moments = Moments(pairs=[(pair.x_layer, pair.y_layer)], folds=max(1, pair.n_folds), null=False, sample=0)
    coordinates = {layer.layer: principal_coordinates(layer) for layer in (sample.x, sample.y)}
    moments._add_batch(coordinates, sample.example_ids)
    result = measure(moments.pair(pair.x_layer, pair.y_layer))
    if not isinstance(result, Result):
        raise SpanmatchError(f"{name}: it returned {result!r}; give a measure that says what it is of, such as sm.cka")
    provenance = replace(
        result.provenance,
        x_neurons=sample.X.shape[1],
        y_neurons=sample.Y.shape[1],
        sample_size=len(sample),
        sample_rows=" and ".join(dict.fromkeys((sample.x.reduction, sample.y.reduction))),
        sample_seed=sample.seed,
    )
    return replace(result, provenance=provenance)


def principal_coordinates(layer: LayerSample) -> Array:
    """Return the rows of a layer; in their principal axes if there are more features than examples."""
    if layer.rows.shape[1] <= len(layer.rows):
        return layer.rows.astype(np.float64)
    sums = row_sums(layer)
    variances, axes = eigh(products(layer))
    resolved = variances > ROUNDINGS * UNIT * len(variances) * variances[-1]
    deviations, axes = np.sqrt(variances[resolved]), axes[:, resolved]
    mean = axes.T @ sums.along_mean / deviations
    # What of the mean is in no direction in which rows differ, as one more coordinate.
    rest = np.sqrt(max(0.0, sums.mean_square - float(mean @ mean)))
    return np.hstack([axes * deviations + mean, np.full((len(axes), 1), rest)])
