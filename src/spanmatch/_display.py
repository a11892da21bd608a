"""How results are shown: a line of text, and a small table where HTML is shown, as in notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import fields, is_dataclass
from html import escape
from itertools import islice

import numpy as np

LONGEST = 100
"""Characters of a line that shows a result."""
LONGEST_WORDS = (40, 28, 20)
"""Characters that words of a line are shortened to, as far as needed."""
MOST_ROWS, MOST_COLUMNS = 20, 12
"""Rows and columns of a table."""
MOST_LISTED = 6
"""Entries of a sequence that a cell lists."""
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


class Displayed:
    """The base class of all results: a short `repr`, and a table in notebooks.

    Dataclasses need ``repr=False``, so that they do not get a `repr` of their own.
    """

    def _summary(self) -> str:
        """Return what the result is of and its main numbers, in words."""
        told = [text for name, value in _fields(self, shown_only=True) if (text := _told(name, value))]
        return f": {', '.join(told)}" if told else ""

    def _records(self) -> Sequence[Mapping[str, object]]:
        """Return the rows of the table; of a single one, each field becomes a row."""
        return [dict(_fields(self))]

    def __repr__(self) -> str:
        summary = self._summary()
        space = "" if summary.startswith(":") or not summary else " "
        return shortened(f"<{type(self).__name__}{space}{summary}>")

    def _repr_html_(self) -> str:
        """Return a table in HTML."""
        records = self._records()
        caption = f"<caption>{escape(repr(self).strip('<>'))}</caption>"
        if len(records) == 1:
            rows = [_row(("th", name), ("td", cell(value))) for name, value in records[0].items()]
            return f"<table>{caption}{''.join(rows)}</table>"
        columns = list(records[0])[:MOST_COLUMNS] if records else []
        rows = [_row(*(("th", column) for column in columns))]
        rows += [_row(*(("td", cell(record[column])) for column in columns)) for record in islice(records, MOST_ROWS)]
        left_out = len(records) - MOST_ROWS
        more = f"<p>{left_out:,} more rows are not shown.</p>" if left_out > 0 else ""
        return f"<table>{caption}{''.join(rows)}</table>{more}"


def shortened(line: str) -> str:
    """Return a line of at most a hundred characters: long words lose their middle first, then the line its end."""
    line = " ".join(line.split())
    for longest in LONGEST_WORDS:
        if len(line) <= LONGEST:
            return line
        name, *words = line.split(" ")
        line = " ".join([name, *(_without_middle(word, longest) for word in words)])
    if len(line) <= LONGEST:
        return line
    start, _, _ = line[: LONGEST - len(ELLIPSIS) - 1].rpartition(" ")
    return f"{start} {ELLIPSIS}>"


def _without_middle(word: str, longest: int) -> str:
    """Return a word with an ellipsis for its middle, if it is long."""
    if len(word) <= longest:
        return word
    start = (longest - 1) // 2
    return word[:start] + ELLIPSIS + word[len(word) - (longest - 1 - start) :]


def _fields(result: object, *, shown_only: bool = False) -> Iterator[tuple[str, object]]:
    """Yield the public fields of a dataclass, or those that its line shows."""
    if is_dataclass(result):
        for field in fields(result):
            if not field.name.startswith("_") and (field.repr or not shown_only):
                yield field.name, getattr(result, field.name)


def _told(name: str, value: object) -> str:
    """Return a field in words; empty if it says nothing in a line."""
    if isinstance(value, str | int | float | np.number):
        text = cell(value)
        return f"{name}={text}" if text not in ("", "nan") else ""
    if isinstance(value, Sized) and not isinstance(value, np.ndarray | Displayed):
        return f"{len(value)} {name}" if len(value) else ""
    return ""


def cell(value: object) -> str:
    """Return a value as a cell shows it."""
    text = "" if value is None else str(value)
    if isinstance(value, bool | np.bool_):
        text = text.lower()
    elif isinstance(value, int | np.integer):
        text = f"{value:,}"
    elif isinstance(value, float | np.floating):
        text = f"{value:.4g}"
    elif isinstance(value, np.ndarray):
        text = f"array {' x '.join(map(str, value.shape))}"
    elif isinstance(value, tuple | list | frozenset) and len(value) <= MOST_LISTED:
        text = ", ".join(map(cell, value))
    elif isinstance(value, Sized) and not isinstance(value, str | Displayed):
        text = f"{len(value):,} entries"
    return text


def _row(*cells: tuple[str, str]) -> str:
    """Return a row of a table, of cells with their tags."""
    return f"<tr>{''.join(f'<{tag}>{escape(text)}</{tag}>' for tag, text in cells)}</tr>"
