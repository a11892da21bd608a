"""Every measure of two layers with its evidence, and whether there are enough rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, SupportsFloat, TypeVar

import numpy as np

from .._display import Displayed
from .._plotting import NULL, axes_for, interval_row, label, size_for_rows
from .._threads import few_threads
from .._values import plain, short
from ..errors import BadArgument, SpanmatchError, among
from ..match import MatchProfile, match_profile
from ..moments.dependence import neighbours_are_alike, rows_are_independent
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..similarity import Estimator, Kind, Measure, Needs
from ..similarity import measures as all_measures
from .intervals import check_level, jackknife
from .measure_tests import tests_of_measures
from .permutation import OF_EXAMPLES, PermutationTest
from .profile import ProfileEvidence, check_in_sample, profile_evidence
from .sample_size import RowsNeeded, rows_needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..schema import CorrectedRecord, EvidenceRecord, MeasureRecord, ProfileRecord, RowsRecord

Outcome = TypeVar("Outcome")
NAN = float("nan")
LARGEST_CHANCE = 0.99
"""The largest null value that leaves room to tell a value from chance."""
LARGEST_BIAS = 0.01
"""The largest bias of a value with an interval; it must also be at most half the standard error."""
COSTLY = ("adjusted pillai", "cca", "svcca", "pwcca", "ridge regression", "soft matching")
"""Measures that cost more than the match profile of wide layers."""
COSTLY_UP_TO = 1024
"""Total number of neurons of two layers up to which these are computed without evidence."""
TOO_WIDE = f"more than {COSTLY_UP_TO:,} neurons together; use evidence=True (--evidence)"
NO_FOLDS = "no folds were kept; use folds=8"
OF_SAMPLE = "no interval, because it is a measure of the sample"
MANY_FITS = "no interval here, because it takes hundreds of fits; use sm.jackknife"
NOT_REQUESTED = "not requested: it is not among measures= (--measures)"
NO_EVIDENCE = "no interval, null value and p-value without evidence: use evidence=True (--evidence)"


@dataclass(frozen=True, repr=False)
class MeasureEvidence(Displayed):
    """A measure with its interval, and its value under the null.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> evidence = sm.assess(pair, sm.match_profile(pair), permutations=99)
    >>> cka = evidence["debiased cka"]
    >>> round(cka.value, 2), cka.p_value, cka.low < cka.value < cka.high
    (0.49, 0.01, True)
    """

    name: str
    """The measure's name."""
    kind: Kind
    """"similarity", or "distance": larger values mean less similar layers."""
    estimator: Estimator
    """How the value estimates that of the population: see `Measure.estimator`."""
    needs: Needs
    """"moments": of all rows; "sample": of the sampled examples."""
    value: float
    """The value of the pair."""
    low: float
    """Lower end of the interval over examples; nan if the value is too biased for one, or held out."""
    high: float
    """Upper end of the interval over examples."""
    bias: float
    """About how much the value of few rows is above that of the population: 0 for unbiased and
    corrected measures, and for held-out ones, whose fits are to fewer rows; nan if unknown."""
    null_value: float
    """The value of the null pairing; nan for held-out measures, because it has no folds."""
    p_value: float
    """The probability of such a value, or of a more similar one, if the layers are unrelated; by
    permutations of the sampled examples."""
    permutations: int
    """The number K of permutations: the p-value is at least 1 / (K + 1). 0 for the p-value of CKA over
    all permutations, and without a test."""
    calibrated: float
    """The similarity beyond what unrelated layers exceed with a probability of 5%, in [0, 1]; see
    `PermutationTest.calibrated`."""
    reason: str
    """Why the value, its interval, the null value or the p-value is missing; empty if none is. Unbiased
    and corrected measures have no null value if examples have several rows, held-out ones never.
    Measures of the sample have no interval; their null value is the mean over permutations."""

    def to_dict(self) -> MeasureRecord:
        """Return everything as plain Python values; nan as None."""
        return {
            "name": self.name,
            "kind": self.kind,
            "estimator": self.estimator,
            "needs": self.needs,
            "value": short(self.value),
            "low": short(self.low),
            "high": short(self.high),
            "bias": short(self.bias),
            "null_value": short(self.null_value),
            "p_value": short(self.p_value),
            "permutations": self.permutations,
            "calibrated": short(self.calibrated),
            "reason": self.reason,
        }


def measure_of_name(measures: Iterable[MeasureEvidence], name: str) -> MeasureEvidence:
    """Return the measure of that name.  Raises KeyError, with similar names, if there is none."""
    by_name = {measure.name: measure for measure in measures}
    if name not in by_name:
        raise KeyError(f"no measure {name!r}{among(name, by_name)}")
    return by_name[name]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Evidence(Result):
    """The evidence for a pair of layers: all measures, the match profile, and the rows needed.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> evidence = sm.assess(pair, sm.match_profile(pair), permutations=99)
    >>> cka = evidence["debiased cka"]
    >>> round(cka.value, 2), cka.p_value, cka.low < cka.value < cka.high
    (0.49, 0.01, True)
    """

    level: float
    """Level of the intervals."""
    rows: RowsNeeded | None
    """Whether there are enough rows. If None, `refusals["rows needed"]` says why."""
    measures: tuple[MeasureEvidence, ...]
    """The evidence of all of `sm.measures()`."""
    corrected: MatchProfile | None = field(repr=False)
    """The match profile corrected for the degrees of freedom of the fit, which estimates that of the
    population. If None, `refusals["corrected levels"]` says why."""
    profile: ProfileEvidence | None = field(repr=False)
    """The evidence of the match profile. If None, `refusals["profile evidence"]` says why."""
    refusals: Mapping[str, str]
    """Why a result is missing or incomplete, by "rows needed", "corrected levels", "profile
    evidence", "null" or the name of a measure.
    """

    def __getitem__(self, name: str) -> MeasureEvidence:
        """Return one measure.

        Parameters
        ----------
        name : str
            The measure's name.

        Returns
        -------
        MeasureEvidence

        Raises
        ------
        KeyError
            If there is no such measure.
        """
        return measure_of_name(self.measures, name)

    def plot(self, ax: Axes | None = None, *, kind: Kind = "similarity") -> Axes:
        """Draw every measure as a row: its value (filled), its interval, and its value under the null (open).

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        kind : {"similarity", "distance"}
            Which measures: both have other scales.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        known = [one for one in self.measures if one.kind == kind and not np.isnan(one.value)]
        ax = axes_for("evidence.plot", ax, size_for_rows(len(known)))
        for one in known:
            interval_row(ax, one.name, one.value, one.low, one.high)
        nulls = [one.null_value for one in known]
        ax.plot(nulls, [one.name for one in known], "o", color=NULL, markerfacecolor="white", markersize=5, zorder=0)
        label(ax, f"value with its {self.level:.0%} interval (filled), under the null (open)")
        label(ax, title=f"{self.x_layer} and {self.y_layer}")
        return ax

    def _records(self) -> list[dict[str, object]]:
        return [dict(vars(measure)) for measure in self.measures]

    def to_dict(self) -> EvidenceRecord:
        """Return everything but the measures as plain Python values; nan as None."""
        return {
            "level": self.level,
            "rows": None if self.rows is None else _rows_record(self.rows),
            "corrected": None if self.corrected is None else _corrected_record(self.corrected),
            "profile": None if self.profile is None else _profile_record(self.profile),
        }


@few_threads
def assess(
    pair: Pair,
    profile: MatchProfile,
    *,
    eps: float = 0.3,
    held: Sequence[float] = (),
    level: float = 0.95,
    permutations: int | None = None,
    measures: Sequence[str] | None = None,
) -> Evidence:
    """Return the evidence for a pair of layers: all measures, the match profile, and the rows
    needed.

    Parameters
    ----------
    pair : Pair
        The layers, (n, p) and (n, q), with folds.
    profile : MatchProfile
        Of that pair.
    eps : float
        The eps at which there should be enough rows, in [0, 1).
    held : sequence of float
        Values of eps at which to compute the held-out share, in addition to eight others.
    level : float
        Level of the intervals, in (0, 1).
    permutations : int, optional
        The number of permutations for the p-value of every measure; 0 for none. By default as many as
        each is worth: 999 for measures of kernels, 199 for measures of neighbours, 39 for those of
        products of rows, and none of these if layers have more than 256 neurons together.
    measures : sequence of str, optional
        The names of the measures to compute and test, see `sm.measures()`; by default all. Others are nan,
        and their `.reason` says so.

    Returns
    -------
    Evidence
        Every measure with its interval and null value, and the profile with its interval, null and
        held-out share. What is not defined for the layers, for example if one is constant, has its
        reason in `.refusals`: a measure is nan; `.rows` or `.profile` is None. A measure whose bias
        at this sample size is not small has no interval, and its `.reason` says so.

    Raises
    ------
    SpanmatchError
        If no folds were kept, `eps` or `level` is out of range, `permutations` is no count, or there is no
        such measure.

    Notes
    -----
    Cost: all measures twice, those with an interval once for each fold, and once for each permutation;
    and `profile_evidence`.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X, noise = np.random.default_rng(0).standard_normal((2, 500, 4))
    >>> pair = sm.pair(X, X + noise)
    >>> evidence = sm.assess(pair, sm.match_profile(pair), permutations=99)
    >>> cka = evidence["debiased cka"]
    >>> round(cka.value, 2), cka.p_value, cka.low < cka.value < cka.high
    (0.49, 0.01, True)
    """
    checked_pair(pair)
    check_level(level)
    check_in_sample(profile)
    requested = named_measures(measures)
    if not 0 <= eps < 1:
        raise SpanmatchError(f"eps={eps:g}: give a number in [0, 1)")
    if not pair.n_folds:
        raise SpanmatchError(
            f"layers {pair.x_layer!r} and {pair.y_layer!r}: no folds were kept; evidence needs moments with folds=8"
        )
    rows, no_rows = _or_reason(lambda: rows_needed(pair, eps), "rows needed")
    corrected, no_levels = _or_reason(
        lambda: match_profile(pair, centred=profile.provenance.centred, corrected=True), "match_profile"
    )
    curves, no_curves = _or_reason(lambda: profile_evidence(pair, profile, held=held, level=level), "profile")
    tests = tests_of_measures(pair, permutations, tested=requested)
    measure_evidence = tuple(
        _measure_evidence(pair, measure, level, tests[measure.name])
        if measure in requested
        else _of_value(measure, NAN, NOT_REQUESTED)
        for measure in all_measures()
    )
    reasons = {"rows needed": no_rows, "corrected levels": no_levels, "profile evidence": no_curves}
    reasons |= {
        evidence.name: evidence.reason
        for evidence, measure in zip(measure_evidence, all_measures(), strict=True)
        if measure in requested and _is_incomplete(evidence, measure)
    }
    reasons["null"] = pair.null_or_reason()[1]
    return Evidence(
        provenance=profile.provenance,
        level=level,
        rows=rows,
        measures=measure_evidence,
        corrected=corrected,
        profile=curves,
        refusals={name: reason for name, reason in reasons.items() if reason},
    )


@few_threads
def measure_values(pair: Pair, measures: Sequence[str] | None = None) -> tuple[MeasureEvidence, ...]:
    """Return all measures of a pair with their values alone, each of which costs at most about as much
    as the match profile.

    Parameters
    ----------
    pair : Pair
        The layers.
    measures : sequence of str, optional
        The names of the measures to compute; by default all. Others are nan.

    Returns
    -------
    tuple of MeasureEvidence
        One for each of `sm.measures()`, without intervals, null values and p-values. The value is nan
        if it is not defined; that of CCA and its relatives, ridge regression and soft matching if the
        layers have more than 1024 neurons together; and that of ridge regression without folds.
        `.reason` says why.
    """
    requested = named_measures(measures)
    return tuple(
        _value_alone(pair, measure) if measure in requested else _of_value(measure, NAN, NOT_REQUESTED)
        for measure in all_measures()
    )


def named_measures(names: Sequence[str] | None) -> list[Measure]:
    """Return measures by their names, in the order of `sm.measures()`; all of them if there are no names.

    Raises BadArgument if there is no such measure, or none is named.
    """
    if names is None:
        return list(all_measures())
    names = [names] if isinstance(names, str) else list(names)
    known = {measure.name: measure for measure in all_measures()}
    for name in names:
        if name not in known:
            raise BadArgument(f"measures: no measure {name!r}{among(name, known)}")
    if not names:
        raise BadArgument("measures: give at least one name; see sm.measures()")
    return [measure for measure in all_measures() if measure.name in names]


def _value_alone(pair: Pair, measure: Measure) -> MeasureEvidence:
    """Return a measure with its value alone."""
    if measure.name in COSTLY and sum(pair.neurons) > COSTLY_UP_TO:
        value, reason = NAN, TOO_WIDE
    elif measure.estimator == "held out" and not pair.n_folds:
        value, reason = NAN, NO_FOLDS
    else:
        value, reason = _number(lambda: measure(pair), measure.name)
    return _of_value(measure, value, reason or NO_EVIDENCE)


def _of_value(measure: Measure, value: float, reason: str) -> MeasureEvidence:
    """Return a measure without interval, null value and p-value."""
    return MeasureEvidence(
        name=measure.name,
        kind=measure.kind,
        estimator=measure.estimator,
        needs=measure.needs,
        value=value,
        low=NAN,
        high=NAN,
        bias=NAN if measure.estimator == "in sample" else 0.0,
        null_value=NAN,
        p_value=NAN,
        permutations=0,
        calibrated=NAN,
        reason=reason,
    )


def _measure_evidence(
    pair: Pair, measure: Measure, level: float, test: PermutationTest | SpanmatchError
) -> MeasureEvidence:
    """Return a measure with as much of its evidence as is defined."""
    value, no_value = _number(lambda: measure(pair), measure.name)
    p_value, count, score, no_test = NAN, 0, NAN, ""
    if isinstance(test, SpanmatchError):
        no_test = "" if no_value else _without_names(str(test))
    else:
        p_value, score = test.p_value, test.calibrated
        count = len(test.null) if test.method == OF_EXAMPLES else 0
    if measure.needs == "sample":
        null, no_null = (NAN, "") if isinstance(test, SpanmatchError) else (float(test.null.mean()), "")
        bias, low, high = (0.0 if measure.estimator == "unbiased" else NAN), NAN, NAN
        no_interval = "" if no_value else OF_SAMPLE
    else:
        null, no_null = _null_value(pair, measure)
        bias = _bias(pair, measure, value, null)
        low, high, no_interval = (NAN, NAN, "") if no_value else _interval(pair, measure, bias, level)
    reasons = dict.fromkeys(reason for reason in (no_value, no_interval, no_null, no_test) if reason)
    return MeasureEvidence(
        name=measure.name,
        kind=measure.kind,
        estimator=measure.estimator,
        needs=measure.needs,
        value=value,
        low=low,
        high=high,
        bias=bias,
        null_value=null,
        p_value=p_value,
        permutations=count,
        calibrated=score,
        reason="; ".join(reasons),
    )


def _without_names(reason: str) -> str:
    """Return a reason without the name of the test, or of the measure that was permuted."""
    for name in ("permutation_test", *(measure.name for measure in all_measures())):
        reason = reason.removeprefix(f"{name}: ")
    return reason


def _is_incomplete(evidence: MeasureEvidence, measure: Measure) -> bool:
    """Return whether a value is missing, or the interval of one that estimates the population's."""
    has_interval = measure.needs == "moments" and measure.estimator in ("unbiased", "corrected")
    return bool(np.isnan(evidence.value) or (has_interval and np.isnan(evidence.low)))


def _null_value(pair: Pair, measure: Measure) -> tuple[float, str]:
    """Return the value of the null pairing, or nan and the reason.

    The null pairing has no folds. Estimators that need them for dependent rows are 0 on average
    under the null, apart from what all examples have in common. Held-out measures always need them.
    """
    needs_folds = measure.estimator == "held out" or not rows_are_independent(pair)
    if measure.estimator != "in sample" and needs_folds:
        return NAN, pair.null_or_reason()[1]
    return _number(lambda: measure(pair.null), measure.name)


def _bias(pair: Pair, measure: Measure, value: float, null: float) -> float:
    """Return about how much a value of few rows is above that of the population.

    It is known from the corrected measure, if there is one. Otherwise it is at most about what a
    mixture of the population's value and chance would have: value = t + null (1 - t) for a true t.
    It is unknown of distances.
    """
    if measure.estimator != "in sample":
        return 0.0
    if measure.kind == "distance":
        return NAN
    corrected = next((other for other in all_measures() if other.name == measure.corrected_by), None)
    if corrected is not None:
        return value - _number(lambda: corrected(pair), corrected.name)[0]
    chance = max(null, 0.0) if np.isfinite(null) and null < LARGEST_CHANCE else NAN
    return chance * (1 - value) / (1 - chance)


def _interval(pair: Pair, measure: Measure, bias: float, level: float) -> tuple[float, float, str]:
    """Return the ends of the interval; nan and the reason if the bias is not small beside it, or
    neighbouring rows are alike, which then belong together in a fold.
    """
    no_interval = _why_no_interval(pair, measure, bias)
    if no_interval:
        return NAN, NAN, no_interval
    interval, reason = _or_reason(lambda: jackknife(pair, measure, level), measure.name)
    if interval is None:
        return NAN, NAN, reason
    if bias > interval.error / 2:
        return NAN, NAN, _too_biased(measure, bias)
    known = np.isfinite([interval.low, interval.high]).all()
    no_ends = "" if known else "no interval, because the value is the same without any fold, or not defined without one"
    return interval.low, interval.high, no_ends


def _why_no_interval(pair: Pair, measure: Measure, bias: float) -> str:
    """Return why an interval would be wrong, or take long; empty if neither is known beforehand."""
    if neighbours_are_alike(pair):
        return "no interval, because neighbouring rows are alike; give blocks of them the same example_ids="
    if measure.estimator == "held out":
        return MANY_FITS
    if np.isnan(bias):
        return f"no interval, because the bias of a value in sample is unknown here{_advice(measure)}"
    return _too_biased(measure, bias) if bias > LARGEST_BIAS else ""


def _too_biased(measure: Measure, bias: float) -> str:
    """Return that a bias is not small beside an interval."""
    return (
        f"no interval, because the value is biased upwards, by about {bias:.2g} at this sample size{_advice(measure)}"
    )


def _advice(measure: Measure) -> str:
    """Return which measure to see instead, if there is one."""
    return f"; see {measure.corrected_by}" if measure.corrected_by else ""


def _number(compute: Callable[[], SupportsFloat], name: str) -> tuple[float, str]:
    """Return a number and an empty string, or nan and the reason."""
    result, reason = _or_reason(compute, name)
    value = NAN if result is None else float(result)
    return value, reason or ("not defined for these layers" if np.isnan(value) else "")


def _or_reason(compute: Callable[[], Outcome], name: str) -> tuple[Outcome | None, str]:
    """Return a result and an empty string, or None and the reason without the request's name."""
    try:
        return compute(), ""
    except SpanmatchError as error:
        return None, str(error).removeprefix(f"{name}: ")


def _rows_record(rows: RowsNeeded) -> RowsRecord:
    """Return the rows needed for the JSON."""
    return {
        "rows": rows.provenance.rows,
        "n_examples": rows.provenance.n_examples,
        "needed": rows.needed,
        "enough": rows.enough,
        "advice": rows.advice,
        "eps": rows.eps,
        "effective_sample_size": short(rows.effective_sample_size),
        "chance_distance": short(rows.chance_distance),
    }


def _corrected_record(profile: MatchProfile) -> CorrectedRecord:
    """Return corrected levels for the JSON."""
    assert profile.sample_size is not None
    return {
        "sample_size": short(profile.sample_size),
        "x_levels": plain(profile.x_levels),
        "y_levels": plain(profile.y_levels),
    }


def _profile_record(profile: ProfileEvidence) -> ProfileRecord:
    """Return the evidence of the profile for the JSON."""
    return {
        "eps": short(profile.eps),
        "similarity": short(profile.similarity),
        "corrected": short(profile.corrected),
        "low": short(profile.low),
        "high": short(profile.high),
        "null": short(profile.null),
        "held_out_eps": short(profile.held_out_eps),
        "held_out": short(profile.held_out),
        "reason": profile.reason,
    }
