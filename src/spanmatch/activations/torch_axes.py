"""Which axes of a tensor are examples and neurons, followed through the functions of a network.

A convolution's channels stay known through the ReLU, the pooling and the transposition after it;
a linear map's neurons are on its last axis; the heads of attention are neurons with what is in
each. What cannot be followed, as einsum, is unknown until the next function whose axes are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

if TYPE_CHECKING:
    import torch

Function = Callable[..., object]

CHANNELS_SECOND = frozenset(
    {
        "batch_norm",
        "grid_sample",
        "group_norm",
        "instance_norm",
        "interpolate",
        "lp_pool1d",
        "lp_pool2d",
        "pixel_shuffle",
        "pixel_unshuffle",
        "upsample",
        *(
            f"{function}{d}d"
            for d in (1, 2, 3)
            for function in (
                "adaptive_avg_pool",
                "adaptive_max_pool",
                "avg_pool",
                "fractional_max_pool",
                "max_pool",
                "max_unpool",
            )
        ),
    }
)
"""Functions whose results have channels on the second axis, if nothing else is known of what they take."""
CONVOLUTIONS = frozenset(
    {
        "convolution",
        "fold",
        "unfold",
        *(f"{function}{d}d" for d in (1, 2, 3) for function in ("conv", "conv_transpose")),
    }
)
"""Functions whose results have channels on the second axis."""
NEURONS_LAST = frozenset(
    {
        "bilinear",
        "embedding",
        "gru_cell",
        "linear",
        "lstm_cell",
        "multi_head_attention_forward",
        "rnn_relu_cell",
        "rnn_tanh_cell",
    }
)
"""Functions whose results have neurons on the last axis."""
NORMS_OF_LAST = frozenset({"layer_norm", "rms_norm"})
"""Functions whose results have neurons last, if they normalise that axis alone."""
NORMS_OF_CHANNELS = frozenset({"batch_norm", "group_norm", "instance_norm"})
"""Functions that normalise channels on the second axis."""
VIEWS = frozenset(
    {
        "H",
        "T",
        "__getitem__",
        "adjoint",
        "chunk",
        "diagonal",
        "mH",
        "mT",
        "moveaxis",
        "movedim",
        "narrow",
        "permute",
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "swapaxes",
        "swapdims",
        "t",
        "tensor_split",
        "transpose",
        "unbind",
        "unsqueeze",
    }
)
"""Functions whose results are parts of what they take, with axes in another order."""
RESHAPES = frozenset({"flatten", "ravel", "reshape", "reshape_as", "unflatten", "view", "view_as"})
"""Functions that join and split axes."""
REDUCTIONS = frozenset({"amax", "amin", "logsumexp", "max", "mean", "median", "min", "prod", "std", "sum", "var"})
"""Functions that leave axes out."""
KEEPS_ORDER = frozenset(
    {
        "cat",
        "concat",
        "concatenate",
        "constant_pad_nd",
        "expand",
        "glu",
        "index_select",
        "pad",
        "repeat_interleave",
        "roll",
    }
)
"""Functions whose results have as many axes as what they take, in the same order, of other lengths."""
BROADCASTS = frozenset(
    {"add", "addcmul", "div", "lerp", "maximum", "minimum", "mul", "sub", "truediv", "true_divide", "where"}
)
"""Functions of several tensors, whose results may be longer than each of them."""
PRODUCTS = frozenset({"baddbmm", "bmm", "matmul", "mm"})
"""Products over the last axis of one tensor and the last but one of another."""
UNKNOWN_AFTER = frozenset({"addbmm", "addmm", "gather", "inner", "norm", "outer", "take_along_dim", "tensordot"})
"""Functions of which nothing is known, even if the result has the shape of what they take."""


class Axes(NamedTuple):
    """Which axes of a tensor are examples and neurons."""

    examples: int | None
    """The axis of the examples, None if unknown."""
    neurons: tuple[int, ...]
    """The axes that make up the neurons, ascending; none if unknown."""


UNKNOWN = Axes(None, ())
FOLLOWED_APART = frozenset({"scaled_dot_product_attention", "stack", "einsum"})
FUNCTIONAL = "torch.nn.functional"
_MARK = 10**6
"""The stride along the first axis of a tensor whose views tell where its axes are."""


class KnownAxes:
    """The axes of the tensors of one forward pass, as far as they are known."""

    def __init__(self) -> None:
        from torch.utils.weak import WeakTensorKeyDictionary

        self._axes: MutableMapping[torch.Tensor, Axes] = WeakTensorKeyDictionary()

    def __getitem__(self, tensor: torch.Tensor) -> Axes:
        """Return the axes of a tensor."""
        return self._axes.get(tensor, UNKNOWN)

    def __setitem__(self, tensor: torch.Tensor, axes: Axes) -> None:
        """Say what the axes of a tensor are."""
        self._axes[tensor] = axes

    def begin(self, inputs: object, count: int) -> None:
        """Take the inputs of a network: in those as long as there are examples, these come first."""
        for tensor in tensors_in(inputs):
            if tensor.ndim and tensor.shape[0] == count:
                self[tensor] = Axes(0, ())

    def follow(
        self, name: str, function: Function, args: Sequence[object], kwargs: Mapping[str, object], result: object
    ) -> None:
        """Take a function's result: its axes follow from those of its arguments.

        Parameters
        ----------
        name
            The function's name without underscores, as in the sets of this module.
        function
            The function, which is called on tensors without values where it returns views.
        args, kwargs
            What it was called with.
        result
            A tensor, or several.
        """
        inputs = tensors_in((args, kwargs))
        is_view = name in VIEWS or (name == "unfold" and getattr(function, "__module__", None) != FUNCTIONAL)
        if inputs and (is_view or name in RESHAPES) and result is inputs[0]:
            self[inputs[0]] = UNKNOWN  # its shape is another now
            return
        if is_view and inputs:
            self._follow_views(function, args, kwargs, result)
            return
        for tensor in tensors_in(result):
            axes = self._axes_after(name, args, kwargs, inputs, tensor)
            if axes != UNKNOWN or tensor in self._axes:
                self[tensor] = axes

    def _axes_after(
        self,
        name: str,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        inputs: Sequence[torch.Tensor],
        result: torch.Tensor,
    ) -> Axes:
        """Return the axes of a result that is no view of an argument."""
        if name in UNKNOWN_AFTER or not inputs:
            return UNKNOWN
        if name in PRODUCTS:
            return self._after_product(inputs, result)
        if name in FOLLOWED_APART:
            return self._after_special(name, args, inputs, result)
        first = self[inputs[0]]
        neurons = _neurons_by_function(name, first, args, result.ndim)
        if neurons is not None:
            return Axes(first.examples, neurons)
        if name in RESHAPES:
            return after_reshape(first, tuple(inputs[0].shape), tuple(result.shape))
        is_reduced = name in REDUCTIONS and result.ndim < inputs[0].ndim
        dims = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
        return _after_reduction(first, inputs[0].ndim, dims) if is_reduced else self._kept(name, inputs, result)

    def _after_special(
        self, name: str, args: Sequence[object], inputs: Sequence[torch.Tensor], result: torch.Tensor
    ) -> Axes:
        """Return the axes of attention, of tensors stacked along a new axis, and of an einsum."""
        if name == "stack":
            dim = next((arg for arg in args[1:2] if isinstance(arg, int)), 0) % result.ndim
            axes = _common([self[tensor] for tensor in inputs])
            shifted = None if axes.examples is None else axes.examples + (axes.examples >= dim)
            return Axes(shifted, tuple(axis + (axis >= dim) for axis in axes.neurons))
        if name == "einsum":
            return Axes(self._examples_after_einsum(args, inputs), ())
        return self._after_attention(inputs)

    def _examples_after_einsum(self, args: Sequence[object], inputs: Sequence[torch.Tensor]) -> int | None:
        """Return the axis of the examples that an equation such as "ntc,cd->ntd" leads to."""
        before, arrow, after = str(args[0]).replace(" ", "").partition("->")
        letters = {
            operand[axis]
            for operand, tensor in zip(before.split(","), inputs, strict=False)
            if (axis := self[tensor].examples) is not None and axis < len(operand) and "." not in before
        }
        return after.index(letters.pop()) if arrow and len(letters) == 1 and letters <= {*after} else None

    def _kept(self, name: str, inputs: Sequence[torch.Tensor], result: torch.Tensor) -> Axes:
        """Return the axes of a result that has those of what the function takes."""
        return _common([self[tensor] for tensor in inputs if _keeps_axes(name, tensor, self[tensor], result)])

    def _follow_views(
        self, function: Function, args: Sequence[object], kwargs: Mapping[str, object], result: object
    ) -> None:
        """Take views of the first argument: the same views of a tensor without values tell where its axes are."""
        tensor = next(iter(tensors_in(args)), None)
        axes = UNKNOWN if tensor is None else self[tensor]
        if tensor is None or axes == UNKNOWN or tensor is not args[0]:
            return
        views, marked = tensors_in(result), _marked_views(function, tensor, args, kwargs)
        for view, strides in zip(views, marked, strict=False):
            self[view] = _moved(axes, strides)

    def _after_attention(self, inputs: Sequence[torch.Tensor]) -> Axes:
        """Return the axes of attention, (..., heads, tokens, features) or (..., tokens, features)."""
        query, value = inputs[0], inputs[2] if len(inputs) > 2 else inputs[-1]
        known = self[value]
        if known.neurons:
            return Axes(_first_known(self[query].examples, known.examples), known.neurons)
        ndim = query.ndim
        return Axes(self[query].examples, (1, 3) if ndim == 4 else (ndim - 1,))

    def _after_product(self, inputs: Sequence[torch.Tensor], result: torch.Tensor) -> Axes:
        """Return the axes of a product: neurons are those of its last factor, if they are not summed over."""
        left, right = inputs[-2], inputs[-1]
        known = self[right]
        if left.ndim == right.ndim == 2:
            return Axes(0 if self[left].examples == 0 else 1 if known.examples == 1 else None, ())
        examples = _first_known(self[left].examples, known.examples)
        if right.ndim <= 2:  # features times weights
            return Axes(examples, (result.ndim - 1,) if right.ndim == 2 else ())
        is_kept = bool(known.neurons) and right.ndim - 2 not in known.neurons and right.ndim == result.ndim
        return Axes(examples, known.neurons if is_kept else ())


def _neurons_by_function(name: str, first: Axes, args: Sequence[object], ndim: int) -> tuple[int, ...] | None:
    """Return the axes of the neurons of functions that say where these are, None of others.

    Where a normalisation is of another axis than the neurons known so far, they are unknown: ().
    """
    last = (ndim - 1,)
    if name in NORMS_OF_LAST | NORMS_OF_CHANNELS:
        shape = args[1] if len(args) > 1 else ()
        if name in NORMS_OF_LAST and isinstance(shape, Sequence) and len(shape) != 1:
            return first.neurons or None
        normalised = last if name in NORMS_OF_LAST else (1,)
        return normalised if first.neurons in ((), normalised) else ()
    if name in CHANNELS_SECOND:
        return first.neurons or (1,)
    return (1,) if name in CONVOLUTIONS else last if name in NEURONS_LAST else None


def after_reshape(axes: Axes, before: tuple[int, ...], after: tuple[int, ...]) -> Axes:
    """Return axes after axes were joined and split: those that bound the same elements are the same.

    Parameters
    ----------
    axes
        Before.
    before, after
        The shapes.
    """
    examples = None
    if axes.examples is not None:
        moved = _same_group((axes.examples,), before, after)
        examples = moved[0] if len(moved) == 1 else None
    return Axes(examples, _same_group(axes.neurons, before, after))


def tensors_in(value: object) -> list[torch.Tensor]:
    """Return the tensors in nested tuples, lists and dicts."""
    if _is_tensor(value):
        return [value]
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ()
    return [tensor for member in members for tensor in tensors_in(member)]


def _is_tensor(value: object) -> TypeGuard[torch.Tensor]:
    import torch

    return isinstance(value, torch.Tensor)


def _same_group(group: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes after a reshape that are made of the elements of neighbouring axes before it; none if mixed."""
    if not group or group != tuple(range(group[0], group[-1] + 1)):
        return ()
    if before[: group[-1] + 1] == after[: group[-1] + 1]:
        return group
    if before[group[0] :] == after[group[0] - len(before) :] and len(after) >= len(before) - group[0]:
        return tuple(axis + len(after) - len(before) for axis in group)
    sizes_before, sizes_after = ([1, *accumulate(shape, mul)] for shape in (before, after))
    start, end = sizes_before[group[0]], sizes_before[group[-1] + 1]
    if start not in sizes_after or end not in sizes_after or start == end:
        return ()
    first = len(sizes_after) - 1 - sizes_after[::-1].index(start)  # behind axes of length 1
    return tuple(range(first, sizes_after.index(end)))


def _marked_views(
    function: Function, tensor: torch.Tensor, args: Sequence[object], kwargs: Mapping[str, object]
) -> list[tuple[int, ...]]:
    """Return the strides of views of a tensor without values, with the stride _MARK + i along axis i; none if it fails.

    Each axis of a view has the stride of the axis that it is.
    """
    import torch

    marked = torch.empty_strided(
        tuple(tensor.shape), [_MARK + i for i in range(tensor.ndim)], dtype=tensor.dtype, device="meta"
    )
    try:
        return [tuple(view.stride()) for view in tensors_in(function(marked, *args[1:], **kwargs))]
    except Exception:  # indexing by tensors, or what the function refuses
        return []


def _moved(axes: Axes, strides: tuple[int, ...]) -> Axes:
    """Return axes in a view whose strides say which axis each of its axes was."""
    where = {stride - _MARK: i for i, stride in enumerate(strides)}
    neurons = [where[axis] for axis in axes.neurons if axis in where]
    # Axes that are gone were indexed; an axis with a stride of its own is one of which only some places were taken.
    are_known = len(neurons) == len(axes.neurons) or all(0 <= axis < _MARK for axis in where)
    examples = where.get(axes.examples) if axes.examples is not None else None
    return Axes(examples, tuple(sorted(neurons)) if are_known else ())


def _after_reduction(axes: Axes, ndim: int, dims: object) -> Axes:
    """Return axes without those that were summed over."""
    if isinstance(dims, int):
        dims = (dims,)
    if not isinstance(dims, tuple | list):
        return UNKNOWN
    gone = {int(dim) % ndim for dim in dims}
    if gone & {*axes.neurons}:
        return Axes(_without(axes.examples, gone), ())
    return Axes(_without(axes.examples, gone), tuple(axis - sum(dim < axis for dim in gone) for axis in axes.neurons))


def _without(axis: int | None, gone: set[int]) -> int | None:
    """Return where an axis is once others are gone; None if it is gone too."""
    return None if axis is None or axis in gone else axis - sum(dim < axis for dim in gone)


def _keeps_axes(name: str, tensor: torch.Tensor, axes: Axes, result: torch.Tensor) -> bool:
    """Tell whether a function's result has the axes of one of its arguments."""
    if axes == UNKNOWN or tensor.ndim != result.ndim:
        return False
    if tensor.shape == result.shape or name in KEEPS_ORDER or name in REDUCTIONS:
        return True
    return name in BROADCASTS and all(tensor.shape[axis] == result.shape[axis] for axis in axes.neurons)


def _common(known: Sequence[Axes]) -> Axes:
    """Return what several arguments say of the axes of a result; unknown where they disagree."""
    examples = {axes.examples for axes in known if axes.examples is not None}
    neurons = {axes.neurons for axes in known if axes.neurons}
    return Axes(examples.pop() if len(examples) == 1 else None, neurons.pop() if len(neurons) == 1 else ())


def _first_known(*axes: int | None) -> int | None:
    return next((axis for axis in axes if axis is not None), None)
