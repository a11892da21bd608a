"""Networks and data named on the command line: files of code, weights and arrays."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadArgument, SpanmatchError, missing_extra
from .code_names import CodeName, names_function, parsed
from .from_networks import EXAMPLES_AT_ONCE, cut
from .hub import hub_folder, is_hub_name
from .image_batches import ImageBatches, Normalisation, is_image_folder
from .outputs import Batch
from .stored import StoredActivations
from .stored.csv_files import DELIMITERS
from .stored.npz import numbers_of_npz
from .text_files import column_of_texts, lines
from .weight_files import load_weights

if TYPE_CHECKING:
    from .outputs import Network

IMAGES_AT_ONCE = 64
"""Images of a folder in a batch: they may be large."""
USER_MODULE = "spanmatch_user_"
"""What the names of the modules of users' files begin with."""


def network(text: str, *, download: bool = False) -> Network | Path:
    """Return the network that a text names.

    Parameters
    ----------
    text : str
        "file.py:function" or "package.module:function", with literal arguments in parentheses or
        without, and with "@weights", a file of other weights, or without: the code is run. Or
        "hf:NAME", a model of transformers in the local cache of the Hugging Face Hub.
    download : bool
        Whether to ask the Hub for what the cache lacks.

    Returns
    -------
    torch.nn.Module, torch.export.ExportedProgram, tuple or Path
        The network; a tuple is a model of transformers and its tokenizer, a path the folder of one.

    Raises
    ------
    BadArgument
        If a file, a module, the function or the model is not there, or an argument is no literal.
    SpanmatchError
        If the function fails or gives something else, or the weights do not fit.
    """
    if is_hub_name(text):
        return hub_folder(text, download=download)
    try:
        from torch import nn
        from torch.export import ExportedProgram
    except ImportError as error:
        raise missing_extra("PyTorch", "torch", text) from error
    weights, made = parsed(text).weights, call(text)
    if isinstance(made, nn.Module):
        if weights:
            load_weights(made, Path(weights))
    elif weights or not isinstance(made, tuple | ExportedProgram):
        raise SpanmatchError(f"{text} gives a {type(made).__name__}; it must give a torch.nn.Module")
    return made


def names_network(text: str) -> bool:
    """Tell whether a text names a network, as `network` takes it, and not a path."""
    return is_hub_name(text) or names_function(text)


def data(
    text: str,
    batch_size: int | None = None,
    *,
    size: int | None = None,
    normalise: Normalisation | None = None,
    text_column: str | None = None,
) -> Iterable[Batch]:
    """Return batches from a function, a file of arrays, a folder of images, or a file of texts.

    Parameters
    ----------
    text : str
        "file.py:function" or "package.module:function", with literal arguments or without, or the
        path of a file or a folder.
    batch_size : int, optional
        The examples in a batch; by default 256, or 16 for texts, which have many rows each, and 64 for images in files.
    size : int, optional
        Of a folder of images: pixels along each side that they are resized to.
    normalise : {"unit", "imagenet"}, optional
        Of a folder of images: how pixels become numbers, see `ImageBatches`; by default "unit".
    text_column : str, optional
        Of a .csv or .tsv file: the column of the texts; by default the only one that holds texts.

    Returns
    -------
    iterable
        Of a file with one array, arrays; of a file with several, dicts of keyword arguments, in which numbers without
        axes are the same in every batch; of a .txt file, lists of its lines; of a .csv or .tsv file with texts, lists
        of these; of a folder of images, arrays (n, 3, height, width) of float32.

    Raises
    ------
    BadArgument
        If the file or function is not there, the batch size is below 1, or an option does not go with the data.
    SpanmatchError
        If the function fails or gives no batches, or the file cannot be read.
    """
    path = Path(text)
    is_of_images = not names_function(text) and is_image_folder(path)
    is_of_columns = not names_function(text) and path.suffix in DELIMITERS
    for option, value, fits, kind in (
        ("size", size, is_of_images, "a folder of images"),
        ("normalise", normalise, is_of_images, "a folder of images"),
        ("text-column", text_column, is_of_columns, "a .csv or .tsv file"),
    ):
        if value is not None and not fits:
            raise BadArgument(f"--{option} is for {kind}; {text} is none")
    if names_function(text):
        batches = call(text)
        if not isinstance(batches, Iterable):
            raise SpanmatchError(f"{text} gives a {type(batches).__name__}; it must give batches")
        return batches
    if batch_size is not None and batch_size < 1:
        raise BadArgument(f"batch size {batch_size}: give 1 or more")
    if path.suffix == ".txt":
        return cut(lines(path), batch_size)
    if is_of_images:
        return ImageBatches(path, batch_size or IMAGES_AT_ONCE, size, normalise or "unit")
    if is_of_columns:
        texts = column_of_texts(path, text_column)
        if texts is not None:
            return cut(texts, batch_size)
    return _StoredBatches(text, batch_size or EXAMPLES_AT_ONCE)


def pictures(text: str, size: int | None = None) -> NDArray[np.uint8] | None:
    """Return the images of a file or folder of inputs as the report shows them.

    Parameters
    ----------
    text : str
        The path of a file of arrays, or of a folder of images.
    size : int, optional
        Of a folder of images: pixels along each side that they are resized to.

    Returns
    -------
    numpy.ndarray of bytes, shape (n, height, width) or (n, height, width, 3), or None
        The images; of a file, the smallest value becomes black, the largest white. None if the text names a
        function or is a file of texts, or the file does not hold one array (n, 1 or 3, height, width).
    """
    if names_function(text) or Path(text).suffix in (".txt", *DELIMITERS):
        return None
    if is_image_folder(Path(text)):
        return ImageBatches(Path(text), IMAGES_AT_ONCE, size, "unit").pictures()
    with StoredActivations(text) as stored:
        ((name, shape), *more) = stored.shapes.items()
        if more or len(shape) != 4 or shape[1] not in (1, 3):
            return None
        images = np.array(stored.read(name, 0, shape[0]), dtype=np.float32)
    low, high = float(images.min()), float(images.max())
    scaled: NDArray[np.uint8] = np.rint((images - low) * (255 / max(high - low, 1e-30))).astype(np.uint8)
    return scaled[:, 0] if shape[1] == 1 else scaled.transpose(0, 2, 3, 1)


class _StoredBatches:
    """The arrays of a file in batches; each iterator reads them from the file.

    Numbers without axes in a .npz are part of every batch, as they are.
    """

    def __init__(self, path: str, batch_size: int) -> None:
        with StoredActivations(path) as stored:
            self.counts = {name: shape[0] for name, shape in stored.shapes.items()}
        if len(set(self.counts.values())) > 1:
            listed = ", ".join(f"{name}: {n}" for name, n in self.counts.items())
            raise SpanmatchError(f"{path}: arrays of different length ({listed})")
        self.path, self.size = path, batch_size
        self.numbers = numbers_of_npz(Path(path)) if Path(path).suffix == ".npz" else {}
        self.total = next(iter(self.counts.values()))

    def __len__(self) -> int:
        return -(-self.total // self.size)

    def __iter__(self) -> Iterator[Batch]:
        with StoredActivations(self.path) as stored:
            for start in range(0, self.total, self.size):
                stop = min(start + self.size, self.total)
                batch = {n: np.array(stored.read(n, start, stop)) for n in self.counts} | self.numbers
                yield batch if len(batch) > 1 else next(iter(batch.values()))


def function(text: str) -> Callable[..., Any]:
    """Return the function that "file.py:function" or "package.module:function" names.

    Parameters
    ----------
    text : str
        The path of a file of Python code or the name of a module, and the name of a function in it.

    Returns
    -------
    callable
        The function. A file has been run, once in this process; it imports the files beside it as a
        script would.

    Raises
    ------
    BadArgument
        If the file, the module or the function is not there, or the text has arguments or weights.
    SpanmatchError
        If the file fails.
    """
    code = parsed(text)
    if code.args or code.kwargs or code.weights:
        raise BadArgument(f"{text}: give the function alone, as {code.place}:{code.function}")
    return _function(code)


def call(text: str) -> object:
    """Return what the function that a text names gives, called with the literal arguments in it, if any.

    Raises BadArgument or SpanmatchError as `function` does, and SpanmatchError if the function fails.
    """
    code = parsed(text)
    named = _function(code)
    try:
        return named(*code.args, **code.kwargs)
    except Exception as error:
        raise SpanmatchError(f"{text} failed: {type(error).__name__}: {error}") from error


def _function(code: CodeName) -> Callable[..., Any]:
    """Return a function of a file of code or of a module."""
    module = _module(Path(code.place)) if code.is_file else _imported(code.place)
    named: Callable[..., Any] | None = getattr(module, code.function, None)
    if not callable(named):
        names = [name for name, _ in inspect.getmembers(module, callable) if not name.startswith("_")]
        close = get_close_matches(code.function, names, n=5) or names[:10]
        raise BadArgument(f"{code.place} has no function {code.function!r}; there is {', '.join(close) or 'none'}")
    return named


def _imported(name: str) -> ModuleType:
    """Return a module of an installed package.  Raises BadArgument if there is none."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package, _, rest = name.partition(".")
        if error.name == package:
            raise BadArgument(
                f"{name}: no module {package!r} is installed; install the package that has it, as pip install "
                f"{package}, or give file.py:function for a function in a file"
            ) from error
        if error.name is not None and rest and f"{name}.".startswith(f"{error.name}."):
            raise BadArgument(f"{name}: there is no module {error.name!r} in what is installed") from error
        raise SpanmatchError(f"{name} cannot be imported: {error}") from error
    except Exception as error:
        raise SpanmatchError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error


def _module(path: Path) -> ModuleType:
    """Return a file of code as a module, run once in this process."""
    if not path.is_file():
        raise BadArgument(f"{path}: no such file")
    path = path.resolve()
    name = USER_MODULE + hashlib.sha256(str(path).encode()).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _imports_from(path.parent):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception):
            raise SpanmatchError(f"{path} failed: {type(error).__name__}: {error}") from error
        raise
    return module


@contextlib.contextmanager
def _imports_from(folder: Path) -> Iterator[None]:
    """Let this thread import the files of a folder, as the folder's scripts do, and not those of other users' files.

    What it imports stays imported; where files of two folders have one name, the first keeps the name.
    """
    finder, hidden = _FolderFinder(folder), _neighbours_elsewhere(folder)
    for name in hidden:
        del sys.modules[name]
    sys.meta_path.insert(sys.meta_path.index(PathFinder), finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(hidden)


def _neighbours_elsewhere(folder: Path) -> dict[str, ModuleType]:
    """Return the modules that users' files have imported from their own folders, other than this one."""
    files = (module.__file__ for name, module in sys.modules.items() if name.startswith(USER_MODULE))
    folders = {str(Path(file).parent) for file in files if file} - {str(folder), *sys.path}
    if not folders:
        return {}
    return {
        name: module
        for name, module in list(sys.modules.items())
        if not name.startswith(USER_MODULE) and _import_folder(name.partition(".")[0]) in folders
    }


def _import_folder(name: str) -> str | None:
    """Return the folder that a module or a package lies in, if it is from a file."""
    spec: ModuleSpec | None = getattr(sys.modules.get(name), "__spec__", None)
    if spec is None:
        return None
    place = next(iter(spec.submodule_search_locations or ()), spec.origin)
    return str(Path(place).parent) if place else None


class _FolderFinder(MetaPathFinder):
    """Finds the modules of a folder, for imports of the thread that made it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.thread = str(folder), threading.get_ident()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return where a module is, if it is in the folder, or else on the import path."""
        if path is not None or threading.get_ident() != self.thread:
            return None
        return PathFinder.find_spec(name, [self.folder, *sys.path], target)
