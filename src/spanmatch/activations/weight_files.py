"""Files of weights, as training scripts write them, put into networks; nothing is unpickled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from .._progress import announce
from ..errors import BadArgument, SpanmatchError
from .torch_export import WHY_FILES_ARE_REFUSED
from .wrappers import unwrapped

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = (".safetensors", ".pt", ".pth", ".th", ".ckpt", ".bin")
CONTAINERS = ("state_dict", "model_state_dict", "model", "net")
"""Keys under which files hold a state dict beside other things."""
PREFIXES = ("module.", "model.", "_orig_mod.", "net.")
"""What wrappers and training scripts put before the names of all weights."""
SHOWN = 3
"""Names of each kind that a message lists."""
LONGEST_REASON = 200
"""Characters of another library's message that are repeated."""


def load_weights(module: nn.Module, path: Path) -> None:
    """Put the weights of a file into a module.

    A prefix of all names, as DataParallel or torch.compile puts before them, is left out, and said,
    if the names fit better without it.

    Parameters
    ----------
    module : torch.nn.Module
        The module; of a wrapper, as DataParallel, the one inside.
    path : path
        A file that holds a state dict, or a dict with one as its "state_dict", "model_state_dict",
        "model" or "net". It is read as weights alone: nothing is unpickled.

    Raises
    ------
    BadArgument
        If there is no such file, or it is of another type.
    SpanmatchError
        If the file is damaged or holds other things than weights, or several state dicts, or the
        weights do not fit the module.
    """
    from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

    module, weights = unwrapped(module), _state_dict_in(path)
    own = module.state_dict()
    prefix = _prefix_to_leave_out(own, weights)
    consume_prefix_in_state_dict_if_present(weights, prefix)
    try:
        module.load_state_dict(weights)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        reason = _misfit(own, weights) or _shortened(error)
        without = f", without the prefix {prefix!r} of all names" if prefix else ""
        raise SpanmatchError(f"{path}: these weights do not fit{without}: {reason}{_hint(own, weights)}") from error
    if prefix:
        announce(escape(f"{path}: the prefix {prefix!r} of {len(weights):,} names was left out"))


def _state_dict_in(path: Path) -> dict[str, object]:
    """Return the state dict in a file of weights."""
    loaded = _loaded(path)
    if not isinstance(loaded, dict):
        raise SpanmatchError(f"{path}: holds a {type(loaded).__name__}; it must hold a state dict")
    held = [key for key in CONTAINERS if isinstance(loaded.get(key), dict)]
    if len(held) > 1:
        raise SpanmatchError(
            f"{path}: holds several state dicts, as {' and '.join(map(repr, held))}; save the one that is meant to a "
            "file of its own, with torch.save"
        )
    weights: dict[str, object] = loaded[held[0]] if held else loaded
    if not any(hasattr(value, "shape") for value in weights.values()):
        keys = _first_few([str(key) for key in weights]) or "nothing"
        raise SpanmatchError(
            f"{path}: holds no state dict, and none as one of {', '.join(map(repr, CONTAINERS))}, but {keys}; save the "
            "network's state_dict() to a file of its own, with torch.save"
        )
    return weights


def _loaded(path: Path) -> object:
    """Return what a file of weights holds."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix == ".pt2":
        raise BadArgument(f"{path}: {WHY_FILES_ARE_REFUSED}")
    if path.suffix not in WEIGHTS:
        raise BadArgument(f"{path}: unknown file type {path.suffix!r}; give one of {', '.join(WEIGHTS)}")
    if not path.is_file():
        raise BadArgument(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            return {**load_file(path)}
        loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError, RuntimeError, ValueError) as error:
        raise SpanmatchError(
            f"{path}: cannot be read as weights: damaged, or cut short ({_shortened(error)})"
        ) from error
    except Exception as error:  # torch.load refuses pickled code with an exception of pickle's
        held = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it holds a {held[1]}" if held else _shortened(error)
        raise SpanmatchError(
            f"{path}: not a file of weights alone ({reason}): reading it can run code that is in it, so spanmatch does "
            "not; if you trust the file, read it once with torch.load(path, weights_only=False), and save the state "
            "dict in it to a file of its own"
        ) from error
    return loaded


def _prefix_to_leave_out(own: Mapping[str, object], given: Mapping[str, object]) -> str:
    """Return the prefix of all names, of one part or several, without which the most names fit."""
    best, best_fitting = "", -1
    for prefix in _common_prefixes(list(given)):
        fitting = sum(name.removeprefix(prefix) in own for name in given)
        if fitting > best_fitting:
            best, best_fitting = prefix, fitting
    return best


def _common_prefixes(names: Sequence[str]) -> Iterator[str]:
    """Yield no prefix, and those that all names have, each one part longer."""
    prefix: str | None = ""
    while prefix is not None:
        yield prefix
        longer = (prefix + part for part in PREFIXES)
        prefix = next((each for each in longer if all(str(name).startswith(each) for name in names)), None)


def _hint(own: Mapping[str, object], given: Mapping[str, object]) -> str:
    """Return the end of a message about names of which those with a prefix are all that a module needs."""
    for prefix in PREFIXES:
        inside = {name.removeprefix(prefix) for name in given if name.startswith(prefix)}
        if inside == set(own):
            others = len(given) - len(inside)
            return f"; the {len(inside):,} names with the prefix {prefix!r} fit: save them without the other {others:,}"
    return ""


def _misfit(own: Mapping[str, object], given: Mapping[str, object]) -> str:
    """Return in words how weights differ from those that a module has: how many, and the first few of each kind."""
    shapes = {name: tuple(getattr(value, "shape", ())) for name, value in own.items()}
    given_shapes = {str(name): tuple(getattr(value, "shape", ())) for name, value in given.items()}
    missing = [name for name in shapes if name not in given_shapes]
    unexpected = [name for name in given_shapes if name not in shapes]
    others = [
        f"{name}: {_shape(given_shapes[name])} instead of {_shape(shape)}"
        for name, shape in shapes.items()
        if name in given_shapes and given_shapes[name] != shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", others))
    return "; ".join(f"{len(names):,} {kind} ({_first_few(names)})" for kind, names in kinds if names)


def _shape(shape: Sequence[int]) -> str:
    """Return a shape as "10 x 64"."""
    return " x ".join(map(str, shape)) or "a number"


def _first_few(names: Sequence[str]) -> str:
    """Return the first few names, and dots for the others."""
    return ", ".join([*names[:SHOWN], *(["..."] if len(names) > SHOWN else [])])


def _shortened(error: Exception) -> str:
    """Return the beginning of the message of another library."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."
