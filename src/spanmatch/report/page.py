"""Rendering of the page.

Data and drawing are apart: the page is a function of the same JSON that `comparison.json` holds. Tables and text
are written here, by a template that escapes everything; charts are drawn in the browser by `assets/page.js` with
Observable Plot, whose code is in the file, as are the data. The page makes no request.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

SCRIPTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "assets/page.js")
STYLES = ("assets/page.css",)


def render(comparison: Mapping[str, Any]) -> str:
    """Return the page of a comparison, given as in comparison.json."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("spanmatch.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        comparison=comparison,
        scripts=[_own(name) for name in SCRIPTS],
        styles=[_own(name) for name in STYLES],
    )


def _own(name: str) -> Markup:
    """Return one of the package's own files, to stand in the page as it is."""
    from markupsafe import Markup

    return Markup(files("spanmatch.report").joinpath(name).read_text(encoding="utf-8"))
