"""ONNX files: tensors inside a graph, computed by ONNX Runtime; no code in the file is run."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import BadArgument, SpanmatchError, SpanmatchWarning, missing_extra
from .constants import Constant
from .onnx_axes import EXAMPLES, NEURONS, axes_of, rows_and_neurons
from .onnx_graphs import InnerGraph, inline_branches, inner_graphs, tensors_stored
from .onnx_inputs import GraphInputs
from .onnx_layers import NONLINEARITIES, RECURRENT, default_layers
from .outputs import Batch, BatchActivations, mask_of
from .patterns import chosen

if TYPE_CHECKING:
    import onnx
    import onnxruntime

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
WEIGHTS_FOLDER_KEY = "session.model_external_initializers_file_folder_path"


class OnnxRunner:
    """A graph whose inner tensors are made outputs.

    Parameters
    ----------
    name, path
        The network's.
    patterns
        Names or shell patterns of tensors; None for the default layers.
    input_name
        Which member of a batch is the input; None for the default.
    constants
        Of inputs that are the same for all examples.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        patterns: Sequence[str] | None,
        input_name: str | None,
        constants: Mapping[str, Constant],
    ) -> None:
        self.name, self.path = name, path
        model, self.digest = _read(path)
        self.inputs = GraphInputs(name, path, model.graph, constants, input_name)

        def evaluate(condition: onnx.ModelProto) -> bool:
            (value,) = _session(condition, path.parent).run(None, {})
            return bool(np.all(value))

        inline_branches(model, self.inputs.known_constants(), evaluate)
        self.axes = axes_of(model, self.inputs.batch_axes)
        self.layers = self._default(model.graph) if patterns is None else self._named(model.graph, patterns)
        graph_outputs = {output.name for output in model.graph.output}
        for layer in self.layers:
            if layer not in graph_outputs:
                model.graph.output.add().name = layer  # of a type that the runtime finds by itself
        operators = {output: node.op_type for node in model.graph.node for output in node.output}
        self.kinds = {layer: operators[layer] for layer in self.layers}
        """The operator that gives each layer."""
        self.session = _session(model, path.parent)
        self.taken = {given.name for given in self.session.get_inputs()}

    @property
    def input_names(self) -> list[str]:
        """The inputs that the file declares."""
        return [given.name for given in self.inputs.inputs]

    def run(self, batch: Batch, activations: BatchActivations) -> None:
        """Run the graph, in pieces where it takes batches of one size alone."""
        mask, count = mask_of(batch), len(activations.example_ids)
        pieces = [(self._call(feeds), size) for feeds, size in self.inputs.pieces(batch, count)]
        for i, layer in enumerate(self.layers):
            key = f"{self.name}:{layer}"
            parts = [rows_and_neurons(key, tensors[i], self.axes.get(layer), size) for tensors, size in pieces]
            tensors = [tensor for tensor, _ in parts]
            tensor = (tensors[0] if len(tensors) == 1 else np.concatenate(tensors))[:count]
            first = parts[0][1]
            activations.record(key, tensor, channels_first=first, mask=None if first else mask)

    def fingerprint(self) -> str:
        """Return a digest of the file."""
        return self.digest

    def _named(self, graph: onnx.GraphProto, patterns: Sequence[str]) -> list[str]:
        """Return the tensors that match patterns.  Raises SpanmatchError if one matches nothing."""
        tensors = [output for node in graph.node for output in node.output if output]
        for pattern in patterns:
            if any(fnmatchcase(tensor, pattern) for tensor in tensors):
                continue
            for inner in inner_graphs(graph):
                if any(fnmatchcase(tensor, pattern) for tensor in inner.tensors):
                    raise SpanmatchError(f"layers: {pattern!r} is no layer of {self.path}: {self._why(inner)}")
        named = chosen(patterns, tensors, str(self.path))
        return [tensor for tensor in named if tensor in patterns or self._is_of_examples(tensor)]

    def _is_of_examples(self, tensor: str) -> bool:
        """Tell tensors that can be rows x neurons, of which it is known which axis has the examples."""
        axes = self.axes.get(tensor)
        return axes is not None and len(axes) > 1 and EXAMPLES in axes

    def _default(self, graph: onnx.GraphProto) -> list[str]:
        """Return the default layers of which it is known what their axes hold; say which are left out, and why."""
        layers, unclear = [], []
        for layer in default_layers(graph, self.axes):
            axes = self.axes.get(layer)
            if axes is None or (len(axes) > 2 and not {EXAMPLES, NEURONS} <= {*axes}):
                unclear.append(layer)
            elif len(axes) > 1:
                layers.append(layer)
        if unclear:
            listed = ", ".join(unclear[:8]) + (", ..." if len(unclear) > 8 else "")
            self._warn(
                f"it is not known which axes hold the examples and the neurons of {listed}; they are no layers by "
                "default: name them with layers= and give channels='first' or 'last' (--channels)"
            )
        for inner in inner_graphs(graph):
            if not (NONLINEARITIES | RECURRENT).isdisjoint(inner.tensors.values()):
                self._warn(self._why(inner))
        if not layers:
            raise SpanmatchError(f"{self.path}: it has no layers by default; name tensors with layers=")
        return layers

    def _why(self, inner: InnerGraph) -> str:
        """Return why the tensors inside an operator are no layers, and what to do."""
        results = ", ".join(output for output in inner.node.output if output)
        fixed = {self.inputs.main.name, *self.inputs.constants}
        helps = inner.depends_on and fixed.isdisjoint(inner.depends_on)
        advice = ", and those of its branch if that is given as a constant (constants=, --constant)" if helps else ""
        why = f"tensors inside {inner.place} are no layers, because {inner.reason}"
        return f"{why}; its results ({results}) can be{advice}"

    def _warn(self, message: str) -> None:
        warnings.warn(f"{self.path}: {message}", SpanmatchWarning, stacklevel=2)

    def _call(self, feeds: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Return the layers' tensors; refuse those that are not of numbers."""
        try:
            given = {name: array for name, array in feeds.items() if name in self.taken}
            tensors: list[NDArray[np.generic]] = self.session.run(self.layers, given)
        except Exception as error:  # the runtime's own kinds
            shapes = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in feeds.items())
            raise SpanmatchError(f"{self.path}: it does not run on {shapes} ({error})") from error
        for layer, tensor in zip(self.layers, tensors, strict=True):
            if not isinstance(tensor, np.ndarray) or tensor.dtype.kind not in "biuf":
                raise SpanmatchError(f"{self.path}: {layer!r} is no tensor of numbers; choose other layers")
        return tensors


def onnx_runner(
    name: str,
    path: Path,
    patterns: Sequence[str] | None,
    input_name: str | None = None,
    constants: Mapping[str, Constant] | None = None,
) -> OnnxRunner:
    """Return a runner of the graph in a file.

    Raises BadArgument if there is no such file, SpanmatchError if it is damaged.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise missing_extra("ONNX Runtime", "onnx", str(path)) from error
    if not path.is_file():
        raise BadArgument(f"{path}: no such file")
    try:
        return OnnxRunner(name, path, patterns, input_name, constants or {})
    except SpanmatchError:
        raise
    except Exception as error:  # whatever a damaged file makes the libraries raise
        raise SpanmatchError(f"{path}: cut short, or not an ONNX file that can be run ({error})") from error


def _session(model: onnx.ModelProto, weights_folder: Path) -> onnxruntime.InferenceSession:
    """Return a session of ONNX Runtime, on the GPU where it can."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(WEIGHTS_FOLDER_KEY, str(weights_folder.resolve()))
    providers = [provider for provider in PROVIDERS if provider in ort.get_available_providers()]
    return ort.InferenceSession(model.SerializeToString(), options, providers=providers)


def _read(path: Path) -> tuple[onnx.ModelProto, str]:
    """Return the graph, its weights left where they are if beside it, and a digest of all of it."""
    import onnx

    content = path.read_bytes()
    digest = hashlib.blake2b(content, digest_size=16)
    model = onnx.load_model_from_string(content)
    if not model.graph.node:
        raise SpanmatchError(f"{path}: cut short, or not an ONNX file: it holds no operators")
    for tensor in tensors_stored(model.graph):
        for entry in tensor.external_data:
            if entry.key == "location":
                digest.update(_weights_file(path, entry.value).stat().st_mtime_ns.to_bytes(8, "little"))
    return model, digest.hexdigest()


def _weights_file(path: Path, location: str) -> Path:
    """Return a file of weights; refuse one that is not beside the graph, or missing."""
    place = PurePosixPath(location)
    if place.is_absolute() or ".." in place.parts:
        raise SpanmatchError(
            f"{path}: it asks for weights from {location!r}, outside its folder; put them beside it and save it again"
        )
    if not (path.parent / place).is_file():
        raise SpanmatchError(f"{path}: its weights, {location}, are missing beside it")
    return path.parent / place
