"""Pages of the site that are made of files outside docs/: the changelog, how to contribute, the studies."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "project"
"""Where they are written; git ignores it."""
COPIED = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def write_pages(app: Sphinx) -> None:
    """Write the pages, if they changed."""
    FOLDER.mkdir(exist_ok=True)
    for source, page in COPIED.items():
        text = (ROOT / source).read_text().replace("](docs/", "](../")
        for other, page_of_other in COPIED.items():
            text = text.replace(f"]({other}", f"]({page_of_other}")
        _write(page, text)
    _write("studies.md", _studies())


def link_pages(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let links of a page to files outside docs/ lead to the pages that are made of them."""
    up = "../" * docname.count("/")
    text = source[0]
    for name, page in COPIED.items():
        text = text.replace(f"](../{up}{name}", f"]({up}project/{page}")
    text = re.sub(
        rf"\]\({re.escape('../' + up)}studies/([\w.-]+)\)",
        lambda found: f"]({up}project/studies.md#{found[1].replace('.', '')})",
        text,
    )
    source[0] = text.replace(f"](../{up}studies)", f"]({up}project/studies.md)")


def _studies() -> str:
    parts = ["# The files of the studies", "Each of these files can be run: `spanmatch study FILE`."]
    for path in sorted((ROOT / "studies").iterdir()):
        if path.suffix in (".toml", ".py"):
            language = path.suffix.removeprefix(".").replace("py", "python")
            parts += [f"## {path.name}", f"```{language}\n{path.read_text().rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _write(page: str, text: str) -> None:
    path = FOLDER / page
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", link_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
