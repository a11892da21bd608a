"""Steps: every quantity in study.json is that of its networks."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import spanmatch as sm
from spanmatch.study import dry_run
from spanmatch.study.datasets import read_data
from spanmatch.study.quantities import blocks_of
from spanmatch.study.settings import (
    DataSettings,
)
from studies import SMALL, written


def test_a_studys_tables_are_those_of_its_comparisons(small_study):
    comparison = small_study.comparisons["seeds-a"]
    rows = [row for row in small_study.rows() if row["comparison"] == "seeds-a" and row["quantity"] == "s(0.3)"]
    for row in rows:
        pairs = [pair for pair in comparison["pairs"] if pair["layer"] == row["layer"]]
        values = [pair["similarity"][comparison["eps"].index(0.3)] for pair in pairs]
        assert len(values) == 3
        assert row["value"] == pytest.approx(np.mean(values), rel=1e-3, abs=1e-9)
        assert (row["minimum"], row["maximum"]) == pytest.approx((min(values), max(values)), rel=1e-3, abs=1e-9)


def test_a_later_variant_starts_where_the_first_ended(small_study):
    ended, started = small_study.networks("a"), small_study.networks("b", epoch=0)
    for name, network in ended.items():
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), started[name].parameters(), strict=True))
    histories = {run["variant"]: run["history"] for run in small_study.results["runs"] if run["seed"] == 1}
    assert histories["b"][0]["test_loss"] == pytest.approx(histories["a"][-1]["test_loss"], rel=1e-6)
    with pytest.raises(sm.SpanmatchError, match="no variant 'c'; there is 'a', 'b'"):
        small_study.networks("c")


def test_some_layers_start_where_another_variant_ended(tmp_path):
    text = SMALL.replace("epochs = 3", "epochs = 2").replace("[0, 1, 2]", "[0, 1]").replace("[12]", "[12, 8]")
    text += "epochs = [0]\n[[variants]]\nname = 'a'\n[[variants]]\nname = 'b'\ntraining.start = 'a'\n"
    study = sm.run_study(written(tmp_path, text + "training.start_layers = ['fc[12]']\n"), tmp_path / "out", workers=1)
    ended, untrained, started = study.networks("a"), study.networks("a", epoch=0), study.networks("b", epoch=0)
    for name, network in started.items():
        for layer, source in {"fc1": ended, "fc2": ended, "fc3": untrained}.items():
            for own, other in zip(
                network.get_submodule(layer).parameters(), source[name].get_submodule(layer).parameters(), strict=True
            ):
                assert torch.equal(own, other), layer
    assert not torch.equal(ended["seed0"].fc3.weight, untrained["seed0"].fc3.weight)
    said = dry_run(written(tmp_path, text + "training.start_layers = ['fc[12]']\n"))
    assert [line.partition("cpu")[2] for line in said if "training: " in line] == ["", ", from fc[12] of 'a'"]
    path = written(tmp_path, text + "training.start_layers = ['conv1']\n")
    for run in (sm.run_study, dry_run):
        with pytest.raises(sm.SpanmatchError, match=r"training.start_layers: layers: 'conv1' matches nothing"):
            run(path)


def test_a_study_samples_and_permutes_as_its_settings_say(tmp_path):
    text = SMALL.replace("evidence = false", "evidence = true").replace("[0, 1, 2]", "[0, 1]")
    text += 'measures = ["mutual knn"]\nepochs = [0]\nclusters = false\n'
    study = sm.run_study(written(tmp_path, f"{text}sample = 60\npermutations = 19\n"), tmp_path / "out", workers=1)
    for pair in study.comparisons["seeds"]["pairs"]:
        assert (pair["sample"]["size"], pair["sample"]["n_examples"]) == (60, 200)
        of_name = {measure["name"]: measure for measure in pair["measures"]}
        assert of_name["mutual knn"]["permutations"] == of_name["cka"]["permutations"] == 19
        assert 0.05 <= of_name["mutual knn"]["p_value"] <= 1
    values = {row["layer"]: row["value"] for row in study.rows() if row["quantity"] == "mutual knn"}
    assert len(values) == 3 and all(0 < value < 1 for value in values.values())
    (followed,) = [step["rows"] for step in study.results["steps"] if step["kind"] == "epochs"]
    last = {row["layer"]: row for row in followed if row["quantity"] == "mutual knn" and row["epoch"] == 3}
    assert all(row["own"]["value"] == 1 for row in last.values())  # each network with itself
    assert {layer: row["between"]["value"] for layer, row in last.items()} == pytest.approx(values, rel=1e-3)
    with pytest.raises(sm.SpanmatchError, match=r"compare.sample: 0, but 'mutual knn' of compare.measures is of the"):
        dry_run(written(tmp_path, f"{text}sample = 0\n"))


def test_training_is_followed(small_study):
    rows = next(step for step in small_study.results["steps"] if step["name"] == "epochs-a")["rows"]
    assert {row["epoch"] for row in rows} == {0, 1, 3}
    last = [row for row in rows if row["epoch"] == 3]
    # At the end each network is like itself, and like the others as the comparison of seeds says.
    assert all(row["own"]["value"] == pytest.approx(1, abs=1e-6) for row in last if row["quantity"] == "debiased cka")
    seeds = {(r["layer"], r["quantity"]): r for r in small_study.rows() if r["comparison"] == "seeds-a"}
    for row in last:
        assert row["between"]["value"] == pytest.approx(
            seeds[row["layer"], row["quantity"]]["value"], rel=1e-3, abs=1e-3
        )
    first = next(r for r in rows if (r["epoch"], r["layer"], r["quantity"]) == (0, "relu1", "debiased cka"))
    data = read_data(DataSettings(max_examples=160))
    images = data.prepared(torch.cat([data.train, data.test]))
    values = []
    for then, last in zip(*(small_study.networks("a", epoch).values() for epoch in (0, None)), strict=True):
        with torch.no_grad():
            X, Y = (torch.relu(network.fc1(images.flatten(1))).double().numpy() for network in (then, last))
        values.append(float(sm.debiased_cka(sm.pair(X, Y))))
    assert (first["own"]["value"], first["own"]["minimum"]) == pytest.approx((np.mean(values), min(values)), rel=1e-3)


def test_across_puts_each_network_against_another_seeds(small_study):
    pairs = small_study.comparisons["across-a-b"]["pairs"]
    between = {(p["x_layer"].split(":")[0], p["y_layer"].split(":")[0]) for p in pairs}
    assert between == {("a seed0", "b seed1"), ("a seed1", "b seed2"), ("a seed2", "b seed0")}


def test_networks_of_one_seed_in_two_variants_are_left_out_together(small_study):
    comparison = small_study.comparisons["across-a-b"]
    rows = [row for row in small_study.rows() if row["comparison"] == "across-a-b" and row["quantity"] == "s(0.3)"]
    for row in rows:
        values = {}
        for pair in (pair for pair in comparison["pairs"] if pair["layer"] == row["layer"]):
            x, y = (
                int(pair[side].split(":")[0].removeprefix(name))
                for side, name in (("x_layer", "a seed"), ("y_layer", "b seed"))
            )
            values[x, y] = pair["similarity"][comparison["eps"].index(0.3)]
        spread = sm.over_seeds(values, bounds=(0, 1)).to_dict()
        if spread["low"] is None:
            assert row["low"] is None and row["high"] is None
        else:
            assert (row["low"], row["high"]) == pytest.approx((spread["low"], spread["high"]), rel=1e-2)


def test_intervals_of_a_study_stay_in_range(small_study):
    for accuracy in small_study.accuracy.values():
        assert 0 <= accuracy["low"] < accuracy["high"] <= 1
    for row in small_study.rows():
        if row["low"] is not None:
            assert (-1 if row["quantity"] == "debiased cka" else 0) <= row["low"] < row["high"] <= 1
        if row["minimum"] == row["maximum"]:
            assert row["low"] is None and row["high"] is None


def test_alignment_is_measured_against_random_weights(small_study):
    step = next(step for step in small_study.results["steps"] if step["name"] == "alignment-a")
    assert (step["neurons"], step["inputs"]) == (80, 64)
    first, last = step["epochs"][0], step["epochs"][-1]
    assert first["epoch"] == 0 and first["change"]["value"] == 0
    assert last["change"]["value"] == pytest.approx(last["value"] - first["value"], abs=1e-2)
    assert step["random"]["low"] < first["value"] < step["random"]["high"]
    data = read_data(DataSettings(max_examples=160))
    weights = [network.fc1.weight.detach().double().numpy() for network in small_study.networks("a", epoch=0).values()]
    inputs = np.cov(data.prepared(data.train).flatten(1).double().numpy().T, bias=True)
    values = [sm.misalignment(inputs, np.cov(W.T)) for W in weights]
    assert (first["value"], first["maximum"]) == pytest.approx((np.mean(values), max(values)), rel=1e-3)


def test_shares_are_estimated_in_several_ways(small_study):
    comparison = small_study.comparisons["seeds-a"]
    data = read_data(DataSettings(max_examples=160))
    images = data.prepared(torch.cat([data.train, data.test]))
    rows = {
        (row["estimate"], row["eps"]): row
        for row in small_study.rows()
        if row["comparison"] == "seeds-a" and row["layer"] == "fc2" and row["eps"] is not None
    }
    assert {estimate for estimate, _ in rows} == {"in sample", "corrected", "held out", "null"}
    with torch.no_grad():
        outputs = [network(images).double().numpy() for network in small_study.networks("a").values()]
    pairs = [sm.pair(X, Y) for X, Y in itertools.combinations(outputs, 2)]
    for eps in comparison["eps"]:
        shares = [float(sm.match_profile(pair, corrected=True).similarity(eps)) for pair in pairs]
        assert rows["corrected", eps]["value"] == pytest.approx(np.mean(shares), rel=1e-3, abs=1e-9)
        assert rows["corrected", eps]["value"] <= rows["in sample", eps]["value"]
        assert rows["null", eps]["value"] <= rows["in sample", eps]["value"]
        assert rows["held out", eps]["value"] is None  # the study asked for no evidence
        assert rows["in sample", eps]["value"] is not None


def test_alternatives_are_comparisons_of_their_own(small_study):
    step = next(step for step in small_study.results["steps"] if step["name"] == "alternatives-a")
    rows = {(row["alternative"], row["layer"], row["quantity"]): row for row in step["rows"]}
    assert {name for name, _, _ in rows} == {"unchanged", "centred", "few"}
    seeds = {(r["layer"], r["quantity"]): r for r in small_study.rows() if r["comparison"] == "seeds-a"}
    data = read_data(DataSettings(max_examples=160))
    images = torch.cat([data.train, data.test])
    few = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:50]]
    with torch.no_grad():
        outputs = [
            [network(data.prepared(examples)).double().numpy() for network in small_study.networks("a").values()]
            for examples in (images, few)
        ]
    for (name, layer, quantity), row in rows.items():
        if name == "unchanged":
            assert row["value"] == pytest.approx(seeds[layer, quantity]["value"], rel=1e-3, abs=1e-3)
            assert row["n_examples"] == 200
        if layer == "fc2" and quantity == "s(0.3)":
            centred, rows_of_networks = name == "centred", outputs[name == "few"]
            pairs = [sm.pair(X, Y) for X, Y in itertools.combinations(rows_of_networks, 2)]
            shares = [float(sm.match_profile(pair, centred=centred).similarity(0.3)) for pair in pairs]
            assert row["value"] == pytest.approx(np.mean(shares), rel=1e-3, abs=1e-9)
    assert rows["few", "fc2", "s(0.3)"]["n_rows"] == 50
    assert (small_study.folder / "alternatives.csv").read_text().count("centred") == sum(
        step["kind"] == "alternatives" and row["alternative"] == "centred"
        for step in small_study.results["steps"]
        if step["kind"] == "alternatives"
        for row in step["rows"]
    )


def test_transplants_are_of_every_seed_from_the_next(small_study):
    made = small_study.comparisons["seeds-a"]["transplants"]
    pairs = {(t["x_layer"].split(":")[0], t["y_layer"].split(":")[0]) for t in made}
    assert pairs == {("seed0", "seed1"), ("seed1", "seed2"), ("seed2", "seed0")}
    (step,) = (step for step in small_study.results["steps"] if step["name"] == "seeds-a")
    assert {(record["layer"], record["eps"]) for record in step["transplants"]} == {
        (row["layer"], eps) for row in step["rows"] for eps in (0.5, 0.9)
    }
    for record in step["transplants"]:
        own = [t for t in made if t["x_layer"].endswith(f":{record['layer']}") and t["eps"] == record["eps"]]
        for name, spread in record["accuracy"].items():
            values = [o["accuracy"] for t in own for o in t["outcomes"] if o["condition"] == name]
            assert spread["value"] == pytest.approx(np.mean(values), rel=1e-3)
        matched = [
            o["neurons"] / record["neurons"] for t in own for o in t["outcomes"] if o["condition"] == "transplant"
        ]
        assert record["matched"]["value"] == pytest.approx(np.mean(matched), rel=1e-3)
        less = record["accuracy"]["transplant"]["value"] - record["accuracy"]["ablation"]["value"]
        assert record["differences"]["ablation"]["value"] == pytest.approx(less, abs=1e-3)
    untouched = step["transplants"][0]["accuracy"]["untouched"]
    data = read_data(DataSettings(max_examples=160))
    accuracies = [
        float((network(data.prepared(data.test)).argmax(1) == data.test_labels).float().mean())
        for network in small_study.networks("a").values()
    ]
    assert untouched["value"] == pytest.approx(np.mean(accuracies), rel=1e-3)


def test_transplants_are_centred_if_the_study_is(tmp_path):
    text = SMALL + "centred = true\neps = [0.9]\ntransplants = [0.9]\nfolds = 2\n"
    study = sm.run_study(written(tmp_path, text.replace("[0, 1, 2]", "[0, 1]")), tmp_path / "out")
    record = next(r for r in study.results["steps"][0]["transplants"] if r["layer"] == "relu1")
    data = read_data(DataSettings(max_examples=160))
    with torch.no_grad():
        X, Y = (
            torch.relu(network.fc1(data.prepared(data.train).flatten(1))).double().numpy()
            for network in study.networks().values()
        )
    shares = [len(sm.maximum_match(pair, 0.9, centred=True).x) / 12 for pair in (sm.pair(X, Y), sm.pair(Y, X))]
    uncentred = [len(sm.maximum_match(pair, 0.9).x) / 12 for pair in (sm.pair(X, Y), sm.pair(Y, X))]
    assert record["matched"]["value"] == pytest.approx(np.mean(shares), rel=1e-3) != pytest.approx(np.mean(uncentred))


def test_held_out_shares_are_those_of_the_evidence(tmp_path):
    text = SMALL.replace("evidence = false", "evidence = true").replace("[0, 1, 2]", "[0, 1]") + "eps = [0.5, 0.9]\n"
    study = sm.run_study(written(tmp_path, text), tmp_path / "out")
    (pair,) = (pair for pair in study.comparisons["seeds"]["pairs"] if pair["layer"] == "fc2")
    profile = pair["evidence"]["profile"]
    rows = {row["eps"]: row["value"] for row in study.rows() if row["layer"] == "fc2" and row["estimate"] == "held out"}
    assert set(rows) == {0.5, 0.9} and rows[0.9] > 0
    for eps, value in rows.items():
        assert value == pytest.approx(profile["held_out"][profile["held_out_eps"].index(eps)], rel=1e-3)


def test_a_setting_repeats_only_the_steps_that_depend_on_it(tmp_path):
    text = SMALL + "epochs = [0, 1]\n" + 'alternatives = [{ name = "few", max_examples = 50 }]\n'
    study = sm.run_study(written(tmp_path, text), tmp_path / "out")
    steps = tmp_path / "out" / "comparisons"
    names = {"seeds", "epochs", "alternatives"}
    before = {name: (steps / name / "step.json").stat().st_mtime_ns for name in names}
    changed = text.replace("epochs = [0, 1]", "epochs = [1]").replace("50", "40")
    study = sm.run_study(written(tmp_path, changed), tmp_path / "out")
    after = {name: (steps / name / "step.json").stat().st_mtime_ns for name in names}
    assert {name for name in names if before[name] != after[name]} == {"epochs", "alternatives"}
    outdated = json.loads((steps / "seeds" / "step.json").read_text())
    outdated["made_from"]["version"][1] = 0
    del outdated["rows"], outdated["transplants"]
    (steps / "seeds" / "step.json").write_text(json.dumps(outdated))
    again = sm.run_study(written(tmp_path, SMALL), tmp_path / "out")
    assert [step["name"] for step in again.results["steps"]] == ["seeds"]
    assert [row for row in again.rows() if row["comparison"] == "seeds"] == [
        row for row in study.rows() if row["comparison"] == "seeds"
    ]
    assert {path.name for path in steps.iterdir()} == {"seeds"}
    assert not (tmp_path / "out" / "alternatives.csv").exists() and not (tmp_path / "out" / "epochs.csv").exists()
    with pytest.raises(sm.SpanmatchError, match=r"does not keep its weights after epoch 2; take it out of compare.epo"):
        sm.run_study(written(tmp_path, SMALL + "epochs = [2]\n"), tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("transplant_layers = ['none']", r"compare\.transplant_layers: layers: 'none' matches nothing"),
        ("simple_layers = ['none']", r"compare\.simple_layers: layers: 'none' matches nothing"),
        ("sparse = ['none']", r"compare\.sparse: layers: 'none' matches nothing"),
        ("alternatives = [{ name = 'p', pool = 50 }]", r"compare\.alternatives, 'p': .* cannot be pooled to 50"),
    ],
)
def test_layers_are_checked_before_training(tmp_path, line, said):
    path = written(tmp_path, SMALL.replace('"mlp"', '"cnn"').replace("widths = [12]", "width = 0.1") + line + "\n")
    for run in (sm.run_study, dry_run):
        with pytest.raises(sm.SpanmatchError, match=said):
            run(path)
    assert not (tmp_path / "small" / "runs").exists()


def test_blocks_tell_what_is_each_networks_own():
    names = [f"{network}:{layer}" for network in "abc" for layer in "xyz"]
    values = np.full((9, 9), 0.2)
    for k in range(3):
        values[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] = 0.9
    matrix = sm.LayerMatrix("debiased cka", tuple(names), values, np.linspace(0.1, 0.9, 9), "")
    blocks = blocks_of(matrix)
    assert blocks["within"]["value"] == pytest.approx(0.9) and blocks["between"]["value"] == pytest.approx(0.2)
    assert blocks["first_component"]["x"]["value"] == pytest.approx(np.mean([0.1, 0.4, 0.7]))
    mixed = np.random.default_rng(0).uniform(size=(9, 9))
    blocks = blocks_of(replace(matrix, values=mixed))
    for name, places in (("within", ((0, 0), (3, 3), (6, 6))), ("between", ((0, 3), (0, 6), (3, 6)))):
        above = [mixed[a + i, b + j] for a, b in places for i, j in ((0, 1), (0, 2), (1, 2))]
        assert blocks[name]["value"] == pytest.approx(np.mean(above), rel=1e-3)
    same = blocks_of(replace(matrix, values=np.full((9, 9), 0.9)))
    assert same["within"]["value"] == same["between"]["value"]
