"""The studies that train the networks of benchmarks: as the benchmarks need them."""

from __future__ import annotations

from importlib.resources import as_file, files

import pytest

from spanmatch.study import dry_run
from spanmatch.study.settings import CompareSettings, Settings, read_settings

NAMES = ("digits-mlp", "digits-cnn", "digits-groups", "text", "text-groups", "images-cnn")
SHARES = ("25", "50", "75", "100")


def settings(name: str) -> Settings:
    with as_file(files("spanmatch.bench") / "studies" / f"{name}.toml") as path:
        return read_settings(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_study_of_a_benchmark_says_nothing_but_how_networks_are_trained(name):
    study = settings(name)
    assert study.name == name and study.compare == CompareSettings()
    assert study.seeds == tuple(range(5 if name.endswith("groups") else 10))


@pytest.mark.parametrize(("groups", "single"), [("digits-groups", "digits-mlp"), ("text-groups", "text")])
def test_groups_differ_in_one_setting_from_the_networks_without_groups(groups, single):
    study, (main,) = settings(groups), settings(single).variants
    names = [variant.name for variant in study.variants]
    assert names[:5] == ["clean", *(f"random-labels-{share}" for share in SHARES)]
    for variant in study.variants:
        kind, _, strength = variant.name.rpartition("-")
        data, training = main.data, main.training
        if kind == "random-labels":
            data = data.model_copy(update={"random_labels": float(strength) / 100})
        elif kind == "shortcut":
            data = data.model_copy(update={"shortcut": float(strength) / 100})
        elif kind == "noise":
            training = training.model_copy(update={"noise": float(strength)})
        assert variant == main.model_copy(update={"name": variant.name, "data": data, "training": training})
        assert kind or variant.name == "clean"


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "text", "images-cnn"])
def test_the_networks_of_a_benchmark_can_be_trained(name):
    lines = dry_run(settings(name))
    assert any(line.startswith("  training: 10 seeds") for line in lines)
