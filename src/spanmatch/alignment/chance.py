"""Provenance of alignments, and what is due to chance in them: the effective sample size, and chance correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..moments.pairs import Pair
from ..moments.provenance import Result
from ..moments.remembered import remembered
from ..moments.spans import Array

SIGNIFICANT = 0.05
"""The level of tests, corrected for the number of candidates."""


@dataclass(frozen=True, eq=False, kw_only=True)
class AlignmentResult(Result):
    """What is common to all results about alignments."""

    x_constant: tuple[int, ...]
    """Neurons of x that never vary, silent ones among them: they correlate with nothing and are left out."""
    y_constant: tuple[int, ...]
    effective_sample_size: float
    """Effective sample size of a correlation: independent rows that would leave chance correlations as large."""
    chance_correlation: float
    """The best |correlation| of a neuron with the unrelated neurons of the other layer, on average."""

    def _plain(self) -> dict[str, Any]:
        return self.provenance.to_dict() | {
            "x_constant": list(self.x_constant),
            "y_constant": list(self.y_constant),
            "effective_sample_size": self.effective_sample_size,
            "chance_correlation": self.chance_correlation,
        }


@remembered
def alignment_fields(pair: Pair) -> dict[str, Any]:
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
    """Return the effective sample size (p, q) of each correlation between the layers, for tests.

    It is that of the layers, or fewer where the null correlations of both neurons are larger than of others: with mean
    squares a_i and b_j over the other layer's neurons and m over all, rows / (1 + (rows a_i - 1) (rows b_j - 1) / (rows
    m - 1)), as rows of one example that correlate r_i and s_j have the design effect 1 + (k - 1) r_i s_j.
    """
    null = _null_strengths(pair)
    found = np.full(pair.neurons, _effective(pair, null))
    if null is None:
        return found
    a, b, m = (np.maximum(pair.rows * np.mean(null**2, axis=axis) - 1, 0) for axis in (1, 0, None))
    own = pair.rows / (1 + np.outer(a, b) / m) if m else np.full(null.shape, float(pair.rows))
    inside = np.ix_(*pair.active(centred=True))
    found[inside] = np.minimum(found[inside], own)
    return found


def _grouped(pair: Pair) -> bool:
    return 0 < pair.n_examples < pair.rows


def _null_strengths(pair: Pair) -> Array | None:
    """Return |correlations| of the null pairing between neurons that vary; None if rows are independent or there is no
    null."""
    if not _grouped(pair):
        return None
    paired_at_random, _ = pair.null_or_reason()
    if paired_at_random is None:
        return None
    x, y = pair.active(centred=True)
    a, b = (1 / np.sqrt(pair.energy(side, centred=True)[own]) for side, own in (("x", x), ("y", y)))  # type: ignore[arg-type]
    null = np.minimum(abs(a[:, None] * paired_at_random.xy[np.ix_(x, y)] * b), 1)
    return null if null.size else None


def _effective(pair: Pair, null: Array | None) -> float:
    """Return the effective sample size of a correlation.

    All rows, where each is an example of its own; without a null pairing the examples. Otherwise the rows that would
    leave the mean square of the null correlations, 1 / (rows - 1), and their largest: the fewer of the two, since
    neurons differ in how alike the rows of one example are, and false partners come from those in which they are most.
    What all examples share, as what depends on a row's position alone, lowers it too, even below the examples.
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
    """Return the mean of neurons' best strengths, for the side with more candidates."""
    return float(max(strengths.max(axis=1).mean(), strengths.max(axis=0).mean()))


def _best(rows: float, candidates: int) -> float:
    """Return the largest |correlation| of a neuron with so many unrelated ones over independent rows, on average.

    A squared correlation is distributed as Beta(1/2, (rows - 2) / 2); the mean of the largest of m is near the quantile
    of exp(-exp(-gamma) / m), as for Gumbel's distribution.
    """
    from scipy.special import betaincinv

    if rows <= 2:
        return 1.0
    level = np.exp(-np.exp(-np.euler_gamma) / max(candidates, 1))
    return float(np.sqrt(betaincinv(0.5, (rows - 2) / 2, level)))


def inverse(values: Array) -> Array:
    """Return 1 / values, 0 where they are 0."""
    return np.divide(1, values, out=np.zeros_like(values), where=values > 0)
