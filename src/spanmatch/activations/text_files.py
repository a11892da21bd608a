"""Texts to run networks on: the lines of a file, or a column of a table."""

from __future__ import annotations

import csv
from pathlib import Path

from ..errors import BadArgument, SpanmatchError
from .stored.csv_files import DELIMITERS


def lines(path: Path) -> list[str]:
    """Return the lines of a file that are not empty.  Raises SpanmatchError if there are none."""
    nonempty = [line for line in _contents(path).splitlines() if line.strip()]
    if not nonempty:
        raise SpanmatchError(f"{path}: holds no text")
    return nonempty


def column_of_texts(path: Path, column: str | None) -> list[str] | None:
    """Return the texts in a column of a .csv or .tsv file, whose first line names the columns.

    Parameters
    ----------
    path : Path
        The file.
    column : str, optional
        The name of the column; by default the only one that holds texts.

    Returns
    -------
    list of str or None
        One text for each row; None if no column is named, and all hold numbers.

    Raises
    ------
    BadArgument
        If there is no such file or column, or several columns hold texts and none is named.
    SpanmatchError
        If the file cannot be read, or a row has no text.
    """
    try:
        content = _contents(path).splitlines(keepends=True)
        rows = [row for row in csv.reader(content, delimiter=DELIMITERS[path.suffix]) if row]
    except csv.Error as error:
        raise SpanmatchError(f"{path}: not a table of texts ({error})") from error
    if len(rows) < 2:
        raise SpanmatchError(f"{path}: holds no rows under the names of its columns")
    names, *rows = rows
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise SpanmatchError(f"{path}: row {number} has {len(row)} cells, and there are {len(names)} columns")
    if column is None:
        of_texts = [i for i in range(len(names)) if not all(_is_number(row[i]) for row in rows)]
        if not of_texts:
            return None
        if len(of_texts) > 1:
            listed = ", ".join(repr(names[i]) for i in of_texts)
            raise BadArgument(f"{path}: texts in several columns ({listed}); name one with --text-column")
        index = of_texts[0]
    elif column in names:
        index = names.index(column)
    else:
        raise BadArgument(f"{path}: no column {column!r}; there is {', '.join(map(repr, names))}")
    texts = [row[index] for row in rows]
    empty = next((number for number, text in enumerate(texts) if not text.strip()), None)
    if empty is not None:
        raise SpanmatchError(f"{path}: no text in row {empty} of column {names[index]!r}")
    return texts


def _contents(path: Path) -> str:
    """Return the contents of a text file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except OSError as error:
        raise BadArgument(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SpanmatchError(f"{path}: not text in UTF-8 ({error})") from error


def _is_number(text: str) -> bool:
    """Tell whether a cell is empty or a number."""
    try:
        float(text or "0")
    except ValueError:
        return False
    return True
