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
from .sample import REDUCTIONS, Reduction

Layers = tuple[str, str]
PairsRule = Literal["matching", "depth", "all"]
Pairs = PairsRule | Iterable[Layers]
RequestedPairs = PairsRule | list[Layers]


class MomentsOptions(TypedDict, total=False):
    """The keyword arguments of `Moments`, for functions that pass them on."""

    pairs: Pairs
    folds: int
    null: bool
    bins: Bins
    method: Method
    top: int
    sample: int
    sample_rows: Reduction | None
    max_memory_gb: float | None


class SeededOptions(MomentsOptions, total=False):
    """The same with the seed of the sample."""

    seed: int


@dataclass(frozen=True)
class Options:
    """Checked options, as described in `Moments`."""

    pairs: RequestedPairs
    folds: int
    null: bool
    bins: int | dict[str, NDArray[np.float64]] | None
    method: Method
    top: int
    sample: int
    sample_rows: Reduction | None
    seed: int


def checked_options(
    pairs: Pairs,
    folds: int,
    null: bool,
    bins: Bins,
    method: Method,
    top: int,
    sample: int,
    sample_rows: Reduction | None,
    seed: int,
) -> Options:
    """Return options.  Raises SpanmatchError for one that makes no sense."""
    if not _is_count(folds, 1):
        raise SpanmatchError(f"folds={folds!r}: give a whole number, 1 or more")
    if method not in PRODUCTS:
        raise SpanmatchError(f"method={method!r}: give 'gram', 'qr' or 'single'")
    if not _is_count(top, 0):
        raise SpanmatchError(f"top={top!r}: give a whole number, 0 for none")
    if not _is_count(sample, 0):
        raise SpanmatchError(f"sample={sample!r}: give the number of examples to sample, 0 for none")
    if sample_rows not in (None, *REDUCTIONS):
        raise SpanmatchError(f"sample_rows={sample_rows!r}: give 'flat', 'mean' or 'last'")
    check_seed(seed)
    return Options(
        _requested_pairs(pairs),
        int(folds),
        bool(null),
        checked_bins(bins),
        method,
        int(top),
        int(sample),
        sample_rows,
        int(seed),
    )


def check_seed(seed: int) -> None:
    """Raise SpanmatchError unless a seed is a whole number that fits."""
    if not _is_count(seed, 0) or seed >= 2**64:
        raise SpanmatchError(f"seed={seed!r}: give a whole number from 0 to 2^64 - 1")


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= least


def _requested_pairs(pairs: Pairs) -> RequestedPairs:
    if isinstance(pairs, str):
        if pairs not in ("matching", "depth", "all"):
            raise SpanmatchError(f"pairs={pairs!r}: give 'matching', 'depth', 'all' or a list of pairs of layers")
        return pairs
    try:
        listed = [(str(x), str(y)) for x, y in pairs]
    except (TypeError, ValueError) as error:
        raise SpanmatchError(
            f"pairs={pairs!r}: give 'matching', 'depth', 'all' or a list of pairs of layers"
        ) from error
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
    if requested == "depth":
        return pairs_by_depth(layers)
    for layer in (layer for pair in requested for layer in pair):
        if layer not in layers:
            raise SpanmatchError(f"pairs ask for layer {layer!r}, which the batch does not hold{among(layer, layers)}")
    return list(requested)


def pairs_by_depth(layers: Iterable[str]) -> list[Layers]:
    """Return the pairs of layers of every two networks by relative depth.

    Parameters
    ----------
    layers : iterable of str
        Names "network:layer", those of a network in the order in which its layers run.

    Returns
    -------
    list of pairs of names
        Of every two networks, each layer of the one with fewer layers (if both have as many, of the
        first) with that layer of the other whose relative depth i / (L - 1) is the nearest; of two
        that are as near, the earlier one. A network's only layer counts as its last. Layers in
        pairs only go forward, and each is in one pair at most.
    """
    by_network: dict[str, list[str]] = {}
    for layer in layers:
        by_network.setdefault(layer.partition(":")[0], []).append(layer)
    pairs = []
    for first, second in combinations(by_network.values(), 2):
        if len(first) <= len(second):
            pairs += [
                (layer, second[j]) for layer, j in zip(first, _nearest_depths(len(first), len(second)), strict=True)
            ]
        else:
            pairs += [
                (first[j], layer) for layer, j in zip(second, _nearest_depths(len(second), len(first)), strict=True)
            ]
    return pairs


def _nearest_depths(fewer: int, more: int) -> list[int]:
    """Return, for each of some layers, the position of the nearest of more layers by relative depth."""
    if fewer == 1:
        return [more - 1]
    steps = fewer - 1
    # The whole number nearest to i (more - 1) / steps, halves rounded down.
    return [-((steps - 2 * i * (more - 1)) // (2 * steps)) for i in range(fewer)]


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
