"""Moments of two layers streamed in batches, and the comparison of pairs: for the tests of this folder."""

from __future__ import annotations

import numpy as np

import spanmatch as sm

METHODS = ["gram", "qr"]
NAMES = ("a:l", "b:l")


def moments_of(X, Y, cuts=(), example_ids=None, **options):
    moments = sm.Moments(**options)
    for rows in np.split(np.arange(len(X)), sorted(cuts)):
        if len(rows):
            moments.update({"a:l": X[rows], "b:l": Y[rows]}, None if example_ids is None else example_ids[rows])
    return moments


def assert_same(left: sm.Pair, right: sm.Pair, rtol: float = 1e-10, scale: sm.Pair | None = None) -> None:
    """Compare pairs, relative to the spread of each neuron in `scale` (all rows, where these are a fold)."""
    scale = scale or right
    assert left.rows == right.rows
    for name in ("x_mean", "y_mean"):
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), rtol=rtol, atol=1e-12)
    # Relative to the spread of each neuron, or, for one that is constant, to the rounding of its mean.
    x, y = (
        np.sqrt(np.clip(np.diag(own), 0, None)) + 1e-9 * np.sqrt(scale.rows) * np.abs(mean) + 1e-300
        for own, mean in ((scale.xx, scale.x_mean), (scale.yy, scale.y_mean))
    )
    for name, u, v in (("xx", x, x), ("xy", x, y), ("yy", y, y)):
        wrong = np.abs(getattr(left, name) - getattr(right, name)) / np.outer(u, v)
        assert wrong.max() < rtol, name
