"""The options of moments: what is summed, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError, among
from .histograms import Bins, checked_bins
from .pairs import PRODUCTS
from .provenance import Method

Layers = tuple[str, str]
Pairs = Literal["matching", "all"] | Iterable[Layers]
RequestedPairs = Literal["matching", "all"] | list[Layers]


class MomentsOptions(TypedDict, total=False):
    """The keyword arguments of `Moments`, for functions that pass them on."""

    pairs: Pairs
    folds: int
    null: bool
    bins: Bins
    method: Method
    top: int
    max_memory_gb: float | None


@dataclass(frozen=True)
class Options:
    """Checked options, as described in `Moments`."""

    pairs: RequestedPairs
    folds: int
    null: bool
    bins: int | dict[str, NDArray[np.float64]] | None
    method: Method
    top: int


def checked_options(pairs: Pairs, folds: int, null: bool, bins: Bins, method: Method, top: int) -> Options:
    """Return options.  Raises SpanmatchError for one that makes no sense."""
    if not _is_count(folds, 1):
        raise SpanmatchError(f"folds={folds!r}: give a whole number, 1 or more")
    if method not in PRODUCTS:
        raise SpanmatchError(f"method={method!r}: give 'gram', 'qr' or 'single'")
    if not _is_count(top, 0):
        raise SpanmatchError(f"top={top!r}: give a whole number, 0 for none")
    return Options(_requested_pairs(pairs), int(folds), bool(null), checked_bins(bins), method, int(top))


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= least


def _requested_pairs(pairs: Pairs) -> RequestedPairs:
    if isinstance(pairs, str):
        if pairs not in ("matching", "all"):
            raise SpanmatchError(f"pairs={pairs!r}: give 'matching', 'all' or a list of pairs of layers")
        return pairs
    try:
        listed = [(str(x), str(y)) for x, y in pairs]
    except (TypeError, ValueError) as error:
        raise SpanmatchError(f"pairs={pairs!r}: give 'matching', 'all' or a list of pairs of layers") from error
    for x, y in listed:
        if x == y or (y, x) in listed or listed.count((x, y)) > 1:
            raise SpanmatchError(f"pair ({x!r}, {y!r}): give two different layers, and each pair once")
    return listed


def pairs_among(layers: list[str], requested: RequestedPairs) -> list[Layers]:
    """Return the requested pairs of some layers.  Raises SpanmatchError if a layer of a listed pair
    is not there.
    """
    if requested == "all":
        return list(combinations(layers, 2))
    if requested == "matching":
        return [(x, y) for x, y in combinations(layers, 2) if _matching(x, y)]
    for layer in (layer for pair in requested for layer in pair):
        if layer not in layers:
            raise SpanmatchError(f"pairs ask for layer {layer!r}, which the batch does not hold{among(layer, layers)}")
    return list(requested)


def _matching(x: str, y: str) -> bool:
    """Tell layers of the same name in different networks."""
    (network, colon, layer), (other_network, _, other_layer) = x.partition(":"), y.partition(":")
    return bool(colon) and layer == other_layer and network != other_network


def connected_layers(layers: Iterable[str], pairs: Iterable[Layers]) -> list[list[str]]:
    """Return the layers in groups that pairs connect, directly or through others."""
    group_of = {layer: [layer] for layer in layers}
    for x, y in pairs:
        if group_of[x] is not group_of[y]:
            merged = group_of[x] + group_of[y]
            group_of.update(dict.fromkeys(merged, merged))
    return list({id(group): group for group in group_of.values()}.values())
