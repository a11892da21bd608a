"""The layers of a graph by default: after non-linearities and blocks, recurrences, and the outputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from activations.small_graphs import saved

from spanmatch.activations.onnx_axes import axes_of
from spanmatch.activations.onnx_layers import default_layers

RANDOM = np.random.default_rng(0)


def weight(*shape):
    return RANDOM.standard_normal(shape).astype("f4")


def default(path, nodes, inputs, output, weights):
    """Return the default layers of a graph of nodes."""
    model = onnx.load(saved(path, nodes, inputs, [(output, ["?", "?"])], weights))
    return default_layers(model.graph, axes_of(model, {"x": 0}))


SQUARE = {f"w{i}": weight(6, 6) for i in range(4)}
X = [("x", ["n", 6])]
GELU = [("Div", "h root", "a", {}), ("Erf", "a", "b", {}), ("Add", "b one", "c", {}), ("Mul", "h c", "d", {})]
TANH_GELU = [
    ("Mul", "h h", "a", {}),
    ("Mul", "a h", "b", {}),
    ("Mul", "b half", "c", {}),
    ("Add", "h c", "d", {}),
    ("Mul", "d root", "e", {}),
    ("Tanh", "e", "f", {}),
    ("Add", "f one", "g", {}),
    ("Mul", "h half", "i", {}),
    ("Mul", "i g", "act", {}),
]
NUMBERS = {"root": np.array(1.4, "f4"), "one": np.array(1, "f4"), "half": np.array(0.5, "f4")}


@pytest.mark.parametrize(
    ("formula", "weights"),
    [
        ([("Relu", "h", "act", {})], {}),
        ([("Sigmoid", "h", "s", {}), ("Mul", "h s", "act", {})], {}),
        ([("Softplus", "h", "s", {}), ("Tanh", "s", "t", {}), ("Mul", "h t", "act", {})], {}),
        ([*GELU, ("Mul", "d half", "act", {})], NUMBERS),
        (TANH_GELU, NUMBERS),
    ],
    ids=["relu", "silu", "mish", "gelu", "gelu with tanh"],
)
def test_a_linear_map_before_a_non_linearity_is_no_layer(tmp_path, formula, weights):
    nodes = [("MatMul", "x w0", "m", {}), ("Add", "m bias", "h", {}), *formula, ("MatMul", "act w1", "y", {})]
    assert default(tmp_path / "a.onnx", nodes, X, "y", {**SQUARE, **weights, "bias": weight(6)}) == ["act", "y"]


def test_a_linear_map_without_a_non_linearity_is_a_layer(tmp_path):
    nodes = [("MatMul", "x w0", "h", {}), ("MatMul", "h w1", "g", {}), ("Gemm", "g w2", "y", {})]
    assert default(tmp_path / "a.onnx", nodes, X, "y", SQUARE) == ["h", "g", "y"]


def test_residual_blocks(tmp_path):
    scale = {name: np.ones(6, "f4") for name in ("s", "b", "mean", "var")}
    norm = "s b mean var"
    nodes = [
        ("Conv", "x k", "c0", {}),
        ("BatchNormalization", f"c0 {norm}", "n0", {}),
        ("Relu", "n0", "stem", {}),
        ("Conv", "stem k", "c1", {}),
        ("BatchNormalization", f"c1 {norm}", "n1", {}),
        ("Relu", "n1", "inside", {}),
        ("Conv", "inside k", "c2", {}),
        ("BatchNormalization", f"c2 {norm}", "n2", {}),
        ("Add", "stem n2", "sum", {}),
        ("Relu", "sum", "block", {}),
        ("GlobalAveragePool", "block", "pooled", {}),
        ("Flatten", "pooled", "features", {}),
        ("Gemm", "features w0", "logits", {}),
        ("Softmax", "logits", "y", {}),
    ]
    weights = {**SQUARE, **scale, "k": weight(6, 6, 1, 1)}
    layers = default(tmp_path / "a.onnx", nodes, [("x", ["n", 6, 4, 4])], "y", weights)
    assert layers == ["stem", "inside", "block", "logits", "y"]


@pytest.mark.parametrize("norm_first", [True, False])
def test_blocks_of_transformers(tmp_path, norm_first):
    norm = ("LayerNormalization", "x g", "normed", {}) if norm_first else ("Identity", "x", "normed", {})
    nodes = [norm, ("MatMul", "normed w0", "up", {}), ("Relu", "up", "act", {}), ("MatMul", "act w1", "down", {})]
    nodes += [("Add", "x down", "block", {})]
    nodes += [] if norm_first else [("LayerNormalization", "block g", "after", {})]
    end = "block" if norm_first else "after"
    nodes += [("MatMul", f"{end} w2", "read", {}), ("ReduceMean", "read", "y", {"axes": [1], "keepdims": 0})]
    layers = default(tmp_path / "a.onnx", nodes, [("x", ["n", "t", 6])], "y", {**SQUARE, "g": np.ones(6, "f4")})
    assert layers == ["act", end, "read", "y"]


def test_an_output_that_copies_a_layer_stands_for_it(tmp_path):
    nodes = [("MatMul", "x w0", "h", {}), ("Relu", "h", "r", {}), ("Identity", "r", "y", {})]
    assert default(tmp_path / "a.onnx", nodes, X, "y", SQUARE) == ["y"]
