"""Layers named on the command line: patterns of one network or of both, and pairs of layers."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadArgument

POSITIONS = ("a", "b")
"""Names that networks have by their position, whatever they are called."""


def patterns_by_network(patterns: Sequence[str], networks: tuple[str, str]) -> dict[str, list[str] | None]:
    """Return the patterns of layers of each network.

    Parameters
    ----------
    patterns
        PATTERN for both networks, or NAME:PATTERN for one, with its name or its position, a or b.
    networks
        The names of both.

    Returns
    -------
    dict
        None for a network without patterns: its default layers.

    Raises
    ------
    BadArgument
        If there is no network of that name; it lists the names that can be used.
    """
    by_network: dict[str, list[str]] = {name: [] for name in networks}
    for pattern in patterns:
        prefix, colon, rest = pattern.partition(":")
        if not colon:
            for listed in by_network.values():
                listed.append(pattern)
            continue
        network = _network(prefix, networks)
        if network is None or not rest:
            raise BadArgument(
                f"--layers {pattern!r}: before a colon stands the name of a network, {_names(networks)}; for a layer "
                f"whose own name has a colon, write a:{pattern} and b:{pattern}, or {pattern.replace(':', '?')}"
            )
        by_network[network].append(rest)
    return {name: listed or None for name, listed in by_network.items()}


def listed_pairs(pairs: Sequence[str], networks: tuple[str, str]) -> list[tuple[str, str]]:
    """Return pairs of layers by their full names.

    Parameters
    ----------
    pairs
        LAYER=LAYER each, the first network's on the left; both with or without the name of their
        network, or its position.
    networks
        The names of both.

    Raises
    ------
    BadArgument
        If one is not two names with one = between them.
    """
    listed = []
    for pair in pairs:
        x, _, y = pair.partition("=")
        if not x or not y or "=" in y:
            raise BadArgument(f"--pair {pair!r}: give a layer of A and one of B, as conv1=conv2")
        listed.append((_full_name(x, networks[0], networks), _full_name(y, networks[1], networks)))
    return listed


def _full_name(layer: str, network: str, networks: tuple[str, str]) -> str:
    """Return a layer's name with its network, which it may have already."""
    prefix, colon, rest = layer.partition(":")
    if colon and rest and (named := _network(prefix, networks)) is not None:
        return f"{named}:{rest}"
    return f"{network}:{layer}"


def _network(prefix: str, networks: tuple[str, str]) -> str | None:
    """Return the network of a name or, where none is called so, of a position."""
    if prefix in networks:
        return prefix
    return networks[POSITIONS.index(prefix)] if prefix in POSITIONS else None


def _names(networks: tuple[str, str]) -> str:
    """Return the names that can be used, in words."""
    return " or ".join(dict.fromkeys((*networks, *POSITIONS)))
