"""Choosing layers by names and shell patterns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ..errors import SpanmatchError

Patterns = str | Sequence[str] | Mapping[str, str | Sequence[str] | None] | None
NAMES_LISTED = 30
OTHER_PAIRS = (
    "pair layers by depth or by similarity with match='depth' or match='best' (--match), or list pairs=[...] (--pair); "
    "sm.capture takes pairs='depth', pairs='all' or a list"
)
"""What messages suggest where no two layers have the same name."""


def patterns_of(layers: Patterns, network: str) -> Sequence[str] | None:
    """Return the patterns of one network.

    Parameters
    ----------
    layers
        A name or a shell pattern, several, {network: one or several}, or None for a network's
        default layers.
    network
        Its name.

    Raises
    ------
    SpanmatchError
        If `layers` is a mapping without the network.
    """
    if isinstance(layers, Mapping):
        if network not in layers:
            raise SpanmatchError(
                f"layers: none given for network {network!r}, only for {', '.join(map(repr, layers))}; "
                "give layers of every network"
            )
        layers = layers[network]
    return [layers] if isinstance(layers, str) else layers


def chosen(patterns: Sequence[str], known: Iterable[str], where: str) -> list[str]:
    """Return the known names that match any of some patterns, in their order.

    Parameters
    ----------
    patterns
        Names or shell patterns.
    known
        The names to choose from.
    where
        What they are the names in, for the message.

    Raises
    ------
    SpanmatchError
        If a pattern matches nothing; it lists what there is, close names first.
    """
    names = list(known)
    for pattern in patterns:
        if not matching([pattern], names):
            raise SpanmatchError(
                f"layers: {pattern!r} matches nothing in {where}; there is {listed_names(pattern, names)}"
            )
    return matching(patterns, names)


def matching(patterns: Sequence[str], names: Iterable[str]) -> list[str]:
    """Return the names that match any of some patterns, in their order."""
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def nearest(names: Iterable[str], others: Iterable[str]) -> str:
    """Return the end of a message about names that differ on two sides: the most alike."""
    others = list(others)
    alike = [(name, close[0]) for name in names if (close := get_close_matches(name, others, n=1))]
    listed = ", ".join(f"{name!r} and {other!r}" for name, other in alike[:3])
    return f"; nearest are {listed}" if listed else ""


def listed_names(pattern: str, names: Sequence[str]) -> str:
    """Return names for a message, those that are like the pattern first."""
    close = get_close_matches(pattern.strip("*?"), names, n=5, cutoff=0.4)
    ordered = [*close, *(name for name in names if name not in close)]
    listed = ", ".join(ordered[:NAMES_LISTED])
    return f"{listed}, ... ({len(ordered)} in all)" if len(ordered) > NAMES_LISTED else listed
