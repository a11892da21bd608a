"""Tables of layers for the terminal: they fit its width without breaking a name or cutting a number.

Names stand beside their numbers where there is room, else on a line of their own above them, and so do the names in
other columns if there is no room for these. Columns of numbers that do not fit even then follow below, in a table with
the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

MARGIN, GAP = "  ", "  "
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
BETWEEN = " ~ "
"""What stands between the names of two layers."""
LONGEST_TITLE = 100
"""Characters of a line of prose on a wide terminal."""


@dataclass(frozen=True)
class Column:
    """A column of a table, beside that of the names."""

    head: str
    """What stands above it, broken at words if it is wider than the cells."""
    is_text: bool = False
    """Whether it holds names, which stand on lines of their own where they do not fit."""


@dataclass(frozen=True)
class Line:
    """A line of numbers of a layer."""

    cells: tuple[str, ...]
    label: str
    """What the line is, for all but the first line of a layer."""

    @property
    def style(self) -> str:
        """The style of the line."""
        return "dim" if self.label else ""


@dataclass
class LayerTable:
    """A table with lines of numbers for each layer, that rich can print."""

    title: str
    columns: Sequence[Column]
    names: str = "layer"
    """What the first column holds."""
    legend: str = ""
    """What the columns are, in words, below the table."""
    rows: list[tuple[str, list[Line]]] = field(default_factory=list)

    def add(self, name: str, *cells: str) -> None:
        """Add a layer with its first line."""
        self.rows.append((name, [Line(cells, "")]))

    def add_line(self, label: str, *cells: str) -> None:
        """Add a line to the last layer."""
        self.rows[-1][1].append(Line(cells, label))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines of the table for the width of a console."""
        width = options.max_width
        yield from _prose(self.title, width, "bold")
        yield Text()
        for columns, is_beside in _parts(self, width):
            yield from _lines(self, columns, is_beside, width)
            yield Text()
        if self.legend:
            yield from _prose(self.legend, width, "dim")
            yield Text()


def _prose(text: str, width: int, style: str) -> Iterator[Text]:
    """Yield the lines of a text, broken between words."""
    for line in wrap(text, min(width, LONGEST_TITLE), break_long_words=False, break_on_hyphens=False):
        yield Text(line, style=style)


def _parts(table: LayerTable, width: int) -> list[tuple[list[int], bool]]:
    """Return the columns that stand beside one another, and whether names stand beside them."""
    everything = list(range(len(table.columns)))
    beside = _names_width(table)
    if _total(table, everything, beside) <= width:
        return [(everything, True)]
    above = _labels_width(table)
    if _total(table, everything, above) <= width:
        return [(everything, False)]
    numbers = [i for i in everything if not table.columns[i].is_text]
    if _total(table, numbers, above) <= width or beside > width // 3 or len(numbers) < len(everything):
        return [(part, False) for part in _split(table, numbers, above, width)]
    return [(part, True) for part in _split(table, everything, beside, width)]


def _split(table: LayerTable, columns: Sequence[int], first: int, width: int) -> list[list[int]]:
    """Return columns in groups, each as wide as fits."""
    groups: list[list[int]] = [[]]
    for column in columns:
        if groups[-1] and _total(table, [*groups[-1], column], first) > width:
            groups.append([])
        groups[-1].append(column)
    return groups


def _total(table: LayerTable, columns: Sequence[int], first: int) -> int:
    """Return the width of a table with some columns, of which the first has a width."""
    return len(MARGIN) + first + sum(len(GAP) + _width(table, column) for column in columns)


def _names_width(table: LayerTable) -> int:
    """Return the width of the first column with names in it."""
    return max([len(table.names), _labels_width(table), *(Text(name).cell_len for name, _ in table.rows)])


def _labels_width(table: LayerTable) -> int:
    """Return the width of the first column without names."""
    labels = [len(MARGIN + line.label) for _, lines in table.rows for line in lines if line.label]
    return max([len(table.names), *labels])


def _width(table: LayerTable, column: int) -> int:
    """Return the width of a column: of its cells, or of the longest word above them."""
    return max([_cells_width(table, column), *map(len, _head(table, column))])


def _cells_width(table: LayerTable, column: int) -> int:
    """Return the width of the widest cell."""
    return max((Text(line.cells[column]).cell_len for _, lines in table.rows for line in lines), default=0)


def _head(table: LayerTable, column: int) -> list[str]:
    """Return the lines above a column."""
    head = table.columns[column].head
    if table.columns[column].is_text:
        return [head]
    longest_word = max(map(len, head.split()), default=1)
    return wrap(head, max(longest_word, _cells_width(table, column)), break_long_words=False, break_on_hyphens=False)


def _lines(table: LayerTable, columns: Sequence[int], is_beside: bool, width: int) -> Iterator[Text]:
    """Yield the lines of a table with some of its columns."""
    first = _names_width(table) if is_beside else _labels_width(table)
    heads = [_head(table, column) for column in columns]
    height = max(map(len, heads), default=1)
    for k in range(height):
        words = ["" if k < height - len(head) else head[k - height + len(head)] for head in heads]
        yield _line(table, columns, first, table.names if k == height - 1 else "", words, "bold")
    yield Text(" " + "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * (_total(table, columns, first) - 1), no_wrap=True)
    for name, lines in table.rows:
        if not is_beside:
            yield from _name_lines(table, name, lines[0], columns, width)
        for line in lines:
            label = MARGIN + line.label if line.label else name if is_beside else ""
            yield _line(table, columns, first, label, [line.cells[column] for column in columns], line.style)


def _line(
    table: LayerTable, columns: Sequence[int], first: int, name: str, cells: Sequence[str], style: str = ""
) -> Text:
    """Return a line of a table."""
    text = MARGIN + _padded(name, first, is_text=True)
    for column, cell in zip(columns, cells, strict=True):
        text += GAP + _padded(cell, _width(table, column), is_text=table.columns[column].is_text)
    return Text(text.rstrip(), style=style, no_wrap=True)


def _padded(text: str, width: int, *, is_text: bool) -> str:
    """Return a text with spaces after it, or before it if it is a number."""
    spaces = " " * (width - Text(text).cell_len)
    return text + spaces if is_text else spaces + text


def _name_lines(table: LayerTable, name: str, line: Line, columns: Sequence[int], width: int) -> Iterator[Text]:
    """Yield the names of a row on lines of their own, but for those that stand in columns."""
    for part in _in_two(name, width):
        yield Text(MARGIN + shortened(part, width - len(MARGIN)), no_wrap=True)
    for i, (column, cell) in enumerate(zip(table.columns, line.cells, strict=True)):
        if column.is_text and i not in columns:
            yield from _text_lines(f"{2 * MARGIN}{column.head}:", cell, width)


def _text_lines(head: str, name: str, width: int) -> Iterator[Text]:
    """Yield a name below the name of a row, after what it is or on a line of its own."""
    line = Text(f"{head} {name}", no_wrap=True)
    if line.cell_len <= width:
        yield line
    else:
        yield Text(head, no_wrap=True)
        yield Text(3 * MARGIN + shortened(name, width - len(3 * MARGIN)), no_wrap=True)


def _in_two(name: str, width: int) -> list[str]:
    """Return a name, or the names of two layers if they do not fit one line."""
    if Text(MARGIN + name).cell_len <= width or BETWEEN not in name:
        return [name]
    one, _, other = name.partition(BETWEEN)
    return [one, BETWEEN.lstrip() + other]


def shortened(name: str, width: int) -> str:
    """Return a name, without its middle if it is wider than a line."""
    if Text(name).cell_len <= width:
        return name
    kept = max(width - len(ELLIPSIS), 2)
    return name[: kept // 2] + ELLIPSIS + name[len(name) - (kept - kept // 2) :]
