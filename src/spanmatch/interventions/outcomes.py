"""Outcomes of transplants: the scores of network A under each condition, and differences between
conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from .._display import Displayed
from .._plotting import FAINT, NULL, TICK_SIZE, X, Y, axes_for, interval_row, label, size_for_rows
from .._values import data_frame, short
from ..errors import SpanmatchError, among
from ..evidence.intervals import check_level, reach_of
from ..moments.provenance import Result
from ..moments.spans import Array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..schema import IntervalRecord, OutcomeRecord, TransplantRecord

Of = Literal["accuracy", "loss"]
LEVEL = 0.95
"""Default level of intervals."""
UNTOUCHED, MATCHED, STITCHED = "untouched", "transplant", "stitch"
ABLATION, OTHERS, UNTRAINED = CONTROLS = ("ablation", "other examples", "untrained")


def control_of(first: str, control: str) -> str:
    """Return the name of a control of "transplant" or of "stitch"."""
    return control if first == MATCHED else f"{first} {control}"


_COLOURS = {UNTOUCHED: NULL, MATCHED: X, STITCHED: Y}
"""Of bars; those of controls are light."""
CONDITIONS = (
    UNTOUCHED,
    *(name for first in (MATCHED, STITCHED) for name in (first, *(control_of(first, c) for c in CONTROLS))),
)
"""All conditions, in the order of outcomes."""


@dataclass(frozen=True, eq=False, repr=False)
class Outcome(Displayed):
    """The scores of network A when some of a layer's neurons are replaced.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> other, inputs = sm.untrained_copy(network, seed=1), torch.randn(400, 4)
    >>> labels = network(inputs).argmax(1)
    >>> pair = sm.capture({"a": network, "b": other}, [inputs]).pair("a:1", "b:1")
    >>> match = sm.maximum_match(pair, eps=0.6)
    >>> batches = [(inputs, labels)]
    >>> result = sm.transplant({"a": network, "b": other}, batches, pair, match)
    >>> outcome = result["untouched"]
    >>> outcome.accuracy, outcome.losses.shape
    (1.0, (400,))
    """

    condition: str
    """Name of the condition."""
    neurons: int
    """Number of neurons of A that are replaced."""
    predictors: int
    """Number of neurons of the other network that predict them."""
    losses: Array = field(repr=False)
    """(examples,) loss of each example."""
    correct: Array = field(repr=False)
    """(examples,) 1 or 0; for sequences the share of correct positions; nan if outputs are not
    class scores.
    """

    @property
    def loss(self) -> float:
        """Mean loss over examples."""
        return float(np.mean(self.losses))

    @property
    def accuracy(self) -> float:
        """Mean accuracy over examples; nan if outputs are not class scores."""
        return float(np.mean(self.correct))

    def to_dict(self) -> OutcomeRecord:
        """Return the numbers as plain Python values; nan as None."""
        return {
            "condition": self.condition,
            "neurons": self.neurons,
            "predictors": self.predictors,
            "loss": self.loss,
            "accuracy": None if np.isnan(self.accuracy) else self.accuracy,
        }


@dataclass(frozen=True, repr=False)
class Difference(Displayed):
    """The mean over examples of one condition minus another, on the same examples, with its
    interval.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> other, inputs = sm.untrained_copy(network, seed=1), torch.randn(400, 4)
    >>> labels = network(inputs).argmax(1)
    >>> pair = sm.capture({"a": network, "b": other}, [inputs]).pair("a:1", "b:1")
    >>> match = sm.maximum_match(pair, eps=0.6)
    >>> batches = [(inputs, labels)]
    >>> result = sm.transplant({"a": network, "b": other}, batches, pair, match)
    >>> difference = result.difference("ablation")
    >>> difference.low < difference.value < difference.high
    True
    """

    condition: str
    """Name of the condition."""
    control: str
    """Name of the condition that is subtracted."""
    of: Of
    """"accuracy" or "loss"."""
    value: float
    """Mean difference."""
    low: float
    """Lower end of the interval over examples."""
    high: float
    """Upper end of the interval over examples."""
    level: float
    """Level of the interval."""
    n_examples: int
    """Number of examples."""

    def plot(self, ax: Axes | None = None, *, name: str | None = None) -> Axes:
        """Draw the difference with its interval as a row, below the rows that are there.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        name : str, optional
            The row's name; by default the names of both conditions.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("difference.plot", ax, size_for_rows(6))
        if not ax.has_data():
            ax.axvline(0, color=NULL, linewidth=1, zorder=0)
        interval_row(ax, name or f"{self.condition} - {self.control}", self.value, self.low, self.high)
        label(ax, f"difference in {self.of}, with its {self.level:.0%} interval")
        return ax

    def to_dict(self) -> IntervalRecord:
        """Return value and interval to four digits; nan as None."""
        return {"value": short(self.value), "low": short(self.low), "high": short(self.high)}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Transplant(Result):
    """Outcomes under all conditions: untouched, then the matched neurons, then the full layer.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> other, inputs = sm.untrained_copy(network, seed=1), torch.randn(400, 4)
    >>> labels = network(inputs).argmax(1)
    >>> pair = sm.capture({"a": network, "b": other}, [inputs]).pair("a:1", "b:1")
    >>> match = sm.maximum_match(pair, eps=0.6)
    >>> batches = [(inputs, labels)]
    >>> result = sm.transplant({"a": network, "b": other}, batches, pair, match)
    >>> result["transplant"].accuracy > result["ablation"].accuracy
    True
    """

    eps: float
    """Of the match."""
    n_examples: int
    """Number of labelled examples on which the network is scored."""
    seed: int
    """Seed of the untrained weights and of the other examples."""
    outcomes: tuple[Outcome, ...]
    """One outcome for each condition."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why a condition, or "accuracy", is missing."""

    def __getitem__(self, condition: str) -> Outcome:
        """Return the outcome of one condition.

        Parameters
        ----------
        condition : str
            Such as "transplant" or "untrained".

        Returns
        -------
        Outcome

        Raises
        ------
        SpanmatchError
            If there is no such condition, or it was refused; the message says why.
        """
        outcomes = {outcome.condition: outcome for outcome in self.outcomes}
        if condition in outcomes:
            return outcomes[condition]
        reason = self.refused.get(condition)
        raise SpanmatchError(
            f"{condition}: {reason}" if reason else f"no condition {condition!r}{among(condition, outcomes)}"
        )

    def plot(self, ax: Axes | None = None, *, of: Of = "accuracy") -> Axes:
        """Draw the accuracy or the loss under each condition as bars; the line is the untouched network.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        of : {"accuracy", "loss"}
            Which score.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If matplotlib is not installed.
        """
        ax = axes_for("transplant.plot", ax)
        scores = [float(getattr(outcome, of)) for outcome in self.outcomes]
        names = [f"{outcome.condition} ({outcome.neurons})" for outcome in self.outcomes]
        colours = [_COLOURS.get(outcome.condition, FAINT) for outcome in self.outcomes]
        bars = ax.barh(np.arange(len(names)), scores, 0.75, color=colours)
        ax.bar_label(bars, fmt="%.3g", padding=3, fontsize=TICK_SIZE)
        ax.axvline(scores[0], color=NULL, linewidth=1, linestyle="--")
        ax.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.12 * float(np.nanmax(scores, initial=1e-9))))
        ax.set_yticks(np.arange(len(names)), names)
        scored = f"{of} of {self.provenance.x_network} on {self.n_examples:,} examples"
        title = f"{self.x_layer} from {self.y_layer}, match at eps {self.eps:g}"
        label(ax, scored, "condition (neurons replaced)", title)
        return ax

    def recovered(self, condition: str = MATCHED, against: str = ABLATION) -> float:
        """Return the share of the loss added by one condition that another condition avoids.

        Parameters
        ----------
        condition : str
            The condition in question.
        against : str
            The condition that adds loss.

        Returns
        -------
        float
            (loss of `against` - loss of `condition`) / (loss of `against` - untouched loss): 1 if
            all of it is avoided, negative if `condition` is worse than `against`, nan if `against`
            adds no loss.

        Raises
        ------
        SpanmatchError
            If there is no such condition, or it was refused.
        """
        best, worst, now = (self[name].loss for name in (UNTOUCHED, against, condition))
        return (worst - now) / (worst - best) if worst > best else float("nan")

    def difference(
        self, control: str, condition: str = MATCHED, *, of: Of = "accuracy", level: float = LEVEL
    ) -> Difference:
        """Return a condition minus a control: the mean difference on the same examples, with its
        interval.

        Parameters
        ----------
        control : str
            The condition that is subtracted, such as "untrained".
        condition : str
            The condition in question, by default "transplant".
        of : {"accuracy", "loss"}
            What is compared. A positive value means that the condition has the higher accuracy, or
            the higher loss.
        level : float
            Level of the interval, in (0, 1).

        Returns
        -------
        Difference
            `.value`, `.low` and `.high`. They are nan where the accuracy is (`refused["accuracy"]`
            says why); the interval of the loss is nan for a single example.

        Raises
        ------
        SpanmatchError
            If there is no such condition, it was refused, or `of` or `level` is not valid.

        Notes
        -----
        With d the n differences, the interval of the loss is Student's: mean(d) +- t(n - 1) sd(d) /
        sqrt(n).

        Accuracies agree on most examples, often on all, where that interval would have no width.
        Their interval is the normal one after adding two examples, one with d = 1 and one with d =
        -1. For single labels this is the adjusted Wald interval of Bonett and Price. It is limited
        to [-1, 1].

        Both intervals are over examples. They account neither for other seeds of the networks nor
        for other draws of the untrained weights.

        References
        ----------
        Bonett, Price, Journal of Educational and Behavioral Statistics 37, 2012; Fagerland,
        Lydersen, Laake, Statistics in Medicine 33, 2014.
        """
        check_level(level)
        if of not in get_args(Of):
            raise SpanmatchError(f"of={of!r}: give 'accuracy' or 'loss'")
        outcome, control_outcome = self[condition], self[control]
        if of == "loss":
            d = outcome.losses - control_outcome.losses
            low, high = _students(d, level)
        else:
            d = outcome.correct - control_outcome.correct
            low, high = _adjusted(d, level)
        return Difference(condition, control, of, float(np.mean(d)), low, high, level, len(d))

    def differences(self, level: float = LEVEL) -> list[Difference]:
        """Return the differences of "transplant" and of "stitch" from each of their controls.

        Parameters
        ----------
        level : float
            Level of the intervals, in (0, 1).

        Returns
        -------
        list of Difference
            Of accuracy and loss, for each control that is present.

        Raises
        ------
        SpanmatchError
            If `level` is not valid.
        """
        present = {outcome.condition for outcome in self.outcomes}
        return [
            self.difference(control, first, of=of, level=level)
            for first in (MATCHED, STITCHED)
            for control in (UNTOUCHED, *(control_of(first, control) for control in CONTROLS))
            if first in present and control in present
            for of in get_args(Of)
        ]

    def to_dict(self) -> TransplantRecord:
        """Return everything as plain Python values; nan as None."""
        differences = self.differences()
        pairs = zip(differences[::2], differences[1::2], strict=True)
        return {
            "x_layer": self.x_layer,
            "y_layer": self.y_layer,
            "eps": self.eps,
            "n_examples": self.n_examples,
            "seed": self.seed,
            "level": LEVEL,
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
            "differences": [
                {"condition": a.condition, "control": a.control, "accuracy": a.to_dict(), "loss": b.to_dict()}
                for a, b in pairs
            ],
            "refused": dict(self.refused),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with one row for each condition.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        SpanmatchError
            If pandas is not installed.
        """
        return data_frame("transplant.to_frame", self._records())

    def _records(self) -> list[dict[str, object]]:
        return [dict(outcome.to_dict()) for outcome in self.outcomes]


def _students(d: Array, level: float) -> tuple[float, float]:
    """Return Student's interval of the mean of differences; nan for a single one."""
    if len(d) < 2:
        return float("nan"), float("nan")
    reach = reach_of(level, len(d)) * np.std(d, ddof=1) / np.sqrt(len(d))
    return float(np.mean(d) - reach), float(np.mean(d) + reach)


def _adjusted(d: Array, level: float) -> tuple[float, float]:
    """Return the adjusted Wald interval of the mean of differences in [-1, 1]."""
    more = np.concatenate([d, [1.0, -1.0]])
    reach = NormalDist().inv_cdf((1 + level) / 2) * np.std(more) / np.sqrt(len(more))
    mean = float(np.mean(more))
    return float(np.maximum(mean - reach, -1.0)), float(np.minimum(mean + reach, 1.0))
