"""The layers of an ONNX graph by default: what comes out of non-linearities, blocks and recurrences, and its outputs.

All other tensors can be named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .onnx_axes import EXAMPLES, NEURONS, Axes
from .onnx_graphs import CONTROL_FLOW, names_used

if TYPE_CHECKING:
    import onnx

NONLINEARITIES = frozenset(
    [
        "BiasGelu",
        "Celu",
        "Clip",
        "Elu",
        "Erf",
        "FastGelu",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Mish",
        "PRelu",
        "QuickGelu",
        "Relu",
        "Selu",
        "Shrink",
        "Sigmoid",
        "Softplus",
        "Softsign",
        "Swish",
        "Tanh",
        "ThresholdedRelu",
    ]
)
RECURRENT = frozenset(("RNN", "GRU", "LSTM"))
NORMALISATIONS = frozenset(
    [
        "BatchNormalization",
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "RMSNormalization",
        "SimplifiedLayerNormalization",
        "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
    ]
)
LINEAR = frozenset(("Conv", "ConvTranspose", "FusedGemm", "FusedMatMul", "Gemm", "MatMul"))
PASSING_ON = frozenset(
    [
        "AveragePool",
        "Cast",
        "Dropout",
        "Flatten",
        "Identity",
        "MaxPool",
        "Pad",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ]
)
"""Operators through which it is looked for what comes after a linear map."""
SCALINGS = frozenset(("Add", "Div", "Mul", "Sub"))
"""Operators of which a linear map's bias, and the formulas of GELU, SiLU and Mish are made."""
STEPS_BACK = 6
"""Operators from the input of such a formula to its non-linearity; GELU with tanh has the most."""


def default_layers(graph: onnx.GraphProto, axes: Mapping[str, Axes]) -> list[str]:
    """Return the tensors of a graph that are layers by default.

    Parameters
    ----------
    graph
        The graph.
    axes
        What the axes of its tensors hold; see `onnx_axes.axes_of`.

    Returns
    -------
    list of str
        In the order in which they are computed: the results of non-linearities (of a GELU, SiLU or
        Mish made of several operators, the last one's), the sums of blocks, the results of
        recurrent operators, of linear maps after which neither comes a non-linearity nor a
        normalisation nor a sum, and the outputs of the graph.
    """
    return _Layers(graph, axes).default()


class _Layers:
    """A graph, and what produces and takes its tensors."""

    def __init__(self, graph: onnx.GraphProto, axes: Mapping[str, Axes]) -> None:
        self.graph, self.axes = graph, axes
        self.producers = {output: node for node in graph.node for output in node.output if output}
        self.consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in set(names_used(node)):
                self.consumers.setdefault(name, []).append(node)
        self.outputs = {output.name for output in graph.output}
        self.data = self._tensors_of_data()
        self.ends, self.inside = self._formulas()
        self.known_ends: dict[str, bool] = {}
        """Results of `_ends_a_linear_map`, each of which follows from those of the operators after it."""

    def default(self) -> list[str]:
        """Return the layers."""
        layers = {tensor for node in self.graph.node for tensor in self._layers_of(node)}
        for output in self.outputs:
            source = self.producers.get(output)
            while source is not None and source.op_type == "Identity":
                layers.discard(source.input[0])  # the same values
                source = self.producers.get(source.input[0])
        layers |= {output for output in self.outputs if self._holds_floats(output)}
        return [tensor for node in self.graph.node for tensor in node.output if tensor in layers]

    def _tensors_of_data(self) -> set[str]:
        """Return the tensors that depend on the inputs."""
        weights = {initializer.name for initializer in self.graph.initializer}
        data = {given.name for given in self.graph.input if given.name not in weights}
        for node in self.graph.node:
            if node.op_type not in ("Shape", "Size") and not data.isdisjoint(names_used(node)):
                data.update(output for output in node.output if output)
        return data

    def _layers_of(self, node: onnx.NodeProto) -> list[str]:
        """Return the results of an operator that are layers by default."""
        if node.op_type in RECURRENT:
            return [output for output in node.output[:2] if output]
        if node.op_type in CONTROL_FLOW:
            return [output for output in node.output if self._are_axes_known(output)]
        result = next(iter(node.output), "")
        if result not in self.data:
            return []
        if result in self.ends:
            return [self.ends[result]]
        if result in self.inside:
            return []
        return [result] if node.op_type in NONLINEARITIES or self._is_layer(node, result) else []

    def _is_layer(self, node: onnx.NodeProto, result: str) -> bool:
        """Tell whether the result of an operator that is no non-linearity is a layer by default."""
        if self._is_sum(node):
            return not self._consumed_only_by(result, NONLINEARITIES | NORMALISATIONS | {"Softmax"})
        if node.op_type in NORMALISATIONS and node.op_type != "BatchNormalization":
            block = self.producers.get(node.input[0])
            return block is not None and self._is_sum(block) and len(self.consumers[node.input[0]]) == 1
        return node.op_type == "Attention" or (self._is_linear(node) and self._ends_a_linear_map(result))

    def _are_axes_known(self, tensor: str) -> bool:
        """Tell whether it is known which axes of a tensor hold the examples and the neurons."""
        axes = self.axes.get(tensor, ())
        return EXAMPLES in axes and (NEURONS in axes or len(axes) == 2)

    def _is_sum(self, node: onnx.NodeProto) -> bool:
        """Tell whether an operator adds two tensors of data, as a block adds what it computes to its input."""
        return node.op_type in ("Add", "Sum") and sum(name in self.data for name in node.input) > 1

    def _is_linear(self, node: onnx.NodeProto) -> bool:
        """Tell whether an operator is a linear map by weights, its bias, or a batch normalisation."""
        if node.op_type == "BatchNormalization":
            return True
        if sum(name in self.data for name in node.input) != 1:
            return False
        if node.op_type != "Add":
            return node.op_type in LINEAR
        source = self.producers.get(next(name for name in node.input if name in self.data))
        return source is not None and source.op_type in LINEAR

    def _ends_a_linear_map(self, tensor: str) -> bool:
        """Tell whether something else takes a tensor than non-linearities, normalisations and sums."""
        if tensor not in self.known_ends:
            consumers = self.consumers.get(tensor, [])
            self.known_ends[tensor] = not consumers or any(not self._goes_on(node) for node in consumers)
        return self.known_ends[tensor]

    def _goes_on(self, node: onnx.NodeProto) -> bool:
        """Tell whether an operator is a non-linearity, normalisation, sum or bias, or passes on to such alone."""
        if node.op_type in NONLINEARITIES | NORMALISATIONS | {"Add"} or node.output[0] in self.inside:
            return True
        if node.op_type in SCALINGS:
            return not self._ends_a_linear_map(node.output[0])
        return (
            node.op_type in PASSING_ON
            and node.output[0] not in self.outputs
            and bool(self.consumers.get(node.output[0]))
            and not self._ends_a_linear_map(node.output[0])
        )

    def _consumed_only_by(self, tensor: str, operators: frozenset[str]) -> bool:
        """Tell whether a tensor is taken, and by some operators alone."""
        consumers = self.consumers.get(tensor, [])
        return bool(consumers) and all(node.op_type in operators for node in consumers)

    def _formulas(self) -> tuple[dict[str, str], set[str]]:
        """Return the results of formulas around non-linearities, by the non-linearity, and what lies inside them.

        Such a formula multiplies a non-linearity by its own input: x * sigmoid(x) is SiLU, and
        x * (1 + erf(x / sqrt(2))) / 2 is GELU.
        """
        ends: dict[str, str] = {}
        inside: set[str] = set()
        for node in self.graph.node:
            if node.op_type not in NONLINEARITIES or node.output[0] in inside:
                continue
            result, end, passed = node.output[0], "", set()
            before = self._sources(node.input[0])
            base = set(before)
            while len(self.consumers.get(result, [])) == 1:
                following = self.consumers[result][0]
                others = {name for name in following.input if name in self.data and name != result}
                shared = [before & self._sources(name) for name in others]
                if following.op_type not in SCALINGS | NONLINEARITIES or not all(shared):
                    break
                base = base.intersection(*shared)
                passed |= {result, *others}
                result = following.output[0]
                if following.op_type == "Mul" and (others or end):
                    end = result
            if end:
                ends[node.output[0]] = end
                inside |= (passed | before) - base | {end}
        return ends, inside

    def _sources(self, tensor: str) -> set[str]:
        """Return a tensor, and those that it is made of by sums, products and powers, a few steps back."""
        sources, latest = {tensor}, {tensor}
        for _ in range(STEPS_BACK):
            makers = [self.producers[name] for name in latest if name in self.producers]
            latest = {
                name
                for node in makers
                if node.op_type in SCALINGS | {"Pow"}
                for name in node.input
                if name in self.data
            }
            sources |= latest
        return sources

    def _holds_floats(self, output: str) -> bool:
        """Tell whether an output of the graph holds numbers that are not whole, as far as it says."""
        from onnx import TensorProto

        kind = next(value.type.tensor_type.elem_type for value in self.graph.output if value.name == output)
        floats = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.UNDEFINED)
        return output in self.data and kind in floats
