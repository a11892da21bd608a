"""Small ONNX files, and what a tensor inside them holds."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

INPUTS = np.random.default_rng(5).standard_normal((40, 6)).astype(np.float32)


def weights(seed):
    r = np.random.default_rng(seed)
    return {"w": r.standard_normal((6, 8)).astype("f4"), "v": r.standard_normal((8, 5)).astype("f4")}


def perceptron(path, seed=0, batch="n", external=False, location=None):
    """Write x -> hidden = relu(x w) -> out = hidden v."""
    initializers = weights(seed)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["before"]),
        helper.make_node("Relu", ["before"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "v"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 6])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, 5])],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if external:
        onnx.save(model, path, save_as_external_data=True, location=f"{path.stem}.data", size_threshold=0)
    else:
        onnx.save(model, path)
    if location is not None:
        changed = onnx.load(path, load_external_data=False)
        for tensor in changed.graph.initializer:
            for entry in tensor.external_data:
                entry.value = location if entry.key == "location" else entry.value
        onnx.save(changed, path)
    return path


def hidden(seed=0, x=INPUTS):
    return np.maximum(x @ weights(seed)["w"], 0).astype(np.float64)


def saved(path, nodes, inputs, outputs, constants=None, opset=17):
    """Write a graph of nodes (operator, inputs, outputs, attributes); tensors of float32, {name: shape}."""
    made = [helper.make_node(op, i.split(), o.split(), name=f"node_{o.split()[0]}", **a) for op, i, o, a in nodes]
    graph = helper.make_graph(
        made,
        "graph",
        [value if not isinstance(value, tuple) else floats(*value) for value in inputs],
        [value if not isinstance(value, tuple) else floats(*value) for value in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def floats(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape[0] if shape else None)


SAMPLES, CHANNELS, HIDDEN = 20, 6, 4
RATES = {16000: 5, 8000: 4}
"""By sampling rate, the length of the kernel, and its stride."""


def voice_weights(seed, rate):
    r = np.random.default_rng([seed, rate])
    return {
        "kernel": r.standard_normal((CHANNELS, 1, RATES[rate])).astype("f4"),
        "W": r.standard_normal((1, 4 * HIDDEN, CHANNELS)).astype("f4"),
        "R": r.standard_normal((1, 4 * HIDDEN, HIDDEN)).astype("f4"),
        "head": r.standard_normal((HIDDEN, 1)).astype("f4"),
    }


def voice_activity(path, seed=0, batch="batch", condition="sr"):
    """Write a network as those that detect voices: If(sr == 16000) one convolution and LSTM, or else others.

    Both branches have tensors of the same names.  With another condition, the branch depends on that input.
    """
    initial = {"zero": np.array([0]), "one": np.array([1]), "rate": np.array(16000), "first": np.array(0)}
    initial |= {"second": np.array(1), "threshold": np.array(1e6, "f4")}
    if condition == "sr":
        conditions = [helper.make_node("Equal", ["sr", "rate"], ["is_fast"], name="is_fast")]
    else:
        conditions = [
            helper.make_node("ReduceMax", [condition], ["largest"], keepdims=0),
            helper.make_node("Less", ["largest", "threshold"], ["is_fast"]),
        ]
    branches = {f"{name}_branch": _voice_branch(seed, rate, batch) for name, rate in (("then", 16000), ("else", 8000))}
    graph = helper.make_graph(
        [*conditions, helper.make_node("If", ["is_fast"], ["output", "stateN"], name="rates", **branches)],
        "voice",
        [
            floats("input", [batch, SAMPLES]),
            floats("state", [2, batch, HIDDEN]),
            helper.make_tensor_value_info("sr", TensorProto.INT64, []),
        ],
        [floats("output", [batch, 1]), floats("stateN", [2, batch, HIDDEN])],
        [numpy_helper.from_array(array, name) for name, array in initial.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _voice_branch(seed, rate, batch):
    nodes = [
        helper.make_node("Unsqueeze", ["input", "one"], ["signal"]),
        helper.make_node("Conv", ["signal", "kernel"], ["conv"], strides=[RATES[rate]]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Transpose", ["relu"], ["sequence"], perm=[2, 0, 1]),
        helper.make_node("Gather", ["state", "first"], ["h"], axis=0),
        helper.make_node("Gather", ["state", "second"], ["c"], axis=0),
        helper.make_node("Unsqueeze", ["h", "zero"], ["h0"]),
        helper.make_node("Unsqueeze", ["c", "zero"], ["c0"]),
        helper.make_node("LSTM", ["sequence", "W", "R", "", "", "h0", "c0"], ["Y", "Y_h", "Y_c"], hidden_size=HIDDEN),
        helper.make_node("Concat", ["Y_h", "Y_c"], ["states"], axis=0),
        helper.make_node("Squeeze", ["Y_h", "zero"], ["last"]),
        helper.make_node("MatMul", ["last", "head"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    weights_of_branch = [numpy_helper.from_array(array, name) for name, array in voice_weights(seed, rate).items()]
    outputs = [floats("probability", [batch, 1]), floats("states", [2, batch, HIDDEN])]
    return helper.make_graph(nodes, f"rate_{rate}", [], outputs, weights_of_branch)


def voice_tensors(x, state, seed=0, rate=16000):
    """Return what its tensors hold, examples first and neurons last, by plain NumPy."""
    w, k = voice_weights(seed, rate), RATES[rate]
    x, h, c = (array.astype(np.float64) for array in (x, state[0], state[1]))
    relu = np.maximum(x.reshape(len(x), SAMPLES // k, k) @ w["kernel"][:, 0].T, 0)

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    steps = []
    for t in range(relu.shape[1]):
        i, o, f, g = np.split(relu[:, t] @ w["W"][0].T + h @ w["R"][0].T, 4, axis=1)  # the gates in ONNX's order
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        steps.append(h)
    return {
        "relu": relu,
        "Y": np.stack(steps, 1),
        "Y_h": h,
        "output": sigmoid(h @ w["head"]),
        "stateN": np.concatenate([h, c], 1),
    }
