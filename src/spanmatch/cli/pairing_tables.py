"""What the terminal shows of how layers were paired, and of what changed between networks that are nearly the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..comparison.changes import told
from ..comparison.listed_eps import EPS
from .heat_map import heat_maps

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
        yield Text(f"Not compared: {_listed(comparison.not_compared)}")


def eps_note(comparison: Comparison) -> str:
    """Return where the eps are from, for a title, if they are not those by default or given."""
    if not comparison.eps_from_levels:
        return ""
    return f"; eps are chosen from the levels, because at {EPS[0]:g} to {EPS[-1]:g} all neurons match or none"


def _counterparts(comparison: Comparison, counterparts: Correspondence) -> Table:
    """Return the table of layers and their counterparts, with margins where some are known."""
    networks = comparison.networks
    two = len(networks) == 2
    heads = (f"layer of {networks[0]}", f"counterpart in {networks[1]}") if two else ("layer", "counterpart")
    how = {"name": "by name", "depth": "by depth", "best": "the most similar", "given": "as listed"}[comparison.match]
    table = _titled(f"Layers that correspond, {how}")
    with_margins = comparison.knows_all_pairs
    for head in heads:
        table.add_column(escape(head), overflow="fold")
    table.add_column(counterparts.measure, justify="right", no_wrap=True)
    if with_margins:
        table.add_column("margin", justify="right", no_wrap=True)
        table.add_column("next best", overflow="fold")
    x_network, y_network = networks if two else ("", "")
    for one in counterparts:
        cells = [_name(one.x_layer, x_network), _name(one.y_layer, y_network), _number(one.similarity)]
        margin = [_number(one.margin, "+"), _name(one.next_best, y_network)]
        table.add_row(*cells, *(margin if with_margins else []))
    return table


def _changes(changes: Changes) -> Table:
    """Return the table of what changed."""
    table = _titled(f"What changed from {escape(changes.x_network)} to {escape(changes.y_network)}: {changes.sentence}")
    table.add_column("layer", overflow="fold")
    for head in ("difference", "1 - CKA", "median\nlevel", "largest\nlevel", "above\n0.05"):
        table.add_column(head, justify="right", no_wrap=True)
    for layer in changes:
        table.add_row(
            escape(layer.name),
            told(layer.difference, layer.difference_resolution),
            told(layer.one_minus_cka, layer.cka_resolution),
            told(layer.median_level, layer.level_resolution),
            told(layer.largest_level, layer.level_resolution),
            "-" if np.isnan(layer.share_above) else f"{layer.share_above:.0%}",
        )
    return table


def _name(layer: str, network: str) -> str:
    """Return a layer's name, without its network if that is the one given."""
    return escape(layer.removeprefix(f"{network}:") if network else layer)


def _titled(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, collapse_padding=True)


def _number(value: float, sign: str = "") -> str:
    return "-" if np.isnan(value) else f"{value:{sign}.2f}"


def _listed(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:NAMES_LISTED])
    return listed if len(names) <= NAMES_LISTED else f"{listed}, ... ({len(names)} in all)"
