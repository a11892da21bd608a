"""Graphs with several inputs, constants and states, and layers inside the branches of an If."""

from __future__ import annotations

import numpy as np
import onnx
import oracles
import pytest
from activations.small_graphs import (
    CHANNELS,
    HIDDEN,
    INPUTS,
    SAMPLES,
    floats,
    perceptron,
    saved,
    voice_activity,
    voice_tensors,
)
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.activations.constants import parsed_constants
from spanmatch.cli.commands import app

COUNT = 20
SOUND = np.random.default_rng(0).standard_normal((COUNT, SAMPLES)).astype("f4")
STATE = np.random.default_rng(1).standard_normal((2, COUNT, HIDDEN)).astype("f4")
CONSTANTS = {"sr": 16000, "state": "zeros"}
NO_STATE = np.zeros_like(STATE)


@pytest.fixture
def files(tmp_path):
    return {name: voice_activity(tmp_path / f"{name}.onnx", seed) for seed, name in enumerate("ab")}


def check(moments, expected):
    """Check the products of layers of both networks against those of plain NumPy."""
    assert {layer.partition(":")[2] for layer in moments.layers} == set(expected[0])
    for layer in expected[0]:
        x, y = (tensors[layer].reshape(-1, tensors[layer].shape[-1]) for tensors in expected)
        np.testing.assert_allclose(
            moments.pair(f"a:{layer}", f"b:{layer}").xy, oracles.co_moments(x, y), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("rate", [16000, 8000])
def test_the_branch_of_a_constant_is_reached(files, rate):
    moments = sm.capture(files, [SOUND[:13], SOUND[13:]], constants={"sr": rate, "state": "zeros"})
    check(moments, [voice_tensors(SOUND, NO_STATE, seed, rate) for seed in range(2)])
    assert moments.layers["a:relu"] == CHANNELS and moments.layers["a:Y"] == HIDDEN


@pytest.mark.parametrize("batch", ["batch", None, COUNT, 8, 3, 2, 1])
def test_states_are_cut_along_their_own_axis(tmp_path, batch):
    """Also where a batch of two looks like the two states."""
    files = {name: voice_activity(tmp_path / f"{name}.onnx", seed, batch) for seed, name in enumerate("ab")}
    moments = sm.capture(files, [{"input": SOUND, "state": STATE}], constants={"sr": 16000})
    check(moments, [voice_tensors(SOUND, STATE, seed) for seed in range(2)])
    one_state = np.broadcast_to(STATE[:, :1], STATE.shape)
    size = batch if isinstance(batch, int) else 1
    moments = sm.capture(files, SOUND, constants={"sr": 16000, "state": one_state[:, :size]})
    check(moments, [voice_tensors(SOUND, one_state, seed) for seed in range(2)])
    moments = sm.capture(files, SOUND, constants={"sr": 16000, "state": 0})
    check(moments, [voice_tensors(SOUND, NO_STATE, seed) for seed in range(2)])


def test_a_missing_input_is_an_error_that_lists_all(files):
    message = (
        r"a\.onnx: no value for state, sr\. Its inputs are input float32 \(batch, 20\), state float32 \(2, batch, 4\), "
        r'sr int64 \(\); the batch is float32 \(20, 20\)\..* constants=\{"state": "zeros", "sr": NUMBER\} '
        r"\(--constant state=zeros --constant sr=NUMBER on the command line\)"
    )
    with pytest.warns(sm.SpanmatchWarning, match="depends on 'sr'"), pytest.raises(sm.SpanmatchError, match=message):
        sm.capture(files, SOUND)


def test_constants_that_cannot_be_used(tmp_path, files):
    plain = {"a": perceptron(tmp_path / "plain.onnx")}
    free = saved(
        tmp_path / "free.onnx", [("Add", "x s", "y", {})], [("x", ["n", 6]), ("s", ["n", "k"])], [("y", ["n", 6])]
    )
    for networks, data, constants, message in (
        (files, SOUND, {"sr": 16000.5, "state": "zeros"}, r"the graph takes sr int64 \(\); float64 is given"),
        (files, SOUND, {"rate": 1, **CONSTANTS}, "'rate' is no input of any of the graphs; there is "),
        (files, SOUND, {"sr": "ones"}, "'sr' is 'ones'; give a number, an array of numbers, or \"zeros\""),
        (files, SOUND, [("sr", 1)], "give {input: number"),
        (files, SOUND, {"input": "zeros", **CONSTANTS}, "every input is a constant; leave one for the batches"),
        (files, [{"state": STATE, "input": SOUND}], {"sr": 16000}, "'input' before the other arrays"),
        (plain, INPUTS, {"sr": 1}, "'sr' is no input of any of the graphs; there is 'x'"),
        ({"a": free}, INPUTS, {"s": "zeros"}, r"s float32 \(n, k\): not all lengths are fixed"),
        ({"a": nn.Linear(6, 2)}, INPUTS, {"sr": 1}, "'sr' is for ONNX graphs; none of the networks is one"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture(networks, data, constants=constants)
    with pytest.raises(sm.SpanmatchError, match="it is for networks"):
        sm.compare(INPUTS, INPUTS, constants={"sr": 1})


def test_constants_of_the_command_line_are_parsed_strictly():
    assert parsed_constants(["sr=16000", "gain=-1.5e-3", "state=zeros"]) == {
        "sr": 16000,
        "gain": -0.0015,
        "state": "zeros",
    }
    assert [type(value) for value in parsed_constants(["a=1", "b=1.0"]).values()] == [int, float]
    for texts in (["sr"], ["=1"], ["sr="], ["sr=1_000"], ["sr= 1"], ["sr=nan"], ["sr=inf"], ["sr=one"], ["a=1", "a=2"]):
        with pytest.raises(sm.SpanmatchError, match="--constant"):
            parsed_constants(texts)


def test_a_pass_with_other_constants_is_another_pass(tmp_path, files):
    options = {"layers": "output", "checkpoint": tmp_path / "pass.safetensors"}
    sm.capture(files, SOUND, constants=CONSTANTS | {"state": STATE[:, :1]}, **options)
    sm.capture(files, SOUND, constants=CONSTANTS | {"state": STATE[:, :1].copy()}, **options)
    with pytest.raises(sm.SpanmatchError, match="made from other options"):
        sm.capture(files, SOUND, constants=CONSTANTS | {"state": STATE[:, 1:2]}, **options)


def test_the_command_line_takes_constants_and_numbers_in_a_file(tmp_path, files):
    np.save(tmp_path / "sound.npy", SOUND)
    np.savez(tmp_path / "sound.npz", input=SOUND, sr=np.int64(16000))
    run = ["compare", str(files["a"]), str(files["b"]), "--out", str(tmp_path / "out"), "--layers", "Y_h"]
    constants = ["--constant", "state=zeros"]
    for data, given in (("sound.npy", [*constants, "--constant", "sr=16000"]), ("sound.npz", constants)):
        result = CliRunner().invoke(app, [*run, "--data", str(tmp_path / data), *given])
        assert result.exit_code == 0, result.output
        pair = sm.Moments.load(tmp_path / "out" / "moments.safetensors").pair("a:Y_h", "b:Y_h")
        x, y = (voice_tensors(SOUND, NO_STATE, seed)["Y_h"] for seed in range(2))
        np.testing.assert_allclose(pair.xy, oracles.co_moments(x, y), rtol=1e-4)
    for extra, message in (
        (["--constant", "sr=fast"], "'fast' is no finite number"),
        ([], "which branch is taken depends on 'sr'"),
    ):
        result = CliRunner().invoke(app, [*run, "--data", str(tmp_path / "sound.npy"), *extra])
        assert result.exit_code == (2 if extra else 1) and message in result.stderr
    result = CliRunner().invoke(app, ["compare", *[str(tmp_path / "sound.npz")] * 2, "--constant", "sr=1"])
    assert result.exit_code == 2 and "--constant is for networks" in result.stderr


def test_tensors_inside_other_branches_are_refused_with_the_reason(tmp_path):
    files = {name: voice_activity(tmp_path / f"{name}.onnx", seed, condition="input") for seed, name in enumerate("ab")}
    why = (
        "tensors inside If 'rates' are no layers, because which branch is taken depends on 'input'; "
        r"its results \(output, stateN\) can be$"
    )
    with pytest.warns(sm.SpanmatchWarning, match=why):
        moments = sm.capture(files, SOUND, constants=CONSTANTS)
    expected = [voice_tensors(SOUND, NO_STATE, seed) for seed in range(2)]
    check(moments, [{layer: tensors[layer] for layer in ("output", "stateN")} for tensors in expected])
    with pytest.raises(sm.SpanmatchError, match="layers: 'relu' is no layer of .*a.onnx: " + why):
        sm.capture(files, SOUND, constants=CONSTANTS, layers="relu")


def test_the_result_of_a_loop_is_a_layer(tmp_path):
    value = floats("value_in", ["n", 6])
    body = helper.make_graph(
        [helper.make_node("Tanh", ["value_in"], ["inner"]), helper.make_node("Identity", ["go_in"], ["go_out"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
            value,
        ],
        [helper.make_tensor_value_info("go_out", TensorProto.BOOL, []), floats("inner", ["n", 6])],
    )
    nodes = [("Loop", "times go x", "y", {"body": body})]
    path = saved(
        tmp_path / "loop.onnx",
        nodes,
        [("x", ["n", 6])],
        [("y", ["n", 6])],
        {"times": np.array(2), "go": np.array(True)},
    )
    with pytest.warns(
        sm.SpanmatchWarning, match=r"tensors inside Loop 'node_y' .* anew in every step; its results \(y\)"
    ):
        moments = sm.capture({"a": path, "b": path}, INPUTS)
    expected = np.tanh(np.tanh(INPUTS.astype(np.float64)))
    np.testing.assert_allclose(moments.pair("a:y", "b:y").xx, oracles.co_moments(expected, expected), rtol=1e-5)


def test_branches_with_tensors_of_one_name_keep_them_apart(tmp_path):
    def branch(scale):
        nodes = [helper.make_node("Mul", ["x", "scale"], ["scaled"]), helper.make_node("Tanh", ["scaled"], ["tanh"])]
        weight = numpy_helper.from_array(np.array(scale, "f4"), "scale")
        return helper.make_graph(nodes, "branch", [], [floats("tanh", ["n", 6])], [weight])

    nodes = [
        ("If", "yes", "first", {"then_branch": branch(1), "else_branch": branch(2)}),
        ("If", "no", "second", {"then_branch": branch(3), "else_branch": branch(4)}),
        ("Concat", "first second", "y", {"axis": 1}),
    ]
    path = saved(
        tmp_path / "two.onnx",
        nodes,
        [("x", ["n", 6])],
        [("y", ["n", 12])],
        {"yes": np.array(True), "no": np.array(False)},
    )
    moments = sm.capture({"a": path, "b": path}, INPUTS, layers="*tanh")
    for layer, scale in (("tanh", 1), ("node_second/else/tanh", 4)):
        expected = np.tanh(scale * INPUTS.astype(np.float64))
        np.testing.assert_allclose(
            moments.pair(f"a:{layer}", f"b:{layer}").xx, oracles.co_moments(expected, expected), rtol=1e-4, atol=1e-4
        )


def test_weights_inside_a_branch_must_lie_beside_the_graph(tmp_path):
    path = voice_activity(tmp_path / "a.onnx")
    model = onnx.load(path)
    tensor = model.graph.node[1].attribute[0].g.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../elsewhere.data")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(sm.SpanmatchError, match=r"a\.onnx: it asks for weights from '\.\./elsewhere\.data'"):
        sm.capture({"a": path}, SOUND, constants=CONSTANTS)
