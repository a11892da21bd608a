"""Every measure of two layers with its evidence, and whether there are enough rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import SpanmatchError
from ..joint import Pair
from ..match import MatchProfile
from ..plain import short
from ..similarity import measures
from .jackknife import jackknife
from .null import null_of
from .profile import ProfileEvidence, profile_evidence
from .rows import RowsNeeded, rows_needed


@dataclass(frozen=True)
class Assessed:
    """A measure with its interval, and its value by chance."""

    name: str
    value: float
    low: float
    high: float
    null: float
    """nan if no null pairing was kept, or it is refused."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Assessment:
    """What is known of two layers beside their match, and how sure it is."""

    x_layer: str
    y_layer: str
    level: float
    rows: RowsNeeded
    measures: tuple[Assessed, ...]
    """Without those that cannot be had, for which see `refused`."""
    refused: tuple[str, ...]
    """Why a measure is missing, or the null of them all."""
    profile: ProfileEvidence = field(repr=False)

    def __getitem__(self, name: str) -> Assessed:
        """Return one measure.  Raises KeyError if it is not there."""
        return {measure.name: measure for measure in self.measures}[name]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values; nan as None."""
        curve = ("eps", "similarity", "low", "high", "null", "held_out_eps", "held_out")
        found = {name: short(getattr(self.profile, name)) for name in curve}
        rows = {name: getattr(self.rows, name) for name in ("rows", "examples", "needed", "enough", "advice", "eps")}
        kept = [
            {name: value if isinstance(value, str) else short(value) for name, value in vars(m).items()}
            for m in self.measures
        ]
        return {
            "level": self.level,
            "rows": rows
            | {"effective": short(self.rows.effective), "chance_distance": short(self.rows.chance_distance)},
            "measures": kept,
            "refused": list(self.refused),
            "profile": found,
        }


def assess(
    pair: Pair, profile: MatchProfile, *, eps: float = 0.3, held: Sequence[float] = (), level: float = 0.95
) -> Assessment:
    """Return every measure with interval and null, the profile with band, null and held-out curve, and the rows needed.

    Args: eps, for which rows are to be enough; held, at which to look for the held-out share, beside some others;
    level, of the intervals. Raises SpanmatchError if no folds were kept.
    Cost: of all measures, once for each fold and twice more, and of `profile_evidence`.
    """
    world, reason = null_of(pair)
    found, refused = [], [reason] if reason else []
    for measure in measures():
        try:
            interval = jackknife(pair, measure, level)
            by_chance = float("nan") if world is None else float(measure(world))
            found.append(Assessed(measure.name, interval.estimate, interval.low, interval.high, by_chance))
        except SpanmatchError as error:
            refused.append(str(error))
    return Assessment(
        x_layer=pair.x_layer,
        y_layer=pair.y_layer,
        level=level,
        rows=rows_needed(pair, eps),
        measures=tuple(found),
        refused=tuple(refused),
        profile=profile_evidence(pair, profile, held=held, level=level),
    )
