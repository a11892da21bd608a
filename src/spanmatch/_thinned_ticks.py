"""Ticks that leave names out where they would overlap.  Importing this module imports matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import Locator


class ThinnedTicks(Locator):
    """Places 0, 1, ... as far apart as their labels need at the size at which they are drawn.

    Parameters
    ----------
    count : int
        Number of places.
    spacing : float
        Smallest distance of two labels, in points.
    """

    def __init__(self, count: int, spacing: float) -> None:
        self.count, self.spacing = count, spacing

    def __call__(self) -> Sequence[float]:
        """Return the places of the ticks."""
        axis: Any = self.axis
        return self.tick_values(*axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Return the places that have room within a view."""
        axis: Any = self.axis
        box = axis.axes.bbox
        length = box.width if axis.axis_name == "x" else box.height
        points_per_place = length * 72 / axis.axes.figure.dpi / max(abs(vmax - vmin), 1e-9)
        step = max(1, int(np.ceil(self.spacing / max(points_per_place, 1e-9))))
        first = max(0, int(np.ceil(min(vmin, vmax))))
        last = min(self.count - 1, int(np.floor(max(vmin, vmax))))
        return [float(place) for place in range(first, last + 1) if place % step == 0]
