"""The glossary: rows of its tables are terms, and the first use of a term on a page leads to it.

The terms stand in tables, which every viewer of Markdown shows. In the site, each row has an anchor, `{term}` finds
it, and words of other pages are linked to it, the first time a page uses them.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import desc, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

GLOSSARY = "glossary"
EVERYDAY = frozenset(
    (
        "example",
        "row",
        "run",
        "pair",
        "clear",
        "identical",
        "metric",
        "margin",
        "baseline",
        "similarity",
        "distance",
        "sample",
        "study",
        "rank",
        "fold",
        "refused",
        "variant",
        "kernel",
        "corrected",
        "semi",
        "layer",
        "match",
        "cluster",
        "other examples",
        "in sample",
    )
)
"""Terms that are also everyday words, or are in every sentence: they are not linked."""
PLAIN = (nodes.paragraph,)
NOT_IN = (nodes.reference, nodes.literal, nodes.title, nodes.caption, desc, pending_xref, nodes.literal_block)


def read_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Give each term of the glossary's tables an anchor."""
    env = app.env
    if env.docname != GLOSSARY:
        return
    env.spanmatch_terms = {}  # type: ignore[attr-defined]
    for row in doctree.findall(nodes.row):
        if isinstance(row.parent, nodes.thead):
            continue
        cell, meaning = row.children[0], row.children[1].astext()
        label = nodes.make_id(f"term-{cell.astext()}")
        cell["ids"].append(label)
        for term in _terms(cell.astext()):
            if term in env.spanmatch_terms:  # type: ignore[attr-defined]
                continue
            env.spanmatch_terms[term] = (label, meaning)  # type: ignore[attr-defined]
            env.domains.standard_domain._note_term(term, label, location=row)


def _terms(text: str) -> list[str]:
    without_notes = re.sub(r"\s+\(.*?\)", "", text)
    return [term.strip() for term in without_notes.split(",")]


def link_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the first use of each term on a page."""
    terms: dict[str, tuple[str, str]] = getattr(app.env, "spanmatch_terms", {})
    left = {term: target for term, target in terms.items() if term not in EVERYDAY}
    if docname == GLOSSARY or not left or docname.startswith(("gallery/sg_", "project/")):
        return
    uri = app.builder.get_relative_uri(docname, GLOSSARY)
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, sorted(left, key=len, reverse=True))) + r")(s|es)?\b")
    for text in list(doctree.findall(nodes.Text)):
        if not _may_hold_links(text):
            continue
        parts = _linked(text.astext(), pattern, left, uri)
        if len(parts) > 1:
            text.parent.replace(text, parts)


def _linked(text: str, pattern: re.Pattern[str], left: dict[str, tuple[str, str]], uri: str) -> list[nodes.Node]:
    parts: list[nodes.Node] = []
    end = 0
    for found in pattern.finditer(text):
        target = left.pop(found[1], None)
        if target is None:
            continue
        label, meaning = target
        link = nodes.reference("", found[0], internal=True, refuri=f"{uri}#{label}", classes=["term"])
        link["reftitle"] = meaning
        parts += [nodes.Text(text[end : found.start()]), link]
        end = found.end()
    return [*parts, nodes.Text(text[end:])]


def _may_hold_links(text: nodes.Text) -> bool:
    parent: Any = text.parent
    in_paragraph = False
    while parent is not None:
        if isinstance(parent, NOT_IN):
            return False
        in_paragraph = in_paragraph or isinstance(parent, PLAIN)
        parent = parent.parent
    return in_paragraph


def merge_terms(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take the terms from the process that read the glossary."""
    if GLOSSARY in docnames:
        env.spanmatch_terms = other.spanmatch_terms  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("doctree-read", read_terms)
    app.connect("doctree-resolved", link_terms)
    app.connect("env-merge-info", merge_terms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
