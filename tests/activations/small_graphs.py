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
