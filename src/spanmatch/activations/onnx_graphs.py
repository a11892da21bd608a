"""ONNX graphs as they are run: an If whose condition is known is replaced by its branch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

CONTROL_FLOW = ("If", "Loop", "Scan")
RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
Evaluate = Callable[["onnx.ModelProto"], bool]
"""Returns the one result of a model without inputs."""


@dataclass(frozen=True)
class InnerGraph:
    """An operator whose inner tensors cannot be outputs: which of them are computed, and how often, depends on data."""

    node: onnx.NodeProto
    depends_on: list[str] | None
    """The inputs that decide which branch of an If is taken; None of a Loop or a Scan."""
    tensors: dict[str, str]
    """The kind of operator, by the names of the tensors in it."""

    @property
    def place(self) -> str:
        """The operator, as messages call it."""
        return f"{self.node.op_type} {(self.node.name or self.node.output[0])!r}"

    @property
    def reason(self) -> str:
        """Why its tensors cannot be listed."""
        if self.depends_on is None:
            return "they are computed anew in every step"
        return f"which branch is taken depends on {', '.join(map(repr, self.depends_on)) or 'the data'}"


def inline_branches(model: onnx.ModelProto, constants: Mapping[str, NDArray[np.generic]], evaluate: Evaluate) -> None:
    """Replace, in place, every If whose condition is known by its branch.

    Parameters
    ----------
    model
        The graph. Tensors of a branch keep their names, unless the graph has one of that name
        already; then they become "node/then/tensor".
    constants
        Values of inputs.
    evaluate
        Computes a condition from constants.
    """
    graph = model.graph
    if not any(node.op_type == "If" for node in graph.node):
        return
    inliner = _Inliner(model, constants, evaluate)
    nodes = inliner.inlined()
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in names_used(node)} | {output.name for output in graph.output}
    given = [value for value in graph.input if value.name in used]
    del graph.input[:]
    graph.input.extend(given)


def inner_graphs(graph: onnx.GraphProto) -> list[InnerGraph]:
    """Return the operators of a graph with graphs inside."""
    producers = {output: node for node in graph.node for output in node.output}
    weights = {initializer.name for initializer in graph.initializer}
    inputs = [given.name for given in graph.input if given.name not in weights]
    found = []
    for node in graph.node:
        tensors = {output: inner.op_type for inner in _nodes_in(node) for output in inner.output if output}
        if tensors:
            depends_on = _inputs_of_condition(node, producers, inputs) if node.op_type == "If" else None
            found.append(InnerGraph(node, depends_on, tensors))
    return found


def subgraphs(node: onnx.NodeProto) -> dict[str, onnx.GraphProto]:
    """Return the graphs inside an operator, by attribute."""
    return {given.name: given.g for given in node.attribute if given.HasField("g")}


def names_used(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the tensors that an operator takes, also those that only operators inside it take."""
    yield from (name for name in node.input if name)
    for graph in subgraphs(node).values():
        yield from (output.name for output in graph.output)
        for inner in graph.node:
            yield from names_used(inner)


def tensors_stored(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the tensors whose values are part of a graph, also of those inside it."""
    yield from graph.initializer
    for node in graph.node:
        yield from (given.t for given in node.attribute if given.HasField("t"))
        for inner in subgraphs(node).values():
            yield from tensors_stored(inner)


class _Inliner:
    """Goes through the operators of a graph, and through those of branches in place of an If."""

    def __init__(
        self, model: onnx.ModelProto, constants: Mapping[str, NDArray[np.generic]], evaluate: Evaluate
    ) -> None:
        self.model, self.constants, self.evaluate = model, constants, evaluate
        self.weights = {initializer.name: initializer for initializer in model.graph.initializer}
        self.known = {*self.weights, *constants}
        self.producers: dict[str, onnx.NodeProto] = {}
        self.taken = {*self.weights, *(given.name for given in model.graph.input)}
        self.taken.update(output for node in model.graph.node for output in node.output)

    def inlined(self) -> list[onnx.NodeProto]:
        """Return the operators, in their order."""
        waiting, nodes = deque(self.model.graph.node), []
        while waiting:
            node = waiting.popleft()
            if node.op_type == "If" and node.input[0] in self.known:
                waiting.extendleft(reversed(self._nodes_of_branch(node)))
                continue
            nodes.append(node)
            inputs = [name for name in node.input if name]
            if not subgraphs(node) and node.op_type not in RANDOM and self.known.issuperset(inputs):
                self.known.update(node.output)
                self.producers.update(dict.fromkeys(node.output, node))
        return nodes

    def _nodes_of_branch(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Return the operators of the branch that is taken; its weights become those of the graph."""
        from onnx import helper

        branch = "then" if self.evaluate(self._condition(node.input[0])) else "else"
        graph = subgraphs(node)[f"{branch}_branch"]
        own = [initializer.name for initializer in graph.initializer]
        own += [output for inner in graph.node for output in inner.output if output]
        place = node.name or node.output[0]
        renamed = {name: f"{place}/{branch}/{name}" for name in own if name in self.taken}
        _rename(graph, renamed)
        self.taken.update(renamed.get(name, name) for name in own)
        for initializer in graph.initializer:
            self.model.graph.initializer.append(initializer)
            self.weights[initializer.name] = initializer
            self.known.add(initializer.name)
        results = [
            helper.make_node("Identity", [inner.name], [outer], name=f"{place}/{branch}/{outer}")
            for inner, outer in zip(graph.output, node.output, strict=True)
            if outer
        ]
        return [*graph.node, *results]

    def _condition(self, name: str) -> onnx.ModelProto:
        """Return a model that computes a known tensor from constants."""
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        needed, waiting, nodes = set(), [name], []
        while waiting:
            tensor = waiting.pop()
            if tensor in needed or not tensor:
                continue
            needed.add(tensor)
            if tensor in self.producers:
                waiting.extend(self.producers[tensor].input)
        for output, node in self.producers.items():
            if output in needed and node not in nodes:
                nodes.append(node)
        given = {key: value for key, value in self.constants.items() if key in needed}
        values = [numpy_helper.from_array(np.asarray(value), key) for key, value in given.items()]
        weights = [value for key, value in self.weights.items() if key in needed and key not in given]
        graph = helper.make_graph(
            nodes, "condition", [], [helper.make_tensor_value_info(name, TensorProto.BOOL, None)], [*values, *weights]
        )
        model = onnx.ModelProto(ir_version=self.model.ir_version, opset_import=self.model.opset_import)
        model.functions.extend(self.model.functions)
        model.graph.CopyFrom(graph)
        return model


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename tensors in a graph and in those inside it, in place."""
    if not names:
        return
    for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for places in (node.input, node.output):
            places[:] = [names.get(name, name) for name in places]
        for inner in subgraphs(node).values():
            _rename(inner, names)


def _nodes_in(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """Yield the operators inside an operator, at any depth."""
    for graph in subgraphs(node).values():
        for inner in graph.node:
            yield inner
            yield from _nodes_in(inner)


def _inputs_of_condition(node: onnx.NodeProto, producers: Mapping[str, onnx.NodeProto], inputs: list[str]) -> list[str]:
    """Return the inputs of a graph on which the branch that an If takes depends."""
    waiting, seen = [node.input[0]], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(names_used(producers[name]) if name in producers else ())
    return [name for name in inputs if name in seen]
