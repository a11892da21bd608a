"""What every result of an alignment says of where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..factor import Index
from ..joint import Pair

Side = Literal["x", "y"]


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
    x, y = varying(pair, "x"), varying(pair, "y")
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


def varying(pair: Pair, side: Side) -> Index:
    """Return the neurons that are not constant."""
    return np.flatnonzero(pair.energy(side, centred=True))


def plain(values: NDArray[Any]) -> list[Any]:
    """Return an array as lists of Python numbers, nan as None."""
    whole = values.astype(object)
    whole[np.isnan(values)] = None
    return list(whole.tolist())
