"""The results of a step: the similarity of each layer to the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .._display import Displayed
from .._plotting import axes_for, label, legend, name_ticks, series_style
from ..errors import BadArgument, SpanmatchError, among

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class LayerSimilarity(Displayed):
    """The similarity of a layer to the same layer of the reference.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> tracker = sm.Tracker(network, torch.randn(200, 4), measures=["cka"])
    >>> similarity = tracker.step(0).layers["1"]
    >>> similarity.rows, round(similarity.values["cka"], 6)
    (200, 1.0)
    """

    layer: str
    """The layer's name."""
    rows: int
    """The number of rows: examples, positions or tokens of the probe."""
    values: Mapping[str, float]
    """By the name of the measure, and s(eps) as "s(0.5)"; nan where it is not defined."""
    warnings: tuple[str, ...] = field(default=(), repr=False)
    """Reasons not to rely on a value, and why a value is nan."""


@dataclass(frozen=True, repr=False)
class TrackedStep(Displayed):
    """The similarity of every layer to the reference at one step of training.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> tracker = sm.Tracker(network, torch.randn(200, 4), layers="1", measures=["cka"], eps=[0.5])
    >>> sorted(tracker.step(0).to_log())
    ['similarity/cka/1', 'similarity/s(0.5)/1']
    """

    step: int
    """The step: an epoch, or whatever the training loop counts."""
    reference: str
    """What the layers are compared with, in words; empty at the first step if the reference is the
    step before.
    """
    layers: Mapping[str, LayerSimilarity]
    """By the layer's name."""

    def plot(self, ax: Axes | None = None, *, measure: str | None = None) -> Axes:
        """Draw the similarity of every layer to the reference at this step.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default new axes.
        measure : str, optional
            The name of a tracked measure, or "s(0.5)"; by default all that were tracked.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpanmatchError
            If the measure is not tracked, the step was not compared, or matplotlib is not installed.
        """
        tracked = list(dict.fromkeys(name for layer in self.layers.values() for name in layer.values))
        if measure is not None and measure not in tracked:
            raise BadArgument(f"measure {measure!r} is not tracked{among(measure, tracked)}")
        if not self.layers:
            raise SpanmatchError("nothing to plot: this step was not compared with a reference")
        ax = axes_for("step.plot", ax)
        for k, name in enumerate(tracked if measure is None else [measure]):
            values = [layer.values[name] for layer in self.layers.values()]
            ax.plot(values, label=name, **series_style(k))
        name_ticks(ax, list(self.layers))
        label(ax, "layer", "similarity", f"step {self.step}, compared with {self.reference}")
        legend(ax)
        return ax

    def to_log(self) -> dict[str, float]:
        """Return all defined values by "similarity/MEASURE/LAYER".

        Returns
        -------
        dict of str to float
            As functions that log scalars take it.
        """
        return {
            f"similarity/{name}/{layer}": value
            for layer, similarity in self.layers.items()
            for name, value in similarity.values.items()
            if not np.isnan(value)
        }

    def to_rows(self) -> list[dict[str, str | int | float]]:
        """Return a row of a table for each layer.

        Returns
        -------
        list of dict of str to str, int or float
            The step, the reference, the layer, its rows, a value for each measure, and warnings.
        """
        return [
            {
                "step": self.step,
                "reference": self.reference,
                "layer": similarity.layer,
                "rows": similarity.rows,
                **similarity.values,
                "warnings": "; ".join(similarity.warnings),
            }
            for similarity in self.layers.values()
        ]
