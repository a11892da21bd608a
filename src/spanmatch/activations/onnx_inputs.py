"""Inputs of ONNX graphs: from the batch or constant, and the axis on which each has the examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from .constants import ZEROS, Constant
from .inputs import described, input_in
from .onnx_axes import Dim, dims_of
from .outputs import Batch

if TYPE_CHECKING:
    import onnx

Feeds = dict[str, NDArray[np.generic]]
KINDS = {"f": "f", "i": "iub", "u": "iub", "b": "iub"}
"""By the kind of numbers that a graph takes, those that it is given: floats stay floats, and integers integers."""


@dataclass(frozen=True)
class GraphInput:
    """An input as a graph declares it."""

    name: str
    dtype: np.dtype[np.generic] | None
    """None for what is not an array of numbers."""
    dims: tuple[Dim, ...] | None

    def __str__(self) -> str:
        dims = "" if self.dims is None else f" ({', '.join('?' if dim is None else str(dim) for dim in self.dims)})"
        return f"{self.name} {self.dtype or 'of another kind'}{dims}"


class GraphInputs:
    """The inputs of a graph, and what they are given.

    Parameters
    ----------
    name, path
        The network's, for messages.
    graph
        The graph.
    constants
        Of inputs that are the same for all examples. Those that the graph does not have are left
        alone.
    input_name
        Which member of a batch is the input; None for the default.

    Raises
    ------
    SpanmatchError
        If a constant cannot be of the type that the graph takes, or no input is left for batches.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        graph: onnx.GraphProto,
        constants: Mapping[str, Constant],
        input_name: str | None,
    ) -> None:
        self.name, self.path, self.input_name = name, path, input_name
        weights = {initializer.name for initializer in graph.initializer}
        self.inputs = [_declared(given) for given in graph.input if given.name not in weights]
        self.constants = {given.name: constants[given.name] for given in self.inputs if given.name in constants}
        self.main = self._main()
        self.batch_axes = {given.name: _batch_axis(given, self.main) for given in self.inputs}
        for given in self.inputs:
            if given.name in self.constants:
                self._constant(given, 1)

    @property
    def fixed_size(self) -> int | None:
        """The only number of examples that the graph takes, if it is fixed."""
        size = self.main.dims[0] if self.main.dims else None
        return size if isinstance(size, int) else None

    def known_constants(self) -> Feeds:
        """Return the constants that do not depend on the number of examples."""
        return {
            given.name: self._constant(given, 1)
            for given in self.inputs
            if given.name in self.constants and self.batch_axes[given.name] is None
        }

    def pieces(self, batch: Batch, count: int) -> Iterator[tuple[Feeds, int]]:
        """Yield what the graph is called with, and of how many examples it is.

        Parameters
        ----------
        batch
            An array, a tuple whose first member is one, or {input: array}.
        count
            The number of examples in it.

        Raises
        ------
        SpanmatchError
            If an input is missing, of another type, or it is not clear where it has the examples.
        """
        given = self._given(batch)
        if self.main.name in given and (not given[self.main.name].shape or len(given[self.main.name]) != count):
            raise SpanmatchError(
                f"{self.path}: {self.main} has shape {given[self.main.name].shape} for {count} examples; give "
                f"examples first, and {self.main.name!r} before the other arrays of a batch"
            )
        size = self.fixed_size
        if size is None or size == count:
            yield {**given, **self._constants(count)}, count
            return
        axes = {name: self._axis_of(name, array, count) for name, array in given.items()}
        for start in range(0, count, size):
            examples = np.minimum(np.arange(start, start + size), count - 1)
            piece = {
                name: array if axes[name] is None else np.take(array, examples, axes[name])
                for name, array in given.items()
            }
            yield {**piece, **self._constants(size)}, size

    def _main(self) -> GraphInput:
        """Return the input whose first axis is that of the examples: the first that is no constant."""
        candidates = [given for given in self.inputs if given.name not in self.constants and given.dims != ()]
        if not candidates:
            raise SpanmatchError(f"{self.path}: every input is a constant; leave one for the batches: {self._listed()}")
        return next((given for given in candidates if given.dims and not isinstance(given.dims[0], int)), candidates[0])

    def _listed(self) -> str:
        """Return all inputs with type and shape."""
        return ", ".join(map(str, self.inputs))

    def _given(self, batch: Batch) -> Feeds:
        """Return the inputs that a batch has, by name.  Raises SpanmatchError if one is missing."""
        needed = [given.name for given in self.inputs if given.name not in self.constants]
        batch = batch[0] if isinstance(batch, tuple | list) else batch
        if not isinstance(batch, Mapping):
            if self.input_name is not None:
                raise SpanmatchError(
                    f"input={self.input_name!r}: a batch of type {type(batch).__name__} has no names; leave input out"
                )
            named: Mapping[str, object] = {self.main.name: batch}
        elif len(needed) > 1 and self.input_name is not None:
            raise SpanmatchError(f"input={self.input_name!r}: {self.path} takes {', '.join(needed)}; leave input out")
        elif len(needed) == 1 and (self.input_name is not None or needed[0] not in batch):
            named = {needed[0]: batch[input_in(self.name, needed, batch, self.input_name)]}
        else:
            named = batch
        self._check_complete(needed, named, batch)
        return {given.name: self._as_type(given, named[given.name]) for given in self.inputs if given.name in needed}

    def _check_complete(self, needed: list[str], named: Mapping[str, object], batch: Batch) -> None:
        """Raise SpanmatchError unless all inputs are there; it says which there are and how to give them."""
        missing = [given for given in self.inputs if given.name in needed and given.name not in named]
        if not missing:
            return
        others = [given for given in missing if given is not self.main]
        in_python = ", ".join(f'"{given.name}": {_example(given, quote=True)}' for given in others)
        on_line = " ".join(f"--constant {given.name}={_example(given)}" for given in others)
        raise SpanmatchError(
            f"{self.path}: no value for {', '.join(given.name for given in missing)}. Its inputs are {self._listed()}; "
            f"the batch is {described(batch)}. Give batches with arrays of these names, and what is the same for all "
            f"examples as constants={{{in_python}}} ({on_line} on the command line)"
        )

    def _as_type(self, given: GraphInput, value: object) -> NDArray[np.generic]:
        """Return a value in the type that the graph takes."""
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if given.dtype is None or given.dtype.kind not in KINDS:
            return array
        if array.dtype.kind not in KINDS[given.dtype.kind]:
            raise SpanmatchError(f"{self.path}: the graph takes {given}; {array.dtype} is given")
        return np.ascontiguousarray(array, dtype=given.dtype) if array.ndim else array.astype(given.dtype)

    def _constants(self, count: int) -> Feeds:
        """Return the constants for so many examples."""
        return {given.name: self._constant(given, count) for given in self.inputs if given.name in self.constants}

    def _constant(self, given: GraphInput, count: int) -> NDArray[np.generic]:
        """Return a constant as an array of the declared shape, with so many examples on its batch axis."""
        value, axis = self.constants[given.name], self.batch_axes[given.name]
        if isinstance(value, np.ndarray) and value.ndim:
            array = self._as_type(given, value)
            repeats = axis is not None and axis < array.ndim and array.shape[axis] == 1
            return np.repeat(array, count, axis) if repeats and axis is not None else array
        number: object = 0 if isinstance(value, str) else np.asarray(value).item()
        if given.dtype is not None and given.dtype.kind == "f" and isinstance(number, int):
            number = float(number)
        shape = [count if i == axis and not isinstance(dim, int) else dim for i, dim in enumerate(given.dims or ())]
        if given.dims is None or not all(isinstance(length, int) for length in shape):
            raise SpanmatchError(
                f"{self.path}: {given}: not all lengths are fixed, so that {value!r} does not give its shape; give an "
                "array"
            )
        return np.full([int(length or 0) for length in shape], self._as_type(given, number))

    def _axis_of(self, name: str, array: NDArray[np.generic], count: int) -> int | None:
        """Return the axis on which an array has the examples; None if it is the same for all of them."""
        given = next(given for given in self.inputs if given.name == name)
        dims = given.dims or (None,) * array.ndim
        fits = [i for i in range(array.ndim) if array.shape[i] == count and _fit_elsewhere(dims, array.shape, i)]
        axis = self.batch_axes[name]
        if axis is None and array.shape == dims:
            return None
        if axis is None and len(fits) == 1:
            axis = fits[0]
        if axis is None or axis >= array.ndim or array.shape[axis] != count:
            raise SpanmatchError(
                f"{self.path}: {given} is given as {array.shape} for {count} examples; the graph takes "
                f"{self.fixed_size} at once: give {count} on the axis of these, and all other lengths as they are"
            )
        return axis


def _example(given: GraphInput, *, quote: bool = False) -> str:
    """Return what a constant of an input may be, for a message."""
    if given.dims == ():
        return "NUMBER"
    return f'"{ZEROS}"' if quote else ZEROS


def _declared(value: onnx.ValueInfoProto) -> GraphInput:
    """Return an input as the graph declares it."""
    from onnx import helper

    dtype = None
    if value.type.HasField("tensor_type"):
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    return GraphInput(value.name, dtype, dims_of(value))


def _batch_axis(given: GraphInput, main: GraphInput) -> int | None:
    """Return the axis of an input that is as long as the first one of the main input; None if that is not known.

    That is the axis of the same name; or of the same fixed length; or, where lengths have no names,
    the only one that is not fixed.
    """
    if given is main:
        return 0
    length = main.dims[0] if main.dims else None
    dims = given.dims or ()
    axes = [i for i, dim in enumerate(dims) if dim == length] or [i for i, dim in enumerate(dims) if dim is None]
    return axes[0] if len(axes) == 1 else None


def _fit_elsewhere(dims: tuple[Dim, ...], shape: tuple[int, ...], axis: int) -> bool:
    """Tell whether a shape is the declared one, except on one axis."""
    return len(dims) == len(shape) and all(
        i == axis or not isinstance(dim, int) or dim == length
        for i, (dim, length) in enumerate(zip(dims, shape, strict=True))
    )
