"""What the terminal shows of results: tables that fit 80 columns where names allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ..moments.provenance import network_and_layer
from .pairing_tables import eps_note

if TYPE_CHECKING:
    from ..activations import LayerList
    from ..alignment import Alignment, Clusters, LayerAlignment
    from ..comparison import Comparison, PairResult
    from ..evidence import MeasureEvidence, RowsNeeded
    from ..moments.spans import Array
    from ..schema import ComparedStep, LayerRecord, SpreadRecord, TransplantRecord
    from ..study import Study

TRANSPLANT_CONTROLS = {"ablation": "ablated", "other examples": "other examples", "untrained": "untrained"}
"""What transplants are compared with, as tables head it."""
EPS_AT_ONCE, MEASURES_AT_ONCE = 5, 3
"""How many columns of s(eps), and of measures, fit a table of 80 columns."""
TRANSPLANTED = ("untouched", "transplant", *TRANSPLANT_CONTROLS)


def of_comparison(comparison: Comparison) -> Iterator[Table]:
    """Yield the tables of a comparison, first the one of estimates for the population."""
    with_evidence = any(pair.evidence for pair in comparison)
    if with_evidence:
        yield _population(comparison)
    yield _similarity(comparison)
    if with_evidence:
        yield _evidence(comparison)
    yield _partners(comparison)
    if comparison.universality:
        yield _universality(comparison)
    if any(pair.simple for pair in comparison):
        yield _simple(comparison)
    if comparison.transplants:
        yield _transplants(comparison)


def explanation_of(comparison: Comparison) -> str:
    """Return what the tables of a comparison mean by "corrected", in words; empty without evidence."""
    if not any(pair.evidence for pair in comparison):
        return ""
    return (
        "Corrected: distances are enlarged for the degrees of freedom of the fit, as in an adjusted R^2. In sample, "
        "unrelated layers match the better the fewer rows there are. See docs/evidence.md."
    )


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


def of_study(study: Study) -> Iterator[Table]:
    """Yield the tables of a study."""
    yield _accuracy(study)
    for step in study.results["steps"]:
        if step["kind"] == "seeds" or step["kind"] == "across":
            yield from _step(step, study.results["intervals_over"])


def of_layers(layers: LayerList) -> Table:
    """Return the table of a network's layers."""
    table = Table(title_justify="left", box=SIMPLE_HEAD, collapse_padding=True)
    table.add_column("layer", overflow="fold")
    for column, justify in (("kind", "left"), ("shape", "left"), ("neurons", "right"), ("compared", "left")):
        table.add_column(column, justify="right" if justify == "right" else "left", overflow="fold")
    for layer in layers:
        neurons, shape = ("?" if value is None else str(value) for value in (layer.neurons, layer.shape))
        table.add_row(escape(layer.name), escape(layer.kind), shape, neurons, "yes" if layer.is_compared else "")
    return table


def about_layers(layers: LayerList, *, has_batch: bool) -> str:
    """Return what the table of layers says, in words."""
    if not has_batch:
        return "Modules; with --data also the functions that they call, shapes, and what is compared by default."
    compared = sum(layer.is_compared for layer in layers)
    unknown = any(layer.neurons is None for layer in layers)
    about = f"{compared} of {len(layers)} layers are compared by default; --layers NAME or a pattern chooses others."
    return about + (" ?: it is not known which axis has the neurons; give --channels." if unknown else "")


def missing_accuracies(study: Study) -> Iterator[tuple[str, str]]:
    """Yield why a network has no accuracy, by its name."""
    for run in study.results["runs"]:
        if run["reason"] is not None:
            yield run["name"], f"no accuracy: {run['reason']}"


def _of_transplants(step: ComparedStep, over: str) -> Iterator[Table]:
    """Yield the accuracies with matches transplanted, and by how much they exceed each control, for each eps."""
    for eps in dict.fromkeys(record["eps"] for record in step["transplants"]):
        title = f"{step['name']}: accuracy, neurons matched at eps {eps:g} predicted from the next network's"
        accuracies = _titled(title, "matched", "untouched", "predicted", *TRANSPLANT_CONTROLS.values())
        title = f"{step['name']}: predicted less control, in points, eps {eps:g}, with 95% intervals over {over}"
        differences = _titled(title, *TRANSPLANT_CONTROLS.values())
        for record in step["transplants"]:
            if record["eps"] == eps:
                layer = escape(record["layer"])
                spreads = [record["matched"], *(record["accuracy"].get(name) for name in TRANSPLANTED)]
                accuracies.add_row(layer, *(_percent(spread and spread["value"]) for spread in spreads))
                differences.add_row(layer, *(_points(record["differences"].get(name)) for name in TRANSPLANT_CONTROLS))
        yield accuracies
        yield differences


def refusals_of_transplants(transplants: Sequence[TransplantRecord]) -> Iterator[tuple[str, str]]:
    """Yield why a condition is missing, by layer and condition, each once."""
    reasons = {(one["x_layer"], what): reason for one in transplants for what, reason in one["refused"].items()}
    for (layer, what), reason in reasons.items():
        yield f"{layer}, {what}", reason


def _accuracy(study: Study) -> Table:
    over = study.results["intervals_over"]
    title = f"{study.results['name']}: test accuracy over {over}"
    table = _titled(title, over, "mean", "95% interval", "from", "to")
    table.columns[0].header = "variant"
    counts = Counter(run["variant"] for run in study.results["runs"])
    for name, accuracy in study.accuracy.items():
        interval = "-" if accuracy["low"] is None else f"{accuracy['low']:.1%} to {accuracy['high']:.1%}"
        table.add_row(
            escape(name),
            str(counts[name]),
            _percent(accuracy["value"]),
            interval,
            _percent(accuracy["minimum"]),
            _percent(accuracy["maximum"]),
        )
    return table


def _step(step: ComparedStep, over: str) -> Iterator[Table]:
    """Yield the tables of s(eps), corrected and in sample, those of the measures, and those of transplants."""
    title = f"{step['name']}: {{}}, mean over pairs ±95% over {over}"
    heads = {
        "corrected": "share matched, estimated for the population, by eps",
        "in sample": "share matched in sample, by eps",
        None: "measures",
    }
    for estimate, head in heads.items():
        rows = [row for row in step["rows"] if row["estimate"] == estimate]
        quantities = list(dict.fromkeys(row["quantity"] for row in rows if row["value"] is not None))
        at_once = MEASURES_AT_ONCE if estimate is None else EPS_AT_ONCE
        for i in range(0, len(quantities), at_once):
            chosen = quantities[i : i + at_once]
            yield _with_intervals(title.format(head), [row for row in rows if row["quantity"] in chosen])
    yield from _of_transplants(step, over)


def _with_intervals(title: str, rows: Sequence[LayerRecord]) -> Table:
    quantities = list(dict.fromkeys(row["quantity"] for row in rows))
    eps = {row["quantity"]: row["eps"] for row in rows}
    heads = (quantity if eps[quantity] is None else f"{eps[quantity]:g}" for quantity in quantities)
    table = _titled(title, "neurons", *heads)
    by_layer: dict[str, list[LayerRecord]] = {}
    for row in rows:
        by_layer.setdefault(row["layer"], []).append(row)
    for layer, layer_rows in by_layer.items():
        table.add_row(escape(layer), str(layer_rows[0]["neurons"]), *map(_with_interval, layer_rows))
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


def _titled(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, collapse_padding=True)
    table.add_column("layer", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap="\n" not in column)
    return table


def _by_layer(comparison: Comparison) -> dict[str, list[PairResult]]:
    """Return the results of each layer, of one pair of networks or, to be averaged, of several."""
    results: dict[str, list[PairResult]] = {}
    for pair in comparison:
        x, y = (network_and_layer(layer)[1] for layer in (pair.x_layer, pair.y_layer))
        results.setdefault(x if len(comparison.networks) > 2 and x == y else pair.name, []).append(pair)
    return results


def _names(comparison: Comparison) -> str:
    *first, last = map(escape, comparison.networks)
    return f"{', '.join(first)} and {last}" if first else last


def _several(comparison: Comparison) -> str:
    count = len(comparison.networks)
    return f", mean over {count * (count - 1) // 2} pairs of networks" if count > 2 else ""


def _spread(values: Sequence[int]) -> str:
    return "/".join(map(str, dict.fromkeys(values)))


def _population(comparison: Comparison) -> Table:
    """Return the table of the corrected s(eps), which estimates that of the population."""
    middle = comparison.eps[len(comparison.eps) // 2]
    title = (
        f"{_names(comparison)}: share of neurons in the match, estimated for the population (corrected for the fit), "
        f"by eps; effective sample size, and the one needed at eps {middle:g}{_several(comparison)}"
        f"{eps_note(comparison)}"
    )
    table = _titled(title, "examples", "effective\nn", "needed", *(f"{eps:g}" for eps in comparison.eps))
    for layer, pairs in _by_layer(comparison).items():
        evidence = [pair.evidence for pair in pairs if pair.evidence is not None]
        corrected = [one.corrected for one in evidence if one.corrected is not None]
        missing = np.full(len(comparison.eps), np.nan)
        shares = np.mean([profile.similarity(comparison.eps) for profile in corrected] or [missing], axis=0)
        table.add_row(
            escape(layer),
            f"{pairs[0].provenance.n_examples:,}",
            *_effective_and_needed([one.rows for one in evidence if one.rows is not None]),
            *map(_share, shares.tolist()),
        )
    return table


def _similarity(comparison: Comparison) -> Table:
    title = f"{_names(comparison)}, in sample: share of neurons in the maximum match, by eps{_several(comparison)}"
    title += eps_note(comparison)
    table = _titled(title, "neurons", "silent", "rows", *(f"{eps:g}" for eps in comparison.eps))
    for layer, pairs in _by_layer(comparison).items():
        profiles = [pair.profile for pair in pairs]
        shares = np.mean([profile.similarity(comparison.eps) for profile in profiles], axis=0)
        silent = dict.fromkeys(
            side for p in profiles for side in ((p.x_layer, len(p.x_silent)), (p.y_layer, len(p.y_silent)))
        )
        row: list[str] = [
            escape(layer),
            _spread([width for pair in pairs for width in pair.provenance.neurons]),
            "/".join(str(count) for _, count in silent),
            f"{pairs[0].provenance.rows:,}",
        ]
        table.add_row(*row, *map(_share, shares.tolist()))
    return table


def _share(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.3f}"


def _partners(comparison: Comparison) -> Table:
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
        table.add_row(escape(layer), *cells)
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


def _evidence(comparison: Comparison) -> Table:
    """Return the table of the measures that estimate those of the population, and of the held-out share."""
    largest = max(comparison.eps)
    level = next(pair.evidence.level for pair in comparison if pair.evidence is not None)
    intervals = "" if _several(comparison) else f" ({level:.0%} intervals over examples)"
    title = (
        f"Estimates for the population{intervals}; share held out at eps {largest:g}, of the maximum match"
        f"{_several(comparison)}"
    )
    table = _titled(title, "debiased cka", "p", "adjusted R^2", "held out")
    for layer, pairs in _by_layer(comparison).items():
        evidence = [pair.evidence for pair in pairs if pair.evidence is not None]
        if not evidence:
            continue
        cka, r_squared = (
            [one[name] for one in evidence if not np.isnan(one[name].value)]
            for name in ("debiased cka", "adjusted linear regression")
        )
        held_out = [one.profile.held_out_at(largest) for one in evidence if one.profile is not None]
        table.add_row(
            escape(layer),
            _with_interval_over_examples(cka),
            _largest_p_value(cka),
            _with_interval_over_examples(r_squared),
            f"{np.mean(held_out):.2f}" if np.isfinite(held_out).any() else "-",
        )
    return table


def _effective_and_needed(rows: Sequence[RowsNeeded]) -> tuple[str, str]:
    """Return the smallest effective sample size of some pairs of networks, and the largest that is needed."""
    if not rows:
        return "-", "-"
    size = float(np.min([one.effective_sample_size for one in rows]))
    known = "unknown" if np.isnan(size) else f"{size:,.0f}"
    needed = f"{max(one.needed for one in rows):,}"
    return known if all(one.enough for one in rows) else f"[yellow]{known}[/]", needed


def _with_interval_over_examples(of_pairs: Sequence[MeasureEvidence]) -> str:
    """Return a measure with its interval; over several pairs of networks, its mean alone."""
    if not of_pairs:
        return "-"
    value = f"{np.mean([measure.value for measure in of_pairs]):.2f}"
    first, *others = of_pairs
    if others or np.isnan([first.low, first.high]).any():
        return value
    return f"{value} ({first.low:.2f}, {first.high:.2f})"


def _largest_p_value(of_pairs: Sequence[MeasureEvidence]) -> str:
    """Return the largest p-value over pairs of networks."""
    p_values = [measure.p_value for measure in of_pairs if not np.isnan(measure.p_value)]
    if not p_values:
        return "-"
    return "<0.001" if max(p_values) < 0.001 else f"{max(p_values):.3f}"


def _universality(comparison: Comparison) -> Table:
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
        table.add_row(escape(universality.layer), *cells, *closing)
    return table


def _transplants(comparison: Comparison) -> Table:
    """Return the accuracies of networks in which matched neurons are predicted from another network's."""
    (a, b), eps = comparison.networks[:2], comparison.transplants[0].eps
    title = f"Accuracy of {escape(a)}, neurons matched at eps {eps:g} predicted from {escape(b)}'s"
    table = _titled(title, "matched", "untouched", "predicted", *TRANSPLANT_CONTROLS.values())
    for transplant in comparison.transplants:
        layer = network_and_layer(transplant.x_layer)[1]
        matched, accuracies = "-", {outcome.condition: outcome.accuracy for outcome in transplant.outcomes}
        if "transplant" in accuracies:
            matched = f"{transplant['transplant'].neurons / transplant.provenance.neurons[0]:.0%}"
        shown = (accuracies.get(condition, np.nan) for condition in TRANSPLANTED)
        table.add_row(escape(layer), matched, *("-" if np.isnan(value) else _percent(value) for value in shown))
    return table


def _simple(comparison: Comparison) -> Table:
    title = "Smallest groups found around each neuron (minimum matches), by eps"
    table = _titled(title, "eps", "neurons matched", "median size", "from", "to", "different")
    for name, matches in ((pair.name, matches) for pair in comparison for matches in pair.simple):
        sizes = sorted(matches.sizes.values())
        spread = [f"{sizes[len(sizes) // 2]}", f"{sizes[0]}", f"{sizes[-1]}"] if sizes else ["-", "-", "-"]
        table.add_row(escape(name), f"{matches.eps:g}", str(len(sizes)), *spread, str(len(matches)))
    return table
