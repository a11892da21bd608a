"""The tables that a comparison is saved as: one CSV text for each kind of result."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from ..alignment import Alignment, LayerAlignment, Universality
from ..evidence import Evidence
from ..interventions import Transplant
from ..interventions.outcomes import CONDITIONS, MATCHED, STITCHED, Of
from ..match import MatchProfile, SimpleMatches
from ..similarity import LayerMatrix

Row = Sequence[Any]


def network_and_layer(name: str) -> tuple[str, str]:
    """Return the parts of "network:layer"."""
    network, _, layer = name.partition(":")
    return network, layer


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows that all have the same columns."""
    return _text(list(rows[0]) if rows else [], ([*row.values()] for row in rows))


def levels(profiles: Iterable[MatchProfile]) -> str:
    """Return a row for each neuron of each pair of layers; the level of a silent one is empty."""

    def rows() -> Iterator[Row]:
        for profile in profiles:
            for layer, neuron, level, silent in profile.neurons():
                other = profile.y_layer if layer == profile.x_layer else profile.x_layer
                yield *network_and_layer(layer), neuron, "" if silent else level, str(silent).lower(), other

    return _text(["network", "layer", "neuron", "level", "silent", "compared_with"], rows())


def simple(found: Iterable[SimpleMatches]) -> str:
    """Return a row for each simple match."""

    def rows() -> Iterator[Row]:
        for matches in found:
            for match in matches:
                neurons = " ".join(f"{side}{index}" for side, index in match.neurons)
                x, y = (" ".join(map(str, side.tolist())) for side in (match.x, match.y))
                complete = str(matches.complete).lower()
                yield matches.x_layer, matches.y_layer, matches.eps, match.size, x, y, neurons, complete

    return _text(["x_layer", "y_layer", "eps", "size", "x", "y", "minimum_for", "all_found"], rows())


def alignment(found: Iterable[LayerAlignment]) -> str:
    """Return a row for each partnership, of every matching that was made."""

    def rows() -> Iterator[Row]:
        for layers in found:
            for a in filter(None, (layers.bipartite, layers.semi, layers.information)):
                for row in _partners(a):
                    yield a.x_layer, a.y_layer, a.method, a.by, *row

    header = ["x_layer", "y_layer", "method", "by", "x", "y", "strength", "p_value", "margin"]
    return _text([*header, "next_y", "back_margin", "next_x"], rows())


def _partners(a: Alignment) -> Iterator[Row]:
    columns = (a.x, a.y, a.strength, a.p_value, a.margin, a.next_y, a.back_margin, a.next_x)
    return zip(*(column.tolist() for column in columns), strict=True)


def sparse(found: Iterable[LayerAlignment]) -> str:
    """Return a row for each penalty of each sparse map; the first is of one predictor each, the last of all of them."""

    def rows() -> Iterator[Row]:
        for layers in found:
            for one_way in layers.maps:
                for row in one_way.table():
                    yield one_way.x_layer, one_way.y_layer, *("" if v is None else v for v in row.values())

    return _text(["from_layer", "to_layer", "penalty", "predictors", "error", "held_out_error"], rows())


def clusters(found: Iterable[LayerAlignment]) -> str:
    """Return a row for each neuron of each pair of layers; the cluster of a constant one is empty."""

    def rows() -> Iterator[Row]:
        for layers in found:
            if layers.clusters is None:
                continue
            c = layers.clusters
            for layer, labels, other in ((c.x_layer, c.x_labels, c.y_layer), (c.y_layer, c.y_labels, c.x_layer)):
                for neuron, label in enumerate(labels.tolist()):
                    yield *network_and_layer(layer), neuron, "" if label < 0 else label, other

    return _text(["network", "layer", "neuron", "cluster", "compared_with"], rows())


def universality(found: Iterable[Universality]) -> str:
    """Return a row for each neuron: in how many other networks it has a partner, and in how many it is matched."""

    def rows() -> Iterator[Row]:
        for layer in found:
            for network, partners in layer.partners.items():
                counts = zip(partners.tolist(), layer.matched[network].tolist(), strict=True)
                for neuron, (partner, matched) in enumerate(counts):
                    yield network, layer.layer, neuron, partner, matched, layer.min_correlation, layer.eps

    return _text(["network", "layer", "neuron", "partners", "matched", "min_correlation", "eps"], rows())


def measured(found: Iterable[Evidence]) -> str:
    """Return a row for each measure of each pair of layers: interval, null, and the effective number of rows.

    What is nan is empty, and the last column says why.
    """

    def rows() -> Iterator[Row]:
        for layers in found:
            counts = ("", "") if layers.rows is None else (layers.rows.rows, _number(layers.rows.effective_sample_size))
            for m in layers.measures:
                value, low, high, null = map(_number, (m.value, m.low, m.high, m.null_value))
                yield layers.x_layer, layers.y_layer, m.name, value, low, high, layers.level, null, *counts, m.reason

    header = [
        "x_layer",
        "y_layer",
        "measure",
        "value",
        "low",
        "high",
        "level",
        "null_value",
        "rows",
        "effective_sample_size",
    ]
    return _text([*header, "reason"], rows())


def matrices(found: Iterable[LayerMatrix]) -> str:
    """Return a row for each two layers of each matrix; the value of layers that were not paired is empty."""

    def rows() -> Iterator[Row]:
        for matrix in found:
            for x, values in zip(matrix.layers, matrix.values.tolist(), strict=True):
                for y, value in zip(matrix.layers, values, strict=True):
                    yield matrix.name, x, y, _number(value)

    return _text(["measure", "x_layer", "y_layer", "value"], rows())


def transplants(found: Iterable[Transplant]) -> str:
    """Return a row for each condition of each transplant, with how much the transplant differs from it.

    Differences are of "transplant", or of "stitch", less the row's condition, on the same examples. What cannot be had
    is empty, and the last column says why.
    """
    numbers = [f"{of}_difference{end}" for of in get_args(Of) for end in ("", "_low", "_high")]

    def rows() -> Iterator[Row]:
        for one in found:
            layers, accuracy = (one.x_layer, one.y_layer, one.eps), one.refused.get("accuracy", "")
            for o in one.outcomes:
                values = map(_number, (o.loss, o.accuracy, *_differences(one, o.condition)))
                yield *layers, o.condition, o.neurons, o.predictors, *values, one.n_examples, accuracy
            for condition in (name for name in CONDITIONS if name in one.refused):
                yield *layers, condition, *[""] * (4 + len(numbers)), one.n_examples, one.refused[condition]

    header = ["x_layer", "y_layer", "eps", "condition", "neurons", "predictors", "loss", "accuracy", *numbers]
    return _text([*header, "n_examples", "reason"], rows())


def _differences(one: Transplant, control: str) -> list[float]:
    """Return value, low and high of accuracy, and of loss, against a control; nan for what is no control."""
    condition = STITCHED if control.startswith(STITCHED) else MATCHED
    if control == condition:
        return [math.nan] * 6
    differences = [one.difference(control, condition, of=of) for of in get_args(Of)]
    return [value for d in differences for value in (d.value, d.low, d.high)]


def _number(value: float) -> float | str:
    """Return a number as a cell; an empty one for nan."""
    return "" if math.isnan(value) else value


def _text(header: Row, rows: Iterable[Row]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue()
