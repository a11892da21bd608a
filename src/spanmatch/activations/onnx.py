"""ONNX files: tensors inside a graph, computed by ONNX Runtime; no code in the file is run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import BadArgument, SpanmatchError, missing_extra
from .inputs import input_in
from .outputs import Batch, BatchActivations, mask_of
from .patterns import chosen

if TYPE_CHECKING:
    import onnx
    import onnxruntime

DEFAULT_OPERATORS = (
    "Add",
    "Attention",
    "AveragePool",
    "BatchNormalization",
    "Celu",
    "Clip",
    "Conv",
    "ConvTranspose",
    "Elu",
    "GRU",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "InstanceNormalization",
    "LSTM",
    "LayerNormalization",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Mish",
    "PRelu",
    "RMSNormalization",
    "RNN",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Swish",
    "Tanh",
)
"""Operators whose outputs are layers by default."""
CHANNELS_FIRST = ("Conv", "BatchNorm", "InstanceNorm", "GroupNorm", "MaxPool", "AveragePool", "Global")
"""How the names of operators begin whose outputs have channels on the second axis."""
FLOAT_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
INTEGER_TYPES = {
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
}
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
WEIGHTS_FOLDER_KEY = "session.model_external_initializers_file_folder_path"


class OnnxRunner:
    """A graph whose inner tensors are made outputs."""

    def __init__(self, name: str, path: Path, patterns: Sequence[str] | None, input_name: str | None) -> None:
        self.name, self.path, self.input_name = name, path, input_name
        model, self.digest = _read(path)
        operators = {output: node.op_type for node in model.graph.node for output in node.output if output}
        if patterns is None:
            self.layers = [tensor for tensor, operator in operators.items() if operator in DEFAULT_OPERATORS]
        else:
            self.layers = chosen(patterns, operators, str(path))
        if not self.layers:
            raise SpanmatchError(f"{path}: no operator in it is one whose output is a layer; name tensors with layers=")
        self.operators = {layer: operators[layer] for layer in self.layers}
        graph_outputs = {output.name for output in model.graph.output}
        for layer in self.layers:
            if layer not in graph_outputs:
                model.graph.output.add().name = layer  # of a type that the runtime finds by itself
        self.session = _session(model, path.parent)
        initializers = {initializer.name for initializer in model.graph.initializer}
        self.inputs = [given for given in self.session.get_inputs() if given.name not in initializers]

    def run(self, batch: Batch, activations: BatchActivations) -> None:
        """Run the graph, in pieces where it takes batches of one size alone."""
        feeds, mask, count = self._feeds(batch), mask_of(batch), len(activations.example_ids)
        results = [self._call(piece) for piece in self._pieces(feeds, count)]
        for i, layer in enumerate(self.layers):
            pieces = [result[i] for result in results]
            tensor = (pieces[0] if len(pieces) == 1 else np.concatenate(pieces))[:count]
            first = tensor.ndim >= 4 or self.operators[layer].startswith(CHANNELS_FIRST)
            activations.record(f"{self.name}:{layer}", tensor, channels_first=first, mask=None if first else mask)

    def fingerprint(self) -> str:
        """Return a digest of the file."""
        return self.digest

    def _call(self, feeds: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Return the layers' tensors; refuse those that are not of numbers."""
        try:
            tensors: list[NDArray[np.generic]] = self.session.run(self.layers, dict(feeds))
        except Exception as error:  # the runtime's own kinds
            shapes = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in feeds.items())
            raise SpanmatchError(f"{self.path}: it does not run on {shapes} ({error})") from error
        for layer, tensor in zip(self.layers, tensors, strict=True):
            if not isinstance(tensor, np.ndarray) or tensor.dtype.kind not in "biuf":
                raise SpanmatchError(f"{self.path}: {layer!r} is no tensor of numbers; choose other layers")
        return tensors

    def _feeds(self, batch: Batch) -> dict[str, NDArray[np.generic]]:
        """Return the graph's inputs by name.  Raises SpanmatchError if the batch lacks one."""
        names = [given.name for given in self.inputs]
        if isinstance(batch, tuple | list):
            batch = batch[0]
        if not isinstance(batch, Mapping):
            if len(names) != 1:
                raise SpanmatchError(f"{self.path}: takes {', '.join(names)}; give batches with arrays of these names")
            if self.input_name is not None:
                raise SpanmatchError(
                    f"input={self.input_name!r}: a batch of type {type(batch).__name__} has no names; leave input out"
                )
            batch = {names[0]: batch}
        elif len(names) > 1 and self.input_name is not None:
            raise SpanmatchError(f"input={self.input_name!r}: {self.path} takes {', '.join(names)}; leave input out")
        elif len(names) == 1 and (self.input_name is not None or names[0] not in batch):
            batch = {names[0]: batch[input_in(self.name, names, batch, self.input_name)]}
        if any(name not in batch for name in names):
            raise SpanmatchError(f"{self.path}: takes {', '.join(names)}; the batch has {', '.join(map(str, batch))}")
        return {given.name: self._as_type(given.name, given.type, batch[given.name]) for given in self.inputs}

    def _as_type(self, name: str, type_name: str, value: object) -> NDArray[np.generic]:
        """Return an input in the graph's type; floats stay floats, and integers integers."""
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if type_name in FLOAT_TYPES:
            dtype, kinds = FLOAT_TYPES[type_name], "f"
        elif type_name in INTEGER_TYPES:
            dtype, kinds = INTEGER_TYPES[type_name], "iub"
        else:
            return array
        if array.dtype.kind not in kinds:
            raise SpanmatchError(f"{self.path}: {name} is {type_name}, the batch's is {array.dtype}")
        return np.ascontiguousarray(array, dtype=dtype)

    def _pieces(self, feeds: dict[str, NDArray[np.generic]], count: int) -> Iterator[dict[str, NDArray[np.generic]]]:
        """Yield parts of the size that the graph is fixed to, the last one padded."""
        sizes = (given.shape[0] for given in self.inputs if given.shape)
        fixed = next((size for size in sizes if isinstance(size, int)), None)
        if fixed is None or fixed == count:
            yield feeds
            return
        for start in range(0, count, fixed):
            examples = np.minimum(np.arange(start, start + fixed), count - 1)
            yield {name: array[examples] for name, array in feeds.items()}


def onnx_runner(name: str, path: Path, patterns: Sequence[str] | None, input_name: str | None = None) -> OnnxRunner:
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
        return OnnxRunner(name, path, patterns, input_name)
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
    for initializer in model.graph.initializer:
        for entry in initializer.external_data:
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
