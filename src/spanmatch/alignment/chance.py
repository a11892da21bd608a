"""The fields that all alignment results share, and two chance baselines.

The baselines are the effective sample size of a correlation and the largest correlation that
unrelated neurons are expected to have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from .._values import Json
from ..moments.pairs import Pair
from ..moments.provenance import Provenance, Result
from ..moments.remembered import remembered
from ..moments.spans import Array

SIGNIFICANT = 0.05
"""The level of tests, corrected for the number of candidates."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class AlignmentResult(Result):
    """The fields that all alignment results share."""

    x_constant: tuple[int, ...]
    """Constant neurons of x, silent ones included. Their correlations are undefined, so they are
    left out.
    """
    y_constant: tuple[int, ...]
    """Constant neurons of y."""
    effective_sample_size: float
    """Number of independent rows that would give equally large correlations under the null."""
    chance_correlation: float
    """Expected largest |correlation| of a neuron with the unrelated neurons of the other layer."""

    def _plain(self) -> dict[str, Json]:
        """Return the shared fields as plain Python values."""
        return self.provenance.to_dict() | {
            "x_constant": list(self.x_constant),
            "y_constant": list(self.y_constant),
            "effective_sample_size": self.effective_sample_size,
            "chance_correlation": self.chance_correlation,
        }


class AlignmentFields(TypedDict):
    """The fields of `AlignmentResult`, as keyword arguments."""

    provenance: Provenance
    x_constant: tuple[int, ...]
    y_constant: tuple[int, ...]
    effective_sample_size: float
    chance_correlation: float


@remembered
def alignment_fields(pair: Pair) -> AlignmentFields:
    """Return the fields of `AlignmentResult` for a pair."""
    p, q = pair.neurons
    x, y = pair.active(centred=True)
    null = _null_strengths(pair)
    rows = _effective(pair, null)
    return {
        "provenance": pair.provenance,
        "x_constant": tuple(np.setdiff1d(np.arange(p), x).tolist()),
        "y_constant": tuple(np.setdiff1d(np.arange(q), y).tolist()),
        "effective_sample_size": rows,
        "chance_correlation": _best(rows, max(len(x), len(y))) if null is None else _mean_best(null),
    }


def effective_sample_sizes(pair: Pair) -> Array:
    """Return the effective sample size of each correlation between the layers, for tests.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q).

    Returns
    -------
    ndarray of shape (p, q)
        At most the effective sample size of the layers. It is smaller where the null correlations
        of both neurons are larger than those of others.

    Notes
    -----
    With mean squared null correlations a_i and b_j of neurons i and j over the other layer's
    neurons, m over all, and n rows, the effective sample size is

        n / (1 + (n a_i - 1) (n b_j - 1) / (n m - 1)).

    This is the form of the design effect 1 + (k - 1) r_i s_j of k rows of one example with
    intraclass correlations r_i and s_j.
    """
    null = _null_strengths(pair)
    sizes = np.full(pair.neurons, _effective(pair, null))
    if null is None:
        return sizes
    a, b, m = (np.maximum(pair.rows * np.mean(null**2, axis=axis) - 1, 0) for axis in (1, 0, None))
    of_neurons = pair.rows / (1 + np.outer(a, b) / m) if m else np.full(null.shape, float(pair.rows))
    inside = np.ix_(*pair.active(centred=True))
    sizes[inside] = np.minimum(sizes[inside], of_neurons)
    return sizes


def _grouped(pair: Pair) -> bool:
    """Return whether examples have several rows."""
    return 0 < pair.n_examples < pair.rows


def _null_strengths(pair: Pair) -> Array | None:
    """Return the absolute null correlations of non-constant neurons; None for independent rows or
    without a null pairing.
    """
    if not _grouped(pair):
        return None
    null_pair, _ = pair.null_or_reason()
    if null_pair is None:
        return None
    x, y = pair.active(centred=True)
    a, b = 1 / np.sqrt(pair.energy("x", centred=True)[x]), 1 / np.sqrt(pair.energy("y", centred=True)[y])
    strengths = np.minimum(abs(a[:, None] * null_pair.xy[np.ix_(x, y)] * b), 1)
    return strengths if strengths.size else None


def _effective(pair: Pair, null: Array | None) -> float:
    """Return the effective sample size of a correlation.

    It is the number of rows if each example has one row, and the number of examples if there is no
    null pairing. Otherwise two estimates are made: from the mean squared null correlation, 1 /
    (rows - 1), and from the largest one. The smaller is taken, because intraclass correlation
    differs between neurons and false partners come from the neurons where it is largest. Variation
    that all examples share, such as an effect of position, lowers the estimate too, even below the
    number of examples.
    """
    if not _grouped(pair):
        return float(pair.rows)
    if null is None:
        return float(pair.n_examples)
    square, largest = float(np.mean(null**2)), float(null.max())
    if not square:
        return float(pair.rows)
    from scipy.special import chdtri

    median = chdtri(1, -np.expm1(-np.log(2) / null.size))  # of the largest of so many chi^2 with one degree of freedom
    return float(min(1 + min(1 / square, median / largest**2), pair.rows))


def _mean_best(strengths: Array) -> float:
    """Return the mean over neurons of the largest strength, of the layer where it is larger."""
    return float(max(strengths.max(axis=1).mean(), strengths.max(axis=0).mean()))


def _best(rows: float, candidates: int) -> float:
    """Return the expected largest |correlation| of a neuron with m unrelated candidates over
    independent rows.

    A squared correlation follows Beta(1/2, (rows - 2) / 2). The mean of the largest of m is near
    the quantile at exp(-exp(-gamma) / m), as for the Gumbel distribution.
    """
    from scipy.special import betaincinv

    if rows <= 2:
        return 1.0
    level = np.exp(-np.exp(-np.euler_gamma) / max(candidates, 1))
    return float(np.sqrt(betaincinv(0.5, (rows - 2) / 2, level)))


def inverse(values: Array) -> Array:
    """Return 1 / values, and 0 where they are 0."""
    return np.divide(1, values, out=np.zeros_like(values), where=values > 0)
