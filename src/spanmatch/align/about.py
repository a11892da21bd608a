"""What every result of an alignment says of where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..factor import Array
from ..joint import Pair


@dataclass(frozen=True, eq=False, kw_only=True)
class Aligned:
    """Where a result comes from, and what it leaves out."""

    x_layer: str
    y_layer: str
    x_neurons: int
    y_neurons: int
    x_constant: tuple[int, ...]
    """Neurons of x that never vary, silent ones among them: they correlate with nothing and are left out."""
    y_constant: tuple[int, ...]
    rows: int
    layout: str
    """How the rows were made, in words."""
    chance_correlation: float
    """About the best |correlation| of a neuron with unrelated others, over so many independent rows."""

    def provenance(self) -> dict[str, Any]:
        """Return where this comes from as plain Python values."""
        found = {name: getattr(self, name) for name in Aligned.__dataclass_fields__}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def about(pair: Pair) -> dict[str, Any]:
    """Return the fields of `Aligned` for a pair."""
    p, q = pair.neurons
    x, y = pair.active(centred=True)
    return {
        "x_layer": pair.x_layer,
        "y_layer": pair.y_layer,
        "x_neurons": p,
        "y_neurons": q,
        "x_constant": tuple(np.setdiff1d(np.arange(p), x).tolist()),
        "y_constant": tuple(np.setdiff1d(np.arange(q), y).tolist()),
        "rows": pair.rows,
        "layout": pair.layout,
        # The largest of m absolute normal values is near sqrt(2 log 2m); a correlation has deviation 1 / sqrt(n).
        "chance_correlation": min(1.0, float(np.sqrt(2 * np.log(2 * max(len(x), len(y), 1)) / pair.rows))),
    }


def inverse(values: Array) -> Array:
    """Return 1 / values, 0 where they are 0."""
    return np.divide(1, values, out=np.zeros_like(values), where=values > 0)
