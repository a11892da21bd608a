"""What the terminal shows fits it: no name is broken, no number is cut, and every table says what it is of."""

from __future__ import annotations

import io
import re
from pathlib import Path

import layers
import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

import spanmatch as sm
from spanmatch.activations import Layer, LayerList
from spanmatch.cli import pairing_tables, tables
from spanmatch.cli.commands import app

SHORT = ("relu1", "relu4", "fc2")
LONG = (
    "encoder.layers.0.self_attn",
    "transformer.h.11/scaled_dot_product_attention",
    "encoder.layers.10.feed_forward.a_layer_with_a_name_of_sixty_1",
)
QUICK = {"sample": 60, "permutations": 9, "clusters": False}
"""Options of comparisons whose tables have all lines, those of p-values too, in a fifth of the time."""
LONGEST = tuple(f"model.{name}.{'block.' * 12}{k}" for k, name in enumerate(LONG))


def networks(names, count=2, n=500):
    r = np.random.default_rng(0)
    causes = r.standard_normal((len(names), n, 4))

    def layer(k):
        return causes[k] @ r.standard_normal((4, 8 - k)) + 0.4 * r.standard_normal((n, 8 - k))

    return {network: {name: layer(k) for k, name in enumerate(names)} for network in "abc"[:count]}


def printed(comparison, width=80, wide=False):
    text = io.StringIO()
    console = Console(file=text, width=width)
    for table in (*tables.of_comparison(comparison, wide=wide), *pairing_tables.of_comparison(comparison)):
        console.print(table)
    return text.getvalue()


@pytest.mark.parametrize("options", [{}, {"match": "best"}, {"evidence": False}, {"simple_eps": [0.5]}], ids=str)
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("names", [SHORT, LONG], ids=["short", "long"])
def test_tables_fit_80_columns_without_breaking_names(names, count, options):
    comparison = sm.compare(networks(names, count), **QUICK, **options)
    text = printed(comparison)
    assert max(map(len, text.splitlines())) <= 80
    words = re.split(r"[\s]+", text.replace("\N{NO-BREAK SPACE}", " "))
    for name in names:
        assert sum(name in word for word in words) >= len(list(tables.of_comparison(comparison)))
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for pair in comparison if count == 2 else ():
        for share, chance in zip(pair.similarity(comparison.eps), pair.null_similarity(comparison.eps), strict=True):
            assert f"{share:.3f}" in text and f"{chance:.3f}" in text
        assert f"{pair.measure('procrustes').value:.2f}" in text


def test_kinds_and_shapes_of_layers_stay_in_columns_where_long_names_stand_above():
    layer_list = LayerList(
        [
            Layer(f"encoder.layers.{i}.self_attn", kind, (4, 64, 32), 32, is_compared=i == 0)
            for i, kind in enumerate(("MultiheadAttention", "NonDynamicallyQuantizableLinear"))
        ]
    )
    text = io.StringIO()
    Console(file=text, width=80).print(tables.of_layers(layer_list))
    _, _, _, _, name, attention, *rest = text.getvalue().splitlines()
    assert name.split() == ["encoder.layers.0.self_attn"]
    assert attention.split() == ["MultiheadAttention", "(4,", "64,", "32)", "32", "yes"]
    assert rest[1].split() == ["NonDynamicallyQuantizableLinear", "(4,", "64,", "32)", "32"]


def test_names_longer_than_a_line_lose_their_middle_and_wide_shows_them():
    comparison = sm.compare(networks(LONGEST), match="best", evidence=False, clusters=False)
    narrow, wide = printed(comparison), printed(comparison, width=1000, wide=True)
    assert max(map(len, narrow.splitlines())) <= 80
    for name in LONGEST:
        assert f"{name[:30]}" in narrow and name not in narrow and f"{name[-30:]}" in narrow
        assert wide.count(name) >= 3
    assert "svcca" in wide and "svcca" not in narrow


def test_many_eps_are_continued_below():
    eps = np.round(np.arange(0.05, 1, 0.05), 2).tolist()
    text = printed(sm.compare(networks(LONG), eps=eps, **QUICK))
    assert max(map(len, text.splitlines())) <= 80
    heads = [
        word
        for line in text.partition("in sample")[2].partition("Similarity measures")[0].splitlines()
        for word in line.split()
        if re.fullmatch(r"0\.\d\d?", word)
    ]
    assert heads == [f"{value:g}" for value in eps]


def test_a_share_that_chance_gives_too_is_marked():
    X, Y = layers.random(n=60, p=45, q=40)
    text = printed(sm.compare({"a": {"l": X}, "b": {"l": Y}}, eps=[0.7], evidence=False))
    shown, by_chance = [line for line in text.splitlines() if line.startswith(("  l ", "    by chance"))][:2]
    assert re.fullmatch(r"  l .* 0\.\d{3}\*", shown) and re.fullmatch(r"    by chance +0\.\d{3}", by_chance)
    assert "*: chance gives nine tenths of it or more" in " ".join(text.split())
    related = printed(sm.compare(networks(SHORT), eps=[0.7], evidence=False))
    assert "*" not in related


def test_measures_without_evidence_say_how_to_get_it():
    text = " ".join(printed(sm.compare(networks(SHORT), evidence=False)).split())
    assert "debiased" in text and "procrustes" in text and "adjusted" in text
    assert "up to 1,024 neurons together; --evidence (evidence=True) computes them for all" in text
    assert "interval" not in text.partition("Similarity measures")[2].partition("Estimates")[0]


def lines_of(text, layer):
    """Return the lines of a layer in the table of measures, by their labels."""
    lines = text.partition("Similarity measures")[2].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"  {layer} "))
    labels = ("", "95% interval", "by chance", "p", "calibrated")
    return {label: lines[start + i].removeprefix(f"    {label}").split() for i, label in enumerate(labels)}


def test_p_and_calibrated_values_stand_below_every_measure():
    comparison = sm.compare(networks(SHORT), clusters=False, sample=400)
    text = printed(comparison)
    pair = comparison["relu4"]
    shown = [pair.measure(name) for name in tables.MEASURES]
    lines = lines_of(text, "relu4")
    assert lines["p"] == [f"{measure.p_value:.3f}" for measure in shown]
    assert lines["calibrated"] == [f"{measure.calibrated:.2f}" for measure in shown]
    assert {measure.needs for measure in shown} == {"moments", "sample"} and len(shown) == 6
    words = " ".join(text.split())
    assert "over 39 to 999 permutations of a sample of 400 of 500 examples." in words
    assert "Of a sample of 400 of 500 examples: debiased rbf cka, rsa, mutual knn." in words
    wide = printed(comparison, 1000, wide=True).partition("Similarity measures")[2].partition("Estimates")[0]
    assert len(lines_of(f"Similarity measures{wide}", "relu4")["p"]) == len(sm.measures())


def test_p_of_several_pairs_of_networks_is_the_largest_and_calibrated_the_mean():
    three = networks(SHORT, 3)
    three["c"]["fc2"] = np.random.default_rng(1).standard_normal((500, 6))  # unrelated
    comparison = sm.compare(three, clusters=False, permutations=39)
    text = printed(comparison)
    of_layer = [pair.measure("mutual knn") for pair in comparison if pair.layer == "fc2"]
    p_values, calibrated = zip(*((one.p_value, one.calibrated) for one in of_layer), strict=True)
    assert len(p_values) == 3 and max(p_values) > min(p_values) == 0.025
    lines = text.partition("Similarity measures")[2].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  fc2 "))
    (p_line,) = [line for line in lines[start : start + 5] if line.startswith("    p ")]
    (calibrated_line,) = [line for line in lines[start : start + 5] if line.startswith("    calibrated ")]
    assert p_line.split()[-1] == f"{max(p_values):.3f}"
    assert calibrated_line.split()[-1] == f"{np.mean(calibrated):.2f}"
    words = " ".join(text.split())
    assert "over 39 permutations of all 500 examples, over pairs of networks the largest." in words


def test_small_p_values_are_said_to_be_small_and_none_without_permutations():
    without_sample = printed(sm.compare(networks(SHORT), clusters=False, sample=0))
    assert lines_of(without_sample, "relu1")["p"] == ["<0.001", "-", "-", "-", "-", "-"]
    assert "over all permutations" in " ".join(without_sample.split())
    untested = printed(sm.compare(networks(SHORT), clusters=False, permutations=0))
    assert not re.search(r"^ +(p|calibrated) ", untested.partition("Similarity measures")[2], re.M)
    assert "alibrated" not in untested and "95% interval" in untested


def test_the_held_out_share_stands_below_every_share():
    comparison = sm.compare(networks(SHORT), eps=[0.3, 0.45, 0.6], **QUICK)
    text = printed(comparison).partition("in sample")[2].partition("Similarity measures")[0]
    held_out = [line.split()[2:] for line in text.splitlines() if line.startswith("    held out ")]
    profiles = [pair.evidence.profile for pair in comparison]
    assert held_out == [[f"{profile.held_out_at(eps):.3f}" for eps in comparison.eps] for profile in profiles]
    assert "Held out:" in text
    assert "eld out" not in printed(sm.compare(networks(SHORT), folds=1, **QUICK))


def test_what_neurons_and_rows_are_stands_below(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(
        "import torch\n"
        "def a(): return torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), "
        "torch.nn.Linear(48, 4))\n"
        "b = a\n"
    )
    np.save("x.npy", torch.randn(64, 1, 6, 6).numpy())
    command = ["compare", "nets.py:a", "nets.py:b", "--data", "x.npy"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.stderr
    text = " ".join(shown.stdout.split())
    assert "1: rows are examples x 16 positions, channels are neurons. With --units location" in text
    flat = " ".join(CliRunner().invoke(app, [*command, "--units", "location"]).stdout.split())
    assert "each location of each channel is a neuron. With --units channel" in flat
    assert "With --units" not in CliRunner().invoke(app, [*command, "--layers", "3"]).stdout
    wide = CliRunner().invoke(app, [*command, "--wide"])
    assert "correlation" in wide.stdout and max(map(len, wide.stdout.splitlines())) > 80
