"""What changed between a base and its fine-tune: numbers that resolve small differences, and when they are shown."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from torch import nn

import spanmatch as sm
from spanmatch._defaults import EPS
from spanmatch.comparison.changes import told
from spanmatch.comparison.listed_eps import _rounded_up, eps_from_levels
from spanmatch.similarity import one_minus_cka

FAST = {"evidence": False, "clusters": False}


def base() -> nn.Sequential:
    torch.manual_seed(0)
    parts = [nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 4)]
    return nn.Sequential(*parts)


def tuned(step: float, first: int = 4) -> nn.Sequential:
    """Return a copy whose parameters are changed from one layer on."""
    network = base()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in network[first:]:
            for parameter in layer.parameters():
                parameter += step * torch.randn(parameter.shape, generator=generator)
    return network


@pytest.fixture(scope="module")
def inputs():
    return torch.randn(400, 6, generator=torch.Generator().manual_seed(2))


def rows_of(network, inputs, upto: int) -> np.ndarray:
    with torch.no_grad():
        return network[: upto + 1](inputs).double().numpy()


def plain_one_minus_cka(X: np.ndarray, Y: np.ndarray) -> float:
    """Return 1 - CKA from n x n kernels in extended precision."""
    X, Y = (Z.astype(np.longdouble) - Z.astype(np.longdouble).mean(axis=0) for Z in (X, Y))
    K, L = X @ X.T, Y @ Y.T
    return float(np.sum((K / np.sqrt(np.sum(K * K)) - L / np.sqrt(np.sum(L * L))) ** 2) / 2)


def test_frozen_layers_are_identical_and_the_rest_is_measured(inputs, tmp_path):
    networks = {"base": base(), "tuned": tuned(1e-3)}
    comparison = sm.compare(networks, inputs, layers="*", **FAST)
    changes = comparison.changes()
    assert [layer.identical for layer in changes] == [True] * 4 + [False] * 3
    assert changes[-1] is changes.layers[-1]
    assert changes.sentence.startswith("identical up to 3; from 4 on 1 - CKA is ")
    assert repr(changes) == f"<Changes from base to tuned: {changes.sentence}>"
    for i, layer in enumerate(changes):
        X, Y = (rows_of(network, inputs, i) for network in networks.values())
        expected = np.sqrt(np.sum((X - Y) ** 2) / (np.sum(X**2) + np.sum(Y**2)) * 2)
        assert layer.difference == pytest.approx(expected, rel=1e-3, abs=0)
        assert layer.one_minus_cka == pytest.approx(plain_one_minus_cka(X, Y), rel=1e-3, abs=0)
        profile = sm.match_profile(sm.pair(X, Y, method="gram"))
        levels = np.concatenate([profile.x_levels, profile.y_levels])
        if not layer.identical and levels.min() > profile.resolution:
            assert layer.median_level == pytest.approx(np.median(levels), rel=1e-3)
            assert layer.largest_level == pytest.approx(levels.max(), rel=1e-3)
            assert layer.share_above == np.mean(levels > 0.05)
        if layer.identical:
            assert layer.difference == layer.one_minus_cka == layer.largest_level == 0
    saved = json.loads((comparison.save(tmp_path) / "comparison.json").read_text())["changes"]
    assert saved[0]["sentence"] == changes.sentence and len(saved[0]["layers"]) == 7
    with (tmp_path / "changes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["identical"] == "true" and float(rows[6]["one_minus_cka"]) == changes.layers[6].one_minus_cka
    assert changes.to_frame().identical.sum() == 4


@pytest.mark.parametrize("step", [1e-8, 1e-6, 1e-4, 1e-2])
def test_one_minus_cka_of_small_differences(step):
    r = np.random.default_rng(0)
    X = r.standard_normal((200, 8)) @ r.standard_normal((8, 8)) + 5
    Y = X + step * r.standard_normal(X.shape)
    centred_X, centred_Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    D = centred_Y - centred_X
    K, E = centred_X @ centred_X.T, centred_X @ D.T + D @ centred_X.T + D @ D.T
    k = np.linalg.norm(K)
    longer = (2 * np.sum(K * E) + np.sum(E * E)) / (np.linalg.norm(K + E) + k)
    expected = np.sum((K * longer - k * E) ** 2) / (k * np.linalg.norm(K + E)) ** 2 / 2
    value, resolution = one_minus_cka(sm.pair(X, Y, method="qr"))
    assert value == pytest.approx(expected, rel=1e-4) and value > resolution
    value, resolution = one_minus_cka(sm.pair(X, Y, method="gram"))
    assert value == 0 if expected < resolution else value == pytest.approx(expected, abs=resolution)


def test_layers_with_the_same_span_are_not_identical():
    r = np.random.default_rng(0)
    X = r.standard_normal((200, 5))
    rotation = np.linalg.qr(r.standard_normal((5, 5)))[0]
    rotated = sm.compare({"a": {"l": X}, "b": {"l": X @ rotation}}, **FAST)
    (layer,) = rotated.changes()
    assert not layer.identical and layer.largest_level == 0 and layer.one_minus_cka == 0 and layer.difference > 0.1
    (shifted,) = sm.compare({"a": {"l": X}, "b": {"l": X + 1e-3}}, **FAST).changes()
    assert not shifted.identical and shifted.difference == pytest.approx(1e-3, rel=0.1)
    (wider,) = sm.compare({"a": {"l": X}, "b": {"l": np.hstack([X, X[:, :1]])}}, **FAST).changes()
    assert not wider.identical and np.isnan(wider.difference)
    (constant,) = sm.compare({"a": {"l": X * 0}, "b": {"l": X * 0}}, **FAST).changes()
    assert constant.identical and np.isnan(constant.one_minus_cka) and np.isnan(constant.largest_level)


@pytest.mark.parametrize(("method", "smallest"), [("gram", 1e-6), ("qr", 1e-11), ("single", 1e-2)])
def test_one_changed_neuron_is_seen_down_to_the_resolution(method, smallest):
    X = np.random.default_rng(0).standard_normal((300, 6)) + 2
    for step, identical in ((smallest, False), (0, True)):
        Y = X.copy()
        Y[:, 3] += step * X[:, 0]
        (layer,) = sm.compare({"a": {"l": X}, "b": {"l": Y}}, method=method, **FAST).changes()
        assert layer.identical == identical and layer.difference_resolution < smallest


def test_sentences(inputs):
    def sentence(x, y, **options):
        return sm.compare({"x": x, "y": y}, inputs, **{"layers": "*"} | FAST | options).changes().sentence

    assert sentence(base(), base()) == "identical in all 7 layers"
    assert sentence(base(), base(), layers="3") == "identical in 3"
    assert sentence(base(), tuned(1e-3, 0)).startswith("no layer is identical; 1 - CKA is ")
    middle = base()
    middle[2].load_state_dict(tuned(1e-3, 2)[2].state_dict())
    X, Y, Z = np.random.default_rng(0).standard_normal((3, 60, 2))
    stored = sm.compare({"x": {"k": X, "l": Y, "m": Z}, "y": {"k": Z, "l": Y, "m": Z}}, **FAST)
    assert stored.changes().sentence.startswith("identical in l, m alone; 1 - CKA is 0.9")
    again = sm.compare({"x": {"k": X, "l": Y, "m": Z}, "y": {"k": X, "l": Z, "m": Z}}, **FAST)
    assert again.changes().sentence.endswith("(1 of the 2 layers from there on are identical too)")
    assert told(0, 1e-14) == "<1e-14" and told(float("nan"), 1) == "-" and told(0.01234, 1e-7) == "0.012"


def test_changes_are_shown_for_networks_that_are_near(inputs):
    near = lambda x, y, **options: sm.compare({"x": x, "y": y}, inputs, **FAST, **options).near_networks()  # noqa: E731
    assert len(near(base(), tuned(1e-3))) == 1  # identical layers
    assert len(near(base(), tuned(1e-3, 0))) == 1  # all neurons match at all eps
    assert near(base(), tuned(1.0, 0), layers="?") == []
    first = sm.compare({"x": base(), "y": tuned(1.0, 0)}, inputs, layers="0", **FAST)
    assert first.pairs[0].profile.similarity(0.15) == 1 and first.near_networks() == []  # the same span, no more
    X, Y = np.random.default_rng(0).standard_normal((2, 500, 5))
    unrelated = sm.compare({"a": {"l": X}, "b": {"l": Y}}, **FAST)
    assert unrelated.near_networks() == []
    assert len(unrelated.changes()) == 1  # if asked for
    three = sm.compare({"a": base(), "b": base(), "c": tuned(1.0, 0)}, inputs, **FAST)
    assert [(one.x_network, one.y_network) for one in three.near_networks()] == [("a", "b")]
    assert three.changes(("a", "c")).x_network == "a"
    with pytest.raises(sm.SpanmatchError, match="give networks="):
        three.changes()


def test_eps_are_chosen_from_the_levels_only_where_the_default_ones_show_nothing(inputs):
    networks = {"base": base(), "tuned": tuned(1e-3)}
    comparison = sm.compare(networks, inputs, **FAST)
    assert comparison.eps_from_levels and comparison.to_dict()["eps_from_levels"]
    levels = np.concatenate([np.concatenate([pair.profile.x_levels, pair.profile.y_levels]) for pair in comparison])
    small = levels[(levels > max(pair.profile.resolution for pair in comparison)) & (levels < 1)]
    assert small.min() <= comparison.eps[0] * 1.5 and comparison.eps[-1] <= small.max() * 1.5 < 0.15
    assert any(0 < share < 1 for pair in comparison for share in pair.profile.similarity(comparison.eps))
    assert all(float(f"{eps:.2g}") == eps for eps in comparison.eps)
    assert _rounded_up(0.00193, 1) == 0.002 and _rounded_up(0.0061, 1) == 0.007 and _rounded_up(0.096, 1) == 0.1
    assert _rounded_up(0.3, 1) == 0.3 and _rounded_up(0.1011, 2) == 0.11
    given = sm.compare(networks, inputs, eps=[0.15, 0.5], **FAST)
    assert given.eps == (0.15, 0.5) and not given.eps_from_levels
    assert sm.compare({"a": base(), "b": base()}, inputs, **FAST).eps == EPS  # there are no levels to choose from
    X = np.random.default_rng(0).standard_normal((400, 6))
    noisy = X + 0.25 * np.random.default_rng(1).standard_normal(X.shape)
    silent = np.hstack([X, np.zeros((400, 2))])
    assert eps_from_levels([sm.match_profile(sm.pair(X, noisy))]) == ()
    nearly = np.hstack([X + 1e-3 * noisy**2, np.zeros((400, 2))])
    assert len(eps_from_levels([sm.match_profile(sm.pair(silent, nearly))])) > 1  # silent neurons are in no match
