"""Layers of two networks paired by relative depth."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import spanmatch as sm
from spanmatch.moments.options import pairs_by_depth


@pytest.mark.parametrize("fewer", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("more", [8, 9, 17, 24])
def test_each_layer_meets_the_nearest_by_relative_depth(fewer, more):
    x, y = [f"a:{i}" for i in range(fewer)], [f"b:{j}" for j in range(more)]

    def nearest(i: int) -> int:
        if fewer == 1:
            return more - 1
        return min(range(more), key=lambda j: (abs(Fraction(i, fewer - 1) - Fraction(j, more - 1)), j))

    expected = [(x[i], y[nearest(i)]) for i in range(fewer)]
    assert pairs_by_depth([*x, *y]) == expected
    if fewer < more:  # the deeper network first
        assert pairs_by_depth([*y, *x]) == [(second, first) for first, second in expected]
    positions = [nearest(i) for i in range(fewer)]
    assert all(np.diff(positions) > 0)  # only forward, and no layer twice


def test_every_two_networks_are_paired():
    pairs = pairs_by_depth(["a:x", "a:y", "b:p", "b:q", "b:r", "c:u"])
    assert pairs == [("a:x", "b:p"), ("a:y", "b:r"), ("a:y", "c:u"), ("b:r", "c:u")]


def test_moments_are_kept_and_saved_by_depth(tmp_path):
    r = np.random.default_rng(0)
    batch = {layer: r.standard_normal((30, 2)) for layer in ("a:first", "a:last", "b:x", "b:y", "b:z")}
    moments = sm.Moments(pairs="depth")
    moments.update(batch)
    assert moments.pairs == [("a:first", "b:x"), ("a:last", "b:z")]
    moments.save(tmp_path / "m.safetensors")
    again = sm.Moments.load(tmp_path / "m.safetensors")
    again += moments
    assert again.pairs == moments.pairs and again.rows["b:y"] == 60
    with pytest.raises(sm.SpanmatchError, match="give 'matching', 'depth', 'all' or a list"):
        sm.Moments(pairs="deep")
