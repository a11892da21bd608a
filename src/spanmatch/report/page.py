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
LEVEL_DIGITS, DIGITS, PREDICTORS = 5, 3, 3

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
    """Return what the page shows of a comparison, in as many digits as it shows.

    `cells` counts down how many correlations may still be drawn.
    """
    pairs = _columns([_slim_pair(pair, cells) for pair in comparison["pairs"]])
    return {**comparison, "pairs": pairs, "inputs": comparison["inputs"] and _slim_inputs(comparison["inputs"])}


def _slim_pair(pair: Data, cells: list[int]) -> dict[str, Any]:
    found = pair["convergence"]
    matrix = found["correlation_percent"]
    size = len(matrix) * len(matrix[0]) if matrix else 0
    shown = size <= cells[0]
    cells[0] -= size if shown else 0
    aligned = found["bipartite"]
    kept = ("constant", "chance_correlation")
    return {
        **pair,
        "x_levels": [_level(level) for level in pair["x_levels"]],
        "y_levels": [_level(level) for level in pair["y_levels"]],
        "convergence": {
            **{name: found[name] for name in kept},
            "clusters": found["clusters"] and _slim_clusters(found["clusters"]),
            "bipartite": {
                **{name: aligned[name] for name in ("x", "y", "next_x", "next_y")},
                **{name: _digits(aligned[name]) for name in ("strength", "margin", "back_margin")},
                **{name: _digits(aligned[name]) for name in ("x_baseline", "y_baseline")},
            },
            "semi": {"strength": _digits(found["semi"]["strength"])},
            "information": found["information"] and len(found["information"]["x"]),
            "by_information_only": len(found["by_information_only"]),
            "sparse": [{name: way[name] for name in ("from", "to", "table")} for way in found["sparse"]],
            "few": {"xy"[way["to"] == pair["y_layer"]]: _slim_few(way["few"]) for way in found["sparse"]},
            "correlation_percent": matrix if shown else None,
        },
    }


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return dictionaries that are alike as one of lists, which compress far better: numbers of a kind together."""
    found: dict[str, Any] = {}
    for name, first in rows[0].items():
        values = [row[name] for row in rows]
        alike = isinstance(first, dict) and all(isinstance(v, dict) and v.keys() == first.keys() for v in values)
        found[name] = {"of": _columns(values)} if alike else values
    return found


def _slim_few(rows: list[Data]) -> dict[str, Any]:
    """Return few predictors by column: the neurons, how many each has, the largest of them, and errors."""
    return {
        "neuron": [row["neuron"] for row in rows],
        "count": [len(row["predictors"]) for row in rows],
        "predictors": [row["predictors"][:PREDICTORS] for row in rows],
        "coefficients": [[round(value, 2) for value in row["coefficients"][:PREDICTORS]] for row in rows],
        "error": _digits([row["error"] for row in rows]),
        "held_out_error": _digits([row["held_out_error"] for row in rows]),
    }


def _slim_clusters(found: Data) -> dict[str, Any]:
    """Return clusters by column; their neurons are those of the order, one cluster after the other."""
    groups = found["groups"]
    sizes = {side: [len(group[side]) for group in groups] for side in "xy"}
    values = {name: _digits([group[name] for group in groups]) for name in ("between", "outside", "eps")}
    return {"method": found["method"], "order": dict(zip("xy", found["order"], strict=True)), "sizes": sizes, **values}


def _slim_inputs(inputs: Data) -> dict[str, Any]:
    texts = inputs["shown"] is not None and inputs["shown"]["kind"] == "texts"
    layers = {
        layer: {
            "examples": found["examples"],
            "values": [[None if value is None else float(f"{value:.3g}") for value in row] for row in found["values"]],
            "places": found["places"] if texts else None,
        }
        for layer, found in inputs["layers"].items()
    }
    return {**inputs, "layers": layers}


def _digits(values: list[float | None]) -> list[float | None]:
    return [None if value is None else round(value, DIGITS) for value in values]


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
