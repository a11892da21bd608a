"""The similarity of all layers of two networks as a heat map of characters, within 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from rich.console import Group
from rich.style import Style
from rich.text import Text

from ..comparison import Comparison
from ..moments.provenance import network_and_layer
from ..similarity import LayerMatrix

WIDTH = 80
"""The largest width, in characters."""
MOST_CELLS = 72
"""The largest number of rows and of columns; of more layers, evenly spaced ones are shown."""
SHADES = (
    *("rgb(13,8,70)", "rgb(55,16,104)", "rgb(98,25,116)", "rgb(140,41,117)", "rgb(180,54,109)"),
    *("rgb(219,80,91)", "rgb(243,120,88)", "rgb(252,160,109)", "rgb(254,204,143)", "rgb(252,247,186)"),
)
"""Background of each tenth, from dark to light (magma)."""
FIRST_LIGHT = 6
"""The first tenth whose background needs dark text."""


def heat_maps(comparison: Comparison) -> Iterator[Group]:
    """Yield the heat map of every two networks whose layers were compared with all, or of the only one."""
    networks = comparison.networks
    if len(networks) > 1 and not comparison.knows_all_pairs:
        return
    computed = {matrix.name: matrix for matrix in comparison.matrices}
    if comparison.measure not in computed:
        return
    matrix = computed[comparison.measure]
    for x, y in combinations(networks, 2) if len(networks) > 1 else [(networks[0], networks[0])]:
        yield heat_map(matrix, x, y)


def heat_map(matrix: LayerMatrix, x_network: str, y_network: str) -> Group:
    """Return the heat map of two networks' layers: a cell's digit is the tenth of its value.

    Parameters
    ----------
    matrix
        A measure of all layers.
    x_network, y_network
        The networks of rows and of columns.
    """
    x_layers, y_layers = (
        [i for i, layer in enumerate(matrix.layers) if network_and_layer(layer)[0] == network]
        for network in (x_network, y_network)
    )
    names = [network_and_layer(layer)[1] for layer in matrix.layers]
    x_names, y_names = [names[i] for i in x_layers], [names[j] for j in y_layers]
    rows, columns = _shown(len(x_layers)), _shown(len(y_layers))
    values = matrix.values[np.ix_(x_layers, y_layers)]
    digits = len(str(max(len(x_layers), len(y_layers)) - 1))
    labels = [f"{i:>{digits}}{_after_number(i, x_names[i])}" for i in rows]
    longest = max(map(len, labels))
    named = longest + 1 + len(columns) <= WIDTH
    if not named:
        labels, longest = [f"{i:>{digits}}" for i in rows], digits
    cell = 2 if longest + 1 + 2 * len(columns) <= WIDTH else 1
    lines = [_title(matrix, x_network, y_network), *_header(columns, digits, longest, cell)]
    for i, label in zip(rows, labels, strict=True):
        lines.append(_row(label.ljust(longest), values[i, columns].tolist(), cell))
    return Group(*lines, *_keys(x_names, y_names, named), Text())


def _title(matrix: LayerMatrix, x_network: str, y_network: str) -> Text:
    return Text(
        f"{matrix.name}: layers of {x_network} (rows) by layers of {y_network} (columns); 9 is 0.9 and more, 0 less "
        "than 0.1, · not defined",
        style="bold",
    )


def _shown(count: int) -> list[int]:
    """Return the numbers of the layers that are shown."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, MOST_CELLS)).tolist()})


def _header(columns: Sequence[int], digits: int, indent: int, cell: int) -> list[Text]:
    """Return the numbers of the columns, from top to bottom."""
    numbers = [f"{j:>{digits}}" for j in columns]
    rows = (" " * (indent + 1) + "".join(number[k].rjust(cell) for number in numbers) for k in range(digits))
    return [Text(row.rstrip(), no_wrap=True) for row in rows]


def _row(label: str, values: Sequence[float], cell: int) -> Text:
    """Return a label and the cells of a row."""
    row = Text(f"{label} ", no_wrap=True)
    for value in values:
        tenth = None if np.isnan(value) else min(max(int(10 * value), 0), len(SHADES) - 1)
        row.append(("·" if tenth is None else str(tenth)).rjust(cell), style=_style(tenth))
    return row


def _style(tenth: int | None) -> Style:
    """Return the colours of a cell."""
    if tenth is None:
        return Style()
    return Style.parse(f"{'black' if tenth >= FIRST_LIGHT else 'white'} on {SHADES[tenth]}")


def _keys(x_names: Sequence[str], y_names: Sequence[str], rows_are_named: bool) -> Iterator[Text]:
    """Yield the names of numbered layers, unless they stand beside the rows."""
    if all(str(j) == name for j, name in enumerate(y_names)) and rows_are_named:
        return
    if x_names == y_names:
        if not rows_are_named:
            yield _key("layers", x_names)
        return
    if not rows_are_named:
        yield _key("rows", x_names)
    yield _key("columns", y_names)


def _key(what: str, names: Sequence[str]) -> Text:
    """Return the number and the name of each layer."""
    listed = ", ".join(f"{i}{_after_number(i, name)}" for i, name in enumerate(names))
    return Text(f"{what}: {listed}")


def _after_number(number: int, name: str) -> str:
    """Return what stands after a layer's number: its name, unless that is the number."""
    return "" if name == str(number) else f"\N{NO-BREAK SPACE}{name}"
