"""Linear regression of one layer's neurons on the other's.

R^2_j = 1 - ||y_j - X w_j||^2 / ||y_j||^2 of centred activations. The value weights neurons by their
variance. Adjusted R^2 estimates the population's: a fit of d regressors to n independent rows
explains d / (n - 1) of anything.
Sources: Ezekiel 1930 (adjusted R^2); Kornblith et al., ICML 2019; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .._plotting import X, Y, axes_for, label, legend, whole_ticks
from .._threads import few_threads
from ..moments.effective_sample_size import effective_sample_sizes
from ..moments.pairs import Pair
from ..moments.spans import Array
from .measure import Measured, check_sample_size, energies, few_rows, measured_fields, resolved_spans

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Regression(Measured):
    """R^2 of y from x as the value, and R^2 of x from y.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> result = sm.linear_regression(pair)
    >>> round(result.value, 2), round(result.x_from_y, 2)
    (0.5, 0.5)
    """

    x_from_y: float
    """Variance-weighted R^2 of x from y."""
    per_neuron: Array = field(repr=False)
    """(q,) R^2 of each neuron of y from x; nan for constant neurons."""
    x_per_neuron: Array = field(repr=False)
    """(p,) R^2 of each neuron of x from y; nan for constant neurons."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw R^2 of each neuron from the other layer, in decreasing order.

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
        ax = axes_for("regression.plot", ax)
        ways = (self.y_layer, self.x_layer, self.per_neuron, Y), (self.x_layer, self.y_layer, self.x_per_neuron, X)
        for to, of, per_neuron, colour in ways:
            values = np.sort(per_neuron[~np.isnan(per_neuron)])[::-1]
            ax.plot(np.arange(1, len(values) + 1), values, color=colour, label=f"{to} from {of}")
        ax.set(ylim=(min(0.0, float(np.nanmin(self.per_neuron, initial=0))), 1.02))
        whole_ticks(ax, "x")
        label(ax, "neurons, best predicted first", "R$^2$", self.name)
        legend(ax)
        return ax


@few_threads
def linear_regression(pair: Pair, adjusted: bool = False) -> Regression:
    """Return the share of each layer's variance that is a linear function of the other layer.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).
    adjusted : bool
        Whether to adjust R^2 for the degrees of freedom of the fit, to estimate that of the
        population. Adjusted R^2 is about 0 on average for independent layers, so that negative
        values occur.

    Returns
    -------
    Regression
        `.value` (y from x), `.x_from_y`, and R^2 of each neuron.

    Raises
    ------
    SpanmatchError
        If a layer is constant, or rounding decides the value. For adjusted R^2 also if the
        effective sample size is unknown, or less than 1.5 times the dimensions of a layer.

    Notes
    -----
    With centred activations and least squares W:

        value = 1 - ||Y - X W||_F^2 / ||Y||_F^2

    Adjusted, with the effective sample size n of fits to X, of d dimensions:

        1 - (1 - value) (n - 1) / (n - d - 1)

    It is not symmetric. Cost: about 3 (p^3 + q^3) operations.

    References
    ----------
    Kornblith et al., ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> result = sm.linear_regression(sm.pair(X, X[:, :2] + 1))
    >>> round(result.value, 6), result.x_from_y < 0.6
    (1.0, True)
    """
    name = "adjusted linear regression" if adjusted else "linear regression"
    fields = measured_fields(pair, name)
    x, y = pair.active(centred=True)
    of_x, of_y = resolved_spans(pair, name)
    x_energy, y_energy = energies(pair)
    x_explained, y_explained = np.full(len(x_energy), np.nan), np.full(len(y_energy), np.nan)
    inflation_x, inflation_y = _inflations(pair, name) if adjusted else (1.0, 1.0)
    x_explained[x], y_explained[y] = 1 - of_y.outside * inflation_y, 1 - of_x.outside * inflation_x
    # Independent layers explain p / (n - 1) of each other's variance.
    chance = 0.0 if adjusted else max(len(x), len(y)) / max(1, pair.rows - 1)
    warnings = few_rows(pair, (len(x), len(y)), chance)
    return Regression(
        value=_weighted(y_explained, y_energy),
        x_from_y=_weighted(x_explained, x_energy),
        per_neuron=y_explained,
        x_per_neuron=x_explained,
        warnings=warnings,
        **fields,
    )


def adjusted_linear_regression(pair: Pair) -> Regression:
    """Return `linear_regression(pair, adjusted=True)`.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    Regression

    Raises
    ------
    SpanmatchError
        As `linear_regression` does.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> round(sm.adjusted_linear_regression(pair).value, 3), round(sm.linear_regression(pair).value, 3)
    (0.494, 0.498)
    """
    return linear_regression(pair, adjusted=True)


def _inflations(pair: Pair, name: str) -> tuple[float, float]:
    """Return the factors that correct squared residuals of fits to x and of fits to y."""
    inflations = []
    for span, size in zip(pair.all_spans(centred=True), effective_sample_sizes(pair, "variance"), strict=True):
        dimensions = len(span.dual)
        check_sample_size(pair, name, size - 1, dimensions)
        inflations.append((size - 1) / (size - 1 - dimensions))
    return inflations[0], inflations[1]


def _weighted(explained: Array, energy: Array) -> float:
    """Return the mean of the explained shares, weighted by variance."""
    return float(np.nansum(explained * energy) / np.sum(energy))
