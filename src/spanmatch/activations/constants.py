"""Inputs of networks that are the same for all examples: a number, an array, or zeros."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import BadArgument, SpanmatchError

Constant: TypeAlias = int | float | NDArray[np.generic] | Literal["zeros"]
Constants: TypeAlias = Mapping[str, Constant]
ZEROS = "zeros"
HOW = "NAME=NUMBER or NAME=zeros"


def checked_constants(constants: Constants | None) -> dict[str, Constant]:
    """Return constants of networks.

    Raises
    ------
    SpanmatchError
        If one is neither a number, nor an array of numbers, nor "zeros".
    """
    if constants is None:
        return {}
    if not isinstance(constants, Mapping):
        raise SpanmatchError(f'constants={constants!r}: give {{input: number, array or "zeros"}}')
    for name, value in constants.items():
        is_number = isinstance(value, int | float | np.generic | np.ndarray) and np.asarray(value).dtype.kind in "biuf"
        if not is_number and not (isinstance(value, str) and value == ZEROS):
            raise SpanmatchError(f'constants: {name!r} is {value!r}; give a number, an array of numbers, or "zeros"')
    return dict(constants)


def parsed_constants(texts: Sequence[str]) -> dict[str, Constant]:
    """Return constants as the command line has them, "sr=16000" or "state=zeros".

    Raises
    ------
    BadArgument
        If a text is none of these, a number is not finite, or a name comes twice.
    """
    constants: dict[str, Constant] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise BadArgument(f"--constant {text!r}: give {HOW}")
        if name in constants:
            raise BadArgument(f"--constant {text!r}: {name!r} is given twice")
        constants[name] = "zeros" if value == ZEROS else _number(text, value)
    return constants


def described_constants(constants: Constants) -> dict[str, str]:
    """Return what tells constants from others, as JSON can hold it."""
    return {name: value if isinstance(value, str) else _digest(np.asarray(value)) for name, value in constants.items()}


def _number(text: str, value: str) -> int | float:
    """Return a number as it is written."""
    for kind in (int, float):
        try:
            number: int | float = kind(value)
        except ValueError:
            continue
        if math.isfinite(number) and value.isascii() and "_" not in value and value == value.strip():
            return number
    raise BadArgument(f"--constant {text!r}: {value!r} is no finite number; give {HOW}")


def _digest(array: NDArray[np.generic]) -> str:
    """Return the type, the shape and a digest of the values of an array."""
    digest = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
    return f"{array.dtype} {array.shape} {digest}"
