"""What `spanmatch features` writes and shows: partners of sparse features."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType

from .._files import write_text
from ..dictionaries import SparseFeatures, feature_partners
from ..errors import BadArgument
from .layer_tables import BETWEEN, Column, LayerTable

if TYPE_CHECKING:
    from ..dictionaries import FeaturePartners

LEGEND = (
    "partners: features of both dictionaries, one to one, of the largest total correlation. significant: above the "
    "threshold, at which there are at most 5% as many under the null. share: of the features that could have a "
    "partner. held out: median correlation on the half of the examples that did not choose the partner, of significant "
    "ones. gap: how far the total is from the largest possible one, at most."
)


def partners_of_all(
    features: SparseFeatures, *, candidates: int, min_active_rows: int, max_memory_gb: float | None = None
) -> list[FeaturePartners]:
    """Return the partners of every two dictionaries."""
    find = partial(
        feature_partners, candidates=candidates, min_active_rows=min_active_rows, max_memory_gb=max_memory_gb
    )
    return [find(features, x, y) for x, y in combinations(features.layers, 2)]


def make_folder(folder: Path) -> None:
    """Make the folder of the results.  Raises BadArgument if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadArgument(f"cannot write {folder}: {error.strerror or error}; give another folder, --out") from error
    if not os.access(folder, os.W_OK):
        raise BadArgument(f"cannot write {folder}: permission denied; give another folder, --out")


def write_partners(folder: Path, features: SparseFeatures, results: Sequence[FeaturePartners]) -> None:
    """Write partners.json, partners.csv and features.csv."""
    record = {"format": "spanmatch.partners", "version": 1, "pairs": [result.to_dict() for result in results]}
    write_text(folder / "partners.json", json.dumps(record, allow_nan=False))
    pairs = [
        {"x_layer": result.x_layer, "y_layer": result.y_layer} | row for result in results for row in result._records()
    ]
    columns = dict.fromkeys(("x_layer", "y_layer", *(name for result in results for name in result._columns())))
    write_text(folder / "partners.csv", _csv(pairs, list(columns)))
    rates = [row for layer in features.layers for row in features._rates(layer)]
    write_text(folder / "features.csv", _csv(rates, list(rates[0])))


def _csv(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return rows as a table, nan as an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column, "")) for column in columns] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value).lower() if isinstance(value, bool | np.bool_) else value


def of_partners(features: SparseFeatures, results: Sequence[FeaturePartners]) -> Iterator[RenderableType]:
    """Yield the tables of dictionaries and of their partners."""
    dictionaries = LayerTable(
        f"{len(features.layers)} dictionaries, {features.rows:,} rows of {features.n_examples:,} examples",
        [Column("features"), Column("dead"), Column("median firing rate")],
        names="dictionary",
    )
    for layer, width in features.layers.items():
        rates = features.firing_rate(layer)
        active = rates[rates > 0]
        middle = f"{np.median(active):.2g}" if len(active) else ""
        dictionaries.add(layer, f"{width:,}", f"{len(features.dead(layer)):,}", middle)
    yield dictionaries
    columns = ("partners", "significant", "share", "threshold", "correlation", "held out", "gap")
    table = LayerTable("Partners", [Column(name) for name in columns], names="dictionaries", legend=LEGEND)
    for result in results:
        significant = result.significant
        table.add(
            f"{result.x_layer}{BETWEEN}{result.y_layer}",
            f"{len(result.x):,}",
            f"{int(significant.sum()):,}",
            _number(result.share_matched),
            _number(result.threshold),
            _number(_median(result.strength[significant])),
            _number(_median(result.held_out[significant])),
            f"{result.gap:.0e}",
        )
    yield table


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""
