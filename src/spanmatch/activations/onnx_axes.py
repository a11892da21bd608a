"""Which axis of each tensor of an ONNX graph holds the examples, and which hold the neurons.

The meaning of the axes begins at the inputs (examples), convolutions (neurons on the second axis)
and linear maps (neurons on the last), and is followed through the operators after them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError

if TYPE_CHECKING:
    import onnx

    AttributeValue: TypeAlias = onnx.AttributeProto
    """A number, a text, a list of these, a tensor or a graph."""

Axis: TypeAlias = Literal["examples", "neurons"] | None
Axes: TypeAlias = tuple[Axis, ...]
"""What each axis of a tensor holds; None for positions, and for what is not known."""
Dim: TypeAlias = int | str | None
"""The length of an axis: a number, a name, or not known."""
Rule: TypeAlias = Callable[["_Flow", "onnx.NodeProto"], Sequence[Axes | None]]

EXAMPLES: Final = "examples"
NEURONS: Final = "neurons"
BATCH = "spanmatch_batch"
"""The name that the length of the examples' axes gets while shapes are inferred."""
SMALL = 64
"""Up to so many values, a constant may be a shape or a list of axes."""
MOST_PASSES = 200
"""Of shape inference; a network needs about as many as it has blocks."""
DOMAINS = ("", "ai.onnx", "com.microsoft")


def axes_of(model: onnx.ModelProto, batch_axes: Mapping[str, int | None]) -> dict[str, Axes]:
    """Return what the axes of a graph's tensors hold.

    Parameters
    ----------
    model
        The graph; its weights need not be there.
    batch_axes
        The axis of the examples in each input, None where an input has none.

    Returns
    -------
    dict of str to tuple
        By tensor, one of "examples", "neurons" or None for each axis. Several axes may hold
        neurons, as directions and hidden units of an LSTM do. Tensors of which not even the number
        of axes is known are not in it.
    """
    skeleton = _without_weights(model, batch_axes)
    weights = [initializer.name for initializer in model.graph.initializer]
    flow = _followed(skeleton, weights, batch_axes)
    for _ in range(MOST_PASSES):  # each may find shapes that follow from other tensors', and with them more
        known = {value.name for value in skeleton.graph.value_info}
        found = [value for value in flow.found if value.name not in known]
        if not found:
            break
        skeleton.graph.value_info.extend(found)
        flow = _followed(skeleton, weights, batch_axes)
    for output in model.graph.output:
        dims = dims_of(output)
        if dims is not None:
            flow.axes.setdefault(output.name, (None,) * len(dims))
    return flow.axes


def _followed(skeleton: onnx.ModelProto, weights: Iterable[str], batch_axes: Mapping[str, int | None]) -> _Flow:
    """Infer the shapes in a graph, and follow its axes."""
    from onnx import shape_inference

    try:
        graph = shape_inference.infer_shapes(skeleton, data_prop=True).graph
    except Exception:  # of operators that it does not know; what follows from the rules below is known
        graph = skeleton.graph
    flow = _Flow(weights)
    for given in graph.input:
        dims = dims_of(given)
        if dims is not None and given.name not in flow.constants:
            axis = batch_axes.get(given.name)
            flow.axes[given.name] = tuple(EXAMPLES if i == axis else None for i in range(len(dims)))
    flow.follow(graph)
    return flow


def rows_and_neurons(
    layer: str, tensor: NDArray[np.generic], axes: Axes | None, count: int
) -> tuple[NDArray[np.generic], bool | None]:
    """Return a tensor with examples first, and where its neurons are.

    Parameters
    ----------
    layer
        Its name, for messages.
    tensor
        What the graph gave.
    axes
        What its axes hold, None if that is not known.
    count
        How many examples went in.

    Returns
    -------
    tensor : (examples, ...)
        Neurons that are neither on the second nor on the last axis alone are moved there.
    channels_first : bool or None
        Whether neurons are on the second axis, or on the last; None if that is not known.

    Raises
    ------
    SpanmatchError
        If it is not clear which axis holds the examples, or it is of another length.
    """
    if axes is None or len(axes) != tensor.ndim:
        axes = (None,) * tensor.ndim
    batch = _batch_axis(layer, tensor.shape, axes, count)
    tensor = np.moveaxis(tensor, batch, 0)
    order: Axes = (EXAMPLES, *axes[:batch], *axes[batch + 1 :])
    neurons = [i for i, axis in enumerate(order) if axis == NEURONS]
    if tensor.ndim < 3 or not neurons:
        return tensor, None
    if neurons == [tensor.ndim - 1] and tensor.ndim > 3:  # positions in space, as those of a convolution
        return np.moveaxis(tensor, -1, 1), True
    if neurons in ([1], [tensor.ndim - 1]):
        return tensor, neurons == [1]
    others = [i for i in range(tensor.ndim) if i not in neurons]
    moved = tensor.transpose(*others, *neurons)
    return moved.reshape(*moved.shape[: len(others)], -1), False


def dims_of(value: onnx.ValueInfoProto) -> tuple[Dim, ...] | None:
    """Return the lengths of the axes that a graph declares for a tensor; None if it declares no shape."""
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None) if dim.HasField("dim_param") else None
        for dim in tensor.shape.dim
    )


def attribute(node: onnx.NodeProto, name: str) -> AttributeValue:
    """Return an attribute of an operator, None if it is not given."""
    from onnx import helper

    return next((helper.get_attribute_value(given) for given in node.attribute if given.name == name), None)


def attribute_int(node: onnx.NodeProto, name: str, default: int) -> int:
    """Return an attribute that is a whole number."""
    given = attribute(node, name)
    return default if given is None else int(given)


def _batch_axis(layer: str, shape: tuple[int, ...], axes: Axes, count: int) -> int:
    """Return the axis of the examples: the known one, or else the only one of the right length."""
    known = [i for i, axis in enumerate(axes) if axis == EXAMPLES]
    candidates = known or [i for i, axis in enumerate(axes) if axis is None and shape[i] == count]
    if len(candidates) != 1:
        why = "no axis has" if not candidates else "several axes have"
        advice = (
            "it does not hold a value for each example; choose other layers"
            if not candidates
            else "export the graph with a named batch axis in its inputs, or give batches of another size"
        )
        raise SpanmatchError(f"layer {layer!r}: shape {shape} for {count} examples: {why} that length; {advice}")
    if shape[candidates[0]] != count:
        raise SpanmatchError(
            f"layer {layer!r}: shape {shape} for {count} examples, which should be on axis {candidates[0]}; "
            "choose other layers"
        )
    return candidates[0]


def _without_weights(model: onnx.ModelProto, batch_axes: Mapping[str, int | None]) -> onnx.ModelProto:
    """Return a graph without large weights and without declared shapes of its results, its batch axes named."""
    import onnx
    from onnx import helper

    skeleton = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    skeleton.functions.extend(model.functions)
    graph = skeleton.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    given = {value.name for value in graph.input}
    for weights in model.graph.initializer:
        if math.prod(weights.dims) <= SMALL and not weights.external_data:
            graph.initializer.append(weights)
        elif weights.name not in given:
            graph.input.append(helper.make_tensor_value_info(weights.name, weights.data_type, list(weights.dims)))
    for output in model.graph.output:
        graph.output.add().name = output.name
    for value in graph.input:
        axis, dims = batch_axes.get(value.name), value.type.tensor_type.shape.dim
        if axis is not None and axis < len(dims) and not dims[axis].HasField("dim_value"):
            dims[axis].dim_param = BATCH
    return skeleton


class _Flow:
    """What is known of the tensors of a graph, operator by operator."""

    def __init__(self, constants: Iterable[str]) -> None:
        self.axes: dict[str, Axes] = {}
        self.dims: dict[str, tuple[Dim, ...]] = {}
        self.constants = set(constants)
        """Tensors that do not depend on the data."""
        self.lengths: dict[str, list[Dim]] = {}
        """The values of small tensors of whole numbers: constants, and shapes."""
        self.found: list[onnx.ValueInfoProto] = []
        """Results of a reshape whose shape is known, and was not inferred."""
        self._types: dict[str, int] = {}

    def follow(self, graph: onnx.GraphProto) -> None:
        """Go through the operators of a graph in their order."""
        for value in (*graph.value_info, *graph.input, *graph.output):
            dims = dims_of(value)
            self._types[value.name] = value.type.tensor_type.elem_type
            if dims is not None:
                self.dims[value.name] = dims
        for initializer in graph.initializer:
            self._add_constant(initializer.name, initializer)
        for name in self.constants & self.dims.keys():
            self.axes[name] = (None,) * len(self.dims[name])
        for node in graph.node:
            self._add(node)

    def whole_numbers(self, node: onnx.NodeProto, name: str, position: int) -> list[int] | None:
        """Return what is an attribute of an operator, or in later versions its input; None if not known."""
        given = attribute(node, name)
        if given is not None:
            return [int(number) for number in np.atleast_1d(given)]
        lengths = self.lengths.get(node.input[position]) if len(node.input) > position else None
        numbers = [length for length in lengths or () if isinstance(length, int)]
        return numbers if lengths is not None and len(numbers) == len(lengths) else None

    def dims_named(self, name: str) -> list[Dim] | None:
        """Return the lengths of a tensor's axes; those that are not known get a name of their own."""
        axes = self.axes.get(name)
        if axes is None:
            return None
        dims = self.dims.get(name, (None,) * len(axes))
        return [
            BATCH if axis == EXAMPLES and not isinstance(dim, int) else f"{name}#{i}" if dim is None else dim
            for i, (axis, dim) in enumerate(zip(axes, dims, strict=True))
        ]

    def add_shape(self, name: str, shape: Sequence[Dim]) -> None:
        """Take the shape of a result of a reshape, unless it was inferred."""
        from onnx import helper

        kind = self._types.get(name)
        if name not in self.dims and kind:
            dims = [None if length == -1 else length for length in shape]
            self.found.append(helper.make_tensor_value_info(name, kind, dims))

    def _add(self, node: onnx.NodeProto) -> None:
        """Add the results of an operator."""
        if node.op_type == "Constant":
            self._add_constant(node.output[0], next(iter(node.attribute), None))
        lengths = _lengths(self, node)
        if lengths is not None and len(lengths) <= SMALL:
            self.lengths[node.output[0]] = lengths
        is_graph = any(given.HasField("g") for given in node.attribute)
        if not is_graph and all(name in self.constants for name in node.input if name):
            self.constants.update(node.output)
        rule = RULES.get(node.op_type) if node.domain in DOMAINS else None
        results = rule(self, node) if rule else ()
        for i, name in enumerate(node.output):
            if name:
                self._set(name, results[i] if i < len(results) else None)

    def _set(self, name: str, axes: Axes | None) -> None:
        """Set what a result's axes hold; the inferred shape says how many there are, and names the batch."""
        dims = self.dims.get(name)
        if axes is None or (dims is not None and len(dims) != len(axes)):
            if dims is None:
                return
            axes = (None,) * len(dims)
        named = [i for i, dim in enumerate(dims or ()) if dim == BATCH and axes[i] is None]
        if EXAMPLES not in axes and len(named) == 1:
            axes = (*axes[: named[0]], EXAMPLES, *axes[named[0] + 1 :])
        self.axes[name] = axes

    def _add_constant(self, name: str, value: onnx.TensorProto | onnx.AttributeProto | None) -> None:
        """Add a constant, and its values if they are a few whole numbers."""
        from onnx import TensorProto, helper, numpy_helper

        self.constants.add(name)
        if value is None:
            return
        tensor = value if isinstance(value, TensorProto) else helper.get_attribute_value(value)
        if isinstance(tensor, TensorProto):
            self.dims.setdefault(name, tuple(tensor.dims))
            self.axes[name] = (None,) * len(tensor.dims)
            if math.prod(tensor.dims) > SMALL or tensor.external_data:
                return
            tensor = numpy_helper.to_array(tensor)
        if isinstance(tensor, int | list | np.ndarray) and np.asarray(tensor).dtype.kind == "i":
            self.lengths[name] = np.atleast_1d(tensor).tolist()


def _lengths(flow: _Flow, node: onnx.NodeProto) -> list[Dim] | None:
    """Return the values of a small tensor that is made of shapes and constants."""
    if node.op_type == "Shape":
        return flow.dims_named(node.input[0]) if not node.attribute else None
    inputs = [flow.lengths.get(name, []) for name in node.input if name]
    if not inputs or not inputs[0]:
        return None
    if node.op_type in ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"):
        return inputs[0]
    if node.op_type == "Concat":
        return [length for part in inputs for length in part] if all(inputs) else None
    if node.op_type == "Gather" and len(inputs[1]) == 1:
        index = inputs[1][0]
        return [inputs[0][index]] if isinstance(index, int) and -len(inputs[0]) <= index < len(inputs[0]) else None
    return None


def _same(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Axes as those of the first input."""
    return [flow.axes.get(node.input[0])] * len(node.output)


def _merged(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Axes as those of all inputs, aligned at the last axis, where they do not contradict one another."""
    return [_aligned([flow.axes.get(name) for name in node.input if name])]


def _aligned(inputs: Sequence[Axes | None]) -> Axes | None:
    """Return the axes of several tensors that are broadcast; if their neurons differ, none holds neurons."""
    known = [axes for axes in inputs if axes is not None]
    if len(known) != len(inputs) or not known:
        return None
    rank = max(map(len, known))
    padded = [(*(None,) * (rank - len(axes)), *axes) for axes in known]
    places = {tuple(i for i, axis in enumerate(axes) if axis == NEURONS) for axes in padded} - {()}
    agreed = tuple(_agreed(column) for column in zip(*padded, strict=True))
    return agreed if len(places) <= 1 else _without_neurons(agreed)


def _agreed(column: Sequence[Axis]) -> Axis:
    """Return what is said of an axis, unless two say different things."""
    said = {axis for axis in column if axis is not None}
    return said.pop() if len(said) == 1 else None


def _channels_first(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Neurons on the second axis."""
    axes = flow.axes.get(node.input[0])
    if axes is None or len(axes) < 2:
        return [None]
    return [(_without_neurons(axes[:1])[0], NEURONS, *_without_neurons(axes[2:]))]


def _pooled(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Axes as those of the input; if its neurons are not known, on the second axis."""
    axes = flow.axes.get(node.input[0])
    return [axes] if axes and NEURONS in axes else _channels_first(flow, node)


def _normalised(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Axes as those of the input; if its neurons are not known, on the last axis where only that is normalised."""
    axes, over = flow.axes.get(node.input[0]), attribute(node, "axis")
    if axes is None or NEURONS in axes or over not in (None, -1, len(axes) - 1):
        return [axes]
    return [(*axes[:-1], NEURONS)]


def _matrix_product(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Neurons where weights put them: on the last axis, or on the one before it if the weights come first."""
    left, right = (flow.axes.get(name) for name in node.input[:2])
    if left is None or right is None or len(left) < 2 or len(right) < 2:
        return [None]
    if node.input[1] in flow.constants:
        return [(*_aligned_leading(_without_neurons(left[:-2]), right[:-2]), *_without_neurons(left[-2:-1]), NEURONS)]
    if node.input[0] in flow.constants:
        return [(*_aligned_leading(left[:-2], _without_neurons(right[:-2])), NEURONS, *_without_neurons(right[-1:]))]
    return [(*_aligned_leading(left[:-2], right[:-2]), left[-2], right[-1])]


def _aligned_leading(left: Axes, right: Axes) -> Axes:
    """Return the leading axes of a product of stacks of matrices."""
    return _aligned([left, right]) or ()


def _without_neurons(axes: Axes) -> Axes:
    """Return axes, without saying that any of them holds neurons."""
    return tuple(None if axis == NEURONS else axis for axis in axes)


def _gemm(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """(examples, neurons)."""
    axes = flow.axes.get(node.input[0])
    if axes is None or len(axes) != 2:
        return [None]
    return [(*_without_neurons((axes[1] if attribute(node, "transA") else axes[0],)), NEURONS)]


def _transposed(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Axes in another order."""
    axes, order = flow.axes.get(node.input[0]), flow.whole_numbers(node, "perm", 1)
    if axes is None:
        return [None]
    return [tuple(axes[i] for i in order) if order is not None else axes[::-1]]


def _squeezed(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Without some axes."""
    axes, removed = flow.axes.get(node.input[0]), flow.whole_numbers(node, "axes", 1)
    return [None if axes is None or removed is None else _without(axes, removed)]


def _without(axes: Axes, removed: Sequence[int]) -> Axes:
    """Return axes without some of them."""
    places = {i % len(axes) for i in removed}
    return tuple(axis for i, axis in enumerate(axes) if i not in places)


def _unsqueezed(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """With axes of length 1 in between."""
    axes, added = flow.axes.get(node.input[0]), flow.whole_numbers(node, "axes", 1)
    if axes is None or added is None:
        return [None]
    rank, rest = len(axes) + len(added), iter(axes)
    places = {i % rank for i in added}
    return [tuple(None if i in places else next(rest) for i in range(rank))]


def _reduced(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Without the axes that are summed over; they stay with length 1 if asked for."""
    axes = flow.axes.get(node.input[0])
    over = flow.whole_numbers(node, "axes", 1)
    if node.op_type.startswith("Arg"):
        over = [attribute_int(node, "axis", 0)]
    if axes is None or over is None:
        return [None]
    if not attribute_int(node, "keepdims", 1):
        return [_without(axes, over)]
    places = {i % len(axes) for i in over}
    return [tuple(None if i in places else axis for i, axis in enumerate(axes))]


def _gathered(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """The axes of the indices in place of one; of a table of embeddings, neurons on the last axis."""
    axes, indices = flow.axes.get(node.input[0]), flow.axes.get(node.input[1])
    if axes is None or indices is None or not axes:
        return [None]
    axis = attribute_int(node, "axis", 0) % len(axes)
    if node.input[0] in flow.constants and axis == 0 and len(axes) == 2:
        return [(*_without_neurons(indices), NEURONS)]
    if len(indices) == 1:
        return [axes]
    return [(*axes[:axis], *indices, *axes[axis + 1 :])]


def _flattened(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """(examples, neurons)."""
    axes = flow.axes.get(node.input[0])
    if axes is None or attribute_int(node, "axis", 1) != 1 or not axes:
        return [(None, None)]
    return [(axes[0], NEURONS if axes[0] == EXAMPLES else None)]


def _expanded(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Axes of the input, with others before them."""
    axes, dims = flow.axes.get(node.input[0]), flow.dims.get(node.output[0])
    if axes is None or dims is None:
        return [None]
    return [((None,) * (len(dims) - len(axes)) + axes)]


def _reshaped(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Axes that stay, or are split or joined with others that hold the same."""
    axes, before = flow.axes.get(node.input[0]), flow.dims_named(node.input[0])
    given = attribute(node, "shape")
    shape = list(given) if given is not None else flow.lengths.get(node.input[1])
    dims = flow.dims.get(node.output[0])
    after = list(dims) if dims is not None else list(shape or ())
    if axes is None or before is None or not after:
        return [None]
    for i, length in enumerate(shape or ()):
        if length == 0 and i < len(before):
            after[i] = before[i]
        elif after[i] is None or (isinstance(after[i], str) and isinstance(length, int)):
            after[i] = length
    after = [None if length == -1 else length for length in after]
    flow.add_shape(node.output[0], after)
    return [_regrouped(axes, before, after)]


def _regrouped(axes: Axes, before: Sequence[Dim], after: Sequence[Dim]) -> Axes:
    """Return what axes hold after a reshape: group by group of neighbours whose lengths have the same product."""
    first = 0
    while first < min(len(before), len(after)) and _same_length(before[first], after[first]):
        first += 1
    stop, stop_after = len(before), len(after)
    trailing: list[Axis] = []
    while group := _last_group(before[first:stop], after[first:stop_after]):
        taken, made = group
        lengths = after[stop_after - made : stop_after]
        trailing[:0] = _of_group(axes[stop - taken : stop], before[stop - taken : stop], lengths)
        stop, stop_after = stop - taken, stop_after - made
    middle = _of_group(axes[first:stop], before[first:stop], after[first:stop_after])
    return (*axes[:first], *middle, *trailing)


def _same_length(a: Dim, b: Dim) -> bool:
    """Tell whether two axes are known to be equally long."""
    return a is not None and a == b


def _last_group(before: Sequence[Dim], after: Sequence[Dim]) -> tuple[int, int] | None:
    """Return how many last axes on both sides have the same product of lengths."""
    if not before or not after:
        return None
    if _same_length(before[-1], after[-1]):
        return 1, 1
    taken = made = 0
    product = product_after = 1
    while not taken or not made or product != product_after:
        takes = not taken or (made > 0 and product < product_after)
        lengths, used = (before, taken) if takes else (after, made)
        length = lengths[-1 - used] if used < len(lengths) else None
        if not isinstance(length, int) or not length:
            return None
        if takes:
            taken, product = taken + 1, product * length
        else:
            made, product_after = made + 1, product_after * length
    return taken, made


def _of_group(axes: Axes, before: Sequence[Dim], after: Sequence[Dim]) -> Axes:
    """Return what the axes hold that a group of axes becomes."""
    held = {axis for axis, length in zip(axes, before, strict=True) if length != 1}
    longer = [i for i, length in enumerate(after) if length != 1]
    if held == {NEURONS}:
        return tuple(NEURONS for _ in after)
    if held == {EXAMPLES} and len(longer) == 1:
        return tuple(EXAMPLES if i in longer else None for i in range(len(after)))
    return (None,) * len(after)


def _recurrent(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Directions and hidden units are neurons; the sequence holds positions."""
    axes = flow.axes.get(node.input[0])
    if axes is None or len(axes) != 3:
        return [None]
    if attribute_int(node, "layout", 0):
        last: Axes = (*_without_neurons(axes[:1]), NEURONS, NEURONS)
        return [(*_without_neurons(axes[:2]), NEURONS, NEURONS), last, last]
    sequence, batch = _without_neurons(axes[:2])
    return [(sequence, NEURONS, batch, NEURONS), (NEURONS, batch, NEURONS), (NEURONS, batch, NEURONS)]


def _branches(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Axes on which both branches agree."""
    results = []
    for name in ("then_branch", "else_branch"):
        branch: onnx.GraphProto = attribute(node, name)
        inner = _Flow(flow.constants)
        inner.axes, inner.dims = dict(flow.axes), dict(flow.dims)
        inner.lengths = dict(flow.lengths)
        inner.follow(branch)
        results.append([inner.axes.get(output.name) for output in branch.output])
    return [
        tuple(a if a == b else None for a, b in zip(then, other, strict=True))
        if then is not None and other is not None and len(then) == len(other)
        else None
        for then, other in zip(*results, strict=True)
    ]


def _attention(flow: _Flow, node: onnx.NodeProto) -> list[Axes | None]:
    """Axes as those of the queries; of a sequence, neurons on the last."""
    axes = flow.axes.get(node.input[0])
    return [(*axes[:2], NEURONS)] if axes is not None and len(axes) == 3 else [axes]


SAME = (
    "Abs Acos Acosh Asin Asinh Atan Atanh BiasGelu Cast CastLike Ceil Celu Clip Cos Cosh CumSum DequantizeLinear "
    "Dropout Elu Erf Exp FastGelu Floor Gelu GroupNormalization HardSigmoid HardSwish Hardmax Identity "
    "InstanceNormalization LRN LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg Not "
    "PRelu Pad QuantizeLinear QuickGelu Reciprocal Relu Resize Round Selu Shrink Sigmoid Sign Sin Sinh Slice "
    "Softmax Softplus Softsign Split Sqrt Swish Tan Tanh ThresholdedRelu Tile TopK Trilu Upsample"
)
MERGED = (
    "Add And Concat Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or Pow Sub Sum Where Xor"
)
CHANNELS_FIRST = "BatchNormalization Conv ConvInteger ConvTranspose DeformConv DepthToSpace QLinearConv SpaceToDepth"
POOLED = "AveragePool GlobalAveragePool GlobalLpPool GlobalMaxPool LpPool MaxPool"
NORMALISED = (
    "LayerNormalization RMSNormalization SimplifiedLayerNormalization SkipLayerNormalization "
    "SkipSimplifiedLayerNormalization"
)
REDUCED = (
    "ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
    "ReduceSumSquare"
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(SAME.split(), _same),
    **dict.fromkeys(MERGED.split(), _merged),
    **dict.fromkeys(CHANNELS_FIRST.split(), _channels_first),
    **dict.fromkeys(POOLED.split(), _pooled),
    **dict.fromkeys(NORMALISED.split(), _normalised),
    **dict.fromkeys(REDUCED.split(), _reduced),
    **dict.fromkeys(("MatMul", "MatMulInteger", "FusedMatMul"), _matrix_product),
    **dict.fromkeys(("Gemm", "FusedGemm"), _gemm),
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _recurrent),
    **dict.fromkeys(("Attention", "MultiHeadAttention"), _attention),
    "Expand": _expanded,
    "Flatten": _flattened,
    "Gather": _gathered,
    "If": _branches,
    "Reshape": _reshaped,
    "Squeeze": _squeezed,
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
}
"""How the axes of an operator's results follow from those of its inputs."""
