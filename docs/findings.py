"""Print the tables of findings.md and findings-digits.md from the folder that contains the results of the studies.

python docs/findings.py FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import spanmatch as sm
from spanmatch.study.datasets import read_data
from spanmatch.study.first_layers import first_layer, input_covariance
from spanmatch.study.runs import DECODED
from spanmatch.study.settings import Settings

STUDIES = Path(__file__).parents[1] / "studies"
"""The folder of the studies' files, where their data are."""
Rows = Iterable[Iterable[object]]


def table(heads: Iterable[str], rows: Rows) -> None:
    heads = list(heads)
    print("\n| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def interval(record: dict[str, Any], digits: int = 2, scale: float = 1) -> str:
    """Return a value with its interval, if it has one."""
    value, low, high = (
        None if record[end] is None else f"{scale * record[end]:.{digits}f}" for end in ("value", "low", "high")
    )
    return f"{value}" + ("" if low is None else f" ({low} to {high})")


def spread(values: list[float], form: str = ".2f") -> str:
    """Return the mean with the smallest and the largest value; "-" without values."""
    if not values:
        return "-"
    return f"{np.mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def accuracy(study: sm.Study) -> None:
    print("\nTest accuracy, %:", {name: interval(record, 1, 100) for name, record in study.accuracy.items()})


def layers(study: sm.Study, step: str, quantities: Iterable[str]) -> None:
    """Print means over pairs of networks with intervals over seeds."""
    quantities = list(quantities)
    rows: dict[str, dict[str, Any]] = {}
    for row in study.rows():
        if row["comparison"] == step:
            rows.setdefault(row["layer"], {"neurons": row["neurons"]})[row["quantity"]] = row
    heads = ["layer", "neurons", *quantities]
    table(heads, ([layer, row["neurons"], *(interval(row[q]) for q in quantities)] for layer, row in rows.items()))


def papers(study: sm.Study) -> None:
    """Print everything that Wang et al. ask of one architecture, and Li et al. of its layers."""
    shares(study)
    measures = [row["quantity"] for row in study.rows() if row["eps"] is None]
    layers(study, "seeds", dict.fromkeys(measures))
    comparison = study.comparisons["seeds"]
    by_layer: dict[str, list[dict[str, Any]]] = {}
    for pair in comparison["pairs"]:
        by_layer.setdefault(pair["layer"], []).append(pair)
    evidence_by_layer(by_layer)
    transplants(study)
    match_sizes(by_layer)
    alternatives(study)
    course(study)
    if comparison["universality"]:
        convergent(study)


def shares(study: sm.Study) -> None:
    """Print s(eps) of every layer in each way it was estimated."""
    for estimate in ("in sample", "corrected", "held out", "null"):
        rows = [row for row in study.rows() if row["comparison"] == "seeds" and row["estimate"] == estimate]
        if any(row["value"] is not None for row in rows):
            print(f"\ns(eps), {estimate}")
            layers(study, "seeds", dict.fromkeys(row["quantity"] for row in rows))


def evidence_by_layer(by_layer: dict[str, list[dict[str, Any]]]) -> None:
    """Print partners, silent neurons, chance, and the p-values of debiased CKA, over pairs of networks."""
    rows = []
    for layer, pairs in by_layer.items():
        partner = [float(np.median(p["alignment"]["bipartite"]["strength"])) for p in pairs]
        chance = [p["chance_distance"] for p in pairs]
        silent = [len(p[side]) for p in pairs for side in ("x_silent", "y_silent")]
        evidence = [p["evidence"] for p in pairs if p["evidence"]]
        sizes = [e["rows"]["effective_sample_size"] for e in evidence if e["rows"]]
        effective = f"{min(sizes):,.0f}" if sizes else "-"
        tests = [m["p_value"] for pair in pairs for m in pair["measures"] if m["name"] == "debiased cka"]
        largest = max((p for p in tests if p is not None), default=None)
        p_value = "-" if largest is None else f"{largest:.1g}"
        rows.append([layer, spread(partner), spread(silent, ".0f"), f"{np.mean(chance):.2f}", effective, p_value])
    table(["layer", "median partner", "silent", "chance distance", "effective sample size", "largest p"], rows)


def transplants(study: sm.Study) -> None:
    """Print the accuracy with matches and full layers transplanted, beside the controls, with intervals over seeds."""
    names = ["untouched", "transplant", "ablation", "other examples", "untrained", "stitch"]
    for step in (step for step in study.results["steps"] if step.get("transplants")):
        print(f"\n{step['name']}, transplants")
        rows = [
            [record["layer"], record["eps"], interval(record["matched"])]
            + [interval(record["accuracy"][name], 1, 100) if name in record["accuracy"] else "-" for name in names]
            for record in step["transplants"]
        ]
        table(["layer", "eps", "matched", *names], rows)


def match_sizes(by_layer: dict[str, list[dict[str, Any]]]) -> None:
    """Print how many simple matches there are, and how large the minimum matches of the matched neurons."""
    sizes: dict[tuple[str, float], list[int]] = {}
    counts: dict[tuple[str, float], list[int]] = {}
    for layer, pairs in by_layer.items():
        for simple in (simple for pair in pairs for simple in pair["simple"]):
            sizes.setdefault((layer, simple["eps"]), []).extend(simple["minimum_sizes"])
            counts.setdefault((layer, simple["eps"]), []).append(len(simple["matches"]))
    rows = [
        [*key, spread(counts[key], ".0f"), len(of_key), *quartiles(of_key)] for key, of_key in sizes.items() if of_key
    ]
    heads = ["layer", "eps", "simple matches", "matched neurons", "smallest", "a quarter", "half", "three quarters"]
    table([*heads, "all"], rows)


def quartiles(sizes: list[int]) -> list[int]:
    return np.quantile(sizes, (0, 0.25, 0.5, 0.75, 1)).round().astype(int).tolist()


def alternatives(study: sm.Study) -> None:
    """Print s(0.3), s(0.5) and debiased CKA of every layer with rows made in other ways."""
    for step in (step for step in study.results["steps"] if step["kind"] == "alternatives"):
        for quantity in ("s(0.3)", "s(0.5)", "debiased cka"):
            rows = {(r["layer"], r["alternative"]): r for r in step["rows"] if r["quantity"] == quantity}
            if rows:
                names = list(dict.fromkeys(name for _, name in rows))
                layers_ = list(dict.fromkeys(layer for layer, _ in rows))
                print(f"\n{step['name']}, {quantity}")
                cells = ([layer, *(interval(rows[layer, name]) for name in names)] for layer in layers_)
                table(["layer", *names], cells)


def convergent(study: sm.Study) -> None:
    comparison = study.comparisons["seeds"]
    names = list(dict.fromkeys(pair["layer"] for pair in comparison["pairs"]))
    shared = {record["layer"]: record for record in comparison["universality"]}
    rows = []
    for layer in names:
        counts = [_partners(comparison, layer, strength) for strength in (0.5, 0.8)]
        others = len(comparison["networks"]) - 1
        cells = [f"{np.mean(c == others):.0%} / {np.mean(c == 0):.0%}" for c in counts]
        consistent = [t["closed"] / t["chains"] for t in shared[layer]["triangles"] if t["chains"]]
        chance = shared[layer]["null_cycle_consistency"]
        rows.append([layer, *cells, spread(consistent), "-" if chance is None else f"{chance:.3f}"])
    heads = [
        "layer",
        "partner >= 0.5 in all / none",
        ">= 0.8 in all / none",
        "cycle-consistent partners",
        "under the null",
    ]
    table(heads, rows)
    rows = []
    for layer in names:
        one, few, full, needed = ([] for _ in range(4))
        pairs = [pair for pair in comparison["pairs"] if pair["layer"] == layer]
        if not any(pair["alignment"]["sparse"] for pair in pairs):
            continue
        for way in (way for pair in pairs for way in pair["alignment"]["sparse"]):
            path = [row for row in way["table"] if row["penalty"] is not None]
            first, last = way["table"][0], way["table"][-1]
            goal = 1 - 0.9 * (1 - last["held_out_error"])
            one.append(first["held_out_error"])
            full.append(last["held_out_error"])
            needed.append(next(row["predictors"] for row in path if row["held_out_error"] <= goal))
            few.append(min(row["held_out_error"] for row in path if row["predictors"] <= 5))
        shares = [[pair["similarity"][comparison["eps"].index(eps)] for pair in pairs] for eps in (0.3, 0.5)]
        errors = [spread(values) for values in (one, few, full, *shares)]
        rows.append([layer, *errors, spread(needed, ".1f"), pairs[0]["x_neurons"]])
    table(["layer", "one neuron", "few", "all", "s(0.3)", "s(0.5)", "predictors for 90% of all", "neurons"], rows)


def _partners(comparison: dict[str, Any], layer: str, strength: float) -> np.ndarray:
    """Return, for every neuron of a layer over all networks, the number of others with a partner of that strength."""
    counts: dict[str, np.ndarray] = {}
    for pair in (pair for pair in comparison["pairs"] if pair["layer"] == layer):
        partners = pair["alignment"]["bipartite"]
        strong = np.array(partners["strength"]) >= strength
        for side in "xy":
            neurons = counts.setdefault(pair[f"{side}_layer"], np.zeros(pair[f"{side}_neurons"], dtype=int))
            neurons[np.array(partners[side])[strong]] += 1
    return np.concatenate(list(counts.values()))


def course(study: sm.Study) -> None:
    for step in (step for step in study.results["steps"] if step["kind"] == "epochs"):
        epochs = sorted({row["epoch"] for row in step["rows"]})
        for quantity in ("debiased cka", "s(0.5)"):
            for of in ("own", "between"):
                records = {(r["layer"], r["epoch"]): r[of] for r in step["rows"] if r["quantity"] == quantity}
                names = list(dict.fromkeys(layer for layer, _ in records))
                print(f"\n{step['name']}, {quantity}, {of}")
                table(
                    ["layer", *map(str, epochs)],
                    ([name, *(interval(records[name, e]) for e in epochs)] for name in names),
                )


def random_labels(study: sm.Study) -> None:
    for step in (step for step in study.results["steps"] if step["kind"] == "alignment"):
        print("\n", step["name"], step["neurons"], step["inputs"], "random", step["random"])
        rows = [[e["epoch"], interval(e), interval(e["change"], 3)] for e in step["epochs"]]
        table(["epoch", "misalignment", "change since the start"], rows)
    for variant in ("true", "random"):
        weight_changes(study, variant)
    for variant in study.results["variants"]:
        epochs = [e for e in variant["epochs"] if e["epoch"] in (0, 1, 2, 3, 5, 10, 15, 20, 60, 100)]
        print("\n", variant["name"])
        rows = [[e["epoch"], *(interval(e[k], 1, 100) if k in e else "-" for k in KINDS)] for e in epochs]
        table(["epoch", *KINDS], rows)
    histories = {(run["variant"], run["seed"]): run["history"] for run in study.results["runs"]}
    settings = study.results["settings"]
    starts = {variant["name"]: variant["training"]["start"] for variant in settings["variants"]}
    for after, start in starts.items():
        scratch = (start or "").replace("random", "true")
        if scratch not in starts:
            continue
        pairs = [(histories[scratch, seed], histories[after, seed]) for seed in settings["seeds"]]
        last = min(len(history) for pair in pairs for history in pair) - 1
        epochs = [epoch for epoch in (1, 2, 3, 5, 10, 15) if epoch <= last]
        print(f"\n{after} minus {scratch}, percentage points")
        table(["epoch", *KINDS], ([epoch, *(gain(pairs, epoch, kind) for kind in KINDS)] for epoch in epochs))
    for step in ("across-true-random", "seeds-true", "seeds-random"):
        print(f"\n{step}")
        layers(study, step, ["s(0.5)", "debiased cka"])


def weight_changes(study: sm.Study, variant: str) -> None:
    """Print how far the changes of the first layer's weights are from sharing directions with the inputs.

    Beside them stand the misalignment with inputs that were rotated at random, how large the changes are, and how
    much more the weights vary after training along the inputs' principal directions.
    """
    try:
        networks = [list(study.networks(variant, epoch, STUDIES).values()) for epoch in (0, None)]
        settings = Settings.model_validate_json(json.dumps(study.results["settings"]))
        data = read_data(settings.variants[0].data, STUDIES, study.folder / DECODED)
    except sm.SpanmatchError as error:
        print(f"\n{variant}, changes of the weights: {error}")
        return
    before, after = (
        [first_layer(network).weight.detach().flatten(1).double().numpy() for network in of] for of in networks
    )
    covariance = input_covariance(first_layer(networks[0][0]), data)
    directions = np.linalg.eigh(covariance)[1][:, ::-1]
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal(covariance.shape))[0]
    changes = [(W, new - W) for W, new in zip(before, after, strict=True)]
    aligned = [sm.misalignment(covariance, np.cov(change.T)) for _, change in changes]
    rotated = [sm.misalignment(rotation @ covariance @ rotation.T, np.cov(change.T)) for _, change in changes]
    sizes = [float(np.linalg.norm(change) / np.linalg.norm(W)) for W, change in changes]
    gains = [
        (new @ directions).var(axis=0) / (W @ directions).var(axis=0) for W, new in zip(before, after, strict=True)
    ]
    print(
        f"\n{variant}, changes of the weights: misalignment {spread(aligned, '.0f')}, with rotated inputs "
        f"{spread(rotated, '.0f')}, size {spread(sizes)}"
    )
    print("variance along the inputs' principal directions over that before:", np.mean(gains, axis=0).round(2)[:10])


def gain(pairs: list[tuple[Any, Any]], epoch: int, kind: str) -> str:
    """Return the mean gain of the second histories over the first, in percentage points."""
    gains = [after[epoch][kind] - before[epoch][kind] for before, after in pairs]
    return interval(sm.over_seeds(gains, bounds=(-1, 1)).to_dict(), 1, 100)


KINDS = ("train_accuracy", "test_accuracy")


def width_depth(study: sm.Study) -> None:
    rows = []
    for step in (step for step in study.results["steps"] if step.get("blocks")):
        blocks = step["blocks"]
        first = [share["value"] for share in blocks["first_component"].values()]
        cells = [interval(blocks[name]) for name in ("within", "between")]
        rows.append([step["variants"][0], *cells, f"{np.median(first):.2f}", f"{max(first):.2f}"])
    table(["variant", "two layers of one network", "the same of two networks", "first component", "largest"], rows)
    table(["variant", "s(0.5)", "debiased CKA", "adjusted regression R^2"], between_seeds(study))
    for name, comparison in study.comparisons.items():
        if name.startswith("seeds-"):
            print(f"\n{name}")
            layers(study, name, ["s(0.3)", "s(0.5)", "debiased cka"])
            matrix = next(m for m in comparison["matrices"] if m["name"] == "debiased cka")
            print("correlation over layers of the first component's share with the mean similarity to the others:")
            print("  ", spread(_dominance(matrix)))


def between_seeds(study: sm.Study) -> Rows:
    """Yield, for each variant, means over layers but the first and the last: of all pairs of seeds, and their range."""
    for name, comparison in study.comparisons.items():
        inner = list(dict.fromkeys(pair["layer"] for pair in comparison["pairs"]))[1:-1]
        values: dict[tuple[str, tuple[str, ...]], list[float]] = {}
        for pair in (pair for pair in comparison["pairs"] if pair["layer"] in inner):
            measured = {measure["name"]: measure["value"] for measure in pair["measures"]}
            measured["s(0.5)"] = pair["similarity"][comparison["eps"].index(0.5)]
            networks = tuple(pair[f"{side}_layer"].partition(":")[0] for side in "xy")
            for quantity in BETWEEN_SEEDS:
                values.setdefault((quantity, networks), []).append(measured[quantity])
        means = [[float(np.mean(v)) for key, v in values.items() if key[0] == quantity] for quantity in BETWEEN_SEEDS]
        yield [name, *(spread(of_pairs) for of_pairs in means)]


BETWEEN_SEEDS = ("s(0.5)", "debiased cka", "adjusted linear regression")


def _dominance(matrix: dict[str, Any]) -> list[float]:
    """Return, for each network, the correlation of first-component shares with mean similarity to its other layers."""
    values, share = np.array(matrix["values"], dtype=float), np.array(matrix["first_component"])
    networks = [name.partition(":")[0] for name in matrix["layers"]]
    correlations = []
    for network in dict.fromkeys(networks):
        layers = [i for i, name in enumerate(networks) if name == network]
        similarity = (values[np.ix_(layers, layers)].sum(axis=1) - 1) / (len(layers) - 1)
        correlations.append(float(np.corrcoef(similarity, share[layers])[0, 1]))
    return correlations


def text(study: sm.Study) -> None:
    layers(study, "seeds", ["s(0.3)", "s(0.5)", "debiased cka", "linear regression"])
    course(study)


PRINTED: dict[str, Callable[[sm.Study], None]] = {
    "cifar10-vgg": papers,
    "cifar10-resnet": papers,
    "cifar10-width-depth": width_depth,
    "cifar10-random-labels": random_labels,
    "digits-vgg": papers,
    "digits-cnn": convergent,
    "digits-epochs": course,
    "digits-random-labels": random_labels,
    "digits-width-depth": width_depth,
    "text-transformer": text,
}


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for name, show in PRINTED.items():
        if (folder / name / "study.json").is_file():
            study = sm.Study.load(folder / name)
            print(f"\n## {name}")
            accuracy(study)
            show(study)


if __name__ == "__main__":
    main()
