"""Choosing layers by names and shell patterns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ..errors import SpanmatchError

Patterns = str | Sequence[str] | Mapping[str, str | Sequence[str]] | None
LISTED = 30


def patterns_of(layers: Patterns, network: str) -> Sequence[str] | None:
    """Return one network's patterns; None for the default."""
    if isinstance(layers, Mapping):
        if network not in layers:
            raise SpanmatchError(f"layers: none given for network {network!r}")
        layers = layers[network]
    return [layers] if isinstance(layers, str) else layers


def chosen(patterns: Sequence[str], known: Iterable[str], where: str) -> list[str]:
    """Return the known names that match, in their order.

    Raises SpanmatchError if a pattern matches nothing, with what there is, close names first.
    """
    names = list(known)
    found: set[str] = set()
    for pattern in patterns:
        matching = [name for name in names if fnmatchcase(name, pattern)]
        if not matching:
            close = get_close_matches(pattern.strip("*?"), names, n=5, cutoff=0.4)
            listed = [*close, *(name for name in names if name not in close)]
            more = f", ... ({len(listed)} in all)" if len(listed) > LISTED else ""
            raise SpanmatchError(
                f"layers: {pattern!r} matches nothing in {where}; there is {', '.join(listed[:LISTED])}{more}"
            )
        found.update(matching)
    return [name for name in names if name in found]


def nearest(one: Iterable[str], other: Iterable[str]) -> str:
    """Return the end of an error message about names that differ on two sides: those that are most alike."""
    known = list(other)
    alike = [(name, close[0]) for name in one if (close := get_close_matches(name, known, n=1))]
    listed = ", ".join(f"{a!r} and {b!r}" for a, b in alike[:3])
    return f"; nearest are {listed}" if listed else ""
