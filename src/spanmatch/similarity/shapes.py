"""Shape distances between layers: angles that remain after the best rotation, or the best permutation.

Of centred layers X_alpha = X (alpha I + (1 - alpha) s Sxx^(-1/2)), where s keeps the variance of the
whitened part: the angle arccos(||X_alpha' Y_alpha||_* / (||X_alpha|| ||Y_alpha||)). alpha = 1 is
Procrustes' angle, alpha = 0 that of canonical correlations. With permutations instead of rotations
the nuclear norm becomes an assignment.
Sources: Williams, Kunz, Kornblith, Linderman, NeurIPS 2021; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._threads import few_threads
from ..alignment.assignment import matched
from ..errors import SpanmatchError
from ..moments.pairs import Pair, checked_pair
from ..moments.spans import Array
from .measure import (
    Measured,
    cross_of_unit_layers,
    measured_fields,
    nuclear_norm_of_unit_layers,
    resolved_spans,
)
from .principal_axes import PrincipalAxes, principal_axes

SHAPE = "shape distance"
PERMUTATION = "permutation procrustes"


@few_threads
def shape_distance(pair: Pair, alpha: float = 1.0) -> Measured:
    """Return the angle between the shapes of two layers, in [0, pi/2]: 0 for the same shape.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    alpha : float
        How much of its variances each layer keeps, in [0, 1]: 1 compares layers as they are, 0
        whitened layers, whose directions all count alike.

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If `alpha` is out of range, a layer is constant, or, for alpha below 1, rounding decides the
        value.

    Notes
    -----
    With centred activations, r the dimension of x's span, and the nuclear norm ||.||_*:

        X_alpha = X (alpha I + (1 - alpha) sqrt(tr Sxx / r) Sxx^(-1/2))
        value = arccos(||X_alpha' Y_alpha||_* / (||X_alpha||_F ||Y_alpha||_F))

    The whitened part has the variance of the layer, so that the value does not depend on the scales
    of the layers; inverse roots are within the span. netrep leaves the whitened part as it is and
    scales the sum of both, which does not change the angle: it gives the same values for alpha 0 and
    1, and for layers that are scaled to tr Sxx = r.

    alpha = 1 is arccos of `procrustes`. alpha = 0 is the angle of the canonical correlations rho,
    arccos(sum rho / sqrt(r_x r_y)): of spans of the same dimension arccos of `cca`; otherwise the
    smaller layer is in effect padded with neurons that are 0, and the angle is larger.

    The value is a metric for every alpha. Angles below about 2e-8 are rounding.

    Cost: the singular values of a p x q matrix; about 20 (p^3 + q^3) operations for alpha below 1.

    References
    ----------
    Williams, Kunz, Kornblith, Linderman, NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> stretched = sm.pair(X, X * [9, 3, 1, 1, 1])
    >>> [round(sm.shape_distance(stretched, alpha).value, 2) for alpha in (1, 0.5, 0)]
    [0.8, 0.4, 0.0]
    """
    checked_pair(pair)
    if not 0 <= alpha <= 1:
        raise SpanmatchError(f"alpha={alpha!r}: give a number in [0, 1]")
    fields = measured_fields(pair, SHAPE)
    if alpha == 1:
        cosine = nuclear_norm_of_unit_layers(pair)
    else:
        cosine = float(np.linalg.svd(_partly_whitened(pair, alpha), compute_uv=False).sum())
    return Measured(value=float(np.arccos(min(1.0, cosine))), **fields)


def _partly_whitened(pair: Pair, alpha: float) -> Array:
    """Return X_alpha' Y_alpha of unit Frobenius norms, in coordinates of principal axes."""
    resolved_spans(pair, SHAPE)
    of_x, of_y, between = principal_axes(pair)
    x, y = (_scales(axes, alpha) for axes in (of_x, of_y))
    return np.asarray(x[:, None] * between * y)


def _scales(axes: PrincipalAxes, alpha: float) -> Array:
    """Return the norms of X_alpha along its principal axes, for unit Frobenius norm."""
    scales = alpha * axes.sizes + (1 - alpha) / np.sqrt(len(axes.sizes))
    return np.asarray(scales / np.linalg.norm(scales))


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class PermutationProcrustes(Measured):
    """The similarity of two layers after the best permutation of neurons, with its distance.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> result = sm.permutation_procrustes(pair)
    >>> round(result.value, 3), round(result.distance, 3)
    (0.995, 0.101)
    """

    @property
    def distance(self) -> float:
        """The distance sqrt(2 - 2 value) that the permutation leaves, in [0, 2]."""
        return float(np.sqrt(2 - 2 * self.value))


@few_threads
def permutation_procrustes(pair: Pair) -> PermutationProcrustes:
    """Return the similarity of the centred layers after the best permutation of neurons, in [-1, 1].

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    PermutationProcrustes
        `.value`, the similarity, and `.distance`.

    Raises
    ------
    SpanmatchError
        If a layer is constant.

    Notes
    -----
    With centred layers of unit Frobenius norm, over one-to-one partners pi:

        value = max over pi of sum_i x_i . y_pi(i),   distance^2 = ||X - Y_pi||_F^2 = 2 - 2 value

    Of layers of different widths, the narrower one is padded with neurons that are 0: each of its
    neurons has a partner, and the others have none. Unlike in `correlation_match`, neurons count by
    their variance. The distance is a metric of layers of the same width.

    Cost: one assignment, up to p q min(p, q) operations.

    References
    ----------
    Klabunde et al., "ReSi: a comprehensive benchmark for representational similarity measures",
    ICLR 2025; Williams, Kunz, Kornblith, Linderman, NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(sm.permutation_procrustes(sm.pair(X, 2 * X[:, ::-1])).value, 6)
    1.0
    """
    fields = measured_fields(pair, PERMUTATION)
    between = cross_of_unit_layers(pair)
    value = float(between[matched(between, "bipartite")].sum())
    return PermutationProcrustes(value=float(np.clip(value, -1.0, 1.0)), **fields)
