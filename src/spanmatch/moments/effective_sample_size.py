"""The effective sample size of a pair of layers: how many independent rows its rows are equivalent to.

A linear fit to rows explains part of their noise, and predicts other rows worse by as much. With n
independent rows and d regressors, residuals in sample and on held-out folds have a known ratio. The
effective sample size is the n that gives the observed ratio. It falls short of the number of rows
if the rows of one example are alike.
Source: docs/evidence.md.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from .._threads import few_threads
from ..errors import SpanmatchError
from .dependence import rows_are_independent
from .held_out_squares import held_out_squares
from .joint_sums import Joint
from .packed import Packed
from .pairs import Pair
from .remembered import remembered
from .spans import Array

Weights = Literal["neurons", "variance", "spans"]
ROWS_PER_DIMENSION = 1.5
"""The smallest effective sample size, per dimension, with which fits are corrected."""
FUNCTION = 1e-12
"""The squared distance up to which a neuron may be a function of the other layer."""
HELD_OUT = 1e-6
"""The squared distance on held-out rows up to which it is one; above, it is fitted to too few rows."""


@few_threads
def effective_sample_size(pair: Pair) -> float:
    """Return the number of independent rows that the rows of a pair of layers are equivalent to.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    float
        The number of rows if they count as independent (see `rows_are_independent`). Otherwise at
        most the number of rows: the smaller value of `effective_sample_sizes`.

    Raises
    ------
    SpanmatchError
        If examples have several rows, and fewer than two folds have rows or a layer is constant.
    """
    return min(effective_sample_sizes(pair))


def effective_sample_sizes(pair: Pair, of: Weights = "neurons") -> tuple[float, float]:
    """Return the effective sample sizes for fits to x, as regressors, and for fits to y.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    of : {"neurons", "variance", "spans"}
        How residuals are weighted: all neurons alike, by their variance, or all directions of the
        span alike (of whitened layers). Directions of large variance are often more alike within
        examples than others.

    Returns
    -------
    of_x, of_y : float
        Numbers of independent rows.

    Raises
    ------
    SpanmatchError
        If examples have several rows, and fewer than two folds have rows, a layer is constant, or
        the sizes are too small for the dimensions to be estimated.

    Notes
    -----
    For n independent Gaussian rows, k folds, d regressors and m = n (k - 1) / k rows to fit to, the
    mean squared residuals in sample and held out have the ratio

        (1 - d / (n - 1)) (m - d - 2) / ((m - 2) (1 + 1 / m)).

    The result is the n, at most the number of rows, for which it is that of all neurons. Neurons
    that are functions of the other layer, also on held-out rows, do not count. Of the pair of all
    folds but one it is the share of rows of that of all folds.

    Cost: two regressions for each fold.
    """
    if rows_are_independent(pair):
        return float(pair.rows), float(pair.rows)
    if pair.all_folds is None:
        return _of_spans_from_folds(pair) if of == "spans" else _from_folds(pair, of)
    of_x, of_y = effective_sample_sizes(pair.all_folds, of)
    share = pair.rows / pair.all_folds.rows
    return share * of_x, share * of_y


def effective_or_reason(pair: Pair) -> tuple[float, str]:
    """Return the effective sample size and an empty string, or nan and why it is unknown.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    size : float
    reason : str
    """
    try:
        return effective_sample_size(pair), ""
    except SpanmatchError as error:
        return float("nan"), str(error)


@remembered
def _from_folds(pair: Pair, of: Weights) -> tuple[float, float]:
    """Return the effective sample sizes from residuals in sample and held out."""
    _check_folds(pair)
    x, y = pair.active(centred=True)
    energies = pair.energy("x", centred=True)[x], pair.energy("y", centred=True)[y]
    sizes = []
    for span, targets in zip(pair.all_spans(centred=True), (1, 0), strict=True):
        residuals = _held_out_residuals(pair)[targets] / energies[targets]
        weights = energies[targets] / energies[targets].max() if of == "variance" else np.ones(len(residuals))
        weights[(span.outside <= max(span.resolution**2, FUNCTION)) & (residuals <= HELD_OUT)] = 0.0
        if not weights.any():
            sizes.append(float(pair.rows))
            continue
        ratio = float(weights @ span.outside / (weights @ residuals))
        sizes.append(_size_of_ratio(pair, ratio, len(span.dual)))
    return sizes[0], sizes[1]


@remembered
def _held_out_residuals(pair: Pair) -> tuple[Array, Array]:
    """Return the squared residuals of x's and of y's neurons on the folds that fits leave out."""
    x, y = pair.active(centred=True)
    held_out = [held_out_squares(rest, fold, x, y, centred=True) for rest, fold in pair.splits()]
    of_x, of_y = (np.sum([squares[side][0] for squares in held_out], axis=0) for side in (0, 1))
    return of_x, of_y


def _check_folds(pair: Pair) -> None:
    """Raise SpanmatchError unless there are folds, and both layers vary."""
    if pair.n_folds >= 2 and all(map(len, pair.active(centred=True))):
        return
    reason = "a layer never varies" if pair.n_folds else "no folds were kept: use folds=8 (a null pairing has none)"
    raise SpanmatchError(
        f"layers {pair.x_layer!r} and {pair.y_layer!r}: the {pair.rows:,} rows are of {pair.n_examples:,} "
        f"examples, and their effective sample size is unknown, because {reason}"
    )


@remembered
def _of_spans_from_folds(pair: Pair) -> tuple[float, float]:
    """Return the effective sample sizes of the whitened layers."""
    _check_folds(pair)
    bases = [_whitening(pair, side) for side in (0, 1)]
    layers, single = (pair.x_layer, pair.y_layer), pair.method == "single"
    parts = [_transformed(part, *bases) for part in pair.parts]
    return _from_folds(Pair.of(layers, parts, single=single, dtypes=pair.dtypes), "neurons")


def _whitening(pair: Pair, side: int) -> Array:
    """Return the matrix (neurons, dimensions) that maps a centred layer to an orthonormal basis."""
    name: Literal["x", "y"] = "y" if side else "x"
    active = pair.active(centred=True)[side]
    basis = np.zeros((pair.neurons[side], len(pair.all_spans(centred=True)[side].dual)))
    norms = np.sqrt(pair.energy(name, centred=True)[active])
    basis[active] = pair.all_spans(centred=True)[side].dual.T / norms[:, None]
    return basis


def _transformed(part: Joint, A: Array, B: Array) -> Joint:
    """Return the sums of linear maps of both layers, without those of fourth order."""
    products = part.products()
    xx, yy = (_with_zeros(M.T @ within @ M) for M, within in ((A, products.xx), (B, products.yy)))
    within = (Packed(len(xx)).stored(xx),), (Packed(len(yy)).stored(yy),)
    shift = np.zeros(A.shape[1]), np.zeros(B.shape[1])
    sums = np.append(part.sums[0][:-1] @ A, 0.0), np.append(part.sums[1][:-1] @ B, 0.0)
    cross = _with_zeros(A.T @ products.xy @ B)
    return Joint(part.rows, part.n_examples, shift, sums, within, (cross,), None)


def _with_zeros(products: Array) -> Array:
    """Return products with a row and a column of zeros, in place of those of squared norms."""
    return np.pad(products, (0, 1))


def _size_of_ratio(pair: Pair, ratio: float, d: int) -> float:
    """Return the number of independent rows at which residuals in sample and held out have a ratio."""
    from scipy.optimize import brentq  # slow to import

    fitted, rows = (pair.n_folds - 1) / pair.n_folds, pair.rows

    def difference(log_size: float) -> float:
        n = np.exp(log_size)
        m = n * fitted
        return float((1 - d / (n - 1)) * (m - d - 2) / ((m - 2) * (1 + 1 / m)) - ratio)

    fewest = np.log((d + 2.001) / fitted + 1)
    if rows <= np.exp(fewest) or difference(fewest) >= 0:
        raise SpanmatchError(
            f"layers {pair.x_layer!r} and {pair.y_layer!r}: the effective sample size of {rows:,} rows of "
            f"{pair.n_examples:,} examples is too small to be estimated, for {d:,} dimensions: use more examples"
        )
    if difference(np.log(rows)) <= 0:
        return float(rows)
    return float(np.exp(brentq(difference, fewest, np.log(rows), xtol=1e-9)))
