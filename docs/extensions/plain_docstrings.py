"""Docstrings are plain text that `help` shows: here they become what reStructuredText reads as the same text."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

LITERAL = re.compile(r"(``.+?``|`[^`]+`)")


def escape_lines(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Escape bars, and separate literals from the letters that follow, outside examples and literal blocks."""
    block: int | None = None
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        if block is None and not _is_example(lines, i):
            lines[i] = _escaped(line)
        if block is None and line.rstrip().endswith("::"):
            block = indent


def _escaped(line: str) -> str:
    parts = LITERAL.split(line)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            text = part.replace("|", r"\|")
            parts[i] = rf"\ {text}" if i and re.match(r"\w", text) else text
    return "".join(parts)


def _is_example(lines: list[str], i: int) -> bool:
    """Return whether a line is in a paragraph that begins with a prompt."""
    while i > 0 and lines[i - 1].strip():
        i -= 1
    return lines[i].lstrip().startswith(">>>")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("autodoc-process-docstring", escape_lines, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
