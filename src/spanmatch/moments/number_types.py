"""The number types in which activations come."""

from __future__ import annotations

NUMBER_TYPES = ("float64", "float32", "bfloat16", "float16")
"""From fine to coarse, but for the last two, which count alike. Whole numbers count as the finest."""


def number_type(array: object) -> str:
    """Return the type in which activations come, of `NUMBER_TYPES`."""
    name = str(getattr(array, "dtype", "")).rpartition(".")[2]
    return name if name in NUMBER_TYPES else NUMBER_TYPES[0]


def coarsest(*types: str) -> str:
    """Return the coarsest of some number types."""
    return max(types, key=NUMBER_TYPES.index)
