"""GULP: by how much the predictions of linear models differ that are fitted to two layers.

Source: Boix-Adsera, Lawrence, Stepaniants, Rigollet, NeurIPS 2022; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import PRODUCTS, Pair, checked_pair
from ..moments.spans import UNIT, Array
from .measure import WRONG_BY, Measured, cross_of_unit_layers, measured_fields, resolved_spans
from .principal_axes import between_bases

NAME = "gulp"
ROUNDINGS = 8
"""How many roundings of a product the error of a variance may amount to."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class PredictionDistance(Measured):
    """The GULP distance of two layers.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> result = sm.gulp(pair)
    >>> round(result.value, 3), round(result.squared, 3)
    (2.012, 4.048)
    """

    @property
    def squared(self) -> float:
        """The square of the distance."""
        return self.value**2


@few_threads
def gulp(pair: Pair, ridge: float = 0.0) -> PredictionDistance:
    """Return the GULP distance: how much predictions by ridge regression from two layers differ.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    ridge : float
        The penalty, at least 0, relative to the variance of a layer: the sum of the variances of its
        neurons counts as 1.

    Returns
    -------
    PredictionDistance
        `.value`, the distance, and `.squared`.

    Raises
    ------
    SpanmatchError
        If `ridge` is negative, a layer is constant, or rounding decides the value.

    Notes
    -----
    With centred layers of Frobenius norm sqrt(n), second moments C divided by n, P_x = (C_x +
    ridge I)^-1 and P_y likewise:

        value^2 = tr(P_x C_x P_x C_x) + tr(P_y C_y P_y C_y) - 2 tr(P_x C_xy P_y C_yx)

    It is the square of the Frobenius norm of the difference of the two matrices that map the values
    of a target on the rows to the values predicted from a layer, or the mean squared difference of
    predictions over targets of independent values of unit variance. The value is a metric, and 0 if
    all predictions agree.

    With ridge=0, the inverse is the pseudo-inverse on the span of the neurons: value^2 = r_x + r_y -
    2 sum rho^2 for spans of dimensions r and canonical correlations rho. It then ignores invertible
    linear maps; with a penalty, rotations only.

    Cost: about 5 (p^3 + q^3) / 3 operations, and about 9 (p^3 + q^3) with a penalty.

    References
    ----------
    Boix-Adsera, Lawrence, Stepaniants, Rigollet, NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> round(sm.gulp(sm.pair(X, X[:, :2] * 3)).squared, 6)
    3.0
    """
    checked_pair(pair)
    if not 0 <= ridge < np.inf:
        raise SpanmatchError(f"ridge={ridge!r}: give a number of at least 0, relative to a layer's variance")
    fields = measured_fields(pair, NAME)
    squared, warnings = _penalised(pair, ridge) if ridge else _unpenalised(pair)
    return PredictionDistance(value=float(np.sqrt(max(0.0, squared))), warnings=warnings, **fields)


def _unpenalised(pair: Pair) -> tuple[float, tuple[str, ...]]:
    """Return the squared distance of projections on the spans, with a warning if there are few rows."""
    resolved_spans(pair, NAME)
    between = between_bases(pair, centred=True)
    p, q = between.shape
    warnings: tuple[str, ...] = ()
    if max(p, q) > 0.2 * (pair.rows - 1):
        chance = np.sqrt(max(0.0, p + q - 2 * p * q / (pair.rows - 1)))
        warnings = (
            f"{pair.rows:,} rows for {p} and {q} dimensions: independent layers would have about {chance:.2f}, and "
            f"{np.sqrt(p + q):.2f} with many rows",
        )
    return p + q - 2 * float(np.sum(between**2)), warnings


def _penalised(pair: Pair, ridge: float) -> tuple[float, tuple[str, ...]]:
    """Return the squared distance with a penalty."""
    rounding = PRODUCTS[pair.method] or UNIT
    if ROUNDINGS * rounding * max(pair.neurons) > WRONG_BY * ridge:
        raise SpanmatchError(
            f"{NAME}: ridge={ridge:g} is of the order of the rounding of {pair.x_layer!r} and {pair.y_layer!r}; give a "
            "larger one, or 0"
        )
    (x_variances, x_axes), (y_variances, y_axes) = (_components(moments) for moments in (pair.xx, pair.yy))
    x_roots, y_roots = (1 / np.sqrt(variances + ridge) for variances in (x_variances, y_variances))
    between = x_roots[:, None] * (x_axes.T @ cross_of_unit_layers(pair) @ y_axes) * y_roots
    own = sum(float(np.sum((v / (v + ridge)) ** 2)) for v in (x_variances, y_variances))
    return own - 2 * float(np.sum(between**2)), ()


def _components(moments: Array) -> tuple[Array, Array]:
    """Return the variances of the principal components, whose sum is 1, and the components."""
    variances, components = eigh(moments / np.trace(moments))
    return np.maximum(variances, 0.0), components
