"""Squared errors of linear predictions between two layers on rows that they were not fitted to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pairs import Pair
from .spans import Array, Index, Span

Squares = tuple[Array, Array]
"""Squared residuals and squared norms of each neuron."""


def held_out_squares(rest: Pair, fold: Pair, x: Index, y: Index, *, centred: bool = False) -> tuple[Squares, Squares]:
    """Return the squared errors on a fold of predictions that were fitted to the other folds.

    Parameters
    ----------
    rest : Pair
        The other folds, to fit to.
    fold : Pair
        The fold to predict.
    x : array of int, (|x|,)
        Neurons of x.
    y : array of int, (|y|,)
        Neurons of y.
    centred : bool
        Whether to subtract each neuron's mean over the other folds.

    Returns
    -------
    of_x : tuple of two arrays of float, (|x|,)
        Squared residuals and squared norms of x's neurons, predicted from y's.
    of_y : tuple of two arrays of float, (|y|,)
        Those of y's neurons, predicted from x's.

    Notes
    -----
    Cost: two triangular factorisations and solves of the neurons' number.
    """
    i, j = (np.isin(side, alive) for side, alive in zip((x, y), rest.active(centred=centred), strict=True))
    of_x, of_y = rest.spans(x[i], y[j], centred=centred)
    return (
        _squares(rest.swapped, fold.swapped, of_y, y[j], x, i, centred),
        _squares(rest, fold, of_x, x[i], y, j, centred),
    )


def _squares(
    rest: Pair, fold: Pair, span: Span, x: Index, y: Index, alive: NDArray[np.bool_], centred: bool
) -> Squares:
    """Return the squared residuals and norms of neurons y on a fold, predicted from the span of x
    in the rest.

    A neuron of y that is silent in the rest (not `alive`) is predicted to be silent.
    """
    a, b = rest.energy("x", centred=centred), rest.energy("y", centred=centred)
    W = np.zeros((len(x), len(y)))
    W[:, alive] = (span.dual.T @ span.inside) * np.sqrt(b[y[alive]]) / np.sqrt(a[x])[:, None]
    u, v = (rest.x_mean[x], rest.y_mean[y]) if centred else (np.zeros(len(x)), np.zeros(len(y)))
    return fold.squares(x, y, W, v - u @ W, v)
