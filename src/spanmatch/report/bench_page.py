"""The page of a benchmark of measures: the result in a sentence, and the data of a heat map.

It is made as the other page is (`page`): the template assets/bench.html, the script assets/bench.js with the views in
assets/views/bench, and bench.json with as many digits as charts show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from .._values import short
from .page import columns, filled

if TYPE_CHECKING:
    from ..schema import BenchDetails, BenchMeasureRecord, BenchRecord

FIRST = 3
"""Measures that the first sentence names."""
NUMBERS = ("values", "x", "y")
"""The fields of details that hold numbers."""


def render_bench(bench: BenchRecord) -> str:
    """Return the page of a benchmark of measures, given as in bench.json."""
    data = bench_data(bench)
    packed = {**data, "scores": columns(data["scores"]) if data["scores"] else {}}
    return filled(
        "bench",
        ["page", "bench"],
        packed,
        title="Benchmark of similarity measures",
        lead=bench_in_words(bench),
        version=bench["spanmatch"],
    )


def bench_data(bench: BenchRecord) -> BenchRecord:
    """Return a benchmark with the digits that charts show; scores of a test stand together, which compresses better."""
    places = {test["name"]: i for i, test in enumerate(bench["tests"])}
    scores = sorted(bench["scores"], key=lambda score: (score["networks"], places[score["test"]]))
    return {**bench, "scores": [{**score, "details": _rounded(score["details"])} for score in scores]}


def _rounded(details: BenchDetails | None) -> BenchDetails | None:
    """Return what is behind a score with four significant digits."""
    if details is None:
        return None
    fields = {name: _short(value) if name in NUMBERS else value for name, value in details.items()}
    return cast("BenchDetails", fields)


def _short(values: object) -> object:
    if isinstance(values, list):
        return [_short(value) for value in values]
    return None if values is None else short(float(cast("float", values)))


def bench_in_words(bench: BenchRecord) -> str:
    """Return which measures come first overall, and where those of the maximum match stand, in two sentences."""
    ranked = [measure for measure in bench["measures"] if measure["rank"]["value"] is not None]
    if not ranked:
        return "No measure has a score."
    counted = [one for one in bench["networks"] if one["ranked"]] or bench["networks"]
    tests, sets = len({test for one in counted for test in one["tests"]}), len(counted)
    places = {measure["name"]: _place(measure, ranked) for measure in ranked}
    first = [_with_rank(measure) for measure in ranked[:FIRST]]
    of = _counted(len(ranked), "measure")
    over = f"{_counted(tests, 'test')} on {_counted(sets, 'set')} of networks"
    sentence = f"First of {of} by mean rank over {over}: {_listed(first)}."
    matches = [
        f"{measure['name']} {_ordinal(places[measure['name']])} ({_rank(measure):.1f})"
        for measure in ranked
        if measure["maximum_match"]
    ]
    if not matches:
        return sentence
    return f"{sentence} The measures of the maximum match: {_listed(matches)}."


def _place(measure: BenchMeasureRecord, ranked: Sequence[BenchMeasureRecord]) -> int:
    """Return the place of a measure, 1 the best; equals share theirs."""
    ranks = [_rank(other) for other in ranked]
    return 1 + int(np.sum(np.array(ranks) < _rank(measure)))


def _rank(measure: BenchMeasureRecord) -> float:
    value = measure["rank"]["value"]
    return np.inf if value is None else value


def _with_rank(measure: BenchMeasureRecord) -> str:
    return f"{measure['name']} ({_rank(measure):.1f})"


def _listed(texts: Sequence[str]) -> str:
    *before, last = texts
    return f"{', '.join(before)} and {last}" if before else last


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _ordinal(number: int) -> str:
    endings: Mapping[int, str] = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else endings.get(number % 10, 'th')}"
