"""The Pearson correlation of the squared Euclidean distances of all pairs of rows, from the moments.

With D_ij = ||x_i - x_j||^2 and E_ij = ||y_i - y_j||^2, centred activations, a = ||x||^2, b =
||y||^2 and sums over all rows,

    cov(D, E) = 2 n (sum a b - sum a sum b / n) + 4 (||Sxy||_F^2 - sum a sum b / (n - 1))

up to a factor, and cov(D, D) and cov(E, E) likewise.
Sources: Kriegeskorte, Mur, Bandettini, Frontiers in Systems Neuroscience 2, 2008; docs/measures.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.pairs import PRODUCTS, Fourth, Pair
from ..moments.remembered import of_each_layer, remembered
from ..moments.spans import UNIT, Array
from .measure import WRONG_BY, Measured, measured_fields

NAME = "rsa sqeuclidean"
"""The name of RSA with squared Euclidean dissimilarities and the Pearson correlation."""
FEWEST_ROWS = 3
"""The smallest number of rows: two rows have one dissimilarity."""
ROUNDINGS = 16
"""How many roundings of its largest term the error of a sum may amount to."""


@few_threads
def rsa_of_moments(pair: Pair) -> Measured:
    """Return `rsa` with squared Euclidean dissimilarities and the Pearson correlation.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    Measured

    Raises
    ------
    SpanmatchError
        If a layer is constant, there are fewer than three rows, or rounding decides the value.

    Notes
    -----
    Cost: p^2 + q^2 + p q operations.
    """
    fields = measured_fields(pair, NAME, FEWEST_ROWS)
    xy, xx, yy = _covariances(pair)
    for layer, covariance in ((pair.x_layer, xx), (pair.y_layer, yy)):
        if not covariance.value * WRONG_BY > covariance.noise:
            raise SpanmatchError(
                f"{NAME}: all rows of layer {layer!r} are about equally far from each other, so that rounding decides "
                "the value; use more rows than neurons, or method='qr'"
            )
    return Measured(value=float(np.clip(xy.value / np.sqrt(xx.value) / np.sqrt(yy.value), -1, 1)), **fields)


class _Covariance(NamedTuple):
    """A covariance of dissimilarities, up to a factor, and a bound on its rounding."""

    value: float
    noise: float


class _Side(NamedTuple):
    """Sums of a layer's rows z about a shift, scaled to unit Frobenius norm about the mean."""

    norm: float
    """The Frobenius norm about the mean."""
    offset: Array
    """(neurons,) the mean minus the shift."""
    total: float
    """sum ||z||^2."""


def _covariances(pair: Pair) -> tuple[_Covariance, _Covariance, _Covariance]:
    """Return the covariances of D with E, of D with D and of E with E, of layers of unit Frobenius
    norm.
    """
    fourth = pair.fourth
    if fourth is None:
        raise SpanmatchError(f"{NAME}: no fourth moments of {pair.x_layer!r} and {pair.y_layer!r} were kept")
    x, y = _sides(pair, fourth)
    s, t = x.norm, y.norm
    between = _covariance(
        pair.rows, pair.xy / s / t, x, y, _scaled(fourth.x_by_y, s, t), _scaled(fourth.y_by_x, t, s), _rounding(pair)
    )
    return (between, *_covariances_of_layers(pair))


@remembered
@of_each_layer
def _covariances_of_layers(pair: Pair) -> tuple[_Covariance, _Covariance]:
    """Return the covariances of D with D and of E with E."""
    fourth, rounding = pair.fourth, _rounding(pair)
    assert fourth is not None
    x, y = _sides(pair, fourth)
    (s, of_x), (t, of_y) = (x.norm, fourth.x), (y.norm, fourth.y)
    return (
        _covariance(pair.rows, pair.xx / s / s, x, x, _scaled(of_x, s, s), _scaled(of_x, s, s), rounding),
        _covariance(pair.rows, pair.yy / t / t, y, y, _scaled(of_y, t, t), _scaled(of_y, t, t), rounding),
    )


def _sides(pair: Pair, fourth: Fourth) -> tuple[_Side, _Side]:
    """Return the sums of both layers."""
    x, y = (
        _Side(
            norm := float(np.sqrt(np.trace(moments))),
            offset := (mean - shift) / norm,
            1 + pair.rows * float(offset @ offset),
        )
        for moments, mean, shift in (
            (pair.xx, pair.x_mean, fourth.shift[0]),
            (pair.yy, pair.y_mean, fourth.shift[1]),
        )
    )
    return x, y


def _rounding(pair: Pair) -> float:
    """Return the relative rounding of the terms of a covariance."""
    return ROUNDINGS * (PRODUCTS[pair.method] or UNIT)


def _scaled(sums: Array, own: float, other: float) -> Array:
    """Return [sum b z, sum a b] of layers that are divided by their norms."""
    scaled = sums / own / other / other
    scaled[-1] /= own
    return scaled


def _covariance(n: int, centred: Array, x: _Side, y: _Side, by_b: Array, by_a: Array, rounding: float) -> _Covariance:
    """Return the covariance of dissimilarities of n rows, from sums about shifts.

    `centred` is Sxy; by_b = [sum b x, sum a b] and by_a = [sum a y, sum a b].
    """
    d, e = x.offset, y.offset
    # sum of (a - 2 d.x + d.d)(b - 2 e.y + e.e), the squared norms about the means.
    terms = (
        by_b[-1],
        -2 * e @ by_a[:-1],
        -2 * d @ by_b[:-1],
        4 * d @ centred @ e,
        (e @ e) * x.total,
        (d @ d) * y.total,
        n * (d @ d) * (e @ e),
    )
    squares = 2 * n * (sum(terms) - 1 / n)
    products = 4 * (np.sum(centred**2) - 1 / (n - 1))
    size = 2 * n * (sum(map(abs, terms)) + 1 / n) + 4 * (np.sum(centred**2) + 1 / (n - 1))
    return _Covariance(float(squares + products), float(rounding * size))
