"""Every measure of two layers with its evidence, and whether there are enough rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, SupportsFloat, TypeVar

import numpy as np

from .._threads import few_threads
from .._values import short
from ..errors import SpanmatchError
from ..match import MatchProfile
from ..moments.pairs import Pair, checked_pair
from ..similarity import Measure, measures
from .intervals import check_level, jackknife
from .profile import ProfileEvidence, profile_evidence
from .sample_size import RowsNeeded, rows_needed

Result = TypeVar("Result")
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
class Evidence:
    """What is known of two layers beside their match, and how sure it is."""

    x_layer: str
    y_layer: str
    level: float
    rows: RowsNeeded | None
    """None if it cannot be had; `refused["rows"]` says why."""
    measures: tuple[MeasureEvidence, ...]
    """All of `sm.measures()`."""
    profile: ProfileEvidence | None = field(repr=False)
    """None if it cannot be had; `refused["profile"]` says why."""
    refused: dict[str, str]
    """Why rows or profile are missing."""

    def __getitem__(self, name: str) -> MeasureEvidence:
        """Return one measure.  Raises KeyError if it is not there."""
        return {measure.name: measure for measure in self.measures}[name]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why anything that was observed is missing, each reason once; of nulls alone see the measures."""
        missing = [measure.reason for measure in self.measures if np.isnan([measure.value, measure.low]).any()]
        return tuple(dict.fromkeys([*self.refused.values(), *missing]))

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
            "refused": dict(self.refused),
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
        What layers do not allow, as one that never varies, is missing with its reason: a measure is nan, `.rows` or
        `.profile` is None.

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
    if not pair.folds:
        raise SpanmatchError(
            f"layers {pair.x_layer!r} and {pair.y_layer!r}: no folds were kept; evidence needs moments with folds=8"
        )
    rows, no_rows = _or_reason(lambda: rows_needed(pair, eps), "rows needed")
    curves, no_curves = _or_reason(lambda: profile_evidence(pair, profile, held=held, level=level), "profile")
    return Evidence(
        x_layer=pair.x_layer,
        y_layer=pair.y_layer,
        level=level,
        rows=rows,
        measures=tuple(_assessed(pair, measure, level) for measure in measures()),
        profile=curves,
        refused={name: reason for name, reason in (("rows", no_rows), ("profile", no_curves)) if reason},
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


def _or_reason(ask: Callable[[], Result], name: str) -> tuple[Result | None, str]:
    """Return a result, or None and why there is none, without the name of what was asked."""
    try:
        return ask(), ""
    except SpanmatchError as error:
        return None, str(error).removeprefix(f"{name}: ")


def _rows(rows: RowsNeeded) -> dict[str, Any]:
    names = ("rows", "n_examples", "needed", "enough", "advice", "eps")
    numbers = {
        "effective_sample_size": short(rows.effective_sample_size),
        "chance_distance": short(rows.chance_distance),
    }
    return {name: getattr(rows, name) for name in names} | numbers


def _curves(profile: ProfileEvidence) -> dict[str, Any]:
    names = ("eps", "similarity", "low", "high", "null", "held_out_eps", "held_out")
    return {name: short(getattr(profile, name)) for name in names}
