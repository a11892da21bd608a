"""Citations by key: links of pages to references.bib, and the references of docstrings."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

BIB = Path(__file__).parents[1] / "references.bib"
LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)*references\.bib#([\w-]+)\)")
KEYS = frozenset(re.findall(r"^@\w+\{([\w-]+),", BIB.read_text(), re.M))


def cite_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn [text](references.bib#key), which leads to the file on GitHub, into a citation."""
    source[0] = LINK.sub(lambda found: f"{found[1]} {{cite:p}}`{found[2]}`", source[0])


def cite_references(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Cite the works that the References of a docstring name, in a line below them."""
    start = next((i for i, line in enumerate(lines) if line.strip() == ".. rubric:: References"), None)
    if start is None:
        return
    end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith(".. rubric")), len(lines))
    if keys := keys_in(" ".join(lines[start + 1 : end])):
        lines[end:end] = ["", f"In the bibliography: :cite:p:`{','.join(keys)}`.", ""]


def keys_in(text: str) -> list[str]:
    """Return the keys of the works that a text names by the first author and, in the same sentence, the year."""
    return [key for key in sorted(KEYS) if _pattern_of(key).search(text)]


def _pattern_of(key: str) -> re.Pattern[str]:
    author, year = re.fullmatch(r"([a-z-]+)(\d{4})", key).groups()  # type: ignore[union-attr]
    return re.compile(rf"\b{author}\b(?:(?!\b(?:19|20)\d\d\b)[^;])*?\b{year}\b", re.I)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("source-read", cite_links)
    app.connect("autodoc-process-docstring", cite_references, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
