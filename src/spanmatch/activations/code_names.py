"""Functions named by texts: "file.py:function", "package.module:function", with or without arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadArgument

IMPORTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*($|[(@])")
"""How "package.module:function" begins; what follows is a call's arguments, or a file of weights."""


@dataclass(frozen=True)
class CodeName:
    """A function, what it is called with, and a file of weights."""

    place: str
    """The path of a file of code, or the name of a module."""
    function: str
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    weights: str
    """The path of a file of weights; empty if there is none."""

    @property
    def is_file(self) -> bool:
        """Whether the function is in a file of code, and not in a module that is imported."""
        return self.place.endswith(".py")

    @property
    def called(self) -> str:
        """The function's name and its arguments, with spaces in between."""
        named = (f"{name}={value}" for name, value in self.kwargs.items())
        return " ".join([self.function, *map(str, self.args), *named])


def is_code(text: str) -> bool:
    """Tell whether a text is "file.py:function", with or without arguments or "@weights", and not a path."""
    return ".py:" in text


def names_function(text: str) -> bool:
    """Tell whether a text is "file.py:function" or "package.module:function", and not a path."""
    return is_code(text) or (bool(IMPORTED.match(text)) and not Path(text).exists())


def parsed(text: str) -> CodeName:
    """Return the parts of a text that names a function.

    Parameters
    ----------
    text : str
        "PLACE:FUNCTION", "PLACE:FUNCTION(ARGUMENTS)", either with "@WEIGHTS" after it. PLACE is the
        path of a file that ends in .py, or the name of a module. Arguments are literals of Python.

    Raises
    ------
    BadArgument
        If an argument is no literal, or there is something else after the arguments.
    """
    place, rest = _place_and_rest(text)
    function, opening, _ = rest.partition("(")
    if "@" in function or not opening:
        function, _, weights = rest.partition("@")
        return CodeName(place, function, (), {}, weights)
    call, after = _call_and_rest(text, rest.removeprefix(function))
    if after and not after.startswith("@"):
        raise BadArgument(f"{text}: {after!r} after the arguments; give @ and a file of weights, or nothing")
    args = tuple(_literal(text, node) for node in call.args)
    kwargs = {_name(text, keyword): _literal(text, keyword.value) for keyword in call.keywords}
    return CodeName(place, function, args, kwargs, after[1:])


def _place_and_rest(text: str) -> tuple[str, str]:
    """Return a file or a module, and what follows the colon after it."""
    if is_code(text):
        path, _, rest = text.partition(".py:")
        return f"{path}.py", rest
    place, _, rest = text.partition(":")
    return place, rest


def _call_and_rest(text: str, arguments: str) -> tuple[ast.Call, str]:
    """Return arguments in parentheses as a call, and what follows the parenthesis that closes them."""
    for end in (i for i, character in enumerate(arguments, 1) if character == ")"):
        try:
            call = ast.parse(f"f{arguments[:end]}", mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        if isinstance(call, ast.Call):
            return call, arguments[end:]
    raise BadArgument(f'{text}: {arguments} are no arguments of a call; give them as ("resnet50", pretrained=True)')


def _literal(text: str, node: ast.expr) -> object:
    """Return the value of an argument.  Raises BadArgument if it is no literal."""
    try:
        value: object = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise BadArgument(
            f"{text}: {ast.unparse(node)} is no literal; give numbers, texts in quotes, True, False, None, and lists, "
            "tuples and dicts of these; for anything else write a function of your own, file.py:function"
        ) from error
    return value


def _name(text: str, keyword: ast.keyword) -> str:
    """Return the name of a keyword argument.  Raises BadArgument for **."""
    if keyword.arg is None:
        raise BadArgument(f"{text}: **{ast.unparse(keyword.value)}: give each argument by its name")
    return keyword.arg
