"""Capture of PyTorch modules' outputs: one pass, every network on the same batches."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from ..errors import SpanmatchError, missing_extra
from ..moments import Moments, MomentsOptions, Pairs
from ..progress import tracked
from .layout import Channels, Layout, Pool, Units
from .patterns import Patterns, chosen, patterns_of

if TYPE_CHECKING:
    import torch
    from torch import nn

ROWS_TOGETHER = 4096
BYTES_TOGETHER = 256 << 20
PASSING_ON = (
    "Flatten",
    "Unflatten",
    "Identity",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
)
CHANNELS_LAST = (
    "Linear",
    "LayerNorm",
    "RMSNorm",
    "Embedding",
    "MultiheadAttention",
    "Transformer",
    "LSTM",
    "GRU",
)
CHANNELS_FIRST = (
    "Conv",
    "LazyConv",
    "BatchNorm",
    "LazyBatchNorm",
    "InstanceNorm",
    "GroupNorm",
    "MaxPool",
    "AvgPool",
    "Adaptive",
)


def capture(
    networks: Mapping[str, nn.Module],
    batches: Iterable[Any],
    *,
    layers: Patterns = None,
    units: Units = "channel",
    positions: int | None = None,
    seed: int = 0,
    channels: Channels = "auto",
    pool: Pool = None,
    **options: Unpack[MomentsOptions],
) -> Moments:
    """Run networks over the same batches and return the moments of their layers, named "network:module".

    Args:
        networks: {name: module}, any number. They run in evaluation mode without gradients; their training flags
            are put back, and no hook stays behind.
        batches: what the networks are called with: tensors, or tuples whose first member is, or dicts of keyword
            arguments (an "attention_mask" or "mask" among them drops padding tokens). One array is cut into batches.
        layers: module names or shell patterns ("*relu*"), also per network as a mapping; by default all
            modules without children, but for those that only pass values on. A module that is called several times
            in one forward pass gives "name", "name#2", ...
        units, positions, seed, channels, pool: see `Layout`.
        options: of `Moments`: pairs, folds, null, bins, method, top, memory.

    Raises SpanmatchError if a pattern matches nothing, a network is not a module, or an output has no rows.
    Memory: the moments, and the captured outputs of some batches.
    """
    try:
        import torch
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", "sm.capture") from error
    _check_networks(networks)
    moments = Moments(**options)
    layout = Layout(units, positions, seed, channels, pool)
    group = _Group(moments)
    with contextlib.ExitStack() as stack:
        recorders = [
            stack.enter_context(_recording(name, network, patterns_of(layers, name), layout))
            for name, network in networks.items()
        ]
        _check_common(recorders, options.get("pairs", "matching"))
        stack.enter_context(torch.inference_mode())
        first = 0
        for batch in tracked(_cut(batches), "capturing"):
            outputs = _Outputs(first)
            for recorder in recorders:
                recorder.run(batch, outputs)
            group.add(outputs)
            first += outputs.count
    group.flush()
    if not moments.layers:
        raise SpanmatchError("no batches: give at least one")
    return moments


@dataclass
class _Outputs:
    """What one batch gave: rows and examples by layer."""

    first: int
    count: int = 0
    rows: dict[str, Any] = field(default_factory=dict)
    examples: dict[str, Any] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)


class _Recorder:
    """One network with hooks on the modules asked for, which record while it runs, and only then."""

    def __init__(self, name: str, network: nn.Module, modules: Mapping[str, nn.Module], layout: Layout) -> None:
        self.name, self.network, self.layout = name, network, layout
        self.outputs: _Outputs | None = None
        self.mask: Any = None
        self.calls: dict[str, int] = {}
        self.modules = modules
        self.hooks = [module.register_forward_hook(self._hook(path)) for path, module in modules.items()]

    def run(self, batch: Any, outputs: _Outputs) -> None:
        """Call the network with a batch; its hooks write to `outputs`."""
        args, kwargs, self.mask = arguments(self.name, self.network, batch)
        outputs.count = _examples_in(self.name, [*args, *kwargs.values()])
        self.outputs, self.calls = outputs, {}
        try:
            self.network(*args, **kwargs)
        finally:
            self.outputs = None

    def _hook(self, path: str) -> Any:
        def record(module: nn.Module, _: Any, output: Any) -> None:
            if self.outputs is None:
                return
            self.calls[path] = call = self.calls.get(path, 0) + 1
            layer = f"{self.name}:{path}" + (f"#{call}" if call > 1 else "")
            tensor = first_tensor(layer, output)
            rows, examples, how = self.layout.rows(
                layer,
                tensor,
                self.outputs.first,
                channels_first=channels_first(module, tensor),
                mask=self.mask,
            )
            # The next module may work in place (a ReLU): rows must not share its memory.
            shared = rows.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
            self.outputs.rows[layer] = rows.clone() if shared else rows
            self.outputs.examples[layer] = examples
            self.outputs.how[layer] = how

        return record


@contextlib.contextmanager
def _recording(name: str, network: nn.Module, patterns: Sequence[str] | None, layout: Layout) -> Iterator[_Recorder]:
    """Give a recorder; take its hooks off at the end, however it ends."""
    modules = layers_of(name, network, patterns)
    recorder = _Recorder(name, network, modules, layout)
    try:
        with evaluating(network):
            yield recorder
    finally:
        for hook in recorder.hooks:
            hook.remove()


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode, and every training flag back at the end, however it ends."""
    training = {module: module.training for module in network.modules()}
    try:
        network.eval()
        yield
    finally:
        for module, flag in training.items():
            module.training = flag


class _Group:
    """Batches put together until they are large enough for fast products, never leaving one example alone."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self.waiting: list[_Outputs] = []

    def add(self, outputs: _Outputs) -> None:
        """Take a batch; what waited is added to the moments once it is enough, but for the last."""
        if self._enough():
            last = self.waiting.pop()
            self.flush()
            self.waiting = [last]
        self.waiting.append(outputs)

    def flush(self) -> None:
        """Add everything that waits."""
        if not self.waiting:
            return
        import torch

        first = self.waiting[0]
        for outputs in self.waiting:
            if outputs.rows.keys() != first.rows.keys():
                layer = next(iter(outputs.rows.keys() ^ first.rows.keys()))
                raise SpanmatchError(f"layer {layer!r} ran in some batches and not in others")
        rows = {layer: torch.cat([o.rows[layer] for o in self.waiting]) for layer in first.rows}
        examples = {layer: np.concatenate([o.examples[layer] for o in self.waiting]) for layer in first.rows}
        self.moments.update(rows, examples)
        self.moments.describe(first.how)
        self.waiting = []

    def _enough(self) -> bool:
        tensors = [rows for outputs in self.waiting for rows in outputs.rows.values()]
        if len(self.waiting) < 2:
            return False
        size = sum(rows.numel() * rows.element_size() for rows in tensors)
        fewest = min(sum(len(o.rows[layer]) for o in self.waiting) for layer in self.waiting[0].rows)
        return size > BYTES_TOGETHER or fewest >= ROWS_TOGETHER


def _check_networks(networks: Mapping[str, nn.Module]) -> None:
    from torch import nn

    if not isinstance(networks, Mapping) or not networks:
        raise SpanmatchError("networks: give {name: module}, at least one")
    for name, network in networks.items():
        if not isinstance(network, nn.Module):
            raise SpanmatchError(f"network {name!r} is a {type(network).__name__}; give a torch.nn.Module")
        if not isinstance(name, str) or not name or ":" in name:
            raise SpanmatchError(f"network name {name!r}: give a text without a colon")


def _check_common(recorders: Sequence[_Recorder], pairs: Pairs) -> None:
    if pairs != "matching" or len(recorders) < 2:
        return
    names = [set(recorder.modules) for recorder in recorders]
    if not any(a & b for a, b in combinations(names, 2)):
        listed = "; ".join(f"{r.name!r}: {', '.join(list(r.modules)[:8])}" for r in recorders)
        raise SpanmatchError(
            f"no layer has the same name in two networks ({listed}); give pairs='all' or a list of pairs"
        )


def layers_of(name: str, network: nn.Module, patterns: Sequence[str] | None) -> dict[str, nn.Module]:
    """Return the modules of a network that patterns choose, by path; without patterns all that have no children."""
    known = {path: module for path, module in network.named_modules() if path}
    if patterns is not None:
        return {path: known[path] for path in chosen(patterns, known, f"network {name!r}")}
    leaves = {path: module for path, module in known.items() if not any(module.children())}
    return {path: module for path, module in leaves.items() if type(module).__name__ not in PASSING_ON}


def arguments(name: str, network: nn.Module, batch: Any) -> tuple[list[Any], dict[str, Any], Any]:
    """Return positional and keyword arguments on the network's device, and the mask of tokens."""
    device = next((t.device for t in [*network.parameters(), *network.buffers()]), None)
    if not isinstance(batch, Mapping):
        inputs = batch[0] if isinstance(batch, tuple | list) else batch
        return [_on(inputs, device)], {}, None
    mask = batch.get("attention_mask", batch.get("mask"))
    parameters = inspect.signature(network.forward).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    kwargs = {key: _on(value, device) for key, value in batch.items() if anything or key in parameters}
    if not kwargs:
        raise SpanmatchError(
            f"network {name!r} takes {', '.join(parameters)}; the batch has {', '.join(map(str, batch))}"
        )
    return [], kwargs, mask


def _on(value: Any, device: torch.device | None) -> Any:
    import torch

    tensor = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
    return tensor.to(device) if isinstance(tensor, torch.Tensor) and device is not None else tensor


def _examples_in(name: str, inputs: Sequence[Any]) -> int:
    for value in inputs:
        if hasattr(value, "shape") and len(value.shape):
            return int(value.shape[0])
    raise SpanmatchError(f"network {name!r}: the batch holds no array of examples")


def first_tensor(layer: str, output: Any) -> torch.Tensor:
    """Return the tensor that a module gave, the first one if it gave several."""
    import torch

    if isinstance(output, Mapping):
        output = tuple(output.values())
    while isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise SpanmatchError(f"layer {layer!r} gives a {type(output).__name__}; choose layers that give tensors")
    return output


def channels_first(module: nn.Module, output: torch.Tensor) -> bool:
    """Tell convolutional outputs, (examples, channels, space), from sequences, (examples, tokens, neurons)."""
    kind = type(module).__name__
    return not kind.startswith(CHANNELS_LAST) and (output.ndim >= 4 or kind.startswith(CHANNELS_FIRST))


def _cut(batches: Any, size: int = 256) -> Iterable[Any]:
    """Return batches; one array of examples is cut into some."""
    if hasattr(batches, "shape") and hasattr(batches, "dtype"):
        return [batches[i : i + size] for i in range(0, len(batches), size)]
    return iter(batches) if not hasattr(batches, "__len__") else batches  # type: ignore[no-any-return]
