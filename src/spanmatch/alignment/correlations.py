"""Pearson correlations of single neurons, between two networks and within each.

c_ij = sum (x_i - mean)(y_j - mean) / sqrt(sum (x_i - mean)^2 sum (y_j - mean)^2), over the rows.
Source: Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 2; docs/convergent.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from .._plotting import axes_for, heat_map, neuron_axes
from .._threads import few_threads
from ..moments.pairs import Pair, checked_pair
from ..moments.remembered import remembered
from ..moments.spans import Array
from .chance import AlignmentResult, alignment_fields, inverse

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Correlation(AlignmentResult):
    """Correlations between and within two layers; those of constant neurons are 0.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> abs(sm.correlation(pair).between).round(1).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    between: Array = field(repr=False)
    """(p, q) correlations of neurons of x with neurons of y."""
    within_x: Array = field(repr=False)
    """(p, p) correlations of the neurons of x with each other."""
    within_y: Array = field(repr=False)
    """(q, q) correlations of the neurons of y with each other."""
    x_mean: Array = field(repr=False)
    """(p,) mean activation of each neuron of x."""
    y_mean: Array = field(repr=False)
    """(q,) mean activation of each neuron of y."""
    x_deviation: Array = field(repr=False)
    """(p,) standard deviation of each neuron of x."""
    y_deviation: Array = field(repr=False)
    """(q,) standard deviation of each neuron of y."""

    def plot(self, ax: Axes | None = None, *, of: Literal["between", "within_x", "within_y"] = "between") -> Axes:
        """Draw correlations as a heat map, red where positive and blue where negative.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        of : {"between", "within_x", "within_y"}
            Of which neurons.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("correlation.plot", ax)
        x, y = {
            "between": (self.x_layer, self.y_layer),
            "within_x": (self.x_layer, self.x_layer),
            "within_y": (self.y_layer, self.y_layer),
        }[of]
        heat_map(ax, getattr(self, of), "RdBu_r", "correlation", aspect="auto", vmin=-1, vmax=1)
        neuron_axes(ax, x, y)
        return ax


@remembered
@few_threads
def correlation(pair: Pair) -> Correlation:
    """Return the correlations of all neurons, between the layers and within each.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    Correlation
        `.between`, `.within_x` and `.within_y`, with the means and standard deviations of the
        neurons.

    Raises
    ------
    SpanmatchError
        If `pair` is not a `Pair`.

    Notes
    -----
    Each is Pearson's coefficient:

        c_ij = sum (x_i - mean)(y_j - mean) / sqrt(sum (x_i - mean)^2 sum (y_j - mean)^2)

    Cost: (p + q)^2 operations. It makes no pass over the rows.

    References
    ----------
    Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> abs(sm.correlation(pair).between).round(1).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    checked_pair(pair)
    x, y = (pair.energy(side, centred=True) for side in ("x", "y"))
    a, b = inverse(np.sqrt(x)), inverse(np.sqrt(y))
    return Correlation(
        between=np.clip(a[:, None] * pair.xy * b, -1, 1),
        within_x=np.clip(a[:, None] * pair.xx * a, -1, 1),
        within_y=np.clip(b[:, None] * pair.yy * b, -1, 1),
        x_mean=pair.x_mean,
        y_mean=pair.y_mean,
        x_deviation=np.sqrt(x / pair.rows),
        y_deviation=np.sqrt(y / pair.rows),
        **alignment_fields(pair),
    )
