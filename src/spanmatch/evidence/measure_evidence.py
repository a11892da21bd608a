"""Every measure of two layers with its evidence, and whether there are enough rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, SupportsFloat, TypeVar

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

Outcome = TypeVar("Outcome")
NAN = float("nan")


@dataclass(frozen=True)
class MeasureEvidence:
    """A measure with its interval, and its value under the null."""

    name: str
    value: float
    low: float
    high: float
    null_value: float
    reason: str
    """Why a number is nan; empty if none is."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence(Result):
    """What is known of two layers beside their match, and how sure it is."""

    level: float
    rows: RowsNeeded | None
    """None if it cannot be had; `refusals["rows needed"]` says why."""
    measures: tuple[MeasureEvidence, ...]
    """All of `sm.measures()`."""
    profile: ProfileEvidence | None = field(repr=False)
    """None if it cannot be had; `refusals["profile evidence"]` says why."""
    refusals: Mapping[str, str]
    """Why anything is missing, whole or in part: by "rows needed", "profile evidence" or the name of a measure."""

    def __getitem__(self, name: str) -> MeasureEvidence:
        """Return one measure.  Raises KeyError if it is not there."""
        return {measure.name: measure for measure in self.measures}[name]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values; nan as None."""
        return {
            "level": self.level,
            "rows": None if self.rows is None else _rows(self.rows),
            "measures": [
                {name: value if isinstance(value, str) else short(value) for name, value in vars(measure).items()}
                for measure in self.measures
            ],
            "profile": None if self.profile is None else _curves(self.profile),
        }


@few_threads
def assess(
    pair: Pair, profile: MatchProfile, *, eps: float = 0.3, held: Sequence[float] = (), level: float = 0.95
) -> Evidence:
    """Return every measure with interval and null, the profile with band, null and held-out curve, and the rows needed.

    Parameters
    ----------
    pair : Pair
        With folds.
    profile : MatchProfile
        Of that pair.
    eps : float
        For which the rows are to be enough.
    held : sequence of float
        Where to look for the held-out share, beside eight other eps.
    level : float
        Of the intervals, in (0, 1).

    Returns
    -------
    Evidence
        What layers do not allow, as one that never varies, is missing with its reason in `.refusals`: a measure is
        nan, `.rows` or `.profile` is None.

    Raises
    ------
    SpanmatchError
        If no folds were kept, or eps or level is none.

    Notes
    -----
    Cost: of all measures, once for each fold and twice more, and of `profile_evidence`.
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
    assessed = tuple(_assessed(pair, measure, level) for measure in measures())
    reasons = {"rows needed": no_rows, "profile evidence": no_curves} | {one.name: one.reason for one in assessed}
    return Evidence(
        provenance=profile.provenance,
        level=level,
        rows=rows,
        measures=assessed,
        profile=curves,
        refusals={name: reason for name, reason in reasons.items() if reason},
    )


def _assessed(pair: Pair, measure: Measure, level: float) -> MeasureEvidence:
    """Return a measure with what can be had of it."""
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


def _number(ask: Callable[[], SupportsFloat], name: str) -> tuple[float, str]:
    """Return a number, or nan and why."""
    found, reason = _or_reason(ask, name)
    value = NAN if found is None else float(found)
    return value, reason or ("not defined for these layers" if np.isnan(value) else "")


def _or_reason(ask: Callable[[], Outcome], name: str) -> tuple[Outcome | None, str]:
    """Return a result, or None and why there is none, without the name of what was asked."""
    try:
        return ask(), ""
    except SpanmatchError as error:
        return None, str(error).removeprefix(f"{name}: ")


def _rows(rows: RowsNeeded) -> dict[str, Any]:
    names = ("needed", "enough", "advice", "eps")
    numbers = {
        "effective_sample_size": short(rows.effective_sample_size),
        "chance_distance": short(rows.chance_distance),
    }
    counts = {"rows": rows.provenance.rows, "n_examples": rows.provenance.n_examples}
    return counts | {name: getattr(rows, name) for name in names} | numbers


def _curves(profile: ProfileEvidence) -> dict[str, Any]:
    names = ("eps", "similarity", "low", "high", "null", "held_out_eps", "held_out")
    return {name: short(getattr(profile, name)) for name in names}
