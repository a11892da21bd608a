"""Public names: results without the arguments of their constructors, and links where a page writes `sm.name`."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

import spanmatch as sm

NAME = re.compile(r"(sm\.\w+|[A-Z]\w+)(\.\w+)?(?!\w)")
MADE_BY_USERS = (sm.Measure, sm.Moments, sm.Tracker)


def shorten_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: object, signature: str, returned: str
) -> tuple[str, str] | None:
    """Leave out the arguments of classes that only the library makes."""
    if what == "class" and obj not in MADE_BY_USERS and (dataclasses.is_dataclass(obj) or obj is sm.Pair):
        return "", ""
    return None


class LinkPublicNames(SphinxPostTransform):
    """Literals such as `sm.cka(pair)` become links to the page of the name."""

    default_priority = 5

    def run(self, **_: Any) -> None:
        """Link the literals of a page."""
        for literal in list(self.document.findall(nodes.literal)):
            target = target_of(literal.astext())
            if not target or _inside(literal, (nodes.reference, pending_xref, nodes.title)):
                continue
            reference = pending_xref("", reftype="obj", refdomain="py", reftarget=target, refdoc=self.env.docname)
            literal.replace_self(reference)
            reference += literal


def target_of(text: str) -> str | None:
    """Return the full name of the public name, or of its attribute, that a literal begins with."""
    found = NAME.match(text)
    name = found[1].removeprefix("sm.") if found else ""
    if not found or name not in sm.__all__ or name == "__version__":
        return None
    attribute = found[2] or ""
    return f"spanmatch.{name}{attribute if hasattr(getattr(sm, name), attribute[1:] or '__doc__') else ''}"


def _inside(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("autodoc-process-signature", shorten_signature)
    app.add_post_transform(LinkPublicNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
