"""What the terminal shows of how layers were paired, and of what changed between networks that are nearly the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from .._defaults import EPS
from ..comparison.changes import told
from .heat_map import heat_maps
from .layer_tables import Column, LayerTable

if TYPE_CHECKING:
    from ..comparison import Changes, Comparison
    from ..similarity import Correspondence

NAMES_LISTED = 10
"""How many layers that were not compared are listed."""


def of_comparison(comparison: Comparison) -> Iterator[RenderableType]:
    """Yield the counterparts, the scores, the heat maps, what changed, and what was not compared."""
    counterparts = comparison.counterparts
    if counterparts is not None:
        yield _counterparts(comparison, counterparts)
    for score in comparison.scores:
        yield Text(
            f"Score of {score.x_network} and {score.y_network} by {score.measure}: best counterparts {score.best:.2f}, "
            f"best monotone path {score.path_score:.2f}, soft coupling {score.coupling_score:.2f}\n"
        )
    yield from heat_maps(comparison)
    for changes in comparison.near_networks():
        yield _changes(changes)
    if comparison.not_compared:
        yield Text(f"Not compared: {listed(comparison.not_compared)}")


def eps_note(comparison: Comparison) -> str:
    """Return where the eps are from, for a title, if they are not those by default or given."""
    if not comparison.eps_from_levels:
        return ""
    return f"; eps are chosen from the levels, because at {EPS[0]:g} to {EPS[-1]:g} all neurons match or none"


def _counterparts(comparison: Comparison, counterparts: Correspondence) -> LayerTable:
    """Return the table of layers and their counterparts, with margins where some are known."""
    networks = comparison.networks
    two = len(networks) == 2
    names, counterpart = (
        (f"layer of {networks[0]}", f"counterpart in {networks[1]}") if two else ("layer", "counterpart")
    )
    how = {"name": "by name", "depth": "by depth", "best": "the most similar", "given": "as listed"}[comparison.match]
    with_margins = comparison.knows_all_pairs
    columns = [Column(counterpart, is_text=True), Column(counterparts.measure)]
    if with_margins:
        columns += [Column("margin"), Column("next best", is_text=True)]
    table = LayerTable(f"Layers that correspond, {how}", columns, names)
    x_network, y_network = networks if two else ("", "")
    for one in counterparts:
        cells = [_name(one.y_layer, y_network), _number(one.similarity)]
        margin = [_number(one.margin, "+"), _name(one.next_best, y_network)]
        table.add(_name(one.x_layer, x_network), *cells, *(margin if with_margins else []))
    if with_margins:
        table.legend = "Margin: how much more similar the counterpart is than the next best layer of its network."
    return table


def _changes(changes: Changes) -> LayerTable:
    """Return the table of what changed."""
    heads = ("difference", "1 - CKA", "median level", "largest level", "above 0.05")
    table = LayerTable(
        f"What changed from {changes.x_network} to {changes.y_network}: {changes.sentence}",
        [Column(head) for head in heads],
        legend="Difference: relative, of neurons at the same place. Level: the smallest eps at which a neuron is in "
        "the match; above 0.05: the share of neurons with such a level.",
    )
    for layer in changes:
        table.add(
            layer.name,
            told(layer.difference, layer.difference_resolution),
            told(layer.one_minus_cka, layer.cka_resolution),
            told(layer.median_level, layer.level_resolution),
            told(layer.largest_level, layer.level_resolution),
            "-" if np.isnan(layer.share_above) else f"{layer.share_above:.0%}",
        )
    return table


def _name(layer: str, network: str) -> str:
    """Return a layer's name, without its network if that is the one given."""
    return layer.removeprefix(f"{network}:") if network else layer


def _number(value: float, sign: str = "") -> str:
    return "-" if np.isnan(value) else f"{value:{sign}.2f}"


def listed(names: tuple[str, ...]) -> str:
    """Return the first of some names, and how many there are."""
    listed = ", ".join(names[:NAMES_LISTED])
    return listed if len(names) <= NAMES_LISTED else f"{listed}, ... ({len(names)} in all)"
