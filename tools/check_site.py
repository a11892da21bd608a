"""Check the built site: python tools/check_site.py site.

Every public name has a page and is found by the search; no page loads anything from another host; links and pictures
of pages lead to files that are there.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import spanmatch as sm

LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src")}
"""Attributes whose address is loaded with the page; those of other elements are followed by the reader alone."""
UNLOADED_LINKS = {"canonical", "next", "prev", "index", "search", "author", "license", "copyright"}
FOLLOWED = ("a", "href")


class Addresses(HTMLParser):
    """The addresses that a page loads, and those that it links to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses of an element."""
        known = dict(attrs)
        for name, value in attrs:
            if (tag, name) in LOADED and value and known.get("rel") not in UNLOADED_LINKS:
                self.loaded.append(value)
            if (tag, name) == FOLLOWED and value:
                self.followed.append(value)


def problems(site: Path) -> list[str]:
    """Return what is wrong with a site, in words."""
    found = [f"{name} has no page" for name in names() if not (site / "api" / f"spanmatch.{name}.html").is_file()]
    index = (site / "searchindex.js").read_text()
    found += [f"the search does not know {name}" for name in names() if f'"{name}"' not in index]
    for page in sorted(site.rglob("*.html")):
        if "_static" in page.parts:
            continue
        where = page.relative_to(site).as_posix()
        addresses = Addresses(page.read_text())
        found += [f"{where} loads {address}" for address in addresses.loaded if urlsplit(address).netloc]
        found += [
            f"{where} leads to {address}, which is not there"
            for address in addresses.loaded + addresses.followed
            if not _is_there(page, address)
        ]
    return found


def _is_there(page: Path, address: str) -> bool:
    """Return whether an address is of another host, of the page itself, or of a file beside it."""
    parts = urlsplit(address)
    elsewhere = bool(parts.scheme or parts.netloc or not parts.path)
    return elsewhere or (page.parent / unquote(parts.path)).exists()


def names() -> list[str]:
    """Return the public names that have pages."""
    return [name for name in sm.__all__ if not name.startswith("_")]


def main() -> None:
    """Print what is wrong, and fail if anything is."""
    found = problems(Path(sys.argv[1]))
    sys.stderr.write("".join(f"{problem}\n" for problem in found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
