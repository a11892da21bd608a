"""Which measures are metrics: proven on random triples of layers, disproven by counterexamples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spanmatch as sm

MEASURES = {measure.name: measure for measure in sm.measures()}
METRICS = [name for name, measure in MEASURES.items() if measure.is_metric]
ALPHAS = (0.0, 0.3, 0.7)


def distance(name: str, X: np.ndarray, Y: np.ndarray) -> float:
    """The distance that belongs to a measure, as `Measure.is_metric` says."""
    result = MEASURES[name](sm.pair(X, Y, null=False))
    if MEASURES[name].kind == "distance":
        return result.value
    return result.distance if hasattr(result, "distance") else float(np.arccos(min(1.0, result.value)))


def triple(seed: int, widths: tuple[int, int, int], related: float) -> list[np.ndarray]:
    """Three layers, of which neighbours are more or less related."""
    r = np.random.default_rng(seed)
    shared = r.standard_normal((40, 8)) * 3.0 ** r.uniform(-2, 2, 8)
    return [
        related * shared @ r.standard_normal((8, width)) * r.choice([0.1, 1, 1], width)
        + r.choice([0.01, 1]) * shared[:, np.arange(width) % 8]
        + (1 - related) * r.standard_normal((40, width))
        for width in widths
    ]


WIDTHS = st.tuples(*[st.integers(1, 6)] * 3)


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 2**32), widths=WIDTHS, related=st.sampled_from([0.0, 0.5, 0.9, 1.0]))
@settings(max_examples=40, deadline=None)
def test_metrics_satisfy_the_triangle_inequality(name, seed, widths, related):
    X, Y, Z = triple(seed, widths, related)
    assert distance(name, X, Z) <= distance(name, X, Y) + distance(name, Y, Z) + 1e-6


@given(seed=st.integers(0, 2**32), widths=WIDTHS, alpha=st.sampled_from(ALPHAS), ridge=st.sampled_from([0.01, 1.0]))
@settings(max_examples=40, deadline=None)
def test_shape_distance_and_gulp_are_metrics_at_every_setting(seed, widths, alpha, ridge):
    X, Y, Z = triple(seed, widths, 0.5)
    first, second, direct = sm.pair(X, Y, null=False), sm.pair(Y, Z, null=False), sm.pair(X, Z, null=False)
    for measure in (lambda pair: sm.shape_distance(pair, alpha).value, lambda pair: sm.gulp(pair, ridge).value):
        assert measure(direct) <= measure(first) + measure(second) + 1e-6


@given(seed=st.integers(0, 2**32), width=st.integers(1, 6), related=st.sampled_from([0.0, 0.5, 0.9, 1.0]))
@settings(max_examples=40, deadline=None)
def test_permutation_procrustes_is_a_metric_of_layers_of_one_width(seed, width, related):
    X, Y, Z = triple(seed, (width,) * 3, related)
    name = "permutation procrustes"
    assert distance(name, X, Z) <= distance(name, X, Y) + distance(name, Y, Z) + 1e-6


@pytest.mark.parametrize("name", ["cca", "svcca", "correlation match", "permutation procrustes"])
def test_those_that_are_not_metrics_have_a_counterexample(name):
    a, b, c = np.random.default_rng(0).standard_normal((3, 200, 1))
    X, Y, Z = np.hstack([a, b]), a, np.hstack([a, c])
    if name == "permutation procrustes":
        X, Y, Z = a, np.hstack([a, -a]), -a
    assert not MEASURES[name].is_metric
    assert distance(name, X, Z) > distance(name, X, Y) + distance(name, Y, Z) + 0.1


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_symmetric(name):
    assert MEASURES[name].symmetric
