"""The exceptions and warnings of spanmatch."""

from collections.abc import Iterable
from difflib import get_close_matches


class SpanmatchError(ValueError):
    """An argument or a file cannot be used; the message names it and says what would be valid.

    Examples
    --------
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> try:
    ...     sm.maximum_match(sm.pair(np.eye(5), np.eye(5)), eps=2)
    ... except sm.SpanmatchError as error:
    ...     print(error)
    eps=2: give a number in [0, 1), because distances are sines of angles
    """


class SpanmatchWarning(UserWarning):
    """An operation that has just started cannot give everything requested; the message says what
    would.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> import spanmatch as sm
    >>> X = np.random.default_rng(0).standard_normal((200, 4))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     comparison = sm.compare(X, X[::-1], evidence=False)  # not in the same order
    >>> [warning.category.__name__ for warning in caught][:1]
    ['SpanmatchWarning']
    """


def missing_extra(package: str, extra: str, purpose: str) -> SpanmatchError:
    """Return the error for an optional package that is not installed."""
    return SpanmatchError(f"{purpose} needs {package}: pip install 'spanmatch[{extra}]'")


class BadArgument(SpanmatchError):
    """A requested item does not exist or an option is invalid; raised before any work is done."""


def among(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name: the known names, similar ones
    first.
    """
    known = list(known)
    close = get_close_matches(name, known, n=3) or known[:5]
    return f"; there is {', '.join(map(repr, close))}" + (", ..." if len(known) > len(close) else "") if known else ""
