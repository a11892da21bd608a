"""The axes of tensors inside a graph: which holds the examples, and which the neurons."""

from __future__ import annotations

import numpy as np
import onnx
import oracles
import pytest
import torch
from activations.small_graphs import saved

import spanmatch as sm
from spanmatch.activations.onnx_axes import axes_of, rows_and_neurons

E, N = "examples", "neurons"
RANDOM = np.random.default_rng(0)


def weight(*shape):
    return RANDOM.standard_normal(shape).astype("f4")


SEQUENCE = [("x", ["n", "t", 8])]
SIGNAL = [("x", ["n", 3, 12])]
IMAGE = [("x", ["n", 3, 6, 6])]
CONV = ("Conv", "x k", "c", {})
KERNEL, KERNEL_2D, MATRIX = {"k": weight(4, 3, 3)}, {"k": weight(4, 3, 3, 3)}, {"w": weight(8, 6)}
LINEAR = ("MatMul", "x w", "m", {})
HEADS = {"w": weight(8, 8), "split": np.array([0, 0, 2, 4]), "join": np.array([0, -1, 8])}
STATES = {"W": weight(2, 20, 8), "R": weight(2, 20, 5), "join": np.array([0, 0, -1]), "i": np.array([1])}


@pytest.mark.parametrize(
    ("inputs", "nodes", "weights", "expected"),
    [
        (SIGNAL, [CONV, ("Relu", "c", "y", {})], KERNEL, (E, N, None)),
        (SIGNAL, [CONV, ("Pad", "c p", "y", {})], {**KERNEL, "p": np.array([0, 0, 1, 0, 0, 1])}, (E, N, None)),
        (SIGNAL, [CONV, ("Transpose", "c", "y", {"perm": [2, 0, 1]})], KERNEL, (None, E, N)),
        (SIGNAL, [CONV, ("Transpose", "c", "y", {})], KERNEL, (None, N, E)),
        (SIGNAL, [CONV, ("Concat", "c c", "y", {"axis": 1})], KERNEL, (E, N, None)),
        (SIGNAL, [CONV, ("Flatten", "c", "y", {})], KERNEL, (E, N)),
        (SIGNAL, [CONV, ("Mul", "c b", "y", {})], {**KERNEL, "b": weight(4, 1)}, (E, N, None)),
        (SIGNAL, [CONV, ("ReduceMean", "c", "y", {"axes": [2], "keepdims": 0})], KERNEL, (E, N)),
        (SIGNAL, [CONV, ("ReduceMean", "c", "y", {"axes": [1]})], KERNEL, (E, None, None)),
        (SIGNAL, [("MatMul", "k x", "y", {})], {"k": weight(5, 3)}, (E, N, None)),
        (IMAGE, [CONV, ("GlobalAveragePool", "c", "g", {}), ("Sigmoid", "g", "y", {})], KERNEL_2D, (E, N, None, None)),
        (IMAGE, [CONV, ("GlobalMaxPool", "c", "g", {}), ("Mul", "c g", "y", {})], KERNEL_2D, (E, N, None, None)),
        (IMAGE, [CONV, ("Reshape", "c s", "y", {})], {**KERNEL_2D, "s": np.array([0, 4, -1])}, (E, N, None)),
        (IMAGE, [CONV, ("Reshape", "c s", "y", {})], {**KERNEL_2D, "s": np.array([0, 2, -1])}, (E, None, None)),
        (IMAGE, [CONV, ("Shape", "c", "s", {}), ("Reshape", "c s", "y", {})], KERNEL_2D, (E, N, None, None)),
        (IMAGE, [("MaxPool", "x", "y", {"kernel_shape": [2, 2]})], {}, (E, N, None, None)),
        (SEQUENCE, [("Relu", "x", "y", {})], {}, (E, None, None)),
        (SEQUENCE, [LINEAR, ("Add", "m b", "y", {})], {**MATRIX, "b": weight(6)}, (E, None, N)),
        (SEQUENCE, [("LayerNormalization", "x g", "y", {})], {"g": weight(8)}, (E, None, N)),
        (SEQUENCE, [LINEAR, ("Reshape", "m s", "y", {})], {**MATRIX, "s": np.array([-1, 6])}, (None, N)),
        (SEQUENCE, [LINEAR, ("Reshape", "m s", "y", {})], {**MATRIX, "s": np.array([0, 0, 2, 3])}, (E, None, N, N)),
        (SEQUENCE, [LINEAR, ("Gather", "m i", "y", {"axis": 1})], {**MATRIX, "i": np.array(0)}, (E, N)),
        (SEQUENCE, [("MatMul", "x u", "y", {})], {"u": weight(1, 8, 6)}, (E, None, N)),
        (  # as a block that mixes positions: one side has neurons on the second axis, the other on the last
            [("x", ["n", 6, 8])],
            [LINEAR, ("MatMul", "u m", "mixed", {}), ("Add", "mixed m", "y", {})],
            {**MATRIX, "u": weight(6, 6)},
            (E, None, None),
        ),
        (
            SEQUENCE,
            [
                ("MatMul", "x w", "m", {}),
                ("Reshape", "m split", "s", {}),
                ("Transpose", "s", "q", {"perm": [0, 2, 1, 3]}),
                ("Transpose", "s", "v", {"perm": [0, 2, 3, 1]}),
                ("MatMul", "q v", "scores", {}),
                ("Softmax", "scores", "p", {}),
                ("MatMul", "p q", "a", {}),
                ("Transpose", "a", "b", {"perm": [0, 2, 1, 3]}),
                ("Reshape", "b join", "y", {}),
            ],
            HEADS,
            (E, None, N),
        ),
        (
            [("x", ["t", "n", 8])],
            [("Transpose", "x", "b", {"perm": [1, 0, 2]}), ("MatMul", "b w", "y", {})],
            MATRIX,
            (None, E, N),
        ),
        (
            SEQUENCE,
            [
                ("Transpose", "x", "s", {"perm": [1, 0, 2]}),
                ("LSTM", "s W R", "h", {"hidden_size": 5, "direction": "bidirectional"}),
                ("Identity", "h", "y", {}),
            ],
            STATES,
            (None, N, E, N),
        ),
        (
            SEQUENCE,
            [
                ("Transpose", "x", "s", {"perm": [1, 0, 2]}),
                ("LSTM", "s W R", "h", {"hidden_size": 5, "direction": "bidirectional"}),
                ("Transpose", "h", "b", {"perm": [0, 2, 1, 3]}),
                ("Reshape", "b join", "y", {}),
            ],
            STATES,
            (None, E, N),
        ),
        (
            SEQUENCE,
            [
                ("Transpose", "x", "s", {"perm": [1, 0, 2]}),
                ("LSTM", "s W R", "sequence y", {"hidden_size": 5, "direction": "bidirectional"}),
            ],
            STATES,
            (N, E, N),
        ),
    ],
)
def test_what_axes_hold_follows_from_the_operators(tmp_path, inputs, nodes, weights, expected):
    path = saved(tmp_path / "a.onnx", nodes, inputs, [("y", ["?"] * len(expected))], weights)
    axes = axes_of(onnx.load(path), {"x": 0})
    assert axes["y"] == expected


def test_shapes_that_are_computed_in_the_graph_are_followed(tmp_path):
    """As exported for a batch of any size: the lengths of a reshape come from those of another tensor."""
    nodes = [
        ("MatMul", "x w", "m", {}),
        ("Shape", "x", "s", {}),
        ("Gather", "s first", "n", {}),
        ("Unsqueeze", "n zero", "n1", {}),
        ("Gather", "s second", "t", {}),
        ("Unsqueeze", "t zero", "t1", {}),
        ("Concat", "n1 t1 heads width", "split", {"axis": 0}),
        ("Reshape", "m split", "y", {}),
        ("Concat", "n1 t1 all", "join", {"axis": 0}),
        ("Reshape", "y join", "z", {}),
    ]
    numbers = {"first": np.array(0), "second": np.array(1), "zero": np.array([0]), "heads": np.array([2])}
    numbers |= {"width": np.array([3]), "all": np.array([6])}
    path = saved(
        tmp_path / "a.onnx", nodes, SEQUENCE, [("y", ["?"] * 4), ("z", ["?"] * 3)], {**MATRIX, **numbers}, opset=13
    )
    axes = axes_of(onnx.load(path), {"x": 0})
    assert axes["y"] == (E, None, N, N) and axes["z"] == (E, None, N)


def test_channels_after_a_one_dimensional_convolution_are_neurons(tmp_path):
    """Before, a ReLU's (examples, 4 channels, 10 positions) became 10 neurons."""
    path = saved(tmp_path / "a.onnx", [CONV, ("Relu", "c", "y", {})], SIGNAL, [("y", ["n", 4, 10])], KERNEL)
    x = RANDOM.standard_normal((9, 3, 12)).astype("f4")
    moments = sm.capture({"a": path, "b": path}, x)
    expected = torch.nn.functional.conv1d(torch.from_numpy(x), torch.from_numpy(KERNEL["k"])).relu()
    expected = expected.movedim(1, 2).reshape(-1, 4).double().numpy()
    assert moments.layers == {"a:y": 4, "b:y": 4}
    np.testing.assert_allclose(moments.pair("a:y", "b:y").xy, oracles.co_moments(expected, expected), rtol=1e-4)


def test_axes_that_are_not_known_are_refused_with_both_readings(tmp_path):
    nodes = [("Relu", "x", "r", {}), ("Flatten", "r", "y", {})]
    path = saved(tmp_path / "a.onnx", nodes, SIGNAL, [("y", ["n", 36])])
    x = RANDOM.standard_normal((8, 3, 12)).astype("f4")
    with pytest.warns(sm.SpanmatchWarning, match="not known which axes hold the examples and the neurons of r;"):
        assert sm.capture({"a": path}, x).layers == {"a:y": 36}
    readings = r"'a:r': .* shape \(8, 3, 12\): 3 neurons at 12 positions, or 12 neurons at 3 positions; give channels="
    with pytest.raises(sm.SpanmatchError, match=readings):
        sm.capture({"a": path}, x, layers="r")
    assert sm.capture({"a": path}, x, layers="r", channels="first").layers == {"a:r": 3}
    assert sm.capture({"a": path}, x, layers="r", channels="last").layers == {"a:r": 12}
    assert sm.capture({"a": path}, x, layers="r", units="location").layers == {"a:r": 36}


def test_examples_are_found_by_their_number_only_if_one_axis_has_it():
    tensor = RANDOM.standard_normal((4, 7, 5))
    moved, first = rows_and_neurons("r", tensor, None, 7)
    np.testing.assert_array_equal(moved, tensor.transpose(1, 0, 2))
    assert first is None
    moved, first = rows_and_neurons("r", tensor, (N, None, N), 7)
    np.testing.assert_array_equal(moved, tensor.transpose(1, 0, 2).reshape(7, 20))
    for axes, count, message in (
        (None, 6, "no axis has that length"),
        ((None, None, E), 7, "should be on axis 2"),
        (None, 3, "several axes have that length"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            rows_and_neurons("r", tensor if count != 3 else tensor[:3, :3], axes, count)
