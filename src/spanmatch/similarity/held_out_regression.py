"""Ridge regression of one layer on the other, on rows that were not fitted to.

For each fold, coefficients are fitted to the other folds, with a penalty that is chosen inside them
by their own folds. Everything is from the moments of the folds.
Sources: Hoerl, Kennard 1970; Stone 1974 (cross-validation); Schrimpf et al. 2018 (Brain-Score);
docs/measures.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.fold_products import norm, scaled_offset
from ..moments.pairs import PRODUCTS, Pair
from ..moments.remembered import remembered
from ..moments.spans import UNIT, Array
from .measure import Measured, measured_fields

NAME = "ridge regression"
PENALTIES = np.logspace(-6, 6, 13)
"""The penalties, relative to the mean variance of the principal components of the rows fitted to,
weighted by their variance."""
TINY = float(np.finfo(float).tiny)
FEWEST_FOLDS = 3
"""The smallest number of folds: one to predict, and two inside the others."""
ROUNDINGS = 64
"""The smallest penalty, in roundings of a layer's variance."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class HeldOutRegression(Measured):
    """R^2 of y from x on rows that were not fitted to.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> result = sm.ridge_regression(pair)
    >>> round(result.value, 2), len(result.penalties)
    (0.49, 8)
    """

    penalties: Array = field(repr=False)
    """(folds,) the penalty of the fit to the other folds, relative to the mean variance of x's
    principal components."""


@remembered
@few_threads
def ridge_regression(pair: Pair) -> HeldOutRegression:
    """Return the share of y's variance that ridge regression on x predicts on held-out rows.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q), with folds of complete examples.

    Returns
    -------
    HeldOutRegression
        `.value`, at most 1 and negative where predictions are worse than the mean, and `.penalties`.

    Raises
    ------
    SpanmatchError
        If a layer is constant, or there are fewer than three folds with rows.

    Notes
    -----
    For each fold f, with means m_x and m_y, and centred second moments S of the rows of the other
    folds:

        W_f = (Sxx + penalty tr(Sxx) / p I)^-1 Sxy
        value = 1 - sum_f ||Y_f - m_y - (X_f - m_x) W_f||_F^2 / sum_f ||Y_f - m_y||_F^2

    The penalty is one of 13 from 1e-6 to 1e6, powers of 10: the one of the smallest squared error
    over the other folds, each of which is predicted from the rest of them (nested cross-validation);
    of equal ones, the largest. Penalties of the order of rounding are not used.

    It is what a fit to (k - 1) / k of the rows explains of new rows, so that few rows make it too
    small, not too large. About 0 for unrelated layers. It is not symmetric: y is predicted from x,
    and `sm.ridge_regression(pair.swapped)` is the other direction. The null pairing has no folds, so
    that there is no null value.

    Cost: k (k + 1) / 2 eigendecompositions and products of p x p and p x q matrices for k folds,
    about k^2 (10 p^3 + 3 p^2 q) operations.

    References
    ----------
    Hoerl, Kennard, Technometrics 12, 1970; Schrimpf et al., "Brain-Score", bioRxiv 407007, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 1000, 5))
    >>> 0.45 < sm.ridge_regression(sm.pair(X, X + noise)).value < 0.55
    True
    """
    fields = measured_fields(pair, NAME)
    folds = _moments_of_folds(pair)
    if len(folds) < FEWEST_FOLDS:
        raise SpanmatchError(
            f"{NAME}: it needs {FEWEST_FOLDS} folds with rows, and {pair.x_layer!r} and {pair.y_layer!r} have "
            f"{len(folds)}: use folds=8"
        )
    smallest = ROUNDINGS * (PRODUCTS[pair.method] or UNIT) * pair.neurons[0]
    penalties = _chosen_penalties(folds, PENALTIES[smallest < PENALTIES])
    error = total = 0.0
    for i, (fold, penalty) in enumerate(zip(folds, penalties, strict=True)):
        fit = _Fit.to(_joined(_without(folds, i)))
        error += float(fit.errors(fold, np.array([penalty]))[0])
        total += fold.about(fit.moments).yy
    return HeldOutRegression(value=1 - error / total, penalties=penalties, **fields)


class _Moments(NamedTuple):
    """Moments of some rows, of layers that are scaled to unit Frobenius norm over all rows."""

    rows: int
    """The number of rows."""
    x: Array
    """(p,) the mean of x, minus that of all rows."""
    y: Array
    """(q,) the mean of y, minus that of all rows."""
    xx: Array
    """(p, p) second moments of x about the mean."""
    xy: Array
    """(p, q) those of x with y."""
    yy: float
    """The sum of the squares of y about the mean."""

    def about(self, other: _Moments) -> _Moments:
        """Return the moments of the same rows about the means of other rows."""
        x, y = self.x - other.x, self.y - other.y
        xx, xy = self.xx + np.outer(self.rows * x, x), self.xy + np.outer(self.rows * x, y)
        return _Moments(self.rows, x, y, xx, xy, self.yy + self.rows * float(y @ y))


def _moments_of_folds(pair: Pair) -> list[_Moments]:
    """Return the moments of each fold."""
    x_norm, y_norm = norm(pair, "x"), norm(pair, "y")
    return [
        _Moments(
            fold.rows,
            scaled_offset(pair, fold, "x"),
            scaled_offset(pair, fold, "y"),
            fold.xx / x_norm**2,
            fold.xy / x_norm / y_norm,
            float(np.trace(fold.yy)) / y_norm**2,
        )
        for fold in pair.folds
    ]


def _joined(folds: Sequence[_Moments]) -> _Moments:
    """Return the moments of the rows of several folds."""
    rows = sum(fold.rows for fold in folds)
    x = np.sum([fold.rows * fold.x for fold in folds], axis=0) / rows
    y = np.sum([fold.rows * fold.y for fold in folds], axis=0) / rows
    centre = folds[0]._replace(rows=rows, x=x, y=y)
    about = [fold.about(centre) for fold in folds]
    return centre._replace(
        xx=np.sum([fold.xx for fold in about], axis=0),
        xy=np.sum([fold.xy for fold in about], axis=0),
        yy=sum(fold.yy for fold in about),
    )


class _Fit(NamedTuple):
    """Ridge regressions of y on x for all penalties, in the principal components of x."""

    moments: _Moments
    """Of the rows that are fitted to."""
    variances: Array
    """(p,) the variances of the principal components, as sums over the rows."""
    components: Array
    """(p, p) the principal components."""
    products: Array
    """(p, q) the products of the components' activations with y."""
    squares: Array
    """(p, p) the products of the rows of `products`."""

    @classmethod
    def to(cls, moments: _Moments) -> _Fit:
        """Return the regressions on some rows."""
        variances, components = eigh(moments.xx)
        products = components.T @ moments.xy
        return cls(moments, np.maximum(variances, 0.0), components, products, products @ products.T)

    @property
    def scale(self) -> float:
        """The mean variance of the components, weighted by their variance: directions of none do not count."""
        return float(self.variances @ self.variances / max(self.variances.sum(), TINY))

    def errors(self, fold: _Moments, penalties: Array) -> Array:
        """Return the squared error of the predictions of a fold for each relative penalty."""
        rows, components = fold.about(self.moments), self.components
        inner = components.T @ rows.xx @ components * self.squares
        cross = np.einsum("pq,pq->p", components.T @ rows.xy, self.products)
        gains = self.variances + penalties[:, None] * self.scale
        gains = np.divide(1.0, gains, out=np.zeros_like(gains), where=gains > 0)
        return np.asarray(rows.yy - 2 * gains @ cross + np.einsum("kp,kp->k", gains @ inner, gains))


def _chosen_penalties(folds: Sequence[_Moments], penalties: Array) -> Array:
    """Return the best penalty of the fit to all folds but one, for each of the folds."""
    errors = np.zeros((len(folds), len(penalties)))
    for i, j in combinations(range(len(folds)), 2):
        fit = _Fit.to(_joined(_without(folds, i, j)))
        errors[i] += fit.errors(folds[j], penalties)
        errors[j] += fit.errors(folds[i], penalties)
    return np.asarray(penalties[::-1][np.argmin(errors[:, ::-1], axis=1)])


def _without(folds: Sequence[_Moments], *left_out: int) -> list[_Moments]:
    """Return all folds but some."""
    return [fold for i, fold in enumerate(folds) if i not in left_out]
