"""Linear regression of one layer's neurons on the other's.

R^2_j = 1 - ||y_j - X w_j||^2 / ||y_j||^2 of centred activations; the value weighs neurons by their variance.
Sources: Kornblith et al., ICML 2019; docs/measures.md.
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
    """R^2 of y from x as the value, and of x from y."""

    x_from_y: float
    """Variance-weighted R^2 the other way round."""
    per_neuron: Array = field(repr=False)
    """(q,) R^2 of each neuron of y from x; nan where it is constant."""
    x_per_neuron: Array = field(repr=False)
    """(p,) of each neuron of x from y."""


@few_threads
def linear_regression(pair: Pair) -> Regression:
    """Return how much of each layer's variance is a linear function of the other, for each neuron and overall.

    Raises SpanmatchError if a layer never varies. Cost: about 3 (p^3 + q^3) operations.

    >>> import numpy as np, spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> result = sm.linear_regression(sm.pair(X, X[:, :2] + 1))
    >>> round(result.value, 6), result.x_from_y < 0.6
    (1.0, True)
    """
    fields = measured_fields(pair, "linear regression")
    both = energies(pair)
    x, y = pair.active(centred=True)
    spans = resolved_spans(pair, "linear regression")
    explained = [np.full(len(energy), np.nan) for energy in both]
    explained[0][x], explained[1][y] = 1 - spans[1].outside, 1 - spans[0].outside
    totals = [float(np.nansum(share * own) / np.sum(own)) for share, own in zip(explained, both, strict=True)]
    # Independent layers explain p / (n - 1) of each other's variance.
    warnings = few_rows(pair, (len(x), len(y)), max(len(x), len(y)) / max(1, pair.rows - 1))
    return Regression(
        value=totals[1],
        x_from_y=totals[0],
        per_neuron=explained[1],
        x_per_neuron=explained[0],
        warnings=warnings,
        **fields,
    )
