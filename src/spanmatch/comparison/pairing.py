"""Which layers of the networks are compared with which: by name, depth, similarity, or as listed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from glob import escape
from itertools import combinations
from typing import Literal

from ..activations import runs
from ..errors import BadArgument, SpanmatchError, among
from ..moments.moments import Moments
from ..moments.options import Layers, Pairs, PairsRule, pairs_by_depth
from ..moments.provenance import network_and_layer
from ..similarity import LayerMatrix, Measure, best_counterparts, check_similarity, matrices_of, measures

Match = Literal["name", "depth", "best"]
MATCHES: tuple[Match, ...] = ("name", "depth", "best")
PAIRS_OF_MATCH: Mapping[Match, PairsRule] = {"name": "matching", "depth": "depth", "best": "all"}
"""The pairs of which moments are needed."""


def checked_match(match: Match, pairs: Pairs | None) -> Match:
    """Return `match`.  Raises BadArgument if there is no such, or pairs are listed as well."""
    if match not in MATCHES:
        raise BadArgument(f"match={match!r}: give 'name', 'depth' or 'best'")
    if match != "name" and pairs not in (None, "all"):
        raise BadArgument(f"match={match!r} and pairs: give one of them; pairs='all' can stand beside match")
    return match


def pairs_of_moments(match: Match, pairs: Pairs | None, networks: Sequence[str]) -> PairsRule | list[Layers]:
    """Return the pairs of which moments are to be kept, listed ones by their full names.

    Parameters
    ----------
    match
        How layers are paired.
    pairs
        None for those that `match` needs; "all"; or a list of pairs of names, with or without their
        networks.
    networks
        Names of the networks.

    Raises
    ------
    BadArgument
        If `pairs` makes no sense, or it is not clear which network a name is of.
    """
    if pairs is None:
        return PAIRS_OF_MATCH[match]
    if isinstance(pairs, str):
        if pairs != "all":
            raise BadArgument(f"pairs={pairs!r}: give 'all' or a list of pairs of layers; see also match")
        return pairs
    listed = [tuple(pair) if isinstance(pair, tuple | list) else () for pair in pairs]
    if any(len(pair) != 2 or not all(isinstance(layer, str) for layer in pair) for pair in listed):
        raise BadArgument(f"pairs={pairs!r}: give 'all' or a list of pairs of layers, as [('a:conv1', 'b:conv2')]")
    if not listed:
        raise BadArgument("pairs: give at least one pair of layers")
    return [(_full_name(x, networks, 0), _full_name(y, networks, 1)) for x, y in listed]


def _full_name(layer: str, networks: Sequence[str], position: int) -> str:
    """Return a layer's name with its network; without one, that of its position in the pair."""
    if network_and_layer(layer)[0] in networks and ":" in layer:
        return layer
    if len(networks) != 2:
        raise BadArgument(
            f"pairs: {layer!r} does not say of which network it is; write network:layer, with one of "
            f"{', '.join(map(repr, networks))}"
        )
    return f"{networks[position]}:{layer}"


def layers_of_pairs(pairs: Iterable[Layers], networks: Mapping[str, object]) -> dict[str, list[str]]:
    """Return patterns of the layers in some pairs, by network."""
    patterns: dict[str, list[str]] = {name: [] for name in networks}
    for network, layer in map(network_and_layer, (layer for pair in pairs for layer in pair)):
        # The second call of a module is named "module#2"; patterns choose modules.
        name = re.sub(r"#\d+$", "", layer) if runs(networks[network]) else layer
        patterns[network].append(escape(name))
    return {network: list(dict.fromkeys(names)) for network, names in patterns.items()}


def pairs_in_detail(moments: Moments, match: Match, measure: str, listed: bool) -> list[Layers]:
    """Return the pairs of layers to compare in detail.

    Parameters
    ----------
    moments
        Of the pairs that `pairs_of_moments` gives.
    match, measure
        How layers are paired, and the measure for match="best".
    listed
        Whether pairs were listed.

    Raises
    ------
    SpanmatchError
        If there are none.
    """
    if listed:
        return moments.pairs
    if match == "depth":
        pairs = [pair for pair in pairs_by_depth(moments.layers) if pair in moments.pairs]
    elif match == "best":
        matrix = matrix_of(moments, measure)
        pairs = [pair for x, y in combinations(networks_of(moments), 2) for pair in best_counterparts(matrix, x, y)]
    else:
        same = [(x, y) for x, y in moments.pairs if network_and_layer(x)[1] == network_and_layer(y)[1]]
        pairs = same or moments.pairs
    if not pairs:
        raise SpanmatchError("nothing to compare: no two layers were paired; give two networks, or pairs='all'")
    return pairs


def matrix_of(moments: Moments, measure: str) -> LayerMatrix:
    """Return a measure of every two layers.  Raises SpanmatchError if there is no such measure."""
    return matrices_of(moments, [named_measure(measure)])[0]


def checked_similarity(measure: str) -> str:
    """Return the name of a measure.  Raises BadArgument if there is none of that name, or it is a distance."""
    check_similarity(named_measure(measure))
    return measure


def named_measure(name: str) -> Measure:
    """Return a measure by its name.  Raises BadArgument if there is no such."""
    known = {one.name: one for one in measures()}
    if name not in known:
        raise BadArgument(f"no measure {name!r}{among(name, known)}")
    return known[name]


def networks_of(moments: Moments) -> list[str]:
    """Return the names of the networks, in their original order."""
    return list(dict.fromkeys(network_and_layer(layer)[0] for layer in moments.layers))


def left_out(moments: Moments, pairs: Iterable[Layers]) -> tuple[str, ...]:
    """Return the names of the layers that are in none of some pairs, network by network."""
    compared = {layer for pair in pairs for layer in pair}
    names = [layer for layer in (*moments.layers, *moments.left_out) if layer not in compared]
    networks = list(dict.fromkeys(network_and_layer(layer)[0] for layer in (*moments.layers, *names)))
    return tuple(sorted(names, key=lambda name: networks.index(network_and_layer(name)[0])))
