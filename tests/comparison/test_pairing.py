"""Which layers are compared with which: of small networks of two depths, of three networks, and of stored arrays."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from torch import nn

import spanmatch as sm

FAST = {"evidence": False, "clusters": False}


def named(parts: dict[str, nn.Module], width: int = 12) -> nn.Sequential:
    """Return a network of some modules by name, and a head."""
    sequence = nn.Sequential()
    for name, module in parts.items():
        sequence.add_module(name, module)
    sequence.add_module("head", nn.Linear(width, 4))
    return sequence


def network(depth: int, prefix: str, width: int = 12, seed: int = 0) -> nn.Sequential:
    """Return a small network whose layers have names of their own."""
    torch.manual_seed(seed)
    parts: dict[str, nn.Module] = {}
    for i in range(depth):
        parts[f"{prefix}{i}"], parts[f"{prefix}relu{i}"] = nn.Linear(width if i else 6, width), nn.ReLU()
    return named(parts)


@pytest.fixture(scope="module")
def inputs():
    return torch.randn(300, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def two_depths():
    return {"shallow": network(2, "h"), "deep": network(4, "block", seed=1)}


def names(comparison):
    return [(pair.x_layer, pair.y_layer) for pair in comparison]


def test_what_only_one_network_has_is_said(two_depths, inputs, tmp_path):
    comparison = sm.compare(two_depths, inputs, layers="*", **FAST)
    assert names(comparison) == [("shallow:head", "deep:head")]
    left = ("shallow:h0", "shallow:hrelu0", "shallow:h1", "shallow:hrelu1")
    assert comparison.not_compared[:4] == left and len(comparison.not_compared) == 4 + 8
    saved = json.loads((comparison.save(tmp_path) / "comparison.json").read_text())
    assert saved["not_compared"] == list(comparison.not_compared) and saved["match"] == "name"
    assert saved["correspondence"] is None and not (tmp_path / "correspondence.csv").exists()


def test_layers_are_paired_by_depth(two_depths, inputs, tmp_path):
    layers = {"shallow": "hrelu*", "deep": "blockrelu*"}
    comparison = sm.compare(two_depths, inputs, layers=layers, match="depth", **FAST)
    assert names(comparison) == [("shallow:hrelu0", "deep:blockrelu0"), ("shallow:hrelu1", "deep:blockrelu3")]
    assert [pair.name for pair in comparison] == ["hrelu0 ~ blockrelu0", "hrelu1 ~ blockrelu3"]
    assert comparison.not_compared == ("deep:blockrelu1", "deep:blockrelu2")
    profile = sm.match_profile(sm.capture(two_depths, inputs, layers=layers, pairs="all").pair(*names(comparison)[1]))
    np.testing.assert_allclose(comparison.pairs[1].profile.x_levels, profile.x_levels, atol=1e-9)
    frame = comparison.correspondence("cka").to_frame()
    assert frame.y_layer.tolist() == ["deep:blockrelu0", "deep:blockrelu3"] and frame.margin.isna().all()
    with pytest.raises(sm.SpanmatchError, match="needs all layers of both networks: pairs='all'"):
        comparison.score()
    with (comparison.save(tmp_path) / "correspondence.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["y_layer"] for row in rows] == frame.y_layer.tolist()
    assert rows[0]["measure"] == "debiased cka" and rows[0]["margin"] == ""


def test_the_most_similar_layers_are_found(inputs, tmp_path):
    """A network, and the same with two layers more before its head."""
    short, long = network(2, "h"), network(4, "h")
    with torch.no_grad():
        for name in ("h0", "h1"):
            getattr(long, name).load_state_dict(getattr(short, name).state_dict())
    renamed = named({f"other{name}": module for name, module in long.named_children() if name != "head"})
    comparison = sm.compare({"a": short, "b": renamed}, inputs, match="best", measure="cka", layers=["*h?", "*relu?"])
    first_four = [("a:h0", "b:otherh0"), ("a:h1", "b:otherh1"), ("a:hrelu0", "b:otherhrelu0")]
    assert set(first_four) < set(names(comparison)) and len(comparison) == 4
    for counterpart in comparison.correspondence():
        assert counterpart.similarity == pytest.approx(1) and counterpart.margin > 0
    matrix = comparison.matrix("cka")
    one = next(iter(comparison.correspondence()))
    others = [matrix.value(one.x_layer, layer) for layer in matrix.layers if layer[:2] == "b:" != one.y_layer]
    assert one.margin == pytest.approx(1 - sorted(others)[-2])
    score = comparison.score("cka")
    assert score.x_best == pytest.approx(1) and score.best > score.coupling_score
    saved = json.loads((comparison.save(tmp_path) / "comparison.json").read_text())
    assert saved["scores"][0]["best"] == score.best and saved["correspondence"]["measure"] == "cka"
    assert [matrix["name"] for matrix in saved["matrices"]] == ["debiased cka", "cka"]
    procrustes = sm.compare({"a": short, "b": renamed}, inputs, match="best", measure="procrustes", **FAST)
    assert [matrix.name for matrix in procrustes.matrices] == ["debiased cka", "cka", "procrustes"]


def test_pairs_are_listed(two_depths, inputs):
    """Networks that share no name; only the listed layers are read."""
    listed = [("h1", "block2"), ("shallow:h1", "deep:block3"), ("hrelu0", "deep:blockrelu0")]
    comparison = sm.compare(two_depths, inputs, pairs=listed, **FAST)
    assert names(comparison) == [
        ("shallow:hrelu0", "deep:blockrelu0"),
        ("shallow:h1", "deep:block2"),
        ("shallow:h1", "deep:block3"),
    ]
    assert comparison.match == "given" and comparison.not_compared == ()
    assert set(comparison.moments.layers) == {layer for pair in names(comparison) for layer in pair}
    assert comparison["h1 ~ block2"].y_layer == "deep:block2"


def test_second_calls_and_names_with_patterns_are_listed(inputs):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.relu = nn.Linear(6, 6), nn.ReLU()

        def forward(self, x):
            return self.relu(self.linear(self.relu(self.linear(x))))

    comparison = sm.compare({"a": Twice(), "b": Twice()}, inputs, pairs=[("relu#2", "relu")], **FAST)
    assert names(comparison) == [("a:relu#2", "b:relu")]
    X, Y = np.random.default_rng(0).standard_normal((2, 50, 3))
    stored = sm.compare({"a": {"x[0]": X, "z": X}, "b": {"y*": Y, "y2": Y}}, pairs=[("x[0]", "y*")], **FAST)
    assert names(stored) == [("a:x[0]", "b:y*")] and set(stored.moments.layers) == {"a:x[0]", "b:y*"}


def test_stored_layers_that_were_not_read_are_said(tmp_path):
    X, Y = np.random.default_rng(0).standard_normal((2, 80, 3))
    np.savez(tmp_path / "a.npz", one=X, two=Y, extra=X)
    np.savez(tmp_path / "b.npz", one=Y, two=X)
    paths = {"a": tmp_path / "a.npz", "b": tmp_path / "b.npz"}
    comparison = sm.compare(paths, **FAST)
    assert comparison.not_compared == ("a:extra",) and set(comparison.moments.layers) == {
        "a:one",
        "a:two",
        "b:one",
        "b:two",
    }
    comparison.moments.save(tmp_path / "m.safetensors")
    assert sm.Moments.load(tmp_path / "m.safetensors").left_out == ["a:extra"]
    by_depth = sm.compare(paths, match="depth", **FAST)
    assert names(by_depth) == [("a:one", "b:one"), ("a:extra", "b:two")] and by_depth.not_compared == ("a:two",)
    best = sm.compare({"a": {"x": X, "y": Y}, "b": {"u": Y, "v": X}}, match="best", **FAST)
    assert names(best) == [("a:x", "b:v"), ("a:y", "b:u")]
    assert best.score().best == pytest.approx(1) and best.score().path_score < 0.6  # the order is the other one


def test_three_networks(inputs):
    networks = {"a": network(1, "h"), "b": network(2, "h", seed=1), "c": network(3, "h", seed=2)}
    comparison = sm.compare(networks, inputs, layers="hrelu*", match="depth", **FAST)
    assert set(names(comparison)) == {
        ("a:hrelu0", "b:hrelu1"),
        ("a:hrelu0", "c:hrelu2"),
        ("b:hrelu0", "c:hrelu0"),
        ("b:hrelu1", "c:hrelu2"),
    }
    best = sm.compare(networks, inputs, layers="hrelu*", match="best", **FAST)
    assert len(best) == 1 + 1 + 2 and len(best.scores) == 3
    with pytest.raises(sm.SpanmatchError, match=r"there is 'a', 'b', 'c'; give networks=\(one, another\)"):
        best.score()
    assert best.score(networks=("a", "c")).y_layers == ("c:hrelu0", "c:hrelu1", "c:hrelu2")
    with pytest.raises(sm.SpanmatchError, match="give two of 'a', 'b', 'c'"):
        best.score(networks=("a", "d"))
    with pytest.raises(sm.SpanmatchError, match="'h0' does not say of which network it is"):
        sm.compare(networks, inputs, pairs=[("h0", "h1")])


def test_what_cannot_be_paired_says_what_to_give(two_depths, inputs):
    layers = {"shallow": "h?", "deep": "block?"}
    for options, message in (
        ({"layers": layers}, r"no layer has the same name .*match='depth' or match='best' \(--match\)"),
        ({"match": "deep"}, "match='deep': give 'name', 'depth' or 'best'"),
        ({"match": "best", "measure": "ckaa"}, "no measure 'ckaa'; there is 'cka'"),
        ({"match": "depth", "pairs": [("h0", "block0")]}, "match='depth' and pairs: give one of them"),
        ({"pairs": "matching"}, "pairs='matching': give 'all' or a list"),
        ({"pairs": []}, "give at least one pair"),
        ({"pairs": ["h0"]}, "give 'all' or a list of pairs"),
        ({"pairs": [("h0", "blok0")]}, "'blok0' matches nothing in network 'deep'; there is block0"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.compare(two_depths, inputs, **options)
    with pytest.raises(sm.SpanmatchError, match=r"no layer has the same name .*match='depth'"):
        sm.compare({"a": {"x": np.eye(5)}, "b": {"y": np.eye(5)}})
