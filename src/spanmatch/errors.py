"""What spanmatch raises."""

from collections.abc import Iterable
from difflib import get_close_matches


class SpanmatchError(ValueError):
    """Something given to spanmatch cannot be used; the message names it and says what would be right."""


class SpanmatchWarning(UserWarning):
    """Work that has just begun will not give all that was asked; the message says what would."""


def missing_extra(package: str, extra: str, purpose: str) -> SpanmatchError:
    """Return the error for an optional package that is not installed."""
    return SpanmatchError(f"{purpose} needs {package}: pip install 'spanmatch[{extra}]'")


class BadArgument(SpanmatchError):
    """What was asked for does not exist or makes no sense; found before any work was done."""


def among(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message about a name that is not there: which there are, the nearest ones first."""
    known = list(known)
    close = get_close_matches(name, known, n=3) or known[:5]
    return f"; there is {', '.join(map(repr, close))}" + (", ..." if len(known) > len(close) else "") if known else ""
