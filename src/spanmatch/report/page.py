"""Rendering of the page.

Data and drawing are apart: the page is a function of the JSON that is saved beside it. Everything is drawn in the
browser by the scripts in `assets/`, with Observable Plot for the charts; the scripts and the data, compressed, are in
the file. The page makes no request.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

SCRIPTS = (
    "vendor/d3.min.js",
    "vendor/plot.umd.min.js",
    "assets/base.js",
    "assets/charts.js",
    "assets/parts.js",
    "assets/neurons.js",
    "assets/study.js",
    "assets/page.js",
)
STYLES = ("assets/page.css",)
CELLS = 2_000_000
"""Correlations that are drawn in all; those of the pairs that come first."""
LEVEL_DIGITS = 6

Data = Mapping[str, Any]


def render(comparison: Data) -> str:
    """Return the page of a comparison, given as in comparison.json."""
    *first, last = comparison["networks"]
    names = f"{', '.join(first)} and {last}" if first else last
    count = len(comparison["pairs"])
    lead = (
        f"To what extent do they represent the same things? {count} {'pair' if count == 1 else 'pairs'} of layers "
        "compared over the same data."
    )
    return _page(names, lead, None, {"": comparison})


def render_study(study: Data, comparisons: Mapping[str, Data]) -> str:
    """Return the page of a study, given as in study.json, and of its comparisons."""
    return _page(study["name"], study["about"], study, comparisons)


def _page(title: str, lead: str, study: Data | None, comparisons: Mapping[str, Data]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("spanmatch.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    cells = [CELLS]
    data = {"study": study, "comparisons": [{"name": n, **_slim(c, cells)} for n, c in comparisons.items()]}
    version = (study or next(iter(comparisons.values())))["spanmatch"]
    return environment.get_template("page.html").render(
        title=title,
        lead=lead,
        version=version,
        data=_packed(data),
        scripts=[_own(name) for name in SCRIPTS],
        styles=[_own(name) for name in STYLES],
    )


def _packed(data: Any) -> str:
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def _slim(comparison: Data, cells: list[int]) -> dict[str, Any]:
    """Return what the page shows of a comparison; `cells` counts down how many correlations may still be drawn."""
    return {**comparison, "pairs": [_slim_pair(pair, cells) for pair in comparison["pairs"]]}


def _slim_pair(pair: Data, cells: list[int]) -> dict[str, Any]:
    found = pair["convergence"]
    matrix = found["correlation_percent"]
    size = len(matrix) * len(matrix[0]) if matrix else 0
    shown = size <= cells[0]
    cells[0] -= size if shown else 0
    return {
        **pair,
        "x_levels": [_level(level) for level in pair["x_levels"]],
        "y_levels": [_level(level) for level in pair["y_levels"]],
        "convergence": {
            **found,
            "semi": {"strength": found["semi"]["strength"]},
            "information": found["information"] and {"x": found["information"]["x"], "y": found["information"]["y"]},
            "correlation_percent": matrix if shown else None,
        },
    }


def _level(level: float | None) -> float | None:
    """Return a level to some digits, never below: at an eps of so many digits the same neurons are in the match."""
    if level is None:
        return None
    near = round(level, LEVEL_DIGITS)
    return near if near >= level else round(math.ceil(level * 10**LEVEL_DIGITS) / 10**LEVEL_DIGITS, LEVEL_DIGITS)


def _own(name: str) -> Markup:
    """Return one of the package's own files, to stand in the page as it is."""
    from markupsafe import Markup

    return Markup(files("spanmatch.report").joinpath(name).read_text(encoding="utf-8"))
