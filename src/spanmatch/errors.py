"""What spanmatch raises."""


class SpanmatchError(ValueError):
    """Something given to spanmatch cannot be used; the message names it and says what would be right."""


def missing_extra(package: str, extra: str, purpose: str) -> SpanmatchError:
    """Return the error for an optional package that is not installed."""
    return SpanmatchError(f"{purpose} needs {package}: pip install 'spanmatch[{extra}]'")


class BadArgument(SpanmatchError):
    """What was asked for does not exist or makes no sense; found before any work was done."""
