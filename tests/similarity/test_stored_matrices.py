"""All layers against all from stored activations: the same values as from moments of all, in blocks of layers."""

from __future__ import annotations

import numpy as np
import pytest

import spanmatch as sm
from spanmatch.activations import blocks_of_layers
from spanmatch.activations.blocks_of_layers import BlocksOfLayers
from spanmatch.similarity import matrices_of

MEASURES = [measure for measure in sm.measures() if measure.name in ("debiased cka", "linear regression", "mutual knn")]


@pytest.fixture
def networks():
    r = np.random.default_rng(0)
    shared = r.standard_normal((200, 4))
    return {
        name: {f"fc{i}": np.hstack([shared, r.standard_normal((200, 3))]) @ r.standard_normal((7, 7)) for i in range(3)}
        for name in "ab"
    }


@pytest.fixture
def moments(networks):
    moments = sm.Moments(pairs="all", folds=1, null=False)
    moments.update({f"{name}:{layer}": rows for name, arrays in networks.items() for layer, rows in arrays.items()})
    return moments


@pytest.mark.parametrize("max_memory_gb", [1e-9, 5e-6, 1.0])
def test_blocks_of_layers_give_what_moments_of_all_give(networks, moments, max_memory_gb):
    expected = matrices_of(moments, MEASURES)
    for one, other in zip(matrices_of(networks, MEASURES, max_memory_gb=max_memory_gb), expected, strict=True):
        assert one.layers == other.layers and not np.isnan(one.values).any()
        np.testing.assert_allclose(one.values, other.values, rtol=1e-10)
        np.testing.assert_allclose(one.first_component, other.first_component, rtol=1e-10)


@pytest.mark.parametrize("max_memory_gb", [1e-9, 5e-6, 1e-5])
def test_no_block_takes_more_than_its_memory(networks, monkeypatch, max_memory_gb):
    sizes, pairs = [], []

    def captured(*args, **kwargs):
        moments = capture_stored(*args, **kwargs)
        sizes.append(moments.nbytes)
        pairs.extend(moments.pairs)
        return moments

    capture_stored = blocks_of_layers.capture_stored
    monkeypatch.setattr(blocks_of_layers, "capture_stored", captured)
    blocks = BlocksOfLayers(networks, max_memory_gb=max_memory_gb, sample=0)
    assert len(list(blocks)) == len(sizes) > 1
    assert sorted(pairs) == sorted(blocks.pairs)
    two_layers = 8 * 4 * 8**2
    assert max(sizes) < 2 * max(1e9 * max_memory_gb, two_layers)


def test_some_layers_are_read(networks):
    expected = float(sm.cka(sm.pair(networks["a"]["fc0"], networks["b"]["fc2"])))
    matrix = sm.layer_matrix(networks, sm.cka, layers={"a": "fc0", "b": ["fc1", "fc2"]})
    assert matrix.layers == ("a:fc0", "b:fc1", "b:fc2")
    assert matrix.value("a:fc0", "b:fc2") == pytest.approx(expected)


def test_what_has_no_blocks_is_refused(networks, moments):
    with pytest.raises(sm.SpanmatchError, match=r"folds, layers: options are for stored"):
        sm.layer_matrix(moments, sm.cka, folds=3, layers="fc*")
    with pytest.raises(sm.SpanmatchError, match=r"expected moments, or stored activations .* got int"):
        sm.layer_matrix(3, sm.cka)
