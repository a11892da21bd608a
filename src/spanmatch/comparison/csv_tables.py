"""The tables of a comparison: one CSV file for each kind of result.

Each table is a mapping from column names to functions of a row's subject, and a generator of these
subjects. To add a column, add a line to the table's columns.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, get_args

from ..alignment import Alignment, Clusters, SparseMap, Universality
from ..evidence import MeasureEvidence
from ..interventions import Outcome, Transplant
from ..interventions.outcomes import CONDITIONS, MATCHED, STITCHED, Of
from ..match import SimpleMatch, SimpleMatches
from ..moments.provenance import network_and_layer
from ..similarity import Correspondence, Counterpart, LayerMatrix
from .changes import Changes, LayerChange
from .pair_result import PairResult, is_above_chance

if TYPE_CHECKING:
    from ..schema import SparseRow

Cell = str | int | float | None
Row = TypeVar("Row")


@dataclass(frozen=True)
class Table(Generic[Row]):
    """The columns of a table: functions of a row's subject, by name."""

    columns: Mapping[str, Callable[[Row], Cell]]

    def text(self, rows: Iterable[Row]) -> str:
        """Return the table as CSV. Cells of None and nan are empty."""
        cells = ([_cell(column(row)) for column in self.columns.values()] for row in rows)
        return _text(list(self.columns), cells)


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows with the same columns as CSV."""
    return _text(list(rows[0]) if rows else [], ([*row.values()] for row in rows))


ALWAYS = ("similarity.csv", "measures.csv", "levels.csv", "alignment.csv")
"""Tables that every comparison has."""
OTHERS = (
    "clusters.csv",
    "sparse.csv",
    "simple.csv",
    "correspondence.csv",
    "changes.csv",
    "matrix.csv",
    "transplants.csv",
    "universality.csv",
)
"""Tables of what was asked for."""


def tables_of(
    pairs: Sequence[PairResult],
    eps: Sequence[float],
    matrices: Sequence[LayerMatrix],
    transplants: Sequence[Transplant],
    universality: Sequence[Universality],
    correspondence: Correspondence | None,
    changes: Sequence[Changes],
) -> dict[str, str]:
    """Return the non-empty tables of a comparison as CSV, by file name; similarity, measures, levels
    and alignment always.
    """
    always = (
        SIMILARITY.text(_shares(pairs, eps)),
        MEASURES.text(_measures(pairs)),
        LEVELS.text(_neurons(pairs)),
        ALIGNMENT.text(_partners(pairs)),
    )
    others = (
        CLUSTERS.text(_members(pairs)),
        SPARSE.text(_sparse_rows(pairs)),
        SIMPLE.text(_simple_matches(pairs)),
        CORRESPONDENCE.text(_counterparts(correspondence)),
        CHANGES.text(layer for one in changes for layer in one),
        MATRIX.text(_entries(matrices)),
        TRANSPLANTS.text(_conditions(transplants)),
        UNIVERSALITY.text(_universal(universality)),
    )
    with_rows = {name: text for name, text in zip(OTHERS, others, strict=True) if text.count("\n") > 1}
    return dict(zip(ALWAYS, always, strict=True)) | with_rows


# similarity.csv: a row for each pair of layers and listed eps; what cannot be had is empty ---------------------------


@dataclass(frozen=True)
class _Share:
    """s(eps) of a pair of layers at one eps."""

    pair: PairResult
    eps: float
    in_sample: float
    by_chance: float
    corrected: float


SIMILARITY = Table[_Share](
    {
        "x_layer": lambda share: share.pair.x_layer,
        "y_layer": lambda share: share.pair.y_layer,
        "eps": lambda share: share.eps,
        "similarity": lambda share: share.in_sample,
        "null_similarity": lambda share: share.by_chance,
        "corrected_similarity": lambda share: share.corrected,
        "clearly_above_chance": lambda share: _if_known(is_above_chance(share.in_sample, share.by_chance)),
        "rows": lambda share: share.pair.provenance.rows,
        "n_examples": lambda share: share.pair.provenance.n_examples,
        "layout": lambda share: share.pair.provenance.layout,
    }
)


def _shares(pairs: Iterable[PairResult], eps: Sequence[float]) -> Iterator[_Share]:
    """Yield s(eps) of every pair at every eps."""
    for pair in pairs:
        shares = (pair.similarity(eps), pair.null_similarity(eps), pair.corrected_similarity(eps))
        for value, *of_eps in zip(eps, *(share.tolist() for share in shares), strict=True):
            yield _Share(pair, value, *of_eps)


def _if_known(value: bool | None) -> str | None:
    """Return "true" or "false", or None for what is not known."""
    return None if value is None else _boolean(value)


# levels.csv: a row for each neuron of each pair of layers ------------------------------------------------------------


@dataclass(frozen=True)
class _Neuron:
    """A neuron in the match profile of a pair."""

    layer: str
    index: int
    level: float
    corrected_level: float
    silent: bool
    other_layer: str


LEVELS = Table[_Neuron](
    {
        "network": lambda neuron: network_and_layer(neuron.layer)[0],
        "layer": lambda neuron: network_and_layer(neuron.layer)[1],
        "neuron": lambda neuron: neuron.index,
        "level": lambda neuron: None if neuron.silent else neuron.level,
        "corrected_level": lambda neuron: neuron.corrected_level,
        "silent": lambda neuron: _boolean(neuron.silent),
        "compared_with": lambda neuron: neuron.other_layer,
    }
)


def _neurons(pairs: Iterable[PairResult]) -> Iterator[_Neuron]:
    """Yield every neuron of every pair."""
    for pair in pairs:
        neurons = zip(pair.profile.neurons(), _corrected_levels(pair), strict=True)
        for (layer, index, level, silent), corrected_level in neurons:
            other_layer = pair.y_layer if layer == pair.x_layer else pair.x_layer
            yield _Neuron(layer, index, level, corrected_level, silent, other_layer)


def _corrected_levels(pair: PairResult) -> list[float]:
    """Return the corrected level of each neuron of x, then of y; nan if there is none."""
    if pair.evidence is None or pair.evidence.corrected is None:
        return [math.nan] * sum(pair.provenance.neurons)
    return [level for _, _, level, _ in pair.evidence.corrected.neurons()]


# alignment.csv: a row for each partnership, of every matching that was made -----------------------------------------

Partnership = tuple[Alignment, int]

ALIGNMENT = Table[Partnership](
    {
        "x_layer": lambda partners: partners[0].x_layer,
        "y_layer": lambda partners: partners[0].y_layer,
        "method": lambda partners: partners[0].method,
        "by": lambda partners: partners[0].by,
        "x": lambda partners: int(partners[0].x[partners[1]]),
        "y": lambda partners: int(partners[0].y[partners[1]]),
        "strength": lambda partners: float(partners[0].strength[partners[1]]),
        "p_value": lambda partners: float(partners[0].p_value[partners[1]]),
        "margin": lambda partners: float(partners[0].margin[partners[1]]),
        "next_y": lambda partners: int(partners[0].next_y[partners[1]]),
        "back_margin": lambda partners: float(partners[0].back_margin[partners[1]]),
        "next_x": lambda partners: int(partners[0].next_x[partners[1]]),
    }
)


def _partners(pairs: Iterable[PairResult]) -> Iterator[Partnership]:
    """Yield every partnership of every alignment."""
    for pair in pairs:
        of_pair = pair.alignment
        for alignment in filter(None, (of_pair.bipartite, of_pair.semi, of_pair.information)):
            for i in range(len(alignment.x)):
                yield alignment, i


# clusters.csv: a row for each neuron of each pair of layers; the cluster of a constant one is empty ------------------


@dataclass(frozen=True)
class _Member:
    """A neuron with its cluster in a pair."""

    layer: str
    index: int
    label: int
    other_layer: str


CLUSTERS = Table[_Member](
    {
        "network": lambda member: network_and_layer(member.layer)[0],
        "layer": lambda member: network_and_layer(member.layer)[1],
        "neuron": lambda member: member.index,
        "cluster": lambda member: None if member.label < 0 else member.label,
        "compared_with": lambda member: member.other_layer,
    }
)


def _members(pairs: Iterable[PairResult]) -> Iterator[_Member]:
    """Yield every neuron with its cluster, for every pair with clusters."""
    for pair in pairs:
        clusters: Clusters | None = pair.alignment.clusters
        if clusters is None:
            continue
        x, y = pair.x_layer, pair.y_layer
        for layer, labels, other_layer in ((x, clusters.x_labels, y), (y, clusters.y_labels, x)):
            for index, label in enumerate(labels.tolist()):
                yield _Member(layer, index, label, other_layer)


# sparse.csv: a row for each penalty of each sparse map; the first is of one predictor each, the last of all ----------

SPARSE: Table[tuple[SparseMap, SparseRow]] = Table(
    {
        "from_layer": lambda row: row[0].x_layer,
        "to_layer": lambda row: row[0].y_layer,
        "penalty": lambda row: row[1]["penalty"],
        "predictors": lambda row: row[1]["predictors"],
        "error": lambda row: row[1]["error"],
        "held_out_error": lambda row: row[1]["held_out_error"],
    }
)


def _sparse_rows(pairs: Iterable[PairResult]) -> Iterator[tuple[SparseMap, SparseRow]]:
    """Yield every row of the table of every sparse map."""
    for pair in pairs:
        for sparse_map in pair.alignment.maps:
            for row in sparse_map.table():
                yield sparse_map, row


# simple.csv: a row for each simple match ----------------------------------------------------------------------------

SIMPLE = Table[tuple[SimpleMatches, SimpleMatch]](
    {
        "x_layer": lambda row: row[0].x_layer,
        "y_layer": lambda row: row[0].y_layer,
        "eps": lambda row: row[0].eps,
        "size": lambda row: row[1].size,
        "x": lambda row: " ".join(map(str, row[1].x.tolist())),
        "y": lambda row: " ".join(map(str, row[1].y.tolist())),
        "minimum_for": lambda row: " ".join(f"{side}{index}" for side, index in row[1].neurons),
        "all_found": lambda row: _boolean(row[0].complete),
    }
)


def _simple_matches(pairs: Iterable[PairResult]) -> Iterator[tuple[SimpleMatches, SimpleMatch]]:
    """Yield every simple match."""
    for pair in pairs:
        for matches in pair.simple:
            for match in matches:
                yield matches, match


# measures.csv: a row for each measure of each pair of layers; what is empty has its reason in the last column --------

MEASURES = Table[tuple[PairResult, MeasureEvidence]](
    {
        "x_layer": lambda row: row[0].x_layer,
        "y_layer": lambda row: row[0].y_layer,
        "measure": lambda row: row[1].name,
        "kind": lambda row: row[1].kind,
        "estimator": lambda row: row[1].estimator,
        "needs": lambda row: row[1].needs,
        "value": lambda row: row[1].value,
        "low": lambda row: row[1].low,
        "high": lambda row: row[1].high,
        "level": lambda row: None if row[0].evidence is None else row[0].evidence.level,
        "bias": lambda row: row[1].bias,
        "null_value": lambda row: row[1].null_value,
        "p_value": lambda row: row[1].p_value,
        "permutations": lambda row: row[1].permutations,
        "calibrated": lambda row: row[1].calibrated,
        "rows": lambda row: row[0].provenance.rows,
        "n_examples": lambda row: row[0].provenance.n_examples,
        "effective_sample_size": lambda row: _effective_sample_size(row[0]),
        "reason": lambda row: row[1].reason,
    }
)


def _effective_sample_size(pair: PairResult) -> float | None:
    """Return the effective sample size of a pair; None without evidence."""
    if pair.evidence is None or pair.evidence.rows is None:
        return None
    return pair.evidence.rows.effective_sample_size


def _measures(pairs: Iterable[PairResult]) -> Iterator[tuple[PairResult, MeasureEvidence]]:
    """Yield every measure of every pair."""
    for pair in pairs:
        for measure in pair.measures:
            yield pair, measure


# correspondence.csv: a row for each layer and its counterpart; margins are empty where not all pairs are known --------

CORRESPONDENCE = Table[tuple[str, Counterpart]](
    {
        "measure": lambda row: row[0],
        "x_layer": lambda row: row[1].x_layer,
        "y_layer": lambda row: row[1].y_layer,
        "similarity": lambda row: row[1].similarity,
        "margin": lambda row: row[1].margin,
        "next_best": lambda row: row[1].next_best,
    }
)


def _counterparts(correspondence: Correspondence | None) -> Iterator[tuple[str, Counterpart]]:
    """Yield every counterpart with the measure."""
    if correspondence is not None:
        for counterpart in correspondence:
            yield correspondence.measure, counterpart


# changes.csv: a row for each pair of layers of networks that are nearly the same; 0 is below the resolution ----------

CHANGES = Table[LayerChange](
    {
        "x_layer": lambda change: change.x_layer,
        "y_layer": lambda change: change.y_layer,
        "identical": lambda change: _boolean(change.identical),
        "difference": lambda change: change.difference,
        "difference_resolution": lambda change: change.difference_resolution,
        "one_minus_cka": lambda change: change.one_minus_cka,
        "cka_resolution": lambda change: change.cka_resolution,
        "median_level": lambda change: change.median_level,
        "largest_level": lambda change: change.largest_level,
        "share_above": lambda change: change.share_above,
        "level_resolution": lambda change: change.level_resolution,
    }
)


# matrix.csv: a row for each two layers of each matrix; the value of layers that were not paired is empty -------------

MATRIX = Table[tuple[LayerMatrix, int, int]](
    {
        "measure": lambda entry: entry[0].name,
        "x_layer": lambda entry: entry[0].layers[entry[1]],
        "y_layer": lambda entry: entry[0].layers[entry[2]],
        "value": lambda entry: float(entry[0].values[entry[1], entry[2]]),
    }
)


def _entries(matrices: Iterable[LayerMatrix]) -> Iterator[tuple[LayerMatrix, int, int]]:
    """Yield every entry of every matrix."""
    for matrix in matrices:
        for i in range(len(matrix.layers)):
            for j in range(len(matrix.layers)):
                yield matrix, i, j


# transplants.csv: a row for each condition of each transplant, with how much the transplant differs from it ----------


@dataclass(frozen=True)
class _Condition:
    """A condition of a transplant; its outcome is None if it was refused."""

    transplant: Transplant
    name: str
    outcome: Outcome | None

    @property
    def reason(self) -> str:
        """Why the condition, or its accuracy, is missing."""
        return self.transplant.refused.get("accuracy" if self.outcome else self.name, "")

    def number(self, name: str) -> float | None:
        """Return a number of the outcome; None if the condition was refused."""
        value: float | None = getattr(self.outcome, name, None)
        return value

    def difference(self, of: Of, end: str) -> float | None:
        """Return a number of the difference of the transplant (or stitch) from this condition.

        It is None for these two, and if the condition was refused.
        """
        condition = STITCHED if self.name.startswith(STITCHED) else MATCHED
        if self.outcome is None or self.name == condition:
            return None
        difference = self.transplant.difference(self.name, condition, of=of)
        number: float = getattr(difference, end)
        return number


def _difference(of: Of, end: str) -> Callable[[_Condition], Cell]:
    """Return a function that gives a number of a condition's difference."""
    return lambda condition: condition.difference(of, end)


TRANSPLANTS = Table[_Condition](
    {
        "x_layer": lambda condition: condition.transplant.x_layer,
        "y_layer": lambda condition: condition.transplant.y_layer,
        "eps": lambda condition: condition.transplant.eps,
        "condition": lambda condition: condition.name,
        "neurons": lambda condition: condition.number("neurons"),
        "predictors": lambda condition: condition.number("predictors"),
        "loss": lambda condition: condition.number("loss"),
        "accuracy": lambda condition: condition.number("accuracy"),
        **{
            f"{of}_difference{suffix}": _difference(of, end)
            for of in get_args(Of)
            for suffix, end in (("", "value"), ("_low", "low"), ("_high", "high"))
        },
        "n_examples": lambda condition: condition.transplant.n_examples,
        "reason": lambda condition: condition.reason,
    }
)


def _conditions(transplants: Iterable[Transplant]) -> Iterator[_Condition]:
    """Yield every condition of every transplant, those refused last."""
    for transplant in transplants:
        for outcome in transplant.outcomes:
            yield _Condition(transplant, outcome.condition, outcome)
        for name in CONDITIONS:
            if name in transplant.refused:
                yield _Condition(transplant, name, None)


# universality.csv: a row for each neuron: in how many other networks it has a partner, and in how many it is matched -

UNIVERSALITY = Table[tuple[Universality, str, int]](
    {
        "network": lambda row: row[1],
        "layer": lambda row: row[0].layer,
        "neuron": lambda row: row[2],
        "partners": lambda row: int(row[0].partners[row[1]][row[2]]),
        "matched": lambda row: int(row[0].matched[row[1]][row[2]]),
        "min_correlation": lambda row: row[0].min_correlation,
        "eps": lambda row: row[0].eps,
    }
)


def _universal(layers: Iterable[Universality]) -> Iterator[tuple[Universality, str, int]]:
    """Yield every neuron of every layer of more than two networks."""
    for layer in layers:
        for network, partners in layer.partners.items():
            for neuron in range(len(partners)):
                yield layer, network, neuron


def _boolean(value: bool) -> str:
    """Return "true" or "false"."""
    return str(value).lower()


def _cell(value: Cell) -> Cell:
    """Return a cell; an empty one for None and nan."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def _text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a header and rows as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue()
