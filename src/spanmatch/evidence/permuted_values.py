"""The values of measures when y's sampled examples are permuted.

Kernels and neighbours stay what they are, so that one of their matrices is permuted; measures of
second moments take the products of the permuted rows; any other function is computed from new
moments of the permuted rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .._progress import tracked
from ..errors import SpanmatchError
from ..moments.pairs import Pair
from ..moments.spans import Array, Index
from ..similarity import (
    Measure,
    adjusted_linear_regression,
    adjusted_pillai,
    cca,
    cka,
    correlation_match,
    debiased_cka,
    debiased_kernel_cka,
    declared_measure,
    kernel_cka,
    linear_regression,
    ridge_regression,
    soft_matching,
)
from ..similarity.permutable import Quadratic, Relabelled
from ..similarity.sampled_statistics import is_of_sample, statistic_of
from .null_pairing import Statistic, name_of
from .permutations import Permutations
from .sampled_pairs import SampledPair, values_of_reordered

IN_KERNELS: Mapping[Statistic, Statistic] = {cka: kernel_cka, debiased_cka: debiased_kernel_cka}
"""If each example is one row, these measures of moments are functions of the kernels of the sample."""
TESTED_BY: Mapping[Statistic, Statistic] = {
    debiased_cka: cka,
    adjusted_pillai: cca,
    adjusted_linear_regression: linear_regression,
}
"""Measures that need folds if rows are dependent, and those in sample that are permuted in their place."""
ORDERS_AT_ONCE = 16
"""Orders for which neighbours are looked for at once: bounds the memory, and stays in the processor's cache."""
TOO_DEAR = (
    "no p-value by default, because products of so many rows or neurons take long to permute; use "
    "sm.permutation_test(pair, measure)"
)


class Counts(NamedTuple):
    """For how many permutations measures are computed, by what they are computed from."""

    kernels: int
    neighbours: int
    products: int


@dataclass(frozen=True, eq=False)
class Permuted:
    """The values of a measure of the sample, as it is and with y's examples permuted."""

    statistic: str
    """The name of the measure."""
    value: float
    null: Array
    """(K,)"""


def null_values(
    pair: Pair,
    statistics: Sequence[Measure | Statistic],
    permutations: Permutations,
    counts: Counts | None = None,
    *,
    show: bool = False,
) -> list[Permuted | SpanmatchError]:
    """Return the values of measures of the sample and of its permutations, or why there are none.

    Parameters
    ----------
    pair : Pair
        The layers, with a sample.
    statistics : sequence of Measure or callable
        Those of moments share the products of permuted rows.
    permutations : Permutations
        Of the sampled examples.
    counts : Counts, optional
        How many of the permutations to use; by default all.
    show : bool
        Whether to show progress.

    Returns
    -------
    list of Permuted or SpanmatchError
        One for each measure.
    """
    nulls = _NullValues(pair, permutations, counts or Counts(*[len(permutations)] * 3), show)
    results: dict[int, Permuted | SpanmatchError] = {}
    from_products: dict[int, Measure] = {}
    from_neighbours: dict[int, tuple[str, Relabelled]] = {}
    for i, measure in enumerate(statistics):
        try:
            tested = _tested_by(measure, pair)
            if isinstance(tested, Measure) and not is_of_sample(tested):
                from_products[i] = tested
            elif not is_of_sample(tested):
                results[i] = nulls.of_function(tested, name_of(measure))
            elif isinstance(statistic := statistic_of(tested, pair), Relabelled):
                from_neighbours[i] = name_of(measure), statistic
            else:
                results[i] = nulls.of_kernels(statistic, name_of(measure))
        except SpanmatchError as error:
            results[i] = error
    results |= nulls.of_neighbours(from_neighbours)
    results |= nulls.of_products(from_products)
    return [_finite(results[i]) for i in range(len(statistics))]


def _finite(permuted: Permuted | SpanmatchError) -> Permuted | SpanmatchError:
    """Return values of permuted samples, or that they are no numbers, so that they cannot be compared."""
    if isinstance(permuted, SpanmatchError) or np.isfinite([permuted.value, *permuted.null]).all():
        return permuted
    return SpanmatchError(f"{permuted.statistic}: values of the sample or of its permutations are not finite")


def _tested_by(measure: Measure | Statistic, pair: Pair) -> Measure | Statistic:
    """Return the measure that is permuted: another one of the same hypothesis where that is as good and
    possible, or much faster.
    """
    if is_of_sample(measure) or not isinstance(measure, Measure):
        return measure
    function, (p, q) = measure.function, pair.neurons
    if function is ridge_regression:
        return declared_measure(linear_regression) or measure
    if function is soft_matching and p != q:
        return declared_measure(correlation_match) or measure
    if max(pair.sample.x.rows_per_example, pair.sample.y.rows_per_example) > 1:
        return declared_measure(TESTED_BY.get(function, function)) or measure
    return IN_KERNELS.get(function, measure)


class _NullValues:
    """Computes the values of measures for permuted examples."""

    def __init__(self, pair: Pair, permutations: Permutations, counts: Counts, show: bool) -> None:
        self.pair, self.permutations, self.counts, self.show = pair, permutations, counts, show

    @cached_property
    def _sampled(self) -> SampledPair:
        return SampledPair(self.pair)

    def of_kernels(self, statistic: Quadratic, name: str) -> Permuted:
        """Return the values of a measure of kernels, or of dissimilarities."""
        orders = self.permutations.first(self.counts.kernels)
        sums = orders.sums(orders.prepared_x(statistic.A), orders.prepared_y(statistic.B))
        return Permuted(name, statistic.value(), statistic.value_of(sums))

    def of_neighbours(self, statistics: Mapping[int, tuple[str, Relabelled]]) -> dict[int, Permuted]:
        """Return the values of measures of neighbours, of which common ones are looked for once."""
        values: dict[int, list[Array]] = {i: [] for i in statistics}
        orders = list(self.permutations.first(self.counts.neighbours)) if statistics else []
        blocks = [np.array(orders[at : at + ORDERS_AT_ONCE]) for at in range(0, len(orders), ORDERS_AT_ONCE)]
        for block in self._tracked(blocks, ", ".join(name for name, _ in statistics.values())):
            shared: dict[Hashable, Any] = {}
            for i, (_, statistic) in statistics.items():
                values[i].append(statistic.values(block, shared))
        return {
            i: Permuted(name, statistic.value(), np.concatenate([np.empty(0), *values[i]]))
            for i, (name, statistic) in statistics.items()
        }

    def of_function(self, function: Statistic, name: str) -> Permuted:
        """Return the values of any function of a pair."""
        value_of = values_of_reordered(self.pair, function)
        orders = list(self.permutations.first(self.counts.products))
        null = [value_of(order) for order in self._tracked(orders, name)]
        return Permuted(name, value_of(np.arange(len(self.pair.sample))), np.array(null))

    def of_products(self, measures: Mapping[int, Measure]) -> dict[int, Permuted | SpanmatchError]:
        """Return the values of measures of moments, from products of permuted rows that they share."""
        if not measures:
            return {}
        if not self.counts.products:
            return {i: SpanmatchError(TOO_DEAR) for i in measures}
        distinct = {measure.name: measure for measure in measures.values()}
        results: dict[str, Permuted | SpanmatchError] = {}
        values: dict[str, list[float]] = {name: [] for name in distinct}

        def add_values(pair: Pair) -> None:
            for name in list(values):
                try:
                    values[name].append(float(distinct[name](pair)))
                except SpanmatchError as error:
                    results[name] = error
                    del values[name]

        try:
            add_values(self._sampled.pair)
        except SpanmatchError as error:  # no rows of y correspond to those of x
            return dict.fromkeys(measures, error)
        orders = list(self.permutations.first(self.counts.products)) if values else []
        for order in self._tracked(orders, ", ".join(values)):
            add_values(self._sampled.permuted(order))
        results |= {name: Permuted(name, observed, np.array(null)) for name, (observed, *null) in values.items()}
        return {i: results[measure.name] for i, measure in measures.items()}

    def _tracked(self, orders: Sequence[Index], name: str) -> Iterable[Index]:
        """Return orders, or blocks of them, with progress if it is to be shown."""
        return tracked(orders, f"permuting {name}") if self.show else orders
