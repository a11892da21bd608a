"""Networks and data named on the command line: files of code, weights and arrays."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadArgument, SpanmatchError, missing_extra
from .from_networks import EXAMPLES_AT_ONCE, cut
from .stored import StoredActivations

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = (".safetensors", ".pt", ".pth")


def is_code(text: str) -> bool:
    """Tell "file.py:function", with or without "@weights", from a path."""
    return ".py:" in text


def network(text: str) -> Any:
    """Return the network that "file.py:function" or "file.py:function@weights" names.

    It is a module, a program of torch.export, or a model of transformers and its tokenizer.

    Raises BadArgument if a file or the function is not there, SpanmatchError if it gives no module or the
    weights do not fit. The file's code is run: it is the user's own.
    """
    try:
        from torch import nn
        from torch.export import ExportedProgram
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", text) from error
    code, _, weights = text.partition("@")
    made = _call(code)
    if isinstance(made, nn.Module):
        if weights:
            _load_weights(made, Path(weights))
    elif weights or not isinstance(made, tuple | ExportedProgram):
        raise SpanmatchError(f"{code} gives a {type(made).__name__}; it must give a torch.nn.Module")
    return made


def data(text: str, batch_size: int | None = None) -> Iterable[Any]:
    """Return batches from "file.py:function", from a file of arrays, cut along the first axis, or from lines of text.

    A file with one array gives arrays; with several, dicts of keyword arguments; a .txt file lists of its lines.
    Args: batch_size, how many examples; by default 256, of texts, which are many rows each, 16.
    """
    if is_code(text):
        batches = _call(text)
        if not isinstance(batches, Iterable):
            raise SpanmatchError(f"{text} gives a {type(batches).__name__}; it must give batches")
        return batches
    if batch_size is not None and batch_size < 1:
        raise BadArgument(f"batch size {batch_size}: give 1 or more")
    if Path(text).suffix == ".txt":
        return cut(_lines(Path(text)), batch_size)
    return _StoredBatches(text, batch_size or EXAMPLES_AT_ONCE)


def _lines(path: Path) -> list[str]:
    """Return the lines of a text that are not empty.  Raises SpanmatchError if there are none."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise BadArgument(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SpanmatchError(f"{path}: not text in UTF-8 ({error})") from error
    if not lines:
        raise SpanmatchError(f"{path}: holds no text")
    return lines


def pictures(text: str) -> NDArray[np.uint8] | None:
    """Return the images of a file of inputs as bytes, as the page shows them: (n, height, width), or 3 channels last.

    None if the file is of code or text, or does not hold one array (n, 1 or 3, height, width). The smallest value
    becomes black, the largest white.
    """
    if is_code(text) or Path(text).suffix == ".txt":
        return None
    with StoredActivations(text) as stored:
        ((name, shape), *more) = stored.shapes.items()
        if more or len(shape) != 4 or shape[1] not in (1, 3):
            return None
        images = np.array(stored.read(name, 0, shape[0]), dtype=np.float32)
    low, high = float(images.min()), float(images.max())
    scaled: NDArray[np.uint8] = np.rint((images - low) * (255 / max(high - low, 1e-30))).astype(np.uint8)
    return scaled[:, 0] if shape[1] == 1 else scaled.transpose(0, 2, 3, 1)


class _StoredBatches:
    """The arrays of a file in batches; it can be gone through once for each iterator."""

    def __init__(self, path: str, batch_size: int) -> None:
        with StoredActivations(path) as stored:
            self.counts = {name: shape[0] for name, shape in stored.shapes.items()}
        if len(set(self.counts.values())) > 1:
            listed = ", ".join(f"{name}: {n}" for name, n in self.counts.items())
            raise SpanmatchError(f"{path}: arrays of different length ({listed})")
        self.path, self.size = path, batch_size
        self.total = next(iter(self.counts.values()))

    def __len__(self) -> int:
        return -(-self.total // self.size)

    def __iter__(self) -> Any:
        with StoredActivations(self.path) as stored:
            for start in range(0, self.total, self.size):
                stop = min(start + self.size, self.total)
                batch = {n: np.array(stored.read(n, start, stop)) for n in self.counts}
                yield batch if len(batch) > 1 else next(iter(batch.values()))


def function(text: str) -> Callable[..., Any]:
    """Return the function that "file.py:function" names.  Raises BadArgument if the file or it is not there."""
    path, _, name = text.rpartition(":")
    found: Callable[..., Any] | None = getattr(_module(Path(path)), name, None)
    if not callable(found):
        known = [n for n, f in inspect.getmembers(_module(Path(path)), callable) if not n.startswith("_")]
        close = get_close_matches(name, known, n=5) or known[:10]
        raise BadArgument(f"{path} has no function {name!r}; there is {', '.join(close) or 'none'}")
    return found


def _call(text: str) -> Any:
    made = function(text)
    try:
        return made()
    except Exception as error:
        raise SpanmatchError(f"{text} failed: {type(error).__name__}: {error}") from error


def _module(path: Path) -> Any:
    if not path.is_file():
        raise BadArgument(f"{path}: no such file")
    name = f"spanmatch_user_{abs(hash(path.resolve()))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    beside = str(path.resolve().parent)
    sys.path.insert(0, beside)  # for what the file imports
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception):
            raise SpanmatchError(f"{path} failed: {type(error).__name__}: {error}") from error
        raise
    finally:
        with contextlib.suppress(ValueError):  # the file's own code may have removed it
            sys.path.remove(beside)
    return module


def _load_weights(module: nn.Module, path: Path) -> None:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix not in WEIGHTS:
        raise BadArgument(f"{path}: unknown file type {path.suffix!r}; give one of {', '.join(WEIGHTS)}")
    if not path.is_file():
        raise BadArgument(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            weights: Any = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            weights = weights.get("state_dict", weights) if isinstance(weights, dict) else weights
        module.load_state_dict(weights)
    except (SafetensorError, OSError, EOFError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise SpanmatchError(f"{path}: these weights do not fit, or are cut short ({error})") from error
    except Exception as error:  # torch.load refuses pickled code with an exception of pickle's
        raise SpanmatchError(f"{path}: not a file of weights alone ({error})") from error
