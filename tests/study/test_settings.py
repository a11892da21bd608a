"""Settings: variants on top of the study, and every mistake named with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import spanmatch as sm
from spanmatch.study.settings import (
    CompareSettings,
    DataSettings,
    GivenNetworkSettings,
    NetworkSettings,
    Settings,
    TrainingSettings,
    Variant,
    read_settings,
)
from studies import SMALL, written

GIVEN = """[[networks]]
name = 'a'
network = { name = 'mlp' }
weights = 'a.pt'
[[networks]]
name = 'b'
from = 'm.py:f'
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'\n[data]\nsiz = 3", ["line 3: data.siz: unknown key; there is size"]),
        ("name = 'x'\n[training]\nepochs = '3'", ["line 3: training.epochs", "valid integer", "given: '3'"]),
        ("name = 'x'\nseeds = [1, 1]", ["line 2: seeds: 1, 1: give each once"]),
        ("name = 'x'\nsedes = [1, 2]", ["line 2: sedes: unknown key; there is seeds"]),
        ("name = 'x'\nseeds = [1]", ["line 2: seeds", "at least 2"]),
        ("seeds = [1, 2]", ["name: Field required"]),
        ("name = 'x'\n[compare]\neps = [0.2, 1.0]", ["line 3: compare.eps", "less than 1", "given: 1.0"]),
        ("name = 'x'\n[training]\nschedule = 'cosin'", ["line 3: training.schedule", "'cosine'", "given: 'cosin'"]),
        (
            "name = 'x'\n[compare]\nacross = [['a', 'b']]\n[[variants]]\nname = 'a'",
            ["line 3: compare.across: no variant 'b'; there is a"],
        ),
        (
            "name = 'x'\n[[variants]]\nname = 'a'\n[[variants]]\nname = 'a'",
            ["line 5: name: a, a: give each a name of its own"],
        ),
        (
            "name = 'x'\ntraining.start = 'a'\n[[variants]]\nname = 'a'",
            ["line 2: training.start: no variant 'a' stands before 'a'"],
        ),
        (
            "name = 'x'\ntraining.start_layers = ['conv1']",
            ["line 2: training.start_layers: give training.start too, a variant"],
        ),
        ("name = 'x'\ncompare.epochs = [30]", ["line 2: compare.epochs: 30 is after the last of 20"]),
        ("name = 'x'\n[[variants]]\nname='a'\n[[variants]]\nname='b'\ntraining.lr=-1", ["line 6: training.lr", "-1"]),
        ("name = 'x'\n[[variants]]\nname='a'\n[variants.training]\nlr=-1", ["line 5: training.lr"]),
        ("name = 'x'\ntraining.lr = -1\n[[variants]]\nname='a'", ["line 2: training.lr"]),
        ("name = 'x'\ncompare.permutations = -1", ["line 2: compare.permutations", "greater than or equal to 0", "-1"]),
        ("name = 'x'\n[compare]\nsample = 1.5", ["line 3: compare.sample", "valid integer", "given: 1.5"]),
        ("name = 'x'\ntraining.device = 'gpu'", ["line 2: training.device", "given: 'gpu'"]),
        ("name = 'x'\n[data]\noptions = {a = 1}", ["line 3: data.options: digits takes none"]),
        ("name = 'x'\n[data]\nname = 'digit'", ["line 3: data.name", "there is 'digits'", "file.py:function"]),
        (
            "name = 'x'\n[data]\nrandom_labels = 25",
            ["line 3: data.random_labels", "equal to 1", "given: 25"],
        ),
        ("name = 'x'\n[data]\nlabels = 'random'", ["line 3: data.labels: unknown key; there is random_labels"]),
        ("name = 'x'\ndata.shortcut = -0.1", ["line 2: data.shortcut", "greater than or equal to 0", "given: -0.1"]),
        ("name = 'x'\n[data]\nname = 'text'\nstandardise = false", ["line 4: data.standardise: text has no pixels"]),
        ("name = 'x'\n[data]\nname = 'text'\nshortcut = 0", ["line 4: data.shortcut: text has no pixels"]),
        ("name = 'x'\ntraining.noise = -1", ["line 2: training.noise", "greater than or equal to 0", "given: -1"]),
        (
            "name = 'x'\ndata.name = 'text'\n[[variants]]\nname = 'a'\n[[variants]]\nname = 'b'\ntraining.noise = 0.5",
            ["line 7: training.noise: noise is added to images, but the data are text"],
        ),
        ("name = ", ["not TOML", "Invalid value"]),
        ("name = 'x'\nvariants = 3", ["line 2: variants", "given: 3"]),
        ("name = 'x'\nvariants = [3]", ["line 2: variants", "given: 3"]),
        ("name = 'x'\nvariants = [{training = {lr = -1}}]", ["line 2: training.lr"]),
        # The same name in two sections, right in one and wrong in the other.
        ("name = 'x'\n[data]\nmax_examples = 9\n[compare]\nmax_examples = 0", ["line 5: compare.max_examples"]),
        ("name = 'x'\n[data]\nmax_examples = 0\n[compare]\nmax_examples = 9", ["line 3: data.max_examples"]),
        ("name = 'x'\n[compare]\nbatch = 9\n[training]\nbatch = 0", ["line 5: training.batch"]),
        ("name = 'x'\n[compare]\nepochs = [-1]\n[training]\nepochs = 5", ["line 3: compare.epochs"]),
        ("name = 'x'\ncompare.batch = 9\ntraining.batch = 0", ["line 3: training.batch"]),
        ("name = '?'\n[data]\nname = 'digits'\n[network]\nname = 'mlp'", ["line 1: name"]),
        ("name = 'x'\n[data]\nname = 3\n[network]\nname = 'mlp'", ["line 3: data.name"]),
        ("name = 'x'\n[[variants]]\nname = 'a'\n[[variants]]\nname = '?'", ["line 5: name"]),
        ("name = 'x'\nvariants = []", ["line 2: variants", "at least 1"]),
        (f"name = 'x'\nseeds = [1, 2]\n{GIVEN}", ["line 2: seeds: does not go with [[networks]]"]),
        (f"name = 'x'\ntraining.lr = 1\n{GIVEN}", ["line 2: training: does not go with [[networks]]"]),
        (f"name = 'x'\n{GIVEN}[network]\nname = 'cnn'", ["line 9: network: does not go with [[networks]]"]),
        (f"name = 'x'\n{GIVEN}[[variants]]\nname = 'v'", ["line 9: variants: does not go with [[networks]]"]),
        (f"name = 'x'\ncompare.epochs = [1]\n{GIVEN}", ["line 2: compare.epochs: the networks are trained already"]),
        (f"name = 'x'\n{GIVEN}weights = 'c.pt'", ["line 8: from: give either from, or network and weights"]),
        (f"name = 'x'\n{GIVEN}variant = 'w'", ["line 2: variant: 'a' is alone in 'main'; give two or more"]),
        (f"name = 'x'\n{GIVEN}{GIVEN}", ["line 10: name: a, b, a, b: give each a name of its own"]),
        (f"name = 'x'\n{GIVEN}[[networks]]\nname = 'c'", ["line 10: name: give network and weights, or from"]),
        (
            f"name = 'x'\n{GIVEN}[[networks]]\nname = 'c'\nnetwork = {{ name = 'cnn' }}",
            ["line 11: network: give weights too"],
        ),
        (f"name = 'x'\n{GIVEN}wieghts = 'c.pt'", ["line 9: wieghts: unknown key; there is weights"]),
        (f"name = 'x'\n{GIVEN.replace('{ name', '{ nam')}", ["line 4: network.nam: unknown key; there is name"]),
        (f"name = 'x'\n{GIVEN.replace('a.pt', 'a.onnx')}", ["line 5: weights: unknown file type '.onnx'", ".pth"]),
        (f"name = 'x'\n{GIVEN.replace('m.py:f', 'f')}", ["line 8: from: give file.py:function", "given: 'f'"]),
        (f"name = 'x'\n{GIVEN.replace('m.py:f', 'm.py:f@w.onnx')}", ["line 8: from: unknown file type '.onnx'"]),
        ("name = 'x'\nnetworks = []", ["line 2: networks", "at least 2"]),
        (
            f"name = 'x'\ncompare.across = [['main', 'w']]\n{GIVEN}"
            + "".join(f"[[networks]]\nname = '{name}'\nvariant = 'w'\nfrom = 'm.py:f'\n" for name in "cde"),
            ["line 2: compare.across: main has 2 networks and w 3; give as many"],
        ),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(sm.SpanmatchError) as caught:
        read_settings(path)
    assert all(part in str(caught.value) for part in [str(path), *said]), caught.value


def test_each_mistake_is_said_once(tmp_path):
    text = "name = 'x'\n[data]\nsiz = 3\n[[variants]]\nname='a'\n[[variants]]\nname='b'\n[variants.training]\nlr = 'a'"
    with pytest.raises(sm.SpanmatchError) as caught:
        read_settings(written(tmp_path, text))
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0] for line in lines] == ["  line 3", "  line 9"]


def test_variants_stand_on_the_study(tmp_path):
    text = (
        SMALL
        + "[[variants]]\nname = 'a'\n[[variants]]\nname = 'b'\nnetwork.options.widths = [5]\ntraining.epochs = 1\n"
    )
    a, b = read_settings(written(tmp_path, text)).variants
    assert (a.network.options, b.network.options) == ({"widths": [12]}, {"widths": [5]})
    assert (a.training.epochs, b.training.epochs, b.training.lr) == (3, 1, 0.05)
    with pytest.raises(sm.SpanmatchError, match="No such file"):
        read_settings(tmp_path / "none.toml")


def test_alternatives_change_what_they_name(tmp_path):
    text = (
        SMALL
        + "positions = 3\n"
        + "".join(
            f"[[compare.alternatives]]\nname = '{name}'\n{setting}\n"
            for name, setting in (("c", "centred = true"), ("all", "positions = 'all'"), ("mean", "pool = 'mean'"))
        )
    )
    compare = read_settings(written(tmp_path, text)).compare
    changed = [compare.model_copy(update=alternative.changes) for alternative in compare.alternatives]
    assert [(c.centred, c.positions, c.pool) for c in changed] == [
        (True, 3, None),
        (False, None, None),
        (False, None, "mean"),
    ]
    for wrong, said in (
        ("name = 'a'", "give what differs: split, max_examples"),
        ("name = 'a'\npool = 2\npositions = 3", "give positions or pool, not both"),
        ("name = 'unchanged'\ncentred = true", "is the name of the settings themselves"),
        ("name = 'a'\nunits = 'location'\npool = 'mean'", "every position is a neuron"),
        ("name = 'a'\ncentred = true\n[[compare.alternatives]]\nname = 'a'\npool = 2", "a name of its own"),
    ):
        with pytest.raises(sm.SpanmatchError, match=said):
            read_settings(written(tmp_path, SMALL + "[[compare.alternatives]]\n" + wrong))
    for wrong, said in (("positions = 3\npool = 2", "not both"), ("units = 'location'\npositions = 3", "is a neuron")):
        with pytest.raises(sm.SpanmatchError, match=said):
            read_settings(written(tmp_path, SMALL + wrong))


def test_a_variant_without_the_key_is_named_by_its_first_line(tmp_path):
    text = "name = 'x'\n[[variants]]\nnetwork.name = 'mlp'\n[[variants]]\nnetwork.name = 'cnn'"
    with pytest.raises(sm.SpanmatchError, match=r"line 4: name: main, main: give each a name of its own"):
        read_settings(written(tmp_path, text))


def test_every_line_of_a_file_of_mistakes_is_named(tmp_path):
    """Every setting in turn, with a value that is never right, in a file that sets all of them."""
    defaults = read_settings(written(tmp_path, "name = 'x'")).to_dict()
    (variant,) = defaults.pop("variants")
    sections = {"data": variant["data"], "network": variant["network"], "training": variant["training"]}
    sections["compare"] = defaults.pop("compare")
    lines = [f"{key} = {{}}" for key in defaults]
    names = list(defaults)
    for section, settings in sections.items():
        lines.append(f"[{section}]")
        names.append("")
        lines += [f"{key} = {{}}" for key in settings]
        names += [f"{section}.{key}" for key in settings]
    path = written(tmp_path, "\n".join(line.replace("{}", "1979-05-27T07:32:00") for line in lines))
    with pytest.raises(sm.SpanmatchError) as caught:
        read_settings(path)
    refused = dict(re.findall(r"^  line (\d+): ([\w.]+): ", str(caught.value), re.M))
    free_text = {"about", "output", "data.path", "data.md5", "network.name", "training.start"}
    assert refused == {str(i): name for i, name in enumerate(names, 1) if name and name not in free_text}


DOCS = Path(__file__).parents[2] / "docs" / "studies.md"
SECTIONS = {
    "": Settings,
    "[data]": DataSettings,
    "[network]": NetworkSettings,
    "[training]": TrainingSettings,
    "[compare]": CompareSettings,
    "[[variants]]": Variant,
    "[[networks]]": GivenNetworkSettings,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_documented_in_its_section(section):
    text = DOCS.read_text().partition("\n## Settings\n")[2]
    first, *parts = re.split(r"^### (.*)$", text, flags=re.M)
    by_section = {"": first} | {title.strip("` "): part for title, part in zip(parts[::2], parts[1::2], strict=True)}
    documented = set(re.findall(r"`(\w+)`", by_section[section]))
    tables = {title.strip("[]") for title in by_section}
    keys = {field.alias or name for name, field in SECTIONS[section].model_fields.items()}
    assert keys <= documented | (tables if not section else set())


def test_every_architecture_is_documented():
    text = DOCS.read_text()
    for name in ("vgg11", "resnet20", "plain20", "mlp", "cnn", "tiny10", "transformer"):
        assert f"`{name}`" in text
