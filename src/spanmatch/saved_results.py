"""Saved results, read: checked against `schema`, and for what types cannot say, before anything is made of them.

Whatever stands in a file, what comes back can be drawn; anything else is one SpanmatchError, which names the file, the
first field that is wrong, what it holds and what would be right.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence, Sized
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from ._files import Path_, parsed, read_json
from ._values import Json
from .errors import SpanmatchError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

    from .schema import (
        AlignmentRecord,
        BenchDetails,
        BenchRecord,
        BenchScoreRecord,
        ClustersRecord,
        ComparedStep,
        ComparisonRecord,
        EvaluationRecord,
        EvidenceRecord,
        InputsRecord,
        MatrixRecord,
        PairRecord,
        PartnersRecord,
        SimpleRecord,
        SparseRecord,
        SpreadRecord,
        StepRecord,
        StudyRecord,
        UniversalityRecord,
    )

Record = TypeVar("Record")
COMPARISON = "spanmatch.comparison", 9
STUDY = "spanmatch.study", 3
BENCH = "spanmatch.bench", 1
"""What "format" and "version" say; `schema` says it too."""
LONGEST = 60
"""Characters of a wrong value that a message shows."""
DEEPEST = 20
"""Lists and objects inside one another in the settings of a study."""


class _Wrong(Exception):
    """A field that does not fit the others: where it stands, and why."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")


def read_comparison(folder: Path_) -> ComparisonRecord:
    """Return the comparison.json of a folder.

    Raises SpanmatchError if there is none, if it is of another version, or if a field is not what the schema says.
    """
    path = Path(folder) / "comparison.json"
    contents = read_json(path, *COMPARISON, "the folder of a comparison or a study")
    return _checked(path, contents, "ComparisonRecord", _check_comparison)


def read_study(folder: Path_) -> StudyRecord:
    """Return the study.json of a folder.  Raises SpanmatchError as `read_comparison` does."""
    path = Path(folder) / "study.json"
    contents = read_json(path, *STUDY, "the folder of a study that has ended")
    return _checked(path, contents, "StudyRecord", _check_study)


def read_bench(folder: Path_) -> BenchRecord:
    """Return the bench.json of a folder.  Raises SpanmatchError as `read_comparison` does."""
    path = Path(folder) / "bench.json"
    contents = read_json(path, *BENCH, "the folder of a benchmark of measures")
    return _checked(path, contents, "BenchRecord", _check_bench)


def read_made_from(path: Path) -> Json:
    """Return what a step.json or an evaluation.json of a study was made from.  Raises as `read_comparison` does."""
    return _with_made_from(path)[1]


def read_step(path: Path) -> StepRecord:
    """Return a step of a study, as its step.json has it.  Raises SpanmatchError as `read_comparison` does."""
    return _checked(path, _with_made_from(path)[0], "StepRecord", _check_lone_step)


def read_evaluation(path: Path) -> EvaluationRecord:
    """Return the loss and accuracy of a network, as its evaluation.json has them.  Raises as `read_comparison` does."""
    return _checked(path, _with_made_from(path)[0], "EvaluationRecord", _check_evaluation)


def _with_made_from(path: Path) -> tuple[Json, Json]:
    """Return the contents of a file of a study, and what they were made from."""
    contents = parsed(path, f"the {path.name} of a study")
    if not isinstance(contents, dict) or "made_from" not in contents:
        raise SpanmatchError(f"{path}: made_from: missing; remove the file, and it is made again")
    made_from = contents.pop("made_from")
    return contents, made_from


def _checked(path: Path, contents: Json, name: str, check: Callable[[Record], None]) -> Record:
    """Return the contents of a file as a record.  Raises SpanmatchError if they are not one."""
    from pydantic import ValidationError

    try:
        _adapter(name).validate_python([contents])
        record = cast("Record", contents)
        check(record)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SpanmatchError(f"{path}: {_described(first, contents)}") from None
    except _Wrong as error:
        raise SpanmatchError(f"{path}: {error}") from None
    return record


@cache
def _adapter(name: str) -> TypeAdapter[list[object]]:
    """Return what checks a record: in a list of one, as pydantic takes a configuration for lists alone."""
    from pydantic import ConfigDict, TypeAdapter

    from . import schema

    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return TypeAdapter(list[getattr(schema, name)], config=config)  # type: ignore[misc,arg-type]


def _described(first: ErrorDetails, contents: Json) -> str:
    """Return what pydantic found in words: where, what stands there, and what would be right."""
    where = _path(first["loc"][1:], contents)
    if first["type"] == "missing":
        return f"{where}: missing"
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown field"
    if first["type"] == "union_tag_invalid":
        return f"{where}.kind: {_shown(first['input'].get('kind'))} should be {first['ctx']['expected_tags']}"
    if first["type"] == "union_tag_not_found":
        return f"{where}.kind: missing"
    said = re.sub("^(Value error, )?((Input|List|Dictionary) )?| after validation, not .*", "", first["msg"])
    return f"{where}: {_shown(first['input'])} {said}"


def _path(location: Sequence[str | int], value: Json) -> str:
    """Return the path of a field, as `pairs[3].x_levels[7]`."""
    path = ""
    for part in location:
        if isinstance(value, dict) and value.get("kind") == part:
            continue  # pydantic names the kind of a record that may be of several
        if isinstance(part, int):
            path += f"[{part}]"
            value = value[part] if isinstance(value, list) and part < len(value) else None
        elif part == "[key]":
            path += ""
        else:
            path += (f".{part}" if path else part) if re.fullmatch(r"[a-z]\w*", part, re.ASCII) else f"[{_shown(part)}]"
            value = value.get(part) if isinstance(value, dict) else None
    return path or "the file"


def _shown(value: Json) -> str:
    """Return a value as JSON, shortened, of characters that can be printed."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    text = json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _same_length(path: str, values: Sized, length: int, of: str) -> None:
    if len(values) != length:
        raise _Wrong(path, f"{len(values):,} values, but {length:,} {of}")


def _alike(record: Mapping[str, Any], path: str, names: Sequence[str]) -> None:
    """Check that lists of a record are as long as the first of them."""
    for name in names[1:]:
        _same_length(f"{path}.{name}", record[name], len(record[names[0]]), f"in {names[0]}")


def _neurons(path: str, values: Sequence[int], count: int, layer: str) -> None:
    """Check that values are indices of a layer's neurons, or -1 where the schema allows it."""
    for i, value in enumerate(values):
        if value >= count:
            raise _Wrong(f"{path}[{i}]", f"neuron {value}, but {_shown(layer)} has {count:,}")


def _distinct(path: str, values: Sequence[str | int]) -> None:
    seen = set()
    for i, value in enumerate(values):
        if value in seen:
            raise _Wrong(f"{path}[{i}]", f"{_shown(value)} stands there twice")
        seen.add(value)


def _ascending(path: str, values: Sequence[float]) -> None:
    for i, (before, value) in enumerate(pairwise(values), 1):
        if value <= before:
            raise _Wrong(f"{path}[{i}]", f"{_shown(value)} should be above {_shown(before)}, which stands before it")


def _known(path: str, name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        raise _Wrong(path, f"{_shown(name)} is no {what}; there is {', '.join(_shown(k) for k in list(known)[:5])}")


def _check_comparison(comparison: ComparisonRecord) -> None:
    networks = comparison["networks"]
    _distinct("networks", networks)
    for i, pair in enumerate(comparison["pairs"]):
        _check_pair(pair, f"pairs[{i}]", comparison)
    _distinct("the names in matrices", [matrix["name"] for matrix in comparison["matrices"]])
    for i, matrix in enumerate(comparison["matrices"]):
        _check_matrix(matrix, f"matrices[{i}]")
    for i, score in enumerate(comparison["scores"]):
        _shape(f"scores[{i}].coupling", score["coupling"], len(score["x_layers"]), len(score["y_layers"]))
    for i, layer in enumerate(comparison["universality"]):
        _check_universality(layer, f"universality[{i}]", networks)
    if comparison["inputs"] is not None:
        _check_inputs(comparison["inputs"], comparison["pairs"])


def _check_pair(pair: PairRecord, path: str, comparison: ComparisonRecord) -> None:
    _same_length(f"{path}.similarity", pair["similarity"], len(comparison["eps"]), "eps")
    _same_length(f"{path}.null_similarity", pair["null_similarity"], len(comparison["eps"]), "eps")
    layers = {"x": (pair["x_layer"], pair["x_neurons"]), "y": (pair["y_layer"], pair["y_neurons"])}
    for side, (layer, count) in layers.items():
        network, colon, _ = layer.partition(":")
        if not colon:
            raise _Wrong(f"{path}.{side}_layer", f'{_shown(layer)} should be "network:layer"')
        _known(f"{path}.{side}_layer", network, comparison["networks"], "network")
        levels = cast("list[float | None]", pair[f"{side}_levels"])  # type: ignore[literal-required]
        silent = cast("list[int]", pair[f"{side}_silent"])  # type: ignore[literal-required]
        _same_length(f"{path}.{side}_levels", levels, count, "neurons")
        _neurons(f"{path}.{side}_silent", silent, count, layer)
    _check_sample(pair, path)
    for i, simple in enumerate(pair["simple"]):
        _check_simple(simple, f"{path}.simple[{i}]", layers)
    _check_alignment(pair["alignment"], f"{path}.alignment", layers)
    if pair["evidence"] is not None:
        _check_evidence(pair["evidence"], f"{path}.evidence", layers)


def _check_sample(pair: PairRecord, path: str) -> None:
    sample = pair["sample"]
    if sample is None and "sample" not in pair["refusals"]:
        raise _Wrong(f"{path}.sample", "null, but no reason stands in refusals")
    if sample is not None and sample["size"] > sample["n_examples"]:
        raise _Wrong(f"{path}.sample.size", f"{sample['size']} of {sample['n_examples']} examples")


Layers = Mapping[str, tuple[str, int]]
"""The name and the number of neurons of layers x and y."""


def _check_simple(simple: SimpleRecord, path: str, layers: Layers) -> None:
    (x_layer, p), (y_layer, q) = layers["x"], layers["y"]
    for i, size in enumerate(simple["minimum_sizes"]):
        if size > p + q:
            raise _Wrong(f"{path}.minimum_sizes[{i}]", f"{size}, but both layers have {p + q:,} neurons")
    for i, match in enumerate(simple["matches"]):
        here = f"{path}.matches[{i}]"
        _neurons(f"{here}.x", match["x"], p, x_layer)
        _neurons(f"{here}.y", match["y"], q, y_layer)
        for k, neuron in enumerate(match["minimum_for"]):
            side, index = neuron
            if side not in ("x", "y") or not isinstance(index, int):
                raise _Wrong(f"{here}.minimum_for[{k}]", 'should be "x" or "y", and the index of a neuron')
            _neurons(f"{here}.minimum_for[{k}]", [index], layers[side][1], layers[side][0])
        for name, of, by in (("x_from_y", "y", "x"), ("y_from_x", "x", "y")):
            rows, columns = len(match[of]), len(match[by])  # type: ignore[literal-required]
            _shape(f"{here}.{name}", match[name], rows, columns)  # type: ignore[literal-required]


def _shape(path: str, matrix: Sequence[Sequence[float | None]], rows: int, columns: int) -> None:
    _same_length(path, matrix, rows, "rows are right")
    for i, row in enumerate(matrix):
        _same_length(f"{path}[{i}]", row, columns, "are right")


def _check_alignment(alignment: AlignmentRecord, path: str, layers: Layers) -> None:
    for i, (layer, count) in enumerate(layers.values()):
        _neurons(f"{path}.constant[{i}]", alignment["constant"][i], count, layer)
        _same_length(f"{path}.mean_activation[{i}]", alignment["mean_activation"][i], count, "neurons")
    for name in ("bipartite", "semi", "information"):
        partners = alignment[name]
        if partners is not None:
            _check_partners(partners, f"{path}.{name}", layers)
    for i, neurons in enumerate(alignment["by_information_only"]):
        for index, (layer, count) in zip(neurons, layers.values(), strict=True):
            _neurons(f"{path}.by_information_only[{i}]", [index], count, layer)
    _check_sparse(alignment["sparse"], f"{path}.sparse", layers)
    if alignment["clusters"] is not None:
        _check_clusters(alignment["clusters"], f"{path}.clusters", layers)


def _check_partners(partners: PartnersRecord, path: str, layers: Layers) -> None:
    _alike(partners, path, ("x", "y", "strength", "p_value", "margin", "next_y", "back_margin", "next_x"))
    for name, side in (("x", "x"), ("next_x", "x"), ("y", "y"), ("next_y", "y")):
        layer, count = layers[side]
        _neurons(f"{path}.{name}", partners[name], count, layer)  # type: ignore[literal-required]


def _check_sparse(maps: Sequence[SparseRecord], path: str, layers: Layers) -> None:
    if not maps:
        return
    _same_length(path, maps, 2, "maps are right, one each way, or none")
    for i, (one, source, target) in enumerate(zip(maps, "xy", "yx", strict=True)):
        here = f"{path}[{i}]"
        _known(f"{here}.from", one["from"], [layers[source][0]], "layer of this map")
        _known(f"{here}.to", one["to"], [layers[target][0]], "layer of this map")
        if one["table"] and maps[0]["table"]:  # there are none of a layer that never varies
            _same_length(f"{here}.table", one["table"], len(maps[0]["table"]), "rows in the other map's")
        _ascending(f"{here}.few", [row["neuron"] for row in one["few"]])
        for k, row in enumerate(one["few"]):
            _neurons(f"{here}.few[{k}].neuron", [row["neuron"]], layers[target][1], layers[target][0])
            _neurons(f"{here}.few[{k}].predictors", row["predictors"], layers[source][1], layers[source][0])
            _alike(row, f"{here}.few[{k}]", ("predictors", "coefficients"))


def _check_clusters(clusters: ClustersRecord, path: str, layers: Layers) -> None:
    for i, (side, (layer, count)) in enumerate(layers.items()):
        order, here = clusters["order"][i], f"{path}.order[{i}]"
        _same_length(here, order, count, "neurons")
        _neurons(here, order, count, layer)
        _distinct(here, order)
        members = [neuron for group in clusters["groups"] for neuron in group[side]]  # type: ignore[literal-required]
        _neurons(f"the neurons {side} in {path}.groups", members, count, layer)
        _distinct(f"the neurons {side} in {path}.groups", members)
    (_, p), (_, q) = layers.values()
    for name, drawn in clusters["drawn"].items():
        rows = cast("list[list[int]]", drawn)
        columns = len(rows[0])
        if len(rows) > p or not 1 <= columns <= q:
            raise _Wrong(f"{path}.drawn.{name}", f"{len(rows)} x {columns} blocks of {p} x {q} neurons")
        _shape(f"{path}.drawn.{name}", rows, len(rows), columns)


def _check_evidence(evidence: EvidenceRecord, path: str, layers: Layers) -> None:
    corrected = evidence["corrected"]
    if corrected is not None:
        _same_length(f"{path}.corrected.x_levels", corrected["x_levels"], layers["x"][1], "neurons")
        _same_length(f"{path}.corrected.y_levels", corrected["y_levels"], layers["y"][1], "neurons")
    profile = evidence["profile"]
    if profile is not None:
        _alike(profile, f"{path}.profile", ("eps", "similarity", "corrected", "low", "high", "null"))
        _alike(profile, f"{path}.profile", ("held_out_eps", "held_out"))
        _ascending(f"{path}.profile.eps", profile["eps"])


def _check_matrix(matrix: MatrixRecord, path: str) -> None:
    count = len(matrix["layers"])
    _distinct(f"{path}.layers", matrix["layers"])
    _shape(f"{path}.values", matrix["values"], count, count)
    _same_length(f"{path}.first_component", matrix["first_component"], count, "layers")


def _check_universality(universality: UniversalityRecord, path: str, networks: Sequence[str]) -> None:
    for i, network in enumerate(universality["networks"]):
        _known(f"{path}.networks[{i}]", network, networks, "network")
    for name in ("partners", "matched"):
        counts = universality["distribution"][name]
        _same_length(f"{path}.distribution.{name}", counts, len(universality["networks"]), "networks")
        if not any(counts):
            raise _Wrong(f"{path}.distribution.{name}", "counts no neurons")
        if universality[name].keys() != set(universality["networks"]):
            raise _Wrong(f"{path}.{name}", "should have one list for each of its networks")
    for i, group in enumerate(universality["everywhere"]):
        _same_length(f"{path}.everywhere[{i}]", group, len(universality["networks"]), "networks")


def _check_inputs(inputs: InputsRecord, pairs: Sequence[PairRecord]) -> None:
    counts = {pair["x_layer"]: pair["x_neurons"] for pair in pairs}
    counts |= {pair["y_layer"]: pair["y_neurons"] for pair in pairs}
    for layer in counts:
        if layer not in inputs["layers"]:
            raise _Wrong(f"inputs.layers[{_shown(layer)}]", "missing, but a pair is of it")
    for layer, top in inputs["layers"].items():
        here = f"inputs.layers[{_shown(layer)}]"
        _same_length(f"{here}.examples", top["examples"], counts.get(layer, len(top["examples"])), "neurons")
        _alike(top, here, ("examples", "places", "values"))
        for i, row in enumerate(top["examples"]):
            _same_length(f"{here}.places[{i}]", top["places"][i], len(row), "examples")
            _same_length(f"{here}.values[{i}]", top["values"][i], len(row), "examples")
    shown = inputs["shown"]
    if shown is not None:
        _ascending("inputs.shown.examples", shown["examples"])
        if shown["kind"] == "texts":
            _alike(shown, "inputs.shown", ("examples", "tokens"))


def _check_study(study: StudyRecord) -> None:
    _check_settings(study["settings"])
    names = [variant["name"] for variant in study["variants"]]
    _distinct("the names of variants", names)
    for i, variant in enumerate(study["variants"]):
        for k, epoch in enumerate(variant["epochs"]):
            for name, spread in epoch.items():
                if isinstance(spread, dict):
                    _check_spread(cast("SpreadRecord", spread), f"variants[{i}].epochs[{k}].{name}")
    for i, run in enumerate(study["runs"]):
        _known(f"runs[{i}].variant", run["variant"], names, "variant")
    _distinct("the names of steps", [step["name"] for step in study["steps"]])
    if not any(step["kind"] == "seeds" for step in study["steps"]):
        raise _Wrong("steps", 'none is of kind "seeds"; every study has one')
    for i, step in enumerate(study["steps"]):
        _check_step(step, f"steps[{i}].")
        for k, name in enumerate(step["variants"]):
            _known(f"steps[{i}].variants[{k}]", name, names, "variant")


def _check_evaluation(evaluation: EvaluationRecord) -> None:
    missing = {evaluation["test_accuracy"] is None, evaluation["test_loss"] is None}
    if missing != {evaluation["reason"] is not None}:
        raise _Wrong("reason", "is given where test_accuracy and test_loss are null, and nowhere else")


def _check_settings(settings: Mapping[str, Json]) -> None:
    for key, value in settings.items():
        _check_plain(value, f"settings.{key}")


def _check_plain(value: Json, path: str, depth: int = 0) -> None:
    """Check that a value is what JSON can hold: finite numbers and text, in lists and objects that are not too deep."""
    if depth > DEEPEST:
        raise _Wrong(path, f"lies over {DEEPEST} lists and objects deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise _Wrong(path, f"{_shown(value)} should be a finite number")
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        raise _Wrong(path, f"{_shown(value)} should be text; half of a surrogate pair is none")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _check_plain(key, f"a name in {path}")
        _check_plain(item, f"{path}[{_shown(key)}]", depth + 1)


def _check_lone_step(step: StepRecord) -> None:
    _check_step(step, "")


def _check_step(step: StepRecord, path: str) -> None:
    if step["kind"] == "epochs":
        for i, row in enumerate(step["rows"]):
            _check_spread(row["own"], f"{path}rows[{i}].own")
            _check_spread(row["between"], f"{path}rows[{i}].between")
    elif step["kind"] == "alignment":
        for i, epoch in enumerate(step["epochs"]):
            _check_spread(epoch, f"{path}epochs[{i}]")
            _check_spread(epoch["change"], f"{path}epochs[{i}].change")
    elif step["kind"] == "alternatives":
        for i, record in enumerate(step["rows"]):
            _check_spread(record, f"{path}rows[{i}]")
    else:
        _check_compared(step, path)


def _check_compared(step: ComparedStep, path: str) -> None:
    for i, row in enumerate(step["rows"]):
        _check_spread(row, f"{path}rows[{i}]")
    cells = {(row["layer"], row["quantity"]) for row in step["rows"]}
    for layer in dict.fromkeys(row["layer"] for row in step["rows"]):
        for quantity in dict.fromkeys(row["quantity"] for row in step["rows"]):
            if (layer, quantity) not in cells:
                raise _Wrong(f"{path}rows", f"none is of layer {_shown(layer)} and {_shown(quantity)}")
    if step["blocks"] is not None:
        blocks = step["blocks"]
        for name, spread in (("within", blocks["within"]), ("between", blocks["between"])):
            _check_spread(spread, f"{path}blocks.{name}")
        for layer, spread in blocks["first_component"].items():
            _check_spread(spread, f"{path}blocks.first_component[{_shown(layer)}]")
    for i, transplant in enumerate(step["transplants"]):
        _check_spread(transplant["matched"], f"{path}transplants[{i}].matched")
        for field in ("accuracy", "differences"):
            for name, spread in transplant[field].items():
                _check_spread(spread, f"{path}transplants[{i}].{field}[{_shown(name)}]")


def _check_bench(bench: BenchRecord) -> None:
    tests, sets, measures = (_names(bench, part) for part in ("tests", "networks", "measures"))
    for i, networks in enumerate(bench["networks"]):
        for field in ("networks", "layers", "tests"):
            _distinct(f"networks[{i}].{field}", networks[field])
        for k, name in enumerate(networks["tests"]):
            _known(f"networks[{i}].tests[{k}]", name, tests, "test")
        _check_spread(networks["accuracy"], f"networks[{i}].accuracy")
    _check_ranks([measure["rank"] for measure in bench["measures"]])
    tests_of = {networks["name"]: networks["tests"] for networks in bench["networks"]}
    cells = set()
    for i, score in enumerate(bench["scores"]):
        path = f"scores[{i}]"
        _known(f"{path}.measure", score["measure"], measures, "measure")
        _known(f"{path}.networks", score["networks"], sets, "set of networks")
        _known(f"{path}.test", score["test"], tests_of[score["networks"]], "test of these networks")
        _check_score(score, path, len(measures))
        cell = (score["measure"], score["test"], score["networks"])
        if cell in cells:
            raise _Wrong(path, "is of the same measure, test and networks as one before it")
        cells.add(cell)


def _names(bench: BenchRecord, part: Literal["tests", "networks", "measures"]) -> list[str]:
    """Return the names of the tests, the sets of networks or the measures, which must be distinct."""
    names = [record["name"] for record in bench[part]]
    _distinct(f"the names of {part}", names)
    return names


def _check_ranks(ranks: Sequence[SpreadRecord]) -> None:
    """Check that mean ranks ascend, and that measures without one come last."""
    before = 0.0
    for i, rank in enumerate(ranks):
        _check_spread(rank, f"measures[{i}].rank")
        value = math.inf if rank["value"] is None else rank["value"]
        if value < before:
            raise _Wrong(f"measures[{i}].rank.value", f"{_shown(value)}, but the best measure should stand first")
        before = value


def _check_score(score: BenchScoreRecord, path: str, count: int) -> None:
    value, low, high, rank = score["value"], score["low"], score["high"], score["rank"]
    if (value is None) != (score["reason"] != ""):
        raise _Wrong(f"{path}.reason", "is given where there is no value, and is empty where there is one")
    if (low is None) != (high is None) or (low is not None and value is None):
        raise _Wrong(path, "has an interval without both ends, or without a value")
    if low is not None and high is not None and low > high:
        raise _Wrong(f"{path}.low", f"{_shown(low)} should not be above high, {_shown(high)}")
    if (rank is None) != (value is None):
        raise _Wrong(f"{path}.rank", "is given where there is a value, and nowhere else")
    if rank is not None and not 1 <= rank <= count:
        raise _Wrong(f"{path}.rank", f"{_shown(rank)} should be from 1 to {count}, the number of measures")
    if score["among_best"] and value is None:
        raise _Wrong(f"{path}.among_best", "true, but there is no value")
    if score["details"] is not None:
        _check_details(score["details"], f"{path}.details")


def _check_details(details: BenchDetails, path: str) -> None:
    if details["kind"] == "scatter":
        _alike(details, path, ("x", "y"))
        return
    _distinct(f"{path}.labels", details["labels"])
    if details["kind"] == "curves":
        _alike(details, path, ("labels", "x", "y"))
        for i, line in enumerate(details["x"]):
            _same_length(f"{path}.y[{i}]", details["y"][i], len(line), "in x")
    else:
        _alike(details, path, ("labels", "values"))


def _check_spread(spread: SpreadRecord, path: str) -> None:
    if (spread["low"] is None) != (spread["high"] is None):
        raise _Wrong(path, "has one end of an interval; give low and high, or null for both")
    if spread["value"] is None and spread["low"] is not None:
        raise _Wrong(path, "has an interval without a value")
