"""Studies of networks that are trained already: from their weights to tables, page and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.cli.commands import app
from spanmatch.saved_results import read_made_from
from spanmatch.study import dry_run
from spanmatch.study.datasets import Data, read_data
from spanmatch.study.settings import DataSettings
from studies import written

pytestmark = pytest.mark.slow

CODE = """
from collections import OrderedDict
from torch import nn

def make(channels, size, classes, width=80):
    return nn.Sequential(OrderedDict(
        flatten=nn.Flatten(), fc1=nn.Linear(channels * size * size, width), relu1=nn.ReLU(),
        fc2=nn.Linear(width, classes)))

def build():
    return make(1, 8, 10)

def five():
    return make(1, 8, 5)

def coloured():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())

def narrow():
    return make(1, 8, 10, width=70)

def number():
    return 3
"""
A = """
[[networks]]
name = "a"
network = { name = "mlp", options = { widths = [80] } }
weights = "weights/a.safetensors"
"""
B = """
[[networks]]
name = "b"
network = { name = "models.py:make" }
weights = "weights/b.pt"
"""
C = """
[[networks]]
name = "c"
from = "models.py:build@weights/c.pth"
"""
OTHERS = "".join(
    f"""
[[networks]]
name = "{name}"
variant = "others"
from = "models.py:build@weights/{name}.pt"
"""
    for name in "def"
)
START = """
name = "given"
data.max_examples = 160
[compare]
evidence = false
clusters = false
top = 2
"""
UNIT = START.replace("160", "160\ndata.standardise = false")
EVERYTHING = """
matrix = true
alignment = true
transplants = [0.5]
across = [["main", "others"]]
"""


def independent(seed: int, classes: int = 10) -> nn.Module:
    """Return a network of the same layers as the project's, with weights of a seed."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, classes)).eval()


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict of an independent network by the names of the project's layers."""
    names = {"1": "fc1", "3": "fc2"}
    return {f"{names[key[0]]}{key[1:]}": value for key, value in network.state_dict().items()}


def save_weights(folder: Path) -> None:
    """Save the weights of the networks a to f, and the code of their functions."""
    (folder / "weights").mkdir()
    (folder / "models.py").write_text(CODE)
    weights = {name: weights_of(independent(seed)) for seed, name in enumerate("abcdef")}
    save_file(weights["a"], folder / "weights" / "a.safetensors")
    torch.save({"epoch": 3, "state_dict": weights["c"]}, folder / "weights" / "c.pth")
    for name in "bdef":
        torch.save(weights[name], folder / "weights" / f"{name}.pt")


def data() -> Data:
    return read_data(DataSettings(max_examples=160))


@pytest.fixture
def folder(tmp_path):
    save_weights(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> sm.Study:
    folder = tmp_path_factory.mktemp("given")
    save_weights(folder)
    return sm.run_study(written(folder, START + EVERYTHING + A + B + C + OTHERS), folder / "out")


def test_numbers_are_those_of_sm_compare(study):
    digits = data()
    images = digits.prepared(torch.cat([digits.train, digits.test]))
    networks = {name: independent(seed) for seed, name in enumerate("abc")}
    expected = sm.compare(networks, [images], layers=["1", "2", "3"], clusters=False, evidence=False)
    names = {"relu1": "2", "fc2": "3"}
    rows = [row for row in study.rows() if row["comparison"] == "networks" and row["layer"] in names]
    rows = [row for row in rows if row["estimate"] in ("in sample", None)]
    assert len(rows) == 2 * 7
    for row in rows:
        pairs = [r for r in expected.pairs if r.x_layer.endswith(f":{names[row['layer']]}")]
        assert len(pairs) == 3
        if row["eps"] is None:
            measure = {m.name: m for m in sm.measures()}[row["quantity"]]
            values = [float(measure(expected.moments.pair(r.x_layer, r.y_layer))) for r in pairs]
        else:
            values = [float(r.profile.similarity(row["eps"])) for r in pairs]
        assert row["value"] == pytest.approx(np.mean(values), rel=1e-3, abs=1e-9)
        assert (row["minimum"], row["maximum"]) == pytest.approx((min(values), max(values)), rel=1e-3, abs=1e-9)


def test_accuracy_is_that_of_the_test_examples(study):
    digits = data()
    with torch.no_grad():
        guesses = [independent(seed)(digits.prepared(digits.test)).argmax(1) for seed in range(6)]
    shares = [float((guess == digits.test_labels).float().mean()) for guess in guesses]
    runs = study.results["runs"]
    assert [run["history"][-1]["test_accuracy"] for run in runs] == pytest.approx(shares)
    assert [(run["name"], run["seed"], run["reason"]) for run in runs] == [(name, None, None) for name in "abcdef"]
    spread = sm.shares_over_seeds(shares[:3], len(digits.test)).to_dict()
    assert study.accuracy["main"] == pytest.approx(spread, rel=1e-3)
    assert study.comparisons["networks"]["notes"]["Test accuracy"].startswith(f"a {shares[0]:.1%}, b ")


def test_every_kind_of_step_but_epochs(study):
    steps = {step["name"]: step for step in study.results["steps"]}
    assert list(steps) == ["networks", "alignment", "networks-others", "alignment-others", "across-others"]
    assert {step["kind"] for step in steps.values()} == {"seeds", "alignment", "across"}
    pairs = study.comparisons["across-others"]["pairs"]
    assert {(p["x_layer"].split(":")[0], p["y_layer"].split(":")[0]) for p in pairs} == {
        ("main a", "others e"),
        ("main b", "others f"),
        ("main c", "others d"),
    }
    (epoch,) = steps["alignment"]["epochs"]
    inputs = np.cov(data().prepared(data().train).flatten(1).double().numpy().T, bias=True)
    values = [
        sm.misalignment(inputs, np.cov(independent(seed)[1].weight.detach().double().numpy().T)) for seed in range(3)
    ]
    assert epoch["value"] == pytest.approx(np.mean(values), rel=1e-3)
    (transplant,) = (t for t in study.comparisons["networks"]["transplants"] if t["x_layer"] == "a:relu1")
    outcomes = {outcome["condition"]: outcome for outcome in transplant["outcomes"]}
    assert outcomes["untouched"]["accuracy"] == pytest.approx(study.results["runs"][0]["history"][0]["test_accuracy"])
    assert "untrained" in outcomes and transplant["y_layer"] == "b:relu1"
    assert study.comparisons["networks"]["matrices"]


def test_it_is_loaded_and_its_networks_are_those_given(study):
    again = sm.Study.load(study.folder)
    assert again.results == study.results and again.results["intervals_over"] == "networks"
    assert {"seeds", "training"}.isdisjoint(again.results["settings"])
    networks = again.networks("others", data=study.folder.parent)
    assert list(networks) == ["d", "e", "f"]
    assert torch.equal(networks["e"].fc1.weight, independent(4)[1].weight)
    with pytest.raises(sm.SpanmatchError, match="a was trained already: there are no weights of epoch 3"):
        again.networks(epoch=3, data=study.folder.parent)
    assert not (study.folder / "figures" / "learning.pdf").exists()
    assert (study.folder / "figures" / "networks" / "depth.pdf").exists()


def test_the_page_shows_networks(study, tmp_path, browser):
    path, wrong = study.report(tmp_path / "report.html"), []
    page = browser.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(path.as_uri())
    expect(page.locator("#study")).to_contain_text("95% intervals over networks")
    expect(page.locator("#study")).to_contain_text("a, b, c")
    expect(page.locator("#over-all")).to_contain_text("Layers, with intervals over networks")
    assert page.locator("#comparison option").all_inner_texts() == [
        "networks",
        "networks of others",
        "main against others",
    ]
    assert "seed" not in page.locator("main").inner_text()
    page.close()
    assert not wrong


def test_only_a_changed_weights_file_repeats_the_comparison(folder):
    path, out = written(folder, START + A + B), folder / "out"
    step, evaluations = out / "comparisons" / "networks" / "step.json", [out / "runs" / "main" / n for n in "ab"]
    files = [step, *(place / "evaluation.json" for place in evaluations)]
    before = sm.run_study(path, out).results
    times = [file.stat().st_mtime_ns for file in files]
    assert sm.run_study(path, out).results == before
    assert [file.stat().st_mtime_ns for file in files] == times
    torch.save(weights_of(independent(7)), folder / "weights" / "b.pt")
    after = sm.run_study(path, out).results
    changed = [file.stat().st_mtime_ns != time for file, time in zip(files, times, strict=True)]
    assert changed == [True, False, True]
    assert after["steps"] != before["steps"] and after["runs"][0] == before["runs"][0]
    (folder / "models.py").write_text(CODE + "# changed\n")
    made_from = read_made_from(step)
    sm.run_study(path, out)
    assert read_made_from(step) != made_from


def test_other_outputs_have_no_accuracy_but_are_compared(folder, monkeypatch):
    for name in "pq":
        torch.save(weights_of(independent(8, classes=5)), folder / "weights" / f"{name}.pt")
    given = C.replace("build", "five")
    given = given.replace('"c"', '"p"').replace("c.pth", "p.pt") + given.replace('"c"', '"q"').replace("c.pth", "q.pt")
    monkeypatch.chdir(folder)
    written(folder, START + given)
    result = CliRunner().invoke(app, ["study", "small.toml"], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.stderr
    reason = "its outputs are (n, 5); for the labels they must be (n, 10)"
    assert f"p: no accuracy: {reason}" in result.stdout.replace("\n", " ")
    results = sm.Study.load("given").results
    assert [run["reason"] for run in results["runs"]] == [reason, reason]
    assert results["variants"][0]["epochs"][0]["test_accuracy"]["value"] is None
    rows = sm.Study.load("given").rows()
    assert all(row["value"] is not None for row in rows if row["estimate"] == "in sample")
    assert any(reason in line for line in dry_run("small.toml"))
    written(folder, START + "transplants = [0.3]\n" + given)
    with pytest.raises(sm.SpanmatchError, match=r"compare.transplants: p has no accuracy to compare: its outputs are"):
        sm.run_study("small.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (A + B.replace("b.pt", "gone.pt"), ["networks: b: ", "gone.pt: no such file"]),
        (A + B.replace("models.py", "gone.py"), ["gone.py: no such file"]),
        (A + B.replace("make", "nothing"), ["models.py has no function 'nothing'", "there is"]),
        (A.replace("mlp", "mpl") + B, ["no 'mpl'; there is 'mlp'"]),
        (
            A.replace("80", "80, 9, 9, 9"),
            ["a.safetensors: these weights do not fit: 6 missing (fc3.weight, ", ", ...)"],
        ),
        (A.replace("[80]", "[70]"), ["of another shape (fc1.weight: 80 x 64 instead of 70 x 64"]),
        (
            A.replace("mlp", "cnn").replace("widths = [80]", "width = 1"),
            ["6 missing (conv1.weight, conv1.bias, conv2.weight, ...); 3 of another shape ("],
        ),
        (
            A + C.replace("build@weights/c.pth", "coloured"),
            ["network 'c' failed on a batch of float32 (4, 1, 8, 8): RuntimeError: "],
        ),
        (A + C.replace("build@weights/c.pth", "number"), ["models.py:number gives a int; it must give a torch.nn"]),
        (A + C.replace("build@weights/c.pth", "narrow"), ["a and c differ in layer 'relu1' (80 neurons, 70 neurons)"]),
    ],
)
def test_mistakes_are_named_before_anything_is_compared(folder, text, said):
    path = written(folder, START + text + (B if text.count("[[") == 1 else ""))
    for run in (dry_run, lambda path: sm.run_study(path, folder / "out")):
        with pytest.raises(sm.SpanmatchError) as caught:
            run(path)
        assert all(part in str(caught.value) for part in said), caught.value
    assert not list(folder.glob("out/comparisons/*"))


def test_a_dry_run_says_what_is_compared(folder):
    lines = dry_run(written(folder, START + A + B + C))
    assert lines[0] == "main: 3 networks, on digits"
    assert "  c: models.py:build, 6,010 parameters, trained already" in lines
    assert "  layers: relu1 (80), fc2 (10)" in lines
    assert "  inputs: mean 0 and variance 1 in every channel; from 0 to 1 with data.standardise = false" in lines
    assert "  inputs: pixels from 0 to 1" in dry_run(written(folder, UNIT + A + B))
    assert not (folder / "given").exists()


def test_networks_of_pixels_from_0_to_1_get_them(folder):
    standard = read_data(DataSettings(max_examples=160))
    unit = read_data(DataSettings(max_examples=160, standardise=False))
    assert torch.equal(unit.prepared(unit.test), unit.test / 255) and unit.digest != standard.digest
    for start, examples in ((UNIT, unit), (START, standard)):
        study = sm.run_study(written(folder, start + A + C), folder / "out")
        for record, seed in zip(study.results["runs"], (0, 2), strict=True):
            with torch.no_grad():
                right = independent(seed)(examples.prepared(examples.test)).argmax(1) == examples.test_labels
            assert record["history"][-1]["test_accuracy"] == pytest.approx(right.double().mean().item())
