"""A short name of what a function does: of its code, and of the code and constants that it refers to."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

CONSTANTS = (bool, int, float, complex, str, bytes, type(None))
INSTALLED = tuple(
    str(Path(sysconfig.get_path(kind)).resolve()) for kind in ("stdlib", "platstdlib", "purelib", "platlib")
)
"""Folders of code that changes only when a package does."""


class _UnknownError(Exception):
    """What a function does depends on something whose contents are not known."""


def function_digest(function: Callable[..., object]) -> str:
    """Return a digest of a function; empty if what it does depends on more than code and constants.

    Parameters
    ----------
    function : callable
        Any function. Of one that is written in Python, its code, its defaults, the variables that it closes
        over, and the global functions, constants and modules that it names count; modules of installed
        packages by their version.
    """
    digest = hashlib.sha256(sys.version.encode())
    try:
        for part in _parts(function, set()):
            digest.update(f"{part}\0".encode(errors="surrogateescape"))
    except _UnknownError:
        return ""
    return digest.hexdigest()[:16]


def _parts(value: object, seen: set[int]) -> Iterator[str]:
    """Return all that a value depends on, in words.  Raises _UnknownError if that is not known."""
    if isinstance(value, CONSTANTS):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, tuple | frozenset):
        yield f"{type(value).__name__} {len(value)}"
        for item in sorted(value, key=repr) if isinstance(value, frozenset) else value:
            yield from _parts(item, seen)
    elif isinstance(value, ModuleType):
        yield from _of_module(value)
    elif isinstance(value, CodeType):
        yield from _of_code(value, seen)
    elif isinstance(value, FunctionType):
        yield from _of_function(value, seen)
    elif _is_installed(sys.modules.get(getattr(value, "__module__", None) or "")):
        yield f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', None) or _refuse()}"
    else:
        _refuse()


def _of_function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    """Return what a function depends on, once."""
    if id(function) in seen:
        return
    seen.add(id(function))
    module = sys.modules.get(function.__module__)
    if _is_installed(module):
        yield f"{function.__module__}.{function.__qualname__}"
        yield from _of_module(module) if module is not None else ()
        return
    yield from _parts(function.__code__, seen)
    yield from _parts(function.__defaults__, seen)
    yield from _parts(tuple(sorted((function.__kwdefaults__ or {}).items())), seen)
    for cell in function.__closure__ or ():
        try:
            contents = cell.cell_contents
        except ValueError:  # a function that is still being defined
            _refuse()
        yield from _parts(contents, seen)
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield name
            yield from _parts(function.__globals__[name], seen)


def _names(code: CodeType) -> set[str]:
    """Return the names of globals and attributes in code, and in the functions inside it."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _of_code(code: CodeType, seen: set[int]) -> Iterator[str]:
    """Return the contents of compiled code."""
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars}"
    for constant in code.co_consts:
        yield from _parts(constant, seen) if not isinstance(constant, type(...)) else ("...",)


def _of_module(module: ModuleType) -> Iterator[str]:
    """Return the name of an installed module with its package's version, or the contents of another one's file."""
    if _is_installed(module):
        package = sys.modules.get(module.__name__.partition(".")[0])
        yield f"{module.__name__} {getattr(package, '__version__', '')}"
        return
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        _refuse()
    yield f"{module.__name__} {hashlib.sha256(Path(str(file)).read_bytes()).hexdigest()}"


def _is_installed(module: ModuleType | None) -> bool:
    """Tell whether a module belongs to Python or to an installed package, spanmatch among them."""
    if module is None:
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__ in sys.builtin_module_names
    return module.__name__.partition(".")[0] == "spanmatch" or str(Path(file).resolve()).startswith(INSTALLED)


def _refuse() -> str:
    raise _UnknownError
