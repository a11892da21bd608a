"""ONNX files: tensors inside a graph are those that a direct computation gives."""

from __future__ import annotations

import numpy as np
import onnx
import oracles
import pytest
import torch
from activations.small_graphs import INPUTS, hidden, perceptron, weights
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.cli.commands import app


@pytest.mark.parametrize("options", [{}, {"external": True}, {"batch": 16}, {"batch": 40}])
def test_inner_tensors_are_layers(tmp_path, options):
    files = {name: perceptron(tmp_path / f"{name}.onnx", seed, **options) for seed, name in enumerate("ab")}
    moments = sm.capture(files, [INPUTS[:25], INPUTS[25:]])
    assert moments.layers == {f"{n}:{t}": k for n in "ab" for t, k in (("hidden", 8), ("out", 5))}
    pair = moments.pair("a:hidden", "b:hidden")
    np.testing.assert_allclose(pair.xy, oracles.co_moments(hidden(0), hidden(1)), rtol=1e-5, atol=1e-5)
    assert pair.rows == 40
    assert sm.capture(files, INPUTS, layers="hid*").layers == {"a:hidden": 8, "b:hidden": 8}


def test_channels_of_a_convolution_are_neurons(tmp_path):
    kernel = np.random.default_rng(0).standard_normal((3, 2, 3, 3)).astype("f4")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "k"], ["c"]), helper.make_node("Relu", ["c"], ["r"])],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 6, 6])],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [numpy_helper.from_array(kernel, "k")],
    )
    path = tmp_path / "conv.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    x = np.random.default_rng(1).standard_normal((10, 2, 6, 6))  # float64, as most files are
    moments = sm.capture({"a": path, "b": path}, [x])
    expected = torch.nn.functional.conv2d(torch.from_numpy(x).float(), torch.from_numpy(kernel)).relu()
    expected = expected.movedim(1, 3).reshape(-1, 3).double().numpy()
    np.testing.assert_allclose(moments.pair("a:r", "b:r").xx, oracles.co_moments(expected, expected), rtol=1e-4)


def test_a_graph_beside_a_network_of_pytorch(tmp_path):
    net = nn.Sequential(nn.Linear(6, 8, bias=False), nn.ReLU())
    net[0].weight.data = torch.from_numpy(weights(0)["w"].T.copy())
    both = {"torch": net, "onnx": perceptron(tmp_path / "a.onnx")}
    moments = sm.capture(both, INPUTS, layers={"torch": "1", "onnx": "hidden"}, pairs=[("torch:1", "onnx:hidden")])
    pair = moments.pair("torch:1", "onnx:hidden")
    np.testing.assert_allclose(pair.xx, pair.yy, rtol=1e-5, atol=1e-5)


def test_graphs_that_cannot_be_used(tmp_path):
    good = perceptron(tmp_path / "good.onnx")
    (tmp_path / "cut.onnx").write_bytes(good.read_bytes()[:-60])
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "text.onnx").write_text("not a graph, and longer than nothing")
    perceptron(tmp_path / "lost.onnx", external=True)
    (tmp_path / "lost.data").unlink()
    perceptron(tmp_path / "outside.onnx", external=True, location="../outside.data")
    batch = {"x": INPUTS, "z": INPUTS}
    for name, data, message in (
        ("none.onnx", INPUTS, r"none\.onnx: no such file"),
        ("cut.onnx", INPUTS, r"cut\.onnx: cut short, or not an ONNX file"),
        ("empty.onnx", INPUTS, r"empty\.onnx: cut short, or not an ONNX file"),
        ("text.onnx", INPUTS, r"text\.onnx: cut short, or not an ONNX file"),
        ("lost.onnx", INPUTS, r"lost\.onnx: its weights, lost\.data, are missing"),
        ("outside.onnx", INPUTS, r"outside\.onnx: it asks for weights from '\.\./outside\.data', outside its folder"),
        ("good.onnx", INPUTS.astype(int), r"good\.onnx: the graph takes x float32 \(n, 6\); int64 is given"),
        ("good.onnx", INPUTS[:, :5], r"good\.onnx: it does not run on x float32 \(40, 5\)"),
        ("good.onnx", [{"y": INPUTS}], r"network 'a' takes x; the batch has y: float32"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture({"a": tmp_path / name, "b": tmp_path / name}, data)
    assert sm.capture({"a": good, "b": good}, [batch]).rows["a:hidden"] == 40  # what is more is left alone
    for named, asked in (({"image": INPUTS, "label": INPUTS[:, 0]}, {}), ({"u": INPUTS, "v": INPUTS}, {"input": "v"})):
        assert sm.capture({"a": good}, [named], **asked).rows["a:hidden"] == 40
    with pytest.raises(sm.SpanmatchError, match=r"'hidde' matches nothing in .*good\.onnx; there is hidden"):
        sm.capture({"a": good, "b": good}, INPUTS, layers="hidde")


def test_values_that_are_not_finite_are_named(tmp_path):
    x = INPUTS.copy()
    x[3] = np.inf
    with pytest.raises(sm.SpanmatchError, match=r"'a:hidden': (inf|nan) in neuron \d, row 3"):
        sm.capture({"a": perceptron(tmp_path / "a.onnx"), "b": perceptron(tmp_path / "b.onnx", 1)}, x)


def test_the_command_line_compares_graphs(tmp_path):
    a, b = (perceptron(tmp_path / f"{name}.onnx", seed) for seed, name in enumerate("ab"))
    np.save(tmp_path / "inputs.npy", INPUTS)
    (tmp_path / "a.pt2").write_bytes(b"")
    run = ["compare", str(a), str(b), "--data", str(tmp_path / "inputs.npy"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*run, "--layers", "hid*"])
    assert result.exit_code == 0, result.output
    assert sm.Moments.load(tmp_path / "out" / "moments.safetensors").layers == {"a:hidden": 8, "b:hidden": 8}
    for args, message in (
        ([str(a), str(b)], "--data is missing"),
        ([str(a), str(tmp_path / "c.onnx")], "c.onnx: no such file or folder"),
        ([str(a), str(tmp_path / "inputs.npy"), "--data", "x.npy"], "not one of each"),
        ([str(tmp_path / "a.pt2"), str(tmp_path / "a.pt2"), "--data", str(tmp_path / "inputs.npy")], "can run code"),
    ):
        result = CliRunner().invoke(app, ["compare", *args])
        assert result.exit_code == 2 and message in result.stderr
