"""Soft matching: optimal transport between the neurons of two layers of any widths.

Sources: Khosla, Williams, "Soft matching distance", 2024; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .._plotting import axes_for, draw_matrix
from .._threads import few_threads
from ..alignment.correlations import correlation
from ..moments.pairs import Pair
from ..moments.spans import Array
from .measure import Measured, measured_fields
from .transport import soft_coupling

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "soft matching"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SoftMatching(Measured):
    """The soft matching similarity of two layers, with its distance and the coupling of neurons.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 3))
    >>> pair = sm.pair(X, X[:, [2, 0, 1]] + 0.1 * noise)  # the same neurons in another order
    >>> result = sm.soft_matching(pair)
    >>> result.plan.round(2).tolist()
    [[0.0, 0.33, 0.0], [0.0, 0.0, 0.33], [0.33, 0.0, 0.0]]
    """

    plan: Array = field(repr=False)
    """(p, q) the coupling: how much of each neuron is matched with each neuron of the other layer.
    It is 0 for constant neurons, and sums to 1."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the coupling as a heat map: the share of each neuron of x that goes to each neuron of y.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("soft_matching.plot", ax)
        mass = self.plan.sum(axis=1, keepdims=True)
        shares = np.divide(self.plan, mass, out=np.zeros_like(self.plan), where=mass > 0)
        draw_matrix(ax, shares, x=self.x_layer, y=self.y_layer, title=self.name, meaning="share of the neuron of x")
        return ax

    @property
    def distance(self) -> float:
        """The soft matching distance sqrt(2 - 2 value), in [0, 2]."""
        return float(np.sqrt(2 - 2 * self.value))


@few_threads
def soft_matching(pair: Pair) -> SoftMatching:
    """Return the mean correlation of softly matched neurons, in [-1, 1].

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    SoftMatching
        `.value`, the similarity, `.distance`, and `.plan`, the coupling.

    Raises
    ------
    SpanmatchError
        If a layer is constant.

    Notes
    -----
    With the correlations r_ij of the neurons, over couplings P >= 0 whose rows sum to 1 / p and
    columns to 1 / q:

        value = max over P of sum_ij P_ij r_ij

    `.distance` is the optimal transport (Wasserstein) distance between the neurons, centred and
    scaled to unit norm: distance^2 = min sum P_ij ||x_i - y_j||^2 = 2 - 2 value. It is a metric, for
    layers of any widths. Of p = q neurons the coupling is an assignment, and the value that of
    `correlation_match`; otherwise no neuron is left without a partner. Constant neurons are left out.

    Cost: one assignment of copies of neurons if at most four of each make both layers as wide, as
    for 512 and 768 neurons; otherwise a linear program of p q variables: about a second for 512 x
    300 neurons, 12 seconds and 1.2 GB for 1024 x 1000.

    References
    ----------
    Khosla, Williams, "Soft matching distance: a metric on neural representations that captures
    single-neuron tuning", UniReps 2023 (PMLR 243, 2024).

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 2))
    >>> sm.soft_matching(sm.pair(X, X[:, [1, 0, 0, 1]])).plan.tolist()
    [[0.0, 0.25, 0.25, 0.0], [0.25, 0.0, 0.0, 0.25]]
    """
    fields = measured_fields(pair, NAME)
    neurons = np.ix_(*pair.active(centred=True))
    correlations = correlation(pair).between[neurons]
    plan = np.zeros(pair.neurons)
    plan[neurons] = soft_coupling(correlations)
    value = float(np.clip(np.sum(plan[neurons] * correlations), -1.0, 1.0))
    return SoftMatching(value=value, plan=plan, **fields)
