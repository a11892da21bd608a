"""The calls in a forward pass of a PyTorch network: of its modules, and of functions in them.

A module's call is named by its path, "layer1.0.conv1"; a function's by the path of the module that
calls it, "layer1.0/relu", and of the network itself "/relu". A second call of the same name in one
forward pass is "layer1.0/relu#2".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeGuard

from ..errors import SpanmatchError
from .torch_axes import UNKNOWN, Axes, KnownAxes, tensors_in
from .wrappers import modules_of

if TYPE_CHECKING:
    import torch
    from torch import nn

OUTPUT = "/output"
"""What the output of a network is called, where no call in it gives that very tensor."""
NONLINEARITIES = frozenset(
    {
        "celu",
        "elu",
        "gelu",
        "glu",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "logsigmoid",
        "mish",
        "prelu",
        "relu",
        "relu6",
        "rrelu",
        "selu",
        "sigmoid",
        "silu",
        "sin",
        "softplus",
        "softsign",
        "tanh",
        "threshold",
    }
)
"""Functions that are layers by default."""
FUNCTIONS = NONLINEARITIES | {
    "add",
    "batch_norm",
    "bmm",
    "cat",
    "einsum",
    "embedding",
    "group_norm",
    "instance_norm",
    "interpolate",
    "layer_norm",
    "linear",
    "log_softmax",
    "matmul",
    "mean",
    "mul",
    "normalize",
    "rms_norm",
    "scaled_dot_product_attention",
    "softmax",
    "sub",
    *(f"{function}{d}d" for d in (1, 2, 3) for function in ("conv", "conv_transpose")),
    *(f"{function}{d}d" for d in (1, 2, 3) for function in ("adaptive_avg_pool", "adaptive_max_pool")),
    *(f"{function}{d}d" for d in (1, 2, 3) for function in ("avg_pool", "max_pool")),
}
"""Functions whose results are layers, by default or if asked for."""
TORCH_COMPOSITES = "torch.nn.modules.transformer"
"""The modules of PyTorch that call functions of interest between those in them."""
LAST_STATE = "last"
"""The function name of a recurrent module's last hidden state."""


class Hook(Protocol):
    """A hook on a module, as PyTorch returns it."""

    def remove(self) -> None:
        """Take it off."""


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """One call in a forward pass, with its result."""

    path: str
    """Its name without the number of the call."""
    number: int
    """Which call of this name it is in the forward pass, from 1."""
    kind: str
    """The class of a module, or the name of a function."""
    output: object
    """The result."""
    axes: Axes
    """Those of the result's first tensor."""
    same_as: str | None
    """The name of a call before that gave this very tensor, which nothing changed since."""

    @property
    def name(self) -> str:
        """Its name, with "#2" for a second call."""
        return self.path if self.number == 1 else f"{self.path}#{self.number}"


class ForwardPass:
    """One forward pass: the calls in it by name, and what is known of the tensors.

    Parameters
    ----------
    inputs
        What the network is called with.
    count
        How many examples these hold: first axes of this length are the examples.
    on_call
        A function of each `Call`, in the order in which they end. What it returns, if not None,
        takes the place of the result.
    follows
        Whether axes are followed, and which call gave a tensor. Both are the same in every pass.
    """

    def __init__(self, inputs: object, count: int, on_call: Callable[[Call], object], *, follows: bool = True) -> None:
        from torch.utils.weak import WeakTensorKeyDictionary

        self.on_call, self.follows = on_call, follows
        self.axes = KnownAxes()
        self.axes.begin(inputs, count)
        self.is_paused = False
        self._given_by: MutableMapping[torch.Tensor, str] = WeakTensorKeyDictionary()
        """The name of the call that gave a tensor, which nothing changed since."""
        self._numbers: dict[str, int] = {}

    def function_ended(
        self,
        path: str | None,
        function: Callable[..., object],
        name: str,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        result: object,
    ) -> object:
        """Take the result of a function, and return it or what takes its place.

        Parameters
        ----------
        path
            The path of the module that called it; None if the function cannot be a layer.
        function, name
            The function, and what it is called.
        args, kwargs, result
            What it took and gave.
        """
        if self.is_paused:
            return result
        for tensor in tensors_in((args[:1] if name == "setitem" else (), kwargs.get("out"))):
            self._given_by.pop(tensor, None)
        first = next(iter(tensors_in(result)), None)
        if first is None:
            return result
        if self.follows:
            self.axes.follow(name, function, args, kwargs, result)
            for tensor in tensors_in(result):
                self._given_by.pop(tensor, None)
        if path is None or name not in FUNCTIONS:
            return result
        changed = self.show(f"{path}/{name}", name, result)
        if changed is None:
            return result
        if any(first is argument for argument in args) and isinstance(changed, type(first)):
            return first.copy_(changed)  # a function that works in place: its result may be left unused
        return changed

    def show(self, path: str, kind: str, output: object) -> object:
        """Show a call, while what is done about it is not seen itself."""
        number = self._numbers[path] = self._numbers.get(path, 0) + 1
        first = next(iter(tensors_in(output)), None) if self.follows else None
        axes, same_as = (UNKNOWN, None) if first is None else (self.axes[first], self._given_by.get(first))
        call = Call(path, number, kind, output, axes, same_as)
        if first is not None and same_as is None:
            self._given_by[first] = call.name
        with self.unseen():
            return self.on_call(call)

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Let functions be called that are not the network's."""
        self.is_paused = True
        try:
            yield
        finally:
            self.is_paused = False


class Shown(TypedDict):
    """What a forward pass shows, as keyword arguments of `Calls.run`."""

    follows: bool
    sees_functions: bool


class Calls:
    """Sees each call in the forward passes of a network.

    Parameters
    ----------
    network
        Any module.
    hooks
        A list of hooks, which gets those on the modules; they are inactive unless `run` runs.
    """

    def __init__(self, network: nn.Module, hooks: list[Hook]) -> None:
        from torch.jit import ScriptModule

        if isinstance(network, ScriptModule):
            raise SpanmatchError(
                f"a {type(network).__name__} cannot be looked into; give the torch.nn.Module that it was made from"
            )
        self.network = network
        self.modules = modules_of(network)
        self._paths = {module: path for path, module in self.modules.items()}
        self._stack: list[nn.Module] = []
        self._pass: ForwardPass | None = None
        for module in self._paths:
            if isinstance(module, ScriptModule):  # has no hooks
                continue
            hooks.append(module.register_forward_pre_hook(self._enter))
            hooks.append(module.register_forward_hook(self._leave, always_call=True))

    def run(
        self,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        count: int,
        on_call: Callable[[Call], object],
        called: nn.Module | None = None,
        *,
        follows: bool = True,
        sees_functions: bool = True,
    ) -> Any:
        """Call the network and return its output.

        Parameters
        ----------
        args, kwargs
            What it is called with.
        count, on_call
            Of `ForwardPass`.
        called
            The part of the network to be called, if not all of it.
        follows
            Of `ForwardPass`.
        sees_functions
            Whether calls of functions are shown, besides those of modules.
        """
        self._pass, self._stack = ForwardPass((args, kwargs), count, on_call, follows=follows), []
        seeing = _functions_called_by(self._call_function) if sees_functions else contextlib.nullcontext()
        try:
            with seeing:
                return (self.network if called is None else called)(*args, **kwargs)
        finally:
            self._pass = None

    def _call_function(self, function: Callable[..., Any], args: Sequence[object], kwargs: Mapping[str, object]) -> Any:
        """Call a function within a forward pass, and show it if it can be a layer."""
        result = function(*args, **kwargs)
        if self._pass is None:
            return result
        path = self._paths[self._stack[-1]] if self._stack and calls_functions(class_of(self._stack[-1])) else None
        return self._pass.function_ended(path, function, function_name(function), args, kwargs, result)

    def _enter(self, module: nn.Module, _: object) -> None:
        if self._pass is not None:
            self._stack.append(module)

    def _leave(self, module: nn.Module, inputs: object, output: object) -> object:
        """Show a module's result; None if it stays as it is."""
        if self._pass is None:
            return None
        while self._stack and self._stack.pop() is not module:
            pass  # modules that an exception left, which the network caught
        if output is None:
            return None
        if self._pass.follows:
            self._follow_module(module, next(iter(tensors_in(inputs)), None), next(iter(tensors_in(output)), None))
        path = self._paths[module]
        changed = self._pass.show(path or OUTPUT, type(module).__name__, output)
        with self._pass.unseen():
            state = last_state(module, output)
        if state is not None and self._is_of_examples(module, output):
            self._pass.axes[state] = Axes(0, (1,))
            self._pass.show(f"{path}/{LAST_STATE}", LAST_STATE, state)
        return changed

    def _is_of_examples(self, module: nn.Module, output: object) -> bool:
        """Tell whether a recurrent module took as its batch what are the examples."""
        first = next(iter(tensors_in(output)), None)
        examples = None if first is None or self._pass is None else self._pass.axes[first].examples
        return examples is None or examples == (0 if getattr(module, "batch_first", False) else 1)

    def _follow_module(self, module: nn.Module, taken: torch.Tensor | None, given: torch.Tensor | None) -> None:
        """Say what the axes of a module's result are."""
        if given is None or self._pass is None:
            return
        axes = self._pass.axes
        known = axes[given]
        if is_recurrent(module) and given.ndim == 3:
            examples = None if taken is None else axes[taken].examples
            by_class = 0 if module.batch_first else 1
            axes[given] = Axes(by_class if examples is None else examples, (2,))
        else:
            axes[given] = known._replace(neurons=known.neurons or _neurons_by_class(module, given.ndim))


CHANNELS_LAST = (
    "Linear",
    "Embedding",
    "Conv1D",  # what transformers calls a linear map; a convolution is a Conv1d
    "MultiheadAttention",
    "Transformer",
)
"""How the names of classes begin whose results have neurons on the last axis, if nothing else is known."""
CHANNELS_FIRST = (
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose",
    "LazyConv",
)
"""How the names of classes begin whose results have channels on the second axis, if nothing else is known."""


def class_of(module: nn.Module) -> str:
    """Return the full name of a module's class."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def calls_functions(class_name: str) -> bool:
    """Tell classes whose function calls are of interest from those of PyTorch, which are layers themselves."""
    return not class_name.startswith("torch.nn.") or class_name.startswith(TORCH_COMPOSITES)


def is_recurrent(module: nn.Module) -> TypeGuard[nn.RNNBase]:
    """Tell LSTMs, GRUs and RNNs."""
    from torch import nn

    return isinstance(module, nn.RNNBase)


def _neurons_by_class(module: nn.Module, ndim: int) -> tuple[int, ...]:
    """Return where the neurons of a module's result are, by its class; none if that does not say."""
    kind = type(module).__name__
    return (ndim - 1,) if kind.startswith(CHANNELS_LAST) else (1,) if kind.startswith(CHANNELS_FIRST) else ()


def last_state(module: nn.Module, output: object) -> torch.Tensor | None:
    """Return the last hidden state of a recurrent module, (examples, neurons), both directions; None of others.

    Of an LSTM with projections, the projected state.
    """
    import torch

    if not is_recurrent(module) or not isinstance(output, tuple) or len(output) != 2:
        return None
    state = output[1][0] if isinstance(output[1], tuple) else output[1]
    if state.ndim != 3:  # of one example without an axis of its own
        return None
    directions = 2 if module.bidirectional else 1
    return torch.cat(list(state[-directions:]), dim=1)


@lru_cache(maxsize=1024)
def function_name(function: Callable[..., object]) -> str:
    """Return the name of a function without what says that it is in place, or an operator's."""
    name = str(getattr(function, "__name__", ""))
    if name == "__get__":
        return str(getattr(getattr(function, "__self__", None), "__name__", ""))
    if name == "__getitem__":
        return name
    name = name.strip("_")
    return name[1:] if name in ("iadd", "radd", "imul", "rmul", "isub", "rsub") else name


def _functions_called_by(
    call: Callable[[Callable[..., Any], Sequence[object], Mapping[str, object]], Any],
) -> contextlib.AbstractContextManager[object]:
    """Have functions of PyTorch called by `call` within the context."""
    from torch.overrides import TorchFunctionMode

    class Seeing(TorchFunctionMode):
        def __torch_function__(
            self, func: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Any = None
        ) -> Any:
            return call(func, args, kwargs or {})

    return Seeing()
