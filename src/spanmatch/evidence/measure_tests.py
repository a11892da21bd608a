"""Permutation tests of all measures of a pair of layers, with as many permutations as each is worth."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SpanmatchError
from ..moments.pairs import Pair
from ..similarity import Measure, measures
from .permutation import PERMUTATIONS, PermutationTest, check_exchangeable, permutation_test, test_of
from .permutations import check_count, permutations_of
from .permuted_values import Counts, Permuted, null_values

WIDEST, OPERATIONS = 256, 2e10
"""The total number of neurons, and of operations, up to which products of rows are permuted by default."""
NEIGHBOURS, PRODUCTS = 199, 39
"""The numbers of permutations of neighbours, and of products of rows, by default."""
FEWEST = 19
"""The smallest number of permutations that gives a p-value of 0.05."""


def tests_of_measures(
    pair: Pair,
    permutations: int | None = None,
    *,
    tested: Sequence[Measure] | None = None,
    alpha: float = 0.05,
) -> dict[str, PermutationTest | SpanmatchError]:
    """Return the tests of measures, or why there are none, by name.

    Parameters
    ----------
    pair : Pair
        The layers, with a sample of rows.
    permutations : int, optional
        The number of permutations of every measure; 0 for no tests. By default as many as each is
        worth: 999 of kernels, 199 of neighbours, 39 of products of rows, and none of these if layers
        have more than 256 neurons together.
    tested : sequence of Measure, optional
        The measures; by default all.
    alpha : float
        The significance level of thresholds.

    Returns
    -------
    dict of str to PermutationTest or SpanmatchError
        If no sample was kept, CKA has the test over all permutations, and others have none.
    """
    check_permutations(permutations)
    of_names = {measure.name: measure for measure in (measures() if tested is None else tested)}
    try:
        if permutations == 0:
            raise SpanmatchError("no p-value was requested")
        check_exchangeable(pair)
        if not pair.keeps_sample:
            return {name: _test_without_sample(pair, measure, alpha) for name, measure in of_names.items()}
        counts = _default_counts(pair) if permutations is None else Counts(*[permutations] * 3)
        orders = permutations_of(pair.sample.example_ids, max(counts), None, seed=0)
        permuted = null_values(pair, list(of_names.values()), orders, counts)
    except SpanmatchError as error:
        return dict.fromkeys(of_names, error)
    return {
        name: values if isinstance(values, SpanmatchError) else _test_of_measure(pair, measure, values, alpha)
        for (name, measure), values in zip(of_names.items(), permuted, strict=True)
    }


def check_permutations(permutations: int | None) -> None:
    """Raise BadArgument if this is no number of permutations."""
    if permutations is not None:
        check_count(permutations, fewest=0)


def _default_counts(pair: Pair) -> Counts:
    """Return how many permutations each kind of measure is worth."""
    sample, (p, q) = pair.sample, pair.neurons
    operations = 2 * len(sample) * sample.x.rows_per_example * (p + 1) * (q + 1)
    products = min(PRODUCTS, int(OPERATIONS // operations))
    if p + q > WIDEST or products < FEWEST:
        products = 0
    return Counts(PERMUTATIONS, NEIGHBOURS, products)


def _test_of_measure(
    pair: Pair, measure: Measure, permuted: Permuted, alpha: float
) -> PermutationTest | SpanmatchError:
    """Return the test that values of permuted samples make, or why there is none."""
    try:
        return test_of(pair, measure.name, float(measure(pair)), permuted, measure, alpha)
    except SpanmatchError as error:
        return error


def _test_without_sample(pair: Pair, measure: Measure, alpha: float) -> PermutationTest | SpanmatchError:
    """Return the test of CKA over all permutations, or why there is none."""
    try:
        return permutation_test(pair, measure, alpha=alpha)
    except SpanmatchError as error:
        return error
