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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._values import coarse

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
CELLS = 600_000
"""Blocks of correlations that are drawn in all, as fine as that allows."""
SHADE = 4
"""Percent between two shades of grey in which they are drawn."""
INPUTS = 180_000
"""Inputs that excite neurons most in all, as many of each neuron as that allows."""
NUMBERS = 100_000
"""Neurons and coefficients of simple matches that are shown in all, those of the smallest matches."""
LEVEL_DIGITS, DIGITS, DRAWN_DIGITS, PREDICTORS = 5, 3, 2, 3

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
    room = _room(list(comparisons.values()))
    data = {"study": study, "comparisons": [{"name": n, **_slim(c, room)} for n, c in comparisons.items()]}
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


@dataclass(frozen=True)
class _Room:
    """How much of what is large a page shows."""

    side: int
    """Blocks along each side of a matrix of correlations."""
    numbers: int
    """Neurons and coefficients of the largest simple match."""
    inputs: int
    """Inputs that excite a neuron most."""


def _room(comparisons: Sequence[Data]) -> _Room:
    pairs = [pair for comparison in comparisons for pair in comparison["pairs"]]
    tops = [top for c in comparisons if c["inputs"] for top in c["inputs"]["layers"].values()]
    neurons = sum(len(top["examples"]) for top in tops)
    side = math.isqrt(CELLS // (2 * len(pairs)))
    return _Room(side=max(1, side), numbers=_largest(pairs), inputs=max(1, INPUTS // max(1, neurons)))


def _largest(pairs: Sequence[Data]) -> int:
    """Return how large a simple match may be for all up to this size to be shown."""
    sizes = np.sort([_numbers(match) for pair in pairs for found in pair["simple"] for match in found["matches"]])
    too_much = sizes[np.cumsum(sizes) > NUMBERS]
    return int(too_much[0]) - 1 if len(too_much) else NUMBERS


def _numbers(match: Data) -> int:
    p, q = len(match["x"]), len(match["y"])
    return p + q + 2 * p * q


def _slim(comparison: Data, room: _Room) -> dict[str, Any]:
    """Return what the page shows of a comparison, in as many digits as it shows."""
    pairs = _columns([_slim_pair(pair, room) for pair in comparison["pairs"]])
    inputs = comparison["inputs"] and _slim_inputs(comparison["inputs"], room.inputs)
    return {**comparison, "pairs": pairs, "inputs": inputs}


def _slim_pair(pair: Data, room: _Room) -> dict[str, Any]:
    found = pair["alignment"]
    aligned = found["bipartite"]
    kept = ("constant", "chance_correlation")
    return {
        **pair,
        "x_levels": [_level(level) for level in pair["x_levels"]],
        "y_levels": [_level(level) for level in pair["y_levels"]],
        "alignment": {
            **{name: found[name] for name in kept},
            "clusters": found["clusters"] and _slim_clusters(found["clusters"], room.side),
            "bipartite": {
                **{name: aligned[name] for name in ("x", "y", "next_x", "next_y")},
                **{name: _digits(aligned[name]) for name in ("strength", "margin", "back_margin")},
                **{name: _digits(aligned[name], DRAWN_DIGITS) for name in ("x_baseline", "y_baseline")},
            },
            "semi": {"strength": _digits(found["semi"]["strength"], DRAWN_DIGITS)},
            "information": found["information"] and len(found["information"]["x"]),
            "by_information_only": len(found["by_information_only"]),
            "sparse": [{name: way[name] for name in ("from", "to", "table")} for way in found["sparse"]],
            "few": {"xy"[way["to"] == pair["y_layer"]]: _slim_few(way["few"]) for way in found["sparse"]},
        },
        "simple": [_slim_simple(simple, room.numbers) for simple in pair["simple"]],
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


def _slim_simple(found: Data, numbers: int) -> dict[str, Any]:
    """Return the sizes of all minimum matches, and the simple matches of so many numbers or fewer."""
    shown = [
        match | {name: [[_three(value) for value in row] for row in match[name]] for name in ("x_from_y", "y_from_x")}
        for match in found["matches"]
        if _numbers(match) <= numbers
    ]
    return {**found, "matches": shown, "count": len(found["matches"])}


def _slim_clusters(found: Data, side: int) -> dict[str, Any]:
    """Return clusters by column; their neurons are those of the order, one cluster after the other."""
    groups = found["groups"]
    sizes = {side: [len(group[side]) for group in groups] for side in "xy"}
    values = {name: _digits([group[name] for group in groups]) for name in ("between", "outside", "eps")}
    order = dict(zip("xy", found["order"], strict=True))
    drawn = {name: _shades(coarse(np.array(values), side)) for name, values in found["drawn"].items()}
    return {
        **{name: found[name] for name in ("method", "clear")},
        "order": order,
        "sizes": sizes,
        "drawn": drawn,
        **values,
    }


def _shades(percent: NDArray[np.int_]) -> list[list[int]]:
    return [[SHADE * round(value / SHADE) for value in row] for row in percent.tolist()]


def _slim_inputs(inputs: Data, most: int) -> dict[str, Any]:
    texts = inputs["shown"] is not None and inputs["shown"]["kind"] == "texts"
    layers = {
        layer: {
            "examples": [row[:most] for row in found["examples"]],
            "values": [[None if value is None else _three(value) for value in row[:most]] for row in found["values"]],
            "places": [row[:most] for row in found["places"]] if texts else None,
        }
        for layer, found in inputs["layers"].items()
    }
    return {**inputs, "layers": layers}


def _three(value: float) -> float:
    return float(f"{value:.3g}")


def _digits(values: list[float | None], digits: int = DIGITS) -> list[float | None]:
    return [None if value is None else round(value, digits) for value in values]


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
