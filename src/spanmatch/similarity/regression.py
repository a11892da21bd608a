"""Linear regression of one layer's neurons on the other's.

R^2_j = 1 - ||y_j - X w_j||^2 / ||y_j||^2 of centred activations. The value weights neurons by their
variance.
Source: Kornblith et al., ICML 2019; docs/measures.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .._threads import few_threads
from ..moments.pairs import Pair
from ..moments.spans import Array
from .measure import Measured, energies, few_rows, measured_fields, resolved_spans


@dataclass(frozen=True, eq=False, kw_only=True)
class Regression(Measured):
    """R^2 of y from x as the value, and R^2 of x from y."""

    x_from_y: float
    """Variance-weighted R^2 of x from y."""
    per_neuron: Array = field(repr=False)
    """(q,) R^2 of each neuron of y from x; nan for constant neurons."""
    x_per_neuron: Array = field(repr=False)
    """(p,) R^2 of each neuron of x from y; nan for constant neurons."""


@few_threads
def linear_regression(pair: Pair) -> Regression:
    """Return the share of each layer's variance that is a linear function of the other layer.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    Regression
        `.value` (y from x), `.x_from_y`, and R^2 of each neuron.

    Raises
    ------
    SpanmatchError
        If a layer is constant, or rounding decides the value.

    Notes
    -----
    With centred activations and least squares W:

        value = 1 - ||Y - X W||_F^2 / ||Y||_F^2

    It is not symmetric. Cost: about 3 (p^3 + q^3) operations.

    References
    ----------
    Kornblith et al., ICML 2019.

    Examples
    --------
    >>> import numpy as np, spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> result = sm.linear_regression(sm.pair(X, X[:, :2] + 1))
    >>> round(result.value, 6), result.x_from_y < 0.6
    (1.0, True)
    """
    fields = measured_fields(pair, "linear regression")
    x, y = pair.active(centred=True)
    of_x, of_y = resolved_spans(pair, "linear regression")
    x_energy, y_energy = energies(pair)
    x_explained, y_explained = np.full(len(x_energy), np.nan), np.full(len(y_energy), np.nan)
    x_explained[x], y_explained[y] = 1 - of_y.outside, 1 - of_x.outside
    # Independent layers explain p / (n - 1) of each other's variance.
    warnings = few_rows(pair, (len(x), len(y)), max(len(x), len(y)) / max(1, pair.rows - 1))
    return Regression(
        value=_weighted(y_explained, y_energy),
        x_from_y=_weighted(x_explained, x_energy),
        per_neuron=y_explained,
        x_per_neuron=x_explained,
        warnings=warnings,
        **fields,
    )


def _weighted(explained: Array, energy: Array) -> float:
    """Return the mean of the explained shares, weighted by variance."""
    return float(np.nansum(explained * energy) / np.sum(energy))
