"""Every measure of two layers with its evidence, and whether there are enough rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, SupportsFloat, TypeVar

import numpy as np

from .._threads import few_threads
from .._values import short
from ..errors import SpanmatchError
from ..match import MatchProfile
from ..moments.pairs import Pair, checked_pair
from ..moments.provenance import Result
from ..similarity import Measure, measures
from .intervals import check_level, jackknife
from .profile import ProfileEvidence, profile_evidence
from .sample_size import RowsNeeded, rows_needed

if TYPE_CHECKING:
    from ..schema import EvidenceRecord, MeasureRecord, ProfileRecord, RowsRecord

Outcome = TypeVar("Outcome")
NAN = float("nan")


@dataclass(frozen=True)
class MeasureEvidence:
    """A measure with its interval, and its value under the null."""

    name: str
    """The measure's name."""
    value: float
    """The value of the pair."""
    low: float
    """Lower end of the interval over examples."""
    high: float
    """Upper end of the interval over examples."""
    null_value: float
    """The value of the null pairing."""
    reason: str
    """Why a number is nan; empty if none is."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence(Result):
    """The evidence for a pair of layers: all measures, the match profile, and the rows needed."""

    level: float
    """Level of the intervals."""
    rows: RowsNeeded | None
    """Whether there are enough rows. If None, `refusals["rows needed"]` says why."""
    measures: tuple[MeasureEvidence, ...]
    """The evidence of all of `sm.measures()`."""
    profile: ProfileEvidence | None = field(repr=False)
    """The evidence of the match profile. If None, `refusals["profile evidence"]` says why."""
    refusals: Mapping[str, str]
    """Why a result is missing or incomplete, by "rows needed", "profile evidence" or the name of a
    measure.
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
        return {measure.name: measure for measure in self.measures}[name]

    def to_dict(self) -> EvidenceRecord:
        """Return everything as plain Python values; nan as None."""
        return {
            "level": self.level,
            "rows": None if self.rows is None else _rows_record(self.rows),
            "measures": [_measure_record(measure) for measure in self.measures],
            "profile": None if self.profile is None else _profile_record(self.profile),
        }


@few_threads
def assess(
    pair: Pair, profile: MatchProfile, *, eps: float = 0.3, held: Sequence[float] = (), level: float = 0.95
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

    Returns
    -------
    Evidence
        Every measure with its interval and null value, and the profile with its interval, null and
        held-out share. What is not defined for the layers, for example if one is constant, has its
        reason in `.refusals`: a measure is nan; `.rows` or `.profile` is None.

    Raises
    ------
    SpanmatchError
        If no folds were kept, or `eps` or `level` is out of range.

    Notes
    -----
    Cost: all measures once for each fold and twice more, and `profile_evidence`.
    """
    checked_pair(pair)
    check_level(level)
    if not 0 <= eps < 1:
        raise SpanmatchError(f"eps={eps:g}: give a number in [0, 1)")
    if not pair.n_folds:
        raise SpanmatchError(
            f"layers {pair.x_layer!r} and {pair.y_layer!r}: no folds were kept; evidence needs moments with folds=8"
        )
    rows, no_rows = _or_reason(lambda: rows_needed(pair, eps), "rows needed")
    curves, no_curves = _or_reason(lambda: profile_evidence(pair, profile, held=held, level=level), "profile")
    measure_evidence = tuple(_measure_evidence(pair, measure, level) for measure in measures())
    reasons = {"rows needed": no_rows, "profile evidence": no_curves}
    reasons |= {measure.name: measure.reason for measure in measure_evidence}
    return Evidence(
        provenance=profile.provenance,
        level=level,
        rows=rows,
        measures=measure_evidence,
        profile=curves,
        refusals={name: reason for name, reason in reasons.items() if reason},
    )


def _measure_evidence(pair: Pair, measure: Measure, level: float) -> MeasureEvidence:
    """Return a measure with as much of its evidence as is defined."""
    interval, no_interval = _or_reason(lambda: jackknife(pair, measure, level), measure.name)
    if interval is None:
        value, no_value = _number(lambda: measure(pair), measure.name)
        low = high = NAN
    else:
        value, low, high = interval.value, interval.low, interval.high
        no_value = "" if np.isfinite([value, low, high]).all() else "not defined for these layers, or without a fold"
    null, no_null = _number(lambda: measure(pair.null), measure.name)
    reasons = dict.fromkeys(reason for reason in (no_value, no_interval, no_null) if reason)
    return MeasureEvidence(measure.name, value, low, high, null, "; ".join(reasons))


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


def _measure_record(measure: MeasureEvidence) -> MeasureRecord:
    """Return a measure with its evidence for the JSON."""
    return {
        "name": measure.name,
        "value": short(measure.value),
        "low": short(measure.low),
        "high": short(measure.high),
        "null_value": short(measure.null_value),
        "reason": measure.reason,
    }


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


def _profile_record(profile: ProfileEvidence) -> ProfileRecord:
    """Return the evidence of the profile for the JSON."""
    return {
        "eps": short(profile.eps),
        "similarity": short(profile.similarity),
        "low": short(profile.low),
        "high": short(profile.high),
        "null": short(profile.null),
        "held_out_eps": short(profile.held_out_eps),
        "held_out": short(profile.held_out),
    }
