"""What the terminal shows of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._defaults import EVIDENCE_UP_TO
from ..activations.layer_list import cells
from ..comparison.pair_result import is_above_chance
from ..evidence.measure_evidence import NOT_REQUESTED
from ..moments.provenance import network_and_layer
from ..similarity import measures
from .layer_tables import Column, LayerTable
from .pairing_tables import eps_note, listed

if TYPE_CHECKING:
    from ..activations import LayerList
    from ..alignment import Alignment, Clusters, LayerAlignment
    from ..comparison import Comparison, PairResult
    from ..comparison.pair_result import SampledExamples
    from ..evidence import MeasureEvidence, RowsNeeded
    from ..moments.spans import Array
    from ..schema import ComparedStep, Estimate, LayerRecord, SpreadRecord, TransplantRecord
    from ..study import Study

TRANSPLANT_CONTROLS = {"ablation": "ablated", "other examples": "other examples", "untrained": "untrained"}
"""What transplants are compared with, as tables head it."""
MEASURES = ("debiased cka", "adjusted linear regression", "procrustes", "debiased rbf cka", "rsa", "mutual knn")
"""The measures that are shown by default."""
HEADS = {"adjusted linear regression": "adjusted R^2", "linear regression": "R^2", "gulp": "gulp distance"}
"""How measures are headed, if not by their names."""
BY_CHANCE, HELD_OUT = "by chance", "held out"
CHANNELS, LOCATIONS = "channels are neurons", "each location of each channel is a neuron"
"""What layouts of feature maps say."""
TRANSPLANTED = ("untouched", "transplant", *TRANSPLANT_CONTROLS)


def of_comparison(comparison: Comparison, *, wide: bool = False) -> Iterator[LayerTable]:
    """Yield the tables of a comparison, first the one of estimates for the population; wide, with all measures."""
    if any(pair.evidence for pair in comparison):
        yield _population(comparison)
    yield _similarity(comparison)
    yield _measures(comparison, _shown_measures(comparison, wide=wide))
    yield _partners(comparison)
    if comparison.universality:
        yield _universality(comparison)
    if any(pair.simple for pair in comparison):
        yield _simple(comparison)
    if comparison.transplants:
        yield _transplants(comparison)


def _shown_measures(comparison: Comparison, *, wide: bool) -> list[str]:
    """Return the measures to show: of those requested the usual ones, or wide, or if none is, all."""
    requested = [one.name for one in comparison.pairs[0].measures if one.reason != NOT_REQUESTED]
    usual = [name for name in MEASURES if name in requested]
    return usual if usual and not wide else requested


def layouts_of(layouts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield what the neurons and the rows of layers are, if they are not features and examples, in words.

    Parameters
    ----------
    layouts
        Names of layers or pairs of layers, each with its layout.
    """
    names: dict[str, list[str]] = {}
    for name, layout in dict.fromkeys(layouts):
        names.setdefault(layout, []).append(name)
    for layout, of_layout in names.items():
        if layout in ("", "rows are examples"):
            continue
        other = ""
        if CHANNELS in layout:
            other = (
                '. With --units location (units="location"), each location of each channel is a neuron and rows are '
                "examples; values then differ much"
            )
        elif LOCATIONS in layout:
            other = (
                '. With --units channel (units="channel"), channels are neurons and positions are rows; values then '
                "differ much"
            )
        yield f"{listed(tuple(of_layout))}: {layout}{other}."


def warnings_of(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield warnings, and what is missing with its reason, by the pair of layers."""
    for pair in comparison:
        for warning in pair.profile.warnings:
            yield pair.name, warning
    for pair in comparison:
        if pair.evidence and pair.evidence.rows and not pair.evidence.rows.enough:
            yield pair.name, pair.evidence.rows.advice
        if pair.missing:
            yield pair.name, f"not all evidence can be had: {'; '.join(pair.missing)}"


def of_study(study: Study) -> Iterator[LayerTable]:
    """Yield the tables of a study."""
    yield _accuracy(study)
    for step in study.results["steps"]:
        if step["kind"] == "seeds" or step["kind"] == "across":
            yield from _step(step, study.results["intervals_over"])


def of_layers(layers: LayerList) -> LayerTable:
    """Return the table of a network's layers."""
    columns = [Column("kind", is_text=True), Column("shape", is_text=True), Column("neurons"), Column("compared")]
    table = LayerTable("Layers of the network", columns)
    for layer in layers:
        table.add(*cells(layer))
    return table


def about_layers(layers: LayerList, *, has_batch: bool) -> str:
    """Return what the table of layers says, in words."""
    if not has_batch:
        return "Modules; with --data also the functions that they call, shapes, and what is compared by default."
    compared = sum(layer.is_compared for layer in layers)
    unknown = any(layer.neurons is None for layer in layers)
    about = f"{compared} of {len(layers)} layers are compared by default; --layers NAME or a pattern chooses others."
    return about + (" ?: it is not known which axis has the neurons; give --channels." if unknown else "")


def layouts_of_study(study: Study) -> Iterator[tuple[str, str]]:
    """Yield the layers of a study with their layouts."""
    for comparison in study.comparisons.values():
        for pair in comparison["pairs"]:
            yield pair["layer"], pair["layout"]


def missing_accuracies(study: Study) -> Iterator[tuple[str, str]]:
    """Yield why a network has no accuracy, by its name."""
    for run in study.results["runs"]:
        if run["reason"] is not None:
            yield run["name"], f"no accuracy: {run['reason']}"


def _of_transplants(step: ComparedStep, over: str) -> Iterator[LayerTable]:
    """Yield the accuracies with matches transplanted, and by how much they exceed each control, for each eps."""
    for eps in dict.fromkeys(record["eps"] for record in step["transplants"]):
        title = f"{step['name']}: accuracy, neurons matched at eps {eps:g} predicted from the next network's"
        accuracies = _titled(title, "matched", "untouched", "predicted", *TRANSPLANT_CONTROLS.values())
        title = f"{step['name']}: predicted less control, in points, eps {eps:g}, with 95% intervals over {over}"
        differences = _titled(title, *TRANSPLANT_CONTROLS.values())
        for record in step["transplants"]:
            if record["eps"] == eps:
                layer = record["layer"]
                spreads = [record["matched"], *(record["accuracy"].get(name) for name in TRANSPLANTED)]
                accuracies.add(layer, *(_percent(spread and spread["value"]) for spread in spreads))
                differences.add(layer, *(_points(record["differences"].get(name)) for name in TRANSPLANT_CONTROLS))
        accuracies.legend = (
            "Matched: the share of the layer's neurons. Untouched: the network as it is; predicted: with these neurons "
            "predicted; ablated: with their means; other examples: with predictions given to other examples; "
            "untrained: predicted from a network that was not trained."
        )
        yield accuracies
        yield differences


def refusals_of_transplants(transplants: Sequence[TransplantRecord]) -> Iterator[tuple[str, str]]:
    """Yield why a condition is missing, by layer and condition, each once."""
    reasons = {(one["x_layer"], what): reason for one in transplants for what, reason in one["refused"].items()}
    for (layer, what), reason in reasons.items():
        yield f"{layer}, {what}", reason


def _accuracy(study: Study) -> LayerTable:
    over = study.results["intervals_over"]
    title = f"{study.results['name']}: test accuracy over {over}"
    table = _titled(title, over, "mean", "95% interval", "from", "to")
    table.names = "variant"
    counts = Counter(run["variant"] for run in study.results["runs"])
    for name, accuracy in study.accuracy.items():
        interval = "-" if accuracy["low"] is None else f"{accuracy['low']:.1%} to {accuracy['high']:.1%}"
        table.add(
            name,
            str(counts[name]),
            _percent(accuracy["value"]),
            interval,
            _percent(accuracy["minimum"]),
            _percent(accuracy["maximum"]),
        )
    table.legend = "From, to: the lowest and the highest."
    return table


def _step(step: ComparedStep, over: str) -> Iterator[LayerTable]:
    """Yield the tables of s(eps), corrected and in sample, that of the measures, and those of transplants."""
    title = f"{step['name']}: {{}}, mean over pairs ±95% over {over}"
    heads: dict[Estimate | None, str] = {
        "corrected": "share matched, estimated for the population, by eps",
        "in sample": "share matched in sample, by eps",
        None: "measures",
    }
    for estimate, head in heads.items():
        rows = _of_estimate(step, estimate)
        if rows:
            yield _with_intervals(title.format(head), rows, _of_estimate(step, "null"))
    yield from _of_transplants(step, over)


def _of_estimate(step: ComparedStep, estimate: Estimate | None) -> list[LayerRecord]:
    """Return the rows of an estimate, of quantities that are known for some layer."""
    rows = [row for row in step["rows"] if row["estimate"] == estimate]
    known = {row["quantity"] for row in rows if row["value"] is not None}
    return [row for row in rows if row["quantity"] in known]


def _with_intervals(title: str, rows: Sequence[LayerRecord], null_rows: Sequence[LayerRecord]) -> LayerTable:
    """Return the table of some quantities of every layer; of shares in sample, also by chance."""
    heads = {
        row["quantity"]: _measure_head(row["quantity"]) if row["eps"] is None else f"{row['eps']:g}" for row in rows
    }
    table = _titled(title, "neurons", *heads.values())
    by_chance = {(row["layer"], row["eps"]): row for row in null_rows}
    by_layer: dict[str, list[LayerRecord]] = {}
    for row in rows:
        by_layer.setdefault(row["layer"], []).append(row)
    in_sample = rows[0]["estimate"] == "in sample"
    for layer, layer_rows in by_layer.items():
        null = [by_chance.get((layer, row["eps"])) if in_sample else None for row in layer_rows]
        marks = [_mark(row["value"], one and one["value"]) for row, one in zip(layer_rows, null, strict=True)]
        cells = [f"{_with_interval(row)}{mark}" for row, mark in zip(layer_rows, marks, strict=True)]
        table.add(layer, str(layer_rows[0]["neurons"]), *cells)
        if in_sample:
            table.add_line(BY_CHANCE, "", *("-" if one is None else _with_interval(one) for one in null))
    table.legend = "±: half the width of a 95% interval; -: not known, or the same for all pairs."
    if in_sample:
        table.legend = f"{_chance_legend(table)} {table.legend}"
    return table


def _with_interval(spread: SpreadRecord) -> str:
    """Return a mean and half the width of its interval, "-" for what cannot be had."""
    value, low, high = spread["value"], spread["low"], spread["high"]
    if value is None:
        return "-"
    return f"{value:.2f} " + ("-" if low is None or high is None else f"±{(high - low) / 2:.2f}")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _points(difference: SpreadRecord | None) -> str:
    """Return a difference of accuracies with its interval, in points; "-" for what cannot be had."""
    if difference is None or difference["value"] is None:
        return "-"
    value, low, high = difference["value"], difference["low"], difference["high"]
    return f"{100 * value:+.1f} " + ("-" if low is None or high is None else f"({100 * low:.1f}, {100 * high:.1f})")


def _titled(title: str, *heads: str) -> LayerTable:
    return LayerTable(title, [Column(head) for head in heads])


def _measure_head(measure: str) -> str:
    return HEADS.get(measure, measure)


def _mark(share: float | None, by_chance: float | None) -> str:
    """Return an asterisk for a share that is not clearly above chance."""
    if share is None or by_chance is None:
        return ""
    return "*" if is_above_chance(share, by_chance) is False else ""


def _chance_legend(table: LayerTable) -> str:
    """Return what the lines of a table of s(eps) in sample are."""
    marked = any(cell.endswith("*") for _, lines in table.rows for line in lines for cell in line.cells)
    legend = "By chance: the same of unrelated layers (rows of one layer with those of other examples of the other)."
    return f"{legend} *: chance gives nine tenths of it or more." if marked else legend


def _by_layer(comparison: Comparison) -> dict[str, list[PairResult]]:
    """Return the results of each layer, of one pair of networks or, to be averaged, of several."""
    results: dict[str, list[PairResult]] = {}
    for pair in comparison:
        x, y = (network_and_layer(layer)[1] for layer in (pair.x_layer, pair.y_layer))
        results.setdefault(x if len(comparison.networks) > 2 and x == y else pair.name, []).append(pair)
    return results


def _names(comparison: Comparison) -> str:
    *first, last = comparison.networks
    return f"{', '.join(first)} and {last}" if first else last


def _several(comparison: Comparison) -> str:
    count = len(comparison.networks)
    return f", mean over {count * (count - 1) // 2} pairs of networks" if count > 2 else ""


def _spread(values: Sequence[int]) -> str:
    return "/".join(map(str, dict.fromkeys(values)))


def _population(comparison: Comparison) -> LayerTable:
    """Return the table of the corrected s(eps), which estimates that of the population."""
    middle = comparison.eps[len(comparison.eps) // 2]
    title = (
        f"{_names(comparison)}: share of neurons in the match, estimated for the population (corrected for the fit), "
        f"by eps{_several(comparison)}{eps_note(comparison)}"
    )
    table = _titled(title, "examples", "effective n", "needed", *(f"{eps:g}" for eps in comparison.eps))
    for layer, pairs in _by_layer(comparison).items():
        evidence = [pair.evidence for pair in pairs if pair.evidence is not None]
        shares = _mean([pair.corrected_similarity(comparison.eps) for pair in pairs])
        table.add(
            layer,
            f"{pairs[0].provenance.n_examples:,}",
            *_effective_and_needed([one.rows for one in evidence if one.rows is not None]),
            *map(_share, shares.tolist()),
        )
    few = any(cell.endswith("!") for _, lines in table.rows for line in lines for cell in line.cells)
    table.legend = (
        "Corrected: distances are enlarged for the degrees of freedom of the fit, as in an adjusted R^2, so that "
        "unrelated layers have about 0. "
        f"Effective n: the effective sample size; needed: at eps {middle:g}{'; !: it is too small' if few else ''}. "
        "See docs/evidence.md."
    )
    return table


def _similarity(comparison: Comparison) -> LayerTable:
    title = f"{_names(comparison)}, in sample: share of neurons in the maximum match, by eps{_several(comparison)}"
    title += eps_note(comparison)
    table = _titled(title, "neurons", "silent", "rows", *(f"{eps:g}" for eps in comparison.eps))
    for layer, pairs in _by_layer(comparison).items():
        profiles = [pair.profile for pair in pairs]
        shares = _mean([pair.similarity(comparison.eps) for pair in pairs]).tolist()
        null = _mean([pair.null_similarity(comparison.eps) for pair in pairs]).tolist()
        silent = dict.fromkeys(
            side for p in profiles for side in ((p.x_layer, len(p.x_silent)), (p.y_layer, len(p.y_silent)))
        )
        table.add(
            layer,
            _spread([width for pair in pairs for width in pair.provenance.neurons]),
            "/".join(str(count) for _, count in silent),
            f"{pairs[0].provenance.rows:,}",
            *(f"{_share(share)}{_mark(share, one)}" for share, one in zip(shares, null, strict=True)),
        )
        table.add_line(BY_CHANCE, "", "", "", *map(_share, null))
        held_out = _held_out(pairs, comparison.eps)
        if not np.isnan(held_out).all():
            table.add_line(HELD_OUT, "", "", "", *map(_share, held_out))
    table.legend = (
        "Each number: the share of all neurons of both layers that are within eps of what the match's other side "
        f"expresses linearly. {_chance_legend(table)}"
    )
    if any(line.label == HELD_OUT for _, lines in table.rows for line in lines):
        table.legend += (
            " Held out: the share of all neurons that are matched, and within eps on rows that were not fitted."
        )
    return table


def _held_out(pairs: Iterable[PairResult], eps: Sequence[float]) -> list[float]:
    """Return the mean held-out share at each eps, of pairs of networks for which it is known."""
    profiles = [pair.evidence.profile for pair in pairs if pair.evidence is not None]
    return [_mean_known([one.held_out_at(value) for one in profiles if one is not None]) for value in eps]


def _mean(shares: Sequence[Array]) -> Array:
    """Return the mean over pairs of networks, of those where it is known."""
    known = [values for values in shares if not np.isnan(values).all()]
    return np.asarray(np.mean(known or shares, axis=0))


def _share(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.3f}"


def _partners(comparison: Comparison) -> LayerTable:
    title = f"One-to-one partners: median correlation, and what else there is{_several(comparison)}"
    table = _titled(title, "bipartite", "semi", "within", "chance", "clear partner", "clusters")
    curves: tuple[Callable[[LayerAlignment], Array], ...] = (
        lambda alignment: alignment.bipartite.strength,
        lambda alignment: alignment.semi.strength,
        lambda alignment: np.concatenate([alignment.bipartite.x_baseline, alignment.bipartite.y_baseline]),
    )
    for layer, pairs in _by_layer(comparison).items():
        alignments = [pair.alignment for pair in pairs]
        medians = [np.mean([_median(curve(alignment)) for alignment in alignments]) for curve in curves]
        clear = np.mean([_clear(alignment.bipartite) for alignment in alignments])
        clusters = dict.fromkeys(_clusters(a.clusters) for a in alignments if a.clusters is not None)
        chance = f"{alignments[0].chance_correlation:.2f}"
        cells = [*(f"{median:.2f}" for median in medians), chance, f"{clear:.0%}", "/".join(clusters) or "-"]
        table.add(layer, *cells)
    table.legend = (
        "Bipartite: each neuron has one partner; semi: its best, which others may share; within: partners within a "
        "network; chance: about the best correlation with unrelated neurons. Clear partner: each other's best by more "
        "than chance. Clusters: groups of neurons of both layers; ?: their number is not clear."
    )
    return table


def _clusters(clusters: Clusters) -> str:
    """Return how many there are, with a question mark if no clear gap between the eigenvalues tells it."""
    return f"{len(clusters)}{'' if clusters.clear else '?'}"


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _clear(a: Alignment) -> float:
    """Return the share of partners that are each other's best by more than chance correlations differ."""
    least = np.minimum(a.margin, a.back_margin)
    return float(np.mean(least > a.chance_correlation)) if len(least) else float("nan")


def _measures(comparison: Comparison, names: Sequence[str]) -> LayerTable:
    """Return the table of measures; where there is evidence, with intervals, null values, p and calibrated values."""
    levels = [pair.evidence.level for pair in comparison if pair.evidence is not None]
    table = _titled(f"Similarity measures{_several(comparison)}", *map(_measure_head, names))
    for layer, pairs in _by_layer(comparison).items():
        of_names = [[pair.measure(name) for pair in pairs] for name in names]
        table.add(layer, *(_number(_mean_known([one.value for one in of_name])) for of_name in of_names))
        intervals = [_interval(of_name) for of_name in of_names]
        if any(intervals):
            table.add_line(f"{levels[0]:.0%} interval", *intervals)
        if any(pair.evidence for pair in pairs):
            null = [_number(_mean_known([one.null_value for one in of_name])) for of_name in of_names]
            table.add_line(BY_CHANCE, *null)
        if _tested(pairs, names):
            table.add_line("p", *map(_largest_p_value, of_names))
            calibrated = [_number(_mean_known([one.calibrated for one in of_name])) for of_name in of_names]
            table.add_line("calibrated", *calibrated)
    table.legend = _measures_legend(comparison, names)
    return table


def _tested(pairs: Iterable[PairResult], names: Sequence[str]) -> list[MeasureEvidence]:
    """Return the measures of these names that have a p-value."""
    measures_of_pairs = [pair.measure(name) for pair in pairs for name in names]
    return [measure for measure in measures_of_pairs if not np.isnan(measure.p_value)]


def _measures_legend(comparison: Comparison, names: Sequence[str]) -> str:
    """Return what the columns and the lines of the table of measures are."""
    shown = [measure for measure in measures() if measure.name in names]
    estimates = [measure.name for measure in shown if measure.estimator in ("unbiased", "corrected")]
    held_out = [measure.name for measure in shown if measure.estimator == "held out"]
    distances = [measure.name for measure in shown if measure.kind == "distance"]
    of_sample = [measure.name for measure in shown if measure.needs == "sample"]
    sample = next((pair.sample for pair in comparison if pair.sample is not None), None)
    legend = f"Estimates of the population's value: {', '.join(map(_measure_head, estimates)) or 'none'}."
    if held_out:
        legend += f" Of rows that were not fitted: {', '.join(map(_measure_head, held_out))}."
    if len(estimates) + len(held_out) < len(shown):
        legend += " The others show too much similarity where rows are few."
    if distances:
        legend += f" Distances, 0 for the same layer: {', '.join(map(_measure_head, distances))}."
    if of_sample and sample is not None:
        legend += f" Of {_examples(sample)}: {', '.join(map(_measure_head, of_sample))}."
    legend += _tests_legend(comparison, names, sample)
    if any(pair.evidence is None for pair in comparison):
        legend += (
            " Intervals, values by chance and p-values are computed by default for layers of up to "
            f"{EVIDENCE_UP_TO:,} neurons together; --evidence (evidence=True) computes them for all."
        )
    return legend


def _tests_legend(comparison: Comparison, names: Sequence[str], sample: SampledExamples | None) -> str:
    """Return what p and calibrated values are; empty if there are none."""
    counts = sorted({measure.permutations for measure in _tested(comparison, names)})
    if not counts:
        return ""
    smallest, largest = (f"{count:,}" if count else "all" for count in (counts[0], counts[-1]))
    permutations = smallest if smallest == largest else f"{smallest} to {largest}"
    examples = "" if sample is None else f" of {_examples(sample)}"
    over_pairs = ", over pairs of networks the largest" if _several(comparison) else ""
    return (
        f" p: how often unrelated layers have such a value, over {permutations} permutations{examples}{over_pairs}. "
        "Calibrated: the similarity beyond what unrelated layers exceed with a probability of 5%, as a share of what "
        "there could be."
    )


def _examples(sample: SampledExamples) -> str:
    """Return of how many examples a sample is, in words."""
    if sample.size == sample.n_examples:
        return f"all {sample.size:,} examples"
    return f"a sample of {sample.size:,} of {sample.n_examples:,} examples"


def _interval(of_pairs: Sequence[MeasureEvidence]) -> str:
    """Return the interval of a measure; empty if there is none, and over several pairs of networks."""
    first, *others = of_pairs
    return "" if others or np.isnan([first.low, first.high]).any() else f"{first.low:.2f}, {first.high:.2f}"


def _mean_known(values: Sequence[float]) -> float:
    """Return the mean of the values that are known; nan if none is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}"  # no -0.00


def _effective_and_needed(rows: Sequence[RowsNeeded]) -> tuple[str, str]:
    """Return the smallest effective sample size of some pairs of networks, and the largest that is needed."""
    if not rows:
        return "-", "-"
    size = float(np.min([one.effective_sample_size for one in rows]))
    known = "unknown" if np.isnan(size) else f"{size:,.0f}"
    needed = f"{max(one.needed for one in rows):,}"
    return known if all(one.enough for one in rows) else f"{known}!", needed


def _largest_p_value(of_pairs: Sequence[MeasureEvidence]) -> str:
    """Return the largest p-value over pairs of networks."""
    p_values = [measure.p_value for measure in of_pairs if not np.isnan(measure.p_value)]
    if not p_values:
        return "-"
    return "<0.001" if max(p_values) < 0.001 else f"{max(p_values):.3f}"


def _universality(comparison: Comparison) -> LayerTable:
    first = comparison.universality[0]
    title = (
        f"In how many other networks a neuron has a partner of {first.min_correlation:g} or more, and is in the match "
        f"at eps {first.eps:g}; cycle-consistent partners"
    )
    ranks = "/".join(map(str, range(len(comparison.networks))))
    table = _titled(title, f"partner in {ranks}", f"matched in {ranks}", "cycle-consistent", "under the null")
    for universality in comparison.universality:
        shares = [100 * counts / counts.sum() for counts in universality.distribution().values()]
        cells = ["/".join(f"{value:.0f}" for value in share) + "%" for share in shares]
        closing = (
            "-" if np.isnan(share) else f"{share:.0%}"
            for share in (universality.cycle_consistency, universality.null_cycle_consistency)
        )
        table.add(universality.layer, *cells, *closing)
    table.legend = "In 0, 1, ... other networks: shares of the neurons of all networks. Cycle-consistent: partners of "
    table.legend += "partners that agree; under the null: if partners were drawn at random."
    return table


def _transplants(comparison: Comparison) -> LayerTable:
    """Return the accuracies of networks in which matched neurons are predicted from another network's."""
    (a, b), eps = comparison.networks[:2], comparison.transplants[0].eps
    title = f"Accuracy of {a}, neurons matched at eps {eps:g} predicted from {b}'s"
    table = _titled(title, "matched", "untouched", "predicted", *TRANSPLANT_CONTROLS.values())
    for transplant in comparison.transplants:
        layer = network_and_layer(transplant.x_layer)[1]
        matched, accuracies = "-", {outcome.condition: outcome.accuracy for outcome in transplant.outcomes}
        if "transplant" in accuracies:
            matched = f"{transplant['transplant'].neurons / transplant.provenance.neurons[0]:.0%}"
        shown = (accuracies.get(condition, np.nan) for condition in TRANSPLANTED)
        table.add(layer, matched, *("-" if np.isnan(value) else _percent(value) for value in shown))
    return table


def _simple(comparison: Comparison) -> LayerTable:
    title = "Smallest groups found around each neuron (minimum matches), by eps"
    table = _titled(title, "eps", "neurons matched", "median size", "from", "to", "different")
    for name, matches in ((pair.name, matches) for pair in comparison for matches in pair.simple):
        sizes = sorted(matches.sizes.values())
        spread = [f"{sizes[len(sizes) // 2]}", f"{sizes[0]}", f"{sizes[-1]}"] if sizes else ["-", "-", "-"]
        table.add(name, f"{matches.eps:g}", str(len(sizes)), *spread, str(len(matches)))
    table.legend = "Size: the number of neurons of both layers in a group; different: the number of distinct groups."
    return table
