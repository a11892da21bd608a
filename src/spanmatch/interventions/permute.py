"""Permutation of the neurons of a PyTorch network, which leaves its function unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import SpanmatchError, among, missing_extra

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.fx import Node

PRODUCERS = ("Linear", "Conv1d", "Conv2d", "Conv3d")
NORMS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
# Operations on single numbers, and on single channels: both commute with permutations of the neurons.
# fmt: off
POINTWISE = (
    "ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Sigmoid", "LogSigmoid", "Tanh",
    "Softplus", "Hardtanh", "Hardswish", "Hardsigmoid", "Identity", "Dropout", "Dropout1d", "Dropout2d",
    "Dropout3d", "AlphaDropout", "relu", "relu_", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu",
    "mish", "sigmoid", "logsigmoid", "tanh", "softplus", "hardtanh", "hardswish", "hardsigmoid", "dropout",
    "dropout1d", "dropout2d", "dropout3d", "contiguous",
)
POOLING = (
    "MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d",
    "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d",
)
# fmt: on


def apply_permutation(network: nn.Module, permutations: Mapping[str, ArrayLike]) -> nn.Module:
    """Return a copy of a network with the neurons of some layers permuted, and the same function.

    Neuron i of a layer becomes its former neuron permutation[i]. `alignment.permutation()` aligns a
    network's neurons with those of the first network.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is not changed. It is traced with torch.fx.
    permutations : mapping of str to array_like of shape (neurons,)
        By layer. A layer is a Linear or Conv module, or an operation between it and the next one:
        "relu1" is the layer before it.

    Returns
    -------
    torch.nn.Module
        The layer's rows are permuted, with the batch normalisation after it and the columns of all
        layers that read it, a Linear or Conv, through activations, pooling, dropout and flattening.

    Raises
    ------
    SpanmatchError
        If a permutation does not fit the layer's width, torch.fx cannot trace the network, weights
        are shared, or the neurons' order reaches another operation (an addition, a concatenation, a
        grouped convolution, the output).

    Notes
    -----
    Cost: memory for a second copy of the network.

    Examples
    --------
    >>> import torch
    >>> import spanmatch as sm
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> permuted = sm.apply_permutation(network, {"1": range(7, -1, -1)})
    >>> inputs = torch.randn(5, 4)
    >>> torch.allclose(network(inputs), permuted(inputs), atol=1e-6)
    True
    """
    if find_spec("torch") is None:
        raise missing_extra("PyTorch", "torch", "sm.apply_permutation")
    changed = deepcopy(network)
    traced = _Network(changed)
    for layer, order in permutations.items():
        _reorder(traced, layer, np.asarray(order))
    return changed


class _Network:
    """A network as traced by torch.fx."""

    def __init__(self, network: nn.Module) -> None:
        from torch import fx

        try:
            self.nodes: list[Node] = list(fx.Tracer().trace(network).nodes)
        except Exception as error:  # whatever the network's own code raises on symbols
            raise SpanmatchError(f"torch.fx cannot trace {type(network).__name__}: {error}") from error
        self.modules: dict[str, nn.Module] = dict(network.named_modules())
        self.shared = Counter(id(values) for _, values in network.named_parameters(remove_duplicate=False))

    def module(self, node: Node) -> nn.Module:
        """Return the module that a node calls."""
        return self.modules[str(node.target)]

    def kind(self, node: Node) -> str:
        """Return the type of the module, or the name of the function, that a node calls."""
        if node.op == "call_module":
            return type(self.module(node)).__name__
        return str(node.target) if node.op == "call_method" else str(getattr(node.target, "__name__", node.target))

    def producer(self, layer: str) -> Node:
        """Return the Linear or Conv node that produces a layer's neurons."""
        called = [node for node in self.nodes if node.op == "call_module" and node.target == layer]
        if not called:
            raise SpanmatchError(f"layer {layer!r} is not a module that the network calls{among(layer, self.modules)}")
        node = called[0]
        while self.kind(node) not in PRODUCERS:
            if self.kind(node) not in (*POINTWISE, *POOLING, *NORMS) or len(node.all_input_nodes) != 1:
                raise SpanmatchError(
                    f"layer {layer!r}: {self.kind(node)} is neither a Linear or Conv layer nor after one"
                )
            node = node.all_input_nodes[0]
        return node

    def downstream(self, first: Node, layer: str) -> Iterator[tuple[Node, bool]]:
        """Yield the normalisations after a producer and the layers that read it, and whether its
        output is flat there.
        """
        flat = self.kind(first) == "Linear"
        front, visited = [(node, flat) for node in first.users], set()
        while front:
            node, flat = front.pop()
            if node in visited:
                continue
            visited.add(node)
            kind = self.kind(node)
            reads = kind == "Linear" if flat else kind in PRODUCERS[1:]
            if reads or kind in NORMS:
                yield node, flat
            if reads:
                continue
            flattening = self._flattens(node)
            if not (kind in (*POINTWISE, *NORMS) or flattening or (kind in POOLING and not flat)):
                raise SpanmatchError(f"layer {layer!r}: the order of its neurons reaches {node.name} ({kind})")
            front += [(user, flat or flattening) for user in node.users]

    def _flattens(self, node: Node) -> bool:
        """Return whether a node joins all but the first axis, or takes the mean over space."""
        from torch import nn

        arguments = [*node.args[1:], *(value for key, value in node.kwargs.items() if key != "input")]
        if self.kind(node) == "mean":
            return len(arguments) == 1 and sorted(np.atleast_1d(np.array(arguments[0])).tolist()) in ([2, 3], [-2, -1])
        if node.op == "call_module" and isinstance(module := self.module(node), nn.Flatten):
            return (module.start_dim, module.end_dim) == (1, -1)
        return self.kind(node) == "flatten" and arguments in ([1], [1, -1])

    def check_alone(self, node: Node, layer: str) -> None:
        """Raise SpanmatchError if a layer's weights are shared, parametrised or grouped."""
        calls = sum(other.op == "call_module" and other.target == node.target for other in self.nodes)
        parameters = dict(self.module(node).named_parameters())
        if calls > 1 or any(self.shared[id(values)] > 1 for values in parameters.values()):
            raise SpanmatchError(f"layer {layer!r}: the weights of {node.target!r} are used in more than one place")
        if not parameters.keys() <= {"weight", "bias"}:
            raise SpanmatchError(f"layer {layer!r}: the weights of {node.target!r} are parametrised; remove that first")
        if getattr(self.module(node), "groups", 1) != 1:
            raise SpanmatchError(
                f"layer {layer!r}: {node.target!r} is a grouped convolution, which keeps channels apart"
            )


def _reorder(network: _Network, layer: str, order: NDArray[np.integer]) -> None:
    """Permute the neurons of one layer in place."""
    first = network.producer(layer)
    affected = list(network.downstream(first, layer))
    for node in [first, *(node for node, _ in affected)]:
        network.check_alone(node, layer)
    width = len(network.module(first).get_parameter("weight"))
    if order.shape != (width,) or not np.array_equal(np.sort(order), np.arange(width)):
        raise SpanmatchError(f"layer {layer!r}: {_short(order)} is not a permutation of its {width} neurons")
    _take_rows(network.module(first), order)
    for node, flat in affected:
        module = network.module(node)
        if network.kind(node) in NORMS:
            if module.num_features != width:
                raise SpanmatchError(
                    f"layer {layer!r}: {node.target!r} has {module.num_features} channels, not {width}"
                )
            _take_rows(module, order)
            continue
        weight = module.get_parameter("weight")
        times, rest = divmod(weight.shape[1], width)
        if rest or (times > 1 and not flat):
            raise SpanmatchError(f"layer {layer!r}: {node.target!r} reads {weight.shape[1]} inputs, not {width}")
        # A flattened channel is a block of columns; a flattened token is a block of neurons.
        by_token = network.kind(first) == "Linear"
        columns = np.arange(times)[:, None] * width + order if by_token else order[:, None] * times + np.arange(times)
        _take(weight, columns.ravel(), 1)


def _take_rows(module: nn.Module, order: NDArray[np.integer]) -> None:
    """Permute the first axis of a module's parameters and buffers."""
    for values in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if values.ndim:  # batch normalisation counts its batches in a scalar
            _take(values, order, 0)


def _take(values: Tensor, order: NDArray[np.integer], axis: int) -> None:
    """Permute one axis of a tensor in place."""
    import torch

    index = torch.from_numpy(np.ascontiguousarray(order, dtype=np.int64)).to(values.device)
    values.data = values.data.index_select(axis, index)


def _short(order: NDArray[np.integer]) -> str:
    """Return a short description of a permutation for error messages."""
    if order.ndim != 1:
        return f"an array of shape {order.shape}"
    return f"{order[:8].tolist()}{'...' if len(order) > 8 else ''}"
