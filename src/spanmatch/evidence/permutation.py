"""Permutation tests: how often would a measure be as large if the layers were unrelated?

Rows of one example are dependent, but examples are exchangeable: if the layers are unrelated, all
orders of y's examples are equally likely. The sample of rows is measured again with y's examples
permuted. Kernels and neighbours stay what they are, so that one of their matrices is permuted;
measures of second moments take the products of the permuted rows.
Sources: Fisher 1935; Phipson & Smyth 2010 (p-values are never 0); Groeger, Wen, Brbic 2026
(calibrated scores); docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, SupportsFloat

import numpy as np

from .._plotting import NULL, X, axes_for, label, legend
from .._threads import few_threads
from ..errors import SpanmatchError
from ..moments.dependence import ADVICE, neighbours_are_alike
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..moments.spans import Array
from ..similarity import Measure, Measured, cka, debiased_cka, declared_measure, measures
from .intervals import check_level
from .null_pairing import Statistic, name_of
from .permutation_moments import test_by_moments
from .permutations import Groups, check_groups, permutations_of
from .permuted_values import Permuted, null_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PERMUTATIONS = 999
OF_EXAMPLES = "permutations of examples"
EQUAL = 1e-10
"""The difference, as a share of the largest value, up to which values count as equal."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class PermutationTest(Result):
    """A test of whether the similarity of two layers is more than chance.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> test = sm.permutation_test(pair, sm.cka, permutations=99)
    >>> test.p_value, round(test.threshold, 2)
    (0.01, 0.01)
    """

    name: str
    """The measure's name."""
    value: float
    """The value of the pair; of a measure of moments, over all rows."""
    p_value: float
    """The probability of a value at least as similar as that of the sample if the layers are
    unrelated. With K permutations, at least 1 / (K + 1)."""
    threshold: float
    """The value that unrelated layers exceed with a probability of at most `alpha`."""
    alpha: float
    """The significance level of the threshold."""
    calibrated: float
    """The similarity beyond chance, in [0, 1]: max(0, (v - threshold) / (v_max - threshold)), for the
    value v that was tested and v_max that of identical layers."""
    sample_value: float
    """The value of the sample, which the null values are of."""
    statistic: str
    """The name of the measure that was permuted."""
    method: str
    """"permutations of examples", or, from the moments alone, "permutations of rows" or "signs of
    folds"."""
    null: Array = field(repr=False)
    """(K,) the values of the permuted samples; empty for all permutations of rows, of which there are
    too many."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the values of the permuted samples as a histogram, with the value that was tested.

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
        ax = axes_for("permutation_test.plot", ax)
        known = self.null[np.isfinite(self.null)]
        if len(known):
            bins = min(40, max(5, len(known) // 10))
            ax.hist(known, bins=bins, color=NULL, edgecolor=NULL, alpha=0.6, label=f"{len(known)} permutations")
        ax.axvline(self.threshold, color=NULL, linestyle=":", label=f"exceeded by chance in {self.alpha:.0%}")
        ax.axvline(self.sample_value, color=X, linewidth=2, label=f"value, p = {self.p_value:.2g}")
        label(ax, self.name, "permutations", f"{self.x_layer} and {self.y_layer}")
        legend(ax)
        return ax

    def __float__(self) -> float:
        """Return the value of the pair."""
        return self.value


@few_threads
def permutation_test(
    pair: Pair,
    measure: Statistic = debiased_cka,
    permutations: int | Literal["all"] = PERMUTATIONS,
    groups: Groups = None,
    seed: int = 0,
    *,
    alpha: float = 0.05,
) -> PermutationTest:
    """Return the p-value of a measure under the hypothesis that the layers are unrelated.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q), with a sample of rows.
    measure : callable
        A function of a `Pair` that returns a number, such as `sm.cka`.
    permutations : int or "all"
        The number K of permutations. "all", for `sm.cka` and `sm.debiased_cka` alone: what follows
        for all permutations from the moments, over all rows and without a sample.
    groups : array of shape (examples,) or mapping, optional
        The group of each example, by its id, such as its class: examples are permuted within their
        groups only. The test then asks whether the layers agree beyond the groups.
    seed : int
        Of the permutations. Equal seeds give the same permutations for all pairs of layers that
        have the same sample.
    alpha : float
        The significance level of `.threshold`, in (0, 1).

    Returns
    -------
    PermutationTest
        The value, its p-value, the null values, the threshold, and the calibrated value.

    Raises
    ------
    SpanmatchError
        If there is no sample, the measure is not defined for it, or there are fewer than 2 examples;
        if rows count as examples of their own, but neighbouring ones are alike; if a group is not
        known.

    Notes
    -----
    With the value v of the sample and v_1, ..., v_K of the samples whose examples of y are permuted:

        p = (1 + #{v_k >= v}) / (K + 1)

    and the threshold is the ceil((1 - alpha)(K + 1))-th smallest of the K + 1 values. For distances
    smaller values are more similar; of functions that return plain numbers, larger ones. The p-value
    is exact: it is at most alpha in a share alpha of pairs of unrelated layers, whatever their
    distribution. Permutations are affine maps of the places in a random order; within groups, and of
    very few examples, they are independent.

    Measures that correct a value in sample need folds where an example has several rows. The value in
    sample is then permuted in their place, and named in `.statistic`; so is linear regression for
    `sm.ridge_regression`, and the correlation match for soft matching of layers of different widths.
    They test the same hypothesis.

    "all": if rows are examples, debiased CKA has mean 0 and variance 2 / (n (n - 3)) over all
    permutations of the rows; those of ||Sxy||^2, for `sm.cka`, are in [1]_. With the skewness to
    first order they determine a Pearson III law. If examples have several rows, the null values are
    those for all signs of the cross products of folds: the p-value is at least 2^(1 - k) for k folds.
    This is also what is done, for these two measures, if no sample was kept.

    Cost: for kernels m^2 log m operations for every m permutations, and m^2 for each one within
    groups; for neighbours K m k; for measures of moments K products of the sampled rows, and K times
    the measure. A function that is not in `sm.measures()` is computed K times from new moments.

    References
    ----------
    .. [1] Kazi-Aoual, Hitier, Sabatier, Lebreton, "Refined approximations to permutation tests for
       multivariate inference", Computational Statistics & Data Analysis 20, 1995.
    .. [2] Phipson, Smyth, "Permutation p-values should never be zero", Statistical Applications in
       Genetics and Molecular Biology 9, 2010.
    .. [3] Groeger, Wen, Brbic, calibrated similarity, 2026.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, Y = np.random.default_rng(0).standard_normal((2, 500, 10))
    >>> sm.permutation_test(sm.pair(X, Y), sm.procrustes).p_value > 0.05
    True
    >>> test = sm.permutation_test(sm.pair(X, X + Y), sm.mutual_knn)
    >>> test.p_value, test.calibrated > 0.1
    (0.001, True)
    """
    checked_pair(pair)
    check_level(alpha)
    name, declared = name_of(measure), declared_measure(measure)
    check_exchangeable(pair)
    is_cka = declared is not None and declared.function in (cka, debiased_cka)
    if permutations == "all" and groups is not None:
        raise SpanmatchError(
            "permutation_test: permutations='all' are not within groups; give a number of permutations"
        )
    if permutations == "all" or (is_cka and not pair.keeps_sample and groups is None):
        if declared is None or not is_cka:
            raise SpanmatchError(
                f"permutation_test of {name}: over all permutations, p-values are known of linear CKA only; give "
                "sm.debiased_cka or sm.cka, or a number of permutations"
            )
        return _by_all_permutations(pair, declared, alpha)
    sample = pair.sample
    check_groups(groups, pair.rows, sample.n_examples)
    orders = permutations_of(sample.example_ids, permutations, groups, seed)
    result = measure(pair)
    permuted = null_values(pair, [declared or measure], orders, show=True)[0]
    if isinstance(permuted, SpanmatchError):
        raise permuted
    return test_of(pair, name, float(result), permuted, declared or measure_of_result(result), alpha)


def measure_of_result(result: SupportsFloat) -> Measure | None:
    """Return the declared measure that a result is of, whatever arguments it was given; None if it is of none."""
    if not isinstance(result, Measured):
        return None
    return next((measure for measure in measures() if measure.name == result.name), None)


def test_of(
    pair: Pair, name: str, value: float, permuted: Permuted, declared: Measure | None, alpha: float
) -> PermutationTest:
    """Return the test that values of permuted samples make."""
    sign = -1.0 if declared is not None and declared.kind == "distance" else 1.0
    best = 1.0 if declared is None else declared.itself
    observed, null = sign * permuted.value, sign * permuted.null
    threshold = threshold_of(observed, null, alpha)
    return PermutationTest(
        name=name,
        value=value,
        p_value=p_value_of(observed, null),
        threshold=sign * threshold,
        alpha=alpha,
        calibrated=calibrated(observed, threshold, sign * best),
        sample_value=permuted.value,
        statistic=permuted.statistic,
        method=OF_EXAMPLES,
        null=permuted.null,
        provenance=pair.provenance,
    )


def p_value_of(observed: float, null: Array) -> float:
    """Return the share of K + 1 values that are at least the observed one."""
    slack = EQUAL * max(abs(observed), float(np.abs(null).max()))
    return float((1 + np.count_nonzero(null >= observed - slack)) / (1 + len(null)))


def threshold_of(observed: float, null: Array, alpha: float) -> float:
    """Return the ceil((1 - alpha)(K + 1))-th smallest of K + 1 values."""
    values = np.sort(np.append(null, observed))
    return float(values[int(np.ceil(round((1 - alpha) * len(values), 9))) - 1])


def calibrated(observed: float, threshold: float, best: float) -> float:
    """Return the share of the way from the threshold to the best value, in [0, 1]."""
    return float(np.clip((observed - threshold) / (best - threshold), 0.0, 1.0)) if best > threshold else 0.0


def check_exchangeable(pair: Pair) -> None:
    """Raise SpanmatchError if rows that count as examples of their own are not independent."""
    if neighbours_are_alike(pair):
        raise SpanmatchError(
            f"permutation_test: neighbouring rows of {pair.x_layer!r} and {pair.y_layer!r} are alike, so that they "
            f"cannot be permuted; {ADVICE}"
        )


def _by_all_permutations(pair: Pair, measure: Measure, alpha: float) -> PermutationTest:
    """Return the test of CKA or debiased CKA over all permutations, from the moments."""
    value = float(measure(pair))
    outcome = test_by_moments(pair, value, alpha, is_debiased=measure.function is debiased_cka)
    return PermutationTest(
        name=measure.name,
        value=value,
        p_value=outcome.p_value,
        threshold=outcome.threshold,
        alpha=alpha,
        calibrated=calibrated(value, outcome.threshold, 1.0),
        sample_value=value,
        statistic=measure.name,
        method=outcome.method,
        null=outcome.null,
        provenance=pair.provenance,
    )
