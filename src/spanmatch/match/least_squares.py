"""Least-squares maps between two groups of neurons, and distances that verify the searches.

The computation is independent of `peeling` and `within`, so that each can verify the other. It uses
columns that have the pair's inner products, and their singular value decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from .._display import Displayed
from .._plotting import axes_for, heat_map, label, whole_ticks
from .._threads import few_threads
from ..moments.pairs import Pair
from ..moments.spans import Array, Index, Rounding

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Coefficients(Displayed):
    """The least-squares maps between two groups of neurons, in units of activations.

    Notes
    -----
    X[:, x] ~ Y[:, y] @ x_from_y + x_intercept, and Y[:, y] ~ X[:, x] @ y_from_x + y_intercept. The
    intercepts are 0 unless the neurons were centred.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> a, b, c, d = np.random.default_rng(0).standard_normal((4, 500))
    >>> pair = sm.pair(np.column_stack([a, b, c]), np.column_stack([a + b, a - b, d]))
    >>> match = sm.maximum_match(pair, eps=0.1)
    >>> match.coefficients(pair).x_from_y.round(2).tolist()
    [[0.5, 0.5], [0.5, -0.5]]
    """

    x_from_y: Array
    """(|y|, |x|) coefficients that predict the neurons of x from those of y."""
    y_from_x: Array
    """(|x|, |y|) coefficients that predict the neurons of y from those of x."""
    x_intercept: Array
    """(|x|,) intercepts of the predictions of x."""
    y_intercept: Array
    """(|y|,) intercepts of the predictions of y."""
    x_distances: Array
    """(|x|,) distance of each neuron of x to the span of y."""
    y_distances: Array
    """(|y|,) distance of each neuron of y to the span of x."""

    def plot(self, ax: Axes | None = None, *, of: Literal["y_from_x", "x_from_y"] = "y_from_x") -> Axes:
        """Draw one of the maps as a heat map: rows are the neurons that predict.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        of : {"y_from_x", "x_from_y"}
            Which map.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("coefficients.plot", ax)
        values = self.y_from_x if of == "y_from_x" else self.x_from_y
        reach = float(abs(values).max(initial=0)) or 1.0
        heat_map(ax, values, "RdBu_r", "coefficient", aspect="auto", vmin=-reach, vmax=reach)
        whole_ticks(ax, "x")
        whole_ticks(ax, "y")
        label(ax, f"neurons of {of[0]} in the group", f"neurons of {of[-1]} in the group", f"{of[0]} from {of[-1]}")
        return ax


@few_threads
def coefficients(pair: Pair, x: Index, y: Index, *, centred: bool = False) -> Coefficients:
    """Return the least-squares maps between two groups of neurons, in both directions.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    x : array of int, (|x|,)
        Indices of neurons of the first layer, none of them silent.
    y : array of int, (|y|,)
        Indices of neurons of the second layer, none of them silent.
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    Coefficients
        The maps of smallest norm where they are not unique, and the distances that they leave.

    Notes
    -----
    Cost: two singular value decompositions, of matrices with |x| and with |y| columns. The rows are
    not read again.
    """
    (A, of_x), (B, of_y) = _columns(pair, x, y, centred)
    x_from_y, x_distances = _fit(B, A, of_y)
    y_from_x, y_distances = _fit(A, B, of_x)
    a = np.sqrt(pair.energy("x", centred=centred)[x])
    b = np.sqrt(pair.energy("y", centred=centred)[y])
    x_from_y *= a / b[:, None]
    y_from_x *= b / a[:, None]
    u, v = pair.x_mean[x], pair.y_mean[y]
    on = 1.0 if centred else 0.0
    return Coefficients(x_from_y, y_from_x, on * (u - v @ x_from_y), on * (v - u @ y_from_x), x_distances, y_distances)


@few_threads
def distances(pair: Pair, x: Index, y: Index, *, centred: bool = False) -> tuple[Array, Array]:
    """Return the distance of each neuron of two groups to the span of the other group.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    x : array of int, (|x|,)
        Indices of neurons of the first layer, none of them silent.
    y : array of int, (|y|,)
        Indices of neurons of the second layer, none of them silent.
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    to_y : array of float, (|x|,)
        The distance of each neuron of x to the span of y, in [0, 1].
    to_x : array of float, (|y|,)
        The distance of each neuron of y to the span of x, in [0, 1].
    """
    (A, of_x), (B, of_y) = _columns(pair, x, y, centred)
    return _fit(B, A, of_y)[1], _fit(A, B, of_x)[1]


def survivors(pair: Pair, x: Index, y: Index, eps: float, *, centred: bool = False) -> tuple[Index, Index]:
    """Return the maximum match within two groups of neurons.

    Parameters
    ----------
    pair : Pair
        The joint moments of two layers.
    x : array of int, (|x|,)
        Indices of neurons of the first layer, none of them silent.
    y : array of int, (|y|,)
        Indices of neurons of the second layer, none of them silent.
    eps : float
        The largest distance that a match allows.
    centred : bool
        Whether to subtract each neuron's mean first.

    Returns
    -------
    x : array of int
        The neurons of x in the maximum match.
    y : array of int
        The neurons of y in the maximum match.

    Notes
    -----
    All neurons farther than eps are dropped, repeatedly, until every distance is within eps.
    """
    while len(x) or len(y):
        to_y, to_x = distances(pair, x, y, centred=centred)
        if (to_y <= eps).all() and (to_x <= eps).all():
            break
        x, y = x[to_y <= eps], y[to_x <= eps]
    return x, y


def _columns(pair: Pair, x: Index, y: Index, centred: bool) -> tuple[tuple[Array, Rounding], tuple[Array, Rounding]]:
    """Return unit columns of x and of y with the pair's inner products, each with its rounding."""
    unit = pair.unit(x, y, centred=centred)
    columns = unit.columns
    if columns is None:
        size, directions = np.linalg.eigh(unit.gram)
        # Eigenvalues below the rounding of the inner products count as 0.
        resolved = size > 4 * len(size) * unit.rounding[0].products * size.max(initial=0.0)
        columns = np.sqrt(size[resolved])[:, None] * directions[:, resolved].T
    return (columns[:, : len(x)], unit.rounding[0]), (columns[:, len(x) :], unit.rounding[1])


def _fit(S: Array, T: Array, rounding: Rounding) -> tuple[Array, Array]:
    """Return the least-squares coefficients of T on S, and the norms of the residuals."""
    if not S.shape[1] or not S.shape[0]:
        return np.zeros((S.shape[1], T.shape[1])), np.ones(T.shape[1])
    left, size, right = np.linalg.svd(S, full_matrices=False)
    # For m columns, the smallest singular value is up to sqrt(m) times smaller than the last
    # diagonal entry of a pivoted triangular factor, which the cutoff is made for.
    resolved = size > rounding.cutoff(len(S), S.shape[1]) / np.sqrt(S.shape[1])
    B = right[resolved].T @ ((left[:, resolved].T @ T) / size[resolved, None])
    return B, np.asarray(np.linalg.norm(T - S @ B, axis=0))
