"""ONNX files: tensors inside a graph, computed by ONNX Runtime; no code of the file's author is run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadArgument, SpanmatchError, missing_extra
from .outputs import Outputs, mask_of
from .patterns import chosen

FEATURES = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Attention", "LSTM", "GRU", "RNN"),
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Sigmoid", "Tanh", "Softplus", "Clip"),
    *("HardSwish", "HardSigmoid", "Mish", "Swish"),
    *("BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization"),
    *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
)
"""Operators whose outputs are layers by default."""
CHANNELS_FIRST = ("Conv", "BatchNorm", "InstanceNorm", "GroupNorm", "MaxPool", "AveragePool", "Global")
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
WHOLE = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}

WEIGHTS_IN = "session.model_external_initializers_file_folder_path"


class Graph:
    """A graph whose inner tensors are made outputs."""

    def __init__(self, name: str, path: Path, patterns: Sequence[str] | None) -> None:
        import onnxruntime as ort

        self.name, self.path = name, path
        model, self.digest = _read(path)
        kinds = {output: node.op_type for node in model.graph.node for output in node.output if output}
        default = [tensor for tensor, kind in kinds.items() if kind in FEATURES]
        self.layers = default if patterns is None else chosen(patterns, kinds, str(path))
        if not self.layers:
            raise SpanmatchError(f"{path}: no operator in it gives features; name tensors with layers=")
        self.kinds = {layer: kinds[layer] for layer in self.layers}
        given = {output.name for output in model.graph.output}
        for layer in self.layers:
            if layer not in given:
                model.graph.output.add().name = layer  # of a type that the runtime finds by itself
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry(WEIGHTS_IN, str(path.parent.resolve()))
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [provider for provider in wanted if provider in ort.get_available_providers()]
        self.session = ort.InferenceSession(model.SerializeToString(), options, providers=providers)
        own = {initializer.name for initializer in model.graph.initializer}
        self.inputs = [each for each in self.session.get_inputs() if each.name not in own]

    def run(self, batch: Any, outputs: Outputs) -> None:
        """Run the graph, in pieces where it takes batches of one size alone."""
        feeds = self._feeds(batch)
        mask = mask_of(batch)
        parts = [self._call(piece) for piece in self._pieces(feeds, len(outputs.numbers))]
        for i, layer in enumerate(self.layers):
            tensor = np.concatenate([part[i] for part in parts])[: len(outputs.numbers)]
            first = tensor.ndim >= 4 or self.kinds[layer].startswith(CHANNELS_FIRST)
            outputs.record(f"{self.name}:{layer}", tensor, channels_first=first, mask=None if first else mask)

    def made_from(self) -> str:
        """Return a digest of the file."""
        return self.digest

    def _call(self, feeds: Mapping[str, Any]) -> list[NDArray[Any]]:
        try:
            found: list[NDArray[Any]] = self.session.run(self.layers, dict(feeds))
        except Exception as error:  # the runtime's own kinds
            shapes = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in feeds.items())
            raise SpanmatchError(f"{self.path}: it does not run on {shapes} ({error})") from error
        for layer, array in zip(self.layers, found, strict=True):
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
                raise SpanmatchError(f"{self.path}: {layer!r} is no tensor of numbers; choose other layers")
        return found

    def _feeds(self, batch: Any) -> dict[str, NDArray[Any]]:
        wanted = [each.name for each in self.inputs]
        if isinstance(batch, tuple | list):
            batch = batch[0]
        if not isinstance(batch, Mapping):
            if len(wanted) != 1:
                raise SpanmatchError(f"{self.path}: takes {', '.join(wanted)}; give batches with arrays of these names")
            batch = {wanted[0]: batch}
        missing = [name for name in wanted if name not in batch]
        if missing:
            raise SpanmatchError(f"{self.path}: takes {', '.join(wanted)}; the batch has {', '.join(map(str, batch))}")
        return {each.name: self._as_type(each, batch[each.name]) for each in self.inputs}

    def _as_type(self, wanted: Any, value: Any) -> NDArray[Any]:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        dtype, kinds = (TYPES.get(wanted.type), "f") if wanted.type in TYPES else (WHOLE.get(wanted.type), "iub")
        if dtype is None:
            return array
        if array.dtype.kind not in kinds:
            raise SpanmatchError(f"{self.path}: {wanted.name} is {wanted.type}, the batch's is {array.dtype}")
        return np.ascontiguousarray(array, dtype=dtype)

    def _pieces(self, feeds: dict[str, NDArray[Any]], examples: int) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield parts of a size that the graph was fixed to, the last one filled up with its last example."""
        fixed = next((each.shape[0] for each in self.inputs if each.shape and isinstance(each.shape[0], int)), None)
        if fixed is None or fixed == examples:
            yield feeds
            return
        for start in range(0, examples, fixed):
            rows = np.minimum(np.arange(start, start + fixed), examples - 1)
            yield {name: array[rows] for name, array in feeds.items()}


def graph(name: str, path: Path, patterns: Sequence[str] | None) -> Graph:
    """Return a graph that can be run.

    Raises BadArgument if there is no such file, SpanmatchError if it cannot be read whole.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise missing_extra("ONNX Runtime", "onnx", str(path)) from error
    if not path.is_file():
        raise BadArgument(f"{path}: no such file")
    try:
        return Graph(name, path, patterns)
    except SpanmatchError:
        raise
    except Exception as error:  # whatever a damaged file makes the libraries raise
        raise SpanmatchError(f"{path}: cut short, or not an ONNX file that can be run ({error})") from error


def _read(path: Path) -> tuple[Any, str]:
    """Return the graph, its weights left where they are if beside it, and a digest of all of it."""
    import onnx

    data = path.read_bytes()
    digest = hashlib.blake2b(data, digest_size=16)
    model = onnx.load_model_from_string(data)
    if not model.graph.node:
        raise SpanmatchError(f"{path}: cut short, or not an ONNX file: it holds no operators")
    for initializer in model.graph.initializer:
        for entry in initializer.external_data:
            if entry.key == "location":
                digest.update(_beside(path, entry.value).stat().st_mtime_ns.to_bytes(8, "little"))
    return model, digest.hexdigest()


def _beside(path: Path, location: str) -> Path:
    """Return a file of weights.  Raises SpanmatchError if it is not beside the graph, or missing."""
    place = PurePosixPath(location)
    if place.is_absolute() or ".." in place.parts:
        raise SpanmatchError(f"{path}: it wants weights from {location!r}, outside its folder")
    if not (path.parent / place).is_file():
        raise SpanmatchError(f"{path}: its weights, {location}, are missing beside it")
    return path.parent / place
