"""What transplants give: how network A does under each condition, and by how much conditions differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from .._values import data_frame, short
from ..errors import SpanmatchError, among
from ..evidence.intervals import check_level, reach_of
from ..moments.provenance import Result
from ..moments.spans import Array

if TYPE_CHECKING:
    import pandas as pd

Of = Literal["accuracy", "loss"]
LEVEL = 0.95
UNTOUCHED, MATCHED, STITCHED = "untouched", "transplant", "stitch"
ABLATION, OTHERS, UNTRAINED = CONTROLS = ("ablation", "other examples", "untrained")


def control_of(first: str, control: str) -> str:
    """Return what a control of "transplant", or of "stitch", is called."""
    return control if first == MATCHED else f"{first} {control}"


CONDITIONS = (
    UNTOUCHED,
    *(name for first in (MATCHED, STITCHED) for name in (first, *(control_of(first, c) for c in CONTROLS))),
)
"""All of them, in the order of outcomes."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """How network A does when some of a layer's neurons are replaced."""

    condition: str
    neurons: int
    """How many neurons of A are replaced."""
    predictors: int
    """From how many neurons of the other network."""
    losses: Array = field(repr=False)
    """(examples,)"""
    correct: Array = field(repr=False)
    """(examples,) 1 or 0; of sequences the share of positions that are right; nan if outputs are no class scores."""

    @property
    def loss(self) -> float:
        """The mean over examples."""
        return float(np.mean(self.losses))

    @property
    def accuracy(self) -> float:
        """The mean over examples; nan if outputs are no class scores."""
        return float(np.mean(self.correct))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers; nan as None."""
        numbers = {"loss": self.loss, "accuracy": None if np.isnan(self.accuracy) else self.accuracy}
        return {"condition": self.condition, "neurons": self.neurons, "predictors": self.predictors, **numbers}


@dataclass(frozen=True)
class Difference:
    """The mean over examples of one condition less another, on the same examples, with its interval."""

    condition: str
    control: str
    of: Of
    value: float
    low: float
    high: float
    level: float
    n_examples: int

    def to_dict(self) -> dict[str, Any]:
        """Return value and interval, to four digits; nan as None."""
        return {name: short(getattr(self, name)) for name in ("value", "low", "high")}


@dataclass(frozen=True, eq=False, kw_only=True)
class Transplant(Result):
    """Outcomes under all conditions: first untouched, then the matched neurons, then the full layer."""

    eps: float
    n_examples: int
    """How many labelled examples the network is scored on."""
    seed: int
    outcomes: tuple[Outcome, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why a condition, or "accuracy", cannot be had."""

    def __getitem__(self, condition: str) -> Outcome:
        """Return one outcome.  Raises SpanmatchError if there is no such condition, or why it was refused."""
        outcomes = {outcome.condition: outcome for outcome in self.outcomes}
        if condition in outcomes:
            return outcomes[condition]
        reason = self.refused.get(condition)
        raise SpanmatchError(
            f"{condition}: {reason}" if reason else f"no condition {condition!r}{among(condition, outcomes)}"
        )

    def recovered(self, condition: str = MATCHED, against: str = ABLATION) -> float:
        """Return what share of the loss that the other condition costs this one saves: 1 is all, below 0 is worse.

        nan if the other costs nothing, so that there is nothing to save.
        """
        best, worst, now = (self[name].loss for name in (UNTOUCHED, against, condition))
        return (worst - now) / (worst - best) if worst > best else float("nan")

    def difference(
        self, control: str, condition: str = MATCHED, *, of: Of = "accuracy", level: float = LEVEL
    ) -> Difference:
        """Return a condition less a control: the mean of the differences of the same examples, with its interval.

        Parameters
        ----------
        control, condition : str
            Conditions, such as "untrained" and "transplant".
        of : "accuracy" or "loss"
            Above 0, the condition has the higher accuracy, or the higher loss.
        level : float
            Of the interval, in (0, 1).

        Returns
        -------
        Difference
            `.value`, `.low`, `.high`; nan where accuracy is (`refused["accuracy"]` says why), and an interval of nan
            for the loss of a single example.

        Raises
        ------
        SpanmatchError
            If there is no such condition, or it was refused; `of` or `level` is none.

        Notes
        -----
        With d the n differences, the interval of the loss is Student's: mean(d) +- t(n - 1) sd(d) / sqrt(n).
        Accuracies agree on most examples, often on all, where that interval would have no width. Theirs is the normal
        one after two more examples, one with d = 1 and one with d = -1: of single labels, the adjusted Wald interval
        of Bonett and Price. It is never wider than [-1, 1]. Both are of sampling examples: neither accounts for other
        seeds of the networks, nor for other draws of the untrained weights.

        References
        ----------
        Bonett, Price, Journal of Educational and Behavioral Statistics 37, 2012; Fagerland, Lydersen, Laake,
        Statistics in Medicine 33, 2014.
        """
        check_level(level)
        if of not in get_args(Of):
            raise SpanmatchError(f"of={of!r}: give 'accuracy' or 'loss'")
        ours, theirs = self[condition], self[control]
        if of == "loss":
            d = ours.losses - theirs.losses
            low, high = _students(d, level)
        else:
            d = ours.correct - theirs.correct
            low, high = _adjusted(d, level)
        return Difference(condition, control, of, float(np.mean(d)), low, high, level, len(d))

    def differences(self, level: float = LEVEL) -> list[Difference]:
        """Return "transplant" less each of its controls, and "stitch" less each of its own, of accuracy and loss."""
        present = {outcome.condition for outcome in self.outcomes}
        return [
            self.difference(control, first, of=of, level=level)
            for first in (MATCHED, STITCHED)
            for control in (UNTOUCHED, *(control_of(first, control) for control in CONTROLS))
            if first in present and control in present
            for of in get_args(Of)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values; nan as None."""
        found = self.differences()
        pairs = zip(found[::2], found[1::2], strict=True)
        return {
            **{name: getattr(self, name) for name in ("x_layer", "y_layer", "eps", "n_examples", "seed")},
            "level": LEVEL,
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
            "differences": [
                {"condition": a.condition, "control": a.control, "accuracy": a.to_dict(), "loss": b.to_dict()}
                for a, b in pairs
            ],
            "refused": dict(self.refused),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row for each condition."""
        return data_frame("transplant.to_frame", [outcome.to_dict() for outcome in self.outcomes])


def _students(d: Array, level: float) -> tuple[float, float]:
    if len(d) < 2:
        return float("nan"), float("nan")
    reach = reach_of(level, len(d)) * np.std(d, ddof=1) / np.sqrt(len(d))
    return float(np.mean(d) - reach), float(np.mean(d) + reach)


def _adjusted(d: Array, level: float) -> tuple[float, float]:
    more = np.concatenate([d, [1.0, -1.0]])
    reach = NormalDist().inv_cdf((1 + level) / 2) * np.std(more) / np.sqrt(len(more))
    mean = float(np.mean(more))
    return float(np.maximum(mean - reach, -1.0)), float(np.minimum(mean + reach, 1.0))
