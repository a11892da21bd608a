"""What the page gets of saved results: as many digits as it shows, and no more of what is large than fits.

What is large has a budget over the whole page rather than a limit for each layer, so that a small
study is shown in full. The result is typed by `page_schema`, from which the types of the page's
scripts are generated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._values import coarse

if TYPE_CHECKING:
    from ..schema import (
        AlignmentRecord,
        ClustersRecord,
        ComparisonRecord,
        FewRecord,
        InputsRecord,
        PairRecord,
        PartnersRecord,
        SimpleMatchRecord,
        SimpleRecord,
        SparseRecord,
        StudyRecord,
        TopRecord,
    )
    from .page_schema import (
        PageAlignment,
        PageClusters,
        PageComparison,
        PageData,
        PageFew,
        PageFewBySide,
        PageInputs,
        PagePair,
        PagePartners,
        PageSimple,
        PageSparse,
        PageTop,
    )

CELLS = 600_000
"""Blocks of correlations on the whole page."""
SHADE = 4
"""Percent between two shades of grey in which correlations are drawn."""
INPUTS = 180_000
"""Top inputs of neurons on the whole page."""
NUMBERS = 100_000
"""Neurons and coefficients of simple matches on the whole page, those of the smallest matches."""
PREDICTORS = 3
"""Few predictors of a neuron that its card names."""
LEVEL_DIGITS, DIGITS, DRAWN_DIGITS, COEFFICIENT_DIGITS = 5, 3, 2, 2

Value = TypeVar("Value", float, float | None)


@dataclass(frozen=True)
class _Limits:
    """How much of what is large fits on the page."""

    side: int
    """Blocks along each side of a matrix of correlations."""
    match_numbers: int
    """Neurons and coefficients of the largest simple match."""
    inputs: int
    """Top inputs of a neuron."""


def page_data(study: StudyRecord | None, comparisons: Mapping[str, ComparisonRecord]) -> PageData:
    """Return what the page shows of a study and of its comparisons by name."""
    limits = _limits(list(comparisons.values()))
    return {"study": study, "comparisons": [_comparison(name, c, limits) for name, c in comparisons.items()]}


def _limits(comparisons: Sequence[ComparisonRecord]) -> _Limits:
    """Return the limits that use up the budgets of the whole page."""
    pairs = [pair for comparison in comparisons for pair in comparison["pairs"]]
    layers = chain.from_iterable(c["inputs"]["layers"].values() for c in comparisons if c["inputs"] is not None)
    neurons = sum(len(layer["examples"]) for layer in layers)
    return _Limits(
        side=max(1, math.isqrt(CELLS // (2 * len(pairs)))),
        match_numbers=_match_limit(pairs),
        inputs=max(1, INPUTS // max(1, neurons)),
    )


def _match_limit(pairs: Sequence[PairRecord]) -> int:
    """Return how large a simple match may be for all up to this size to be shown."""
    matches = [match for pair in pairs for simple in pair["simple"] for match in simple["matches"]]
    sizes = np.sort([_match_numbers(match) for match in matches])
    too_large = sizes[np.cumsum(sizes) > NUMBERS]
    return int(too_large[0]) - 1 if len(too_large) else NUMBERS


def _match_numbers(match: SimpleMatchRecord) -> int:
    """Return how many neurons and coefficients a simple match has."""
    p, q = len(match["x"]), len(match["y"])
    return p + q + 2 * p * q


def _comparison(name: str, comparison: ComparisonRecord, limits: _Limits) -> PageComparison:
    inputs = comparison["inputs"]
    return {
        **comparison,
        "name": name,
        "pairs": [_pair(pair, limits) for pair in comparison["pairs"]],
        "inputs": None if inputs is None else _inputs(inputs, limits.inputs),
    }


def _pair(pair: PairRecord, limits: _Limits) -> PagePair:
    return {
        **pair,
        "x_levels": [_level(level) for level in pair["x_levels"]],
        "y_levels": [_level(level) for level in pair["y_levels"]],
        "alignment": _alignment(pair["alignment"], pair["y_layer"], limits),
        "simple": [_simple(simple, limits.match_numbers) for simple in pair["simple"]],
    }


def _level(level: float | None) -> float | None:
    """Return a level rounded up, so that the same neurons are in the match at an eps of as many digits."""
    if level is None:
        return None
    nearest = round(level, LEVEL_DIGITS)
    return nearest if nearest >= level else round(math.ceil(level * 10**LEVEL_DIGITS) / 10**LEVEL_DIGITS, LEVEL_DIGITS)


def _alignment(alignment: AlignmentRecord, y_layer: str, limits: _Limits) -> PageAlignment:
    information, clusters = alignment["information"], alignment["clusters"]
    return {
        "constant": alignment["constant"],
        "chance_correlation": alignment["chance_correlation"],
        "bipartite": _partners(alignment["bipartite"]),
        "semi": {"strength": _rounded(alignment["semi"]["strength"], DRAWN_DIGITS)},
        "information": None if information is None else len(information["x"]),
        "by_information_only": len(alignment["by_information_only"]),
        "sparse": [_sparse(sparse) for sparse in alignment["sparse"]],
        "few": _few_by_side(alignment["sparse"], y_layer),
        "clusters": None if clusters is None else _clusters(clusters, limits.side),
    }


def _partners(partners: PartnersRecord) -> PagePartners:
    return {
        "x": partners["x"],
        "y": partners["y"],
        "strength": _rounded(partners["strength"]),
        "margin": _rounded(partners["margin"]),
        "next_y": partners["next_y"],
        "back_margin": _rounded(partners["back_margin"]),
        "next_x": partners["next_x"],
        "x_baseline": _rounded(partners["x_baseline"], DRAWN_DIGITS),
        "y_baseline": _rounded(partners["y_baseline"], DRAWN_DIGITS),
    }


def _sparse(sparse: SparseRecord) -> PageSparse:
    return {"from": sparse["from"], "to": sparse["to"], "table": sparse["table"]}


def _few_by_side(maps: Sequence[SparseRecord], y_layer: str) -> PageFewBySide:
    """Return the few predictors of both layers, by the side of the layer that is predicted."""
    few: PageFewBySide = {}
    for sparse in maps:
        if sparse["to"] == y_layer:
            few["y"] = _few(sparse["few"])
        else:
            few["x"] = _few(sparse["few"])
    return few


def _few(records: Sequence[FewRecord]) -> PageFew:
    """Return few predictors by column: neurons, how many predictors each has, the largest of them, and errors."""
    return {
        "neuron": [record["neuron"] for record in records],
        "count": [len(record["predictors"]) for record in records],
        "predictors": [record["predictors"][:PREDICTORS] for record in records],
        "coefficients": [_rounded(record["coefficients"][:PREDICTORS], COEFFICIENT_DIGITS) for record in records],
        "error": _rounded([record["error"] for record in records]),
        "held_out_error": _rounded([record["held_out_error"] for record in records]),
    }


def _clusters(clusters: ClustersRecord, side: int) -> PageClusters:
    """Return clusters by column; their neurons are those of the order, one cluster after the other."""
    groups = clusters["groups"]
    x_order, y_order = clusters["order"]
    drawn = clusters["drawn"]
    return {
        "method": clusters["method"],
        "clear": clusters["clear"],
        "order": {"x": x_order, "y": y_order},
        "sizes": {"x": [len(group["x"]) for group in groups], "y": [len(group["y"]) for group in groups]},
        "drawn": {
            "as_they_come": _shades(coarse(np.array(drawn["as_they_come"]), side)),
            "by_cluster": _shades(coarse(np.array(drawn["by_cluster"]), side)),
        },
        "between": _rounded([group["between"] for group in groups]),
        "outside": _rounded([group["outside"] for group in groups]),
        "eps": _rounded([group["eps"] for group in groups]),
    }


def _shades(percent: NDArray[np.int_]) -> list[list[int]]:
    return [[SHADE * round(value / SHADE) for value in row] for row in percent.tolist()]


def _simple(simple: SimpleRecord, match_numbers: int) -> PageSimple:
    """Return the sizes of all minimum matches, and the simple matches of so many numbers or fewer."""
    matches = [_simple_match(match) for match in simple["matches"] if _match_numbers(match) <= match_numbers]
    return {**simple, "matches": matches, "count": len(simple["matches"])}


def _simple_match(match: SimpleMatchRecord) -> SimpleMatchRecord:
    return {
        **match,
        "x_from_y": [_significant(row) for row in match["x_from_y"]],
        "y_from_x": [_significant(row) for row in match["y_from_x"]],
    }


def _inputs(inputs: InputsRecord, limit: int) -> PageInputs:
    shown = inputs["shown"]
    are_texts = shown is not None and shown["kind"] == "texts"
    return {"layers": {name: _top(top, limit, are_texts) for name, top in inputs["layers"].items()}, "shown": shown}


def _top(top: TopRecord, limit: int, are_texts: bool) -> PageTop:
    return {
        "examples": [row[:limit] for row in top["examples"]],
        "values": [_significant(row[:limit]) for row in top["values"]],
        "places": [row[:limit] for row in top["places"]] if are_texts else None,
    }


def _significant(values: Sequence[Value]) -> list[Value]:
    """Return numbers to three significant digits."""
    return [value if value is None else float(f"{value:.3g}") for value in values]


def _rounded(values: Sequence[Value], digits: int = DIGITS) -> list[Value]:
    return [value if value is None else round(value, digits) for value in values]
