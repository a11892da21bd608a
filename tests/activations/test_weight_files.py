"""Files of weights as training scripts write them: with prefixes, inside other things, and those that do not fit."""

from __future__ import annotations

import argparse

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import spanmatch as sm
from spanmatch.activations import weight_files
from spanmatch.activations.weight_files import load_weights


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def weights(prefix: str = "") -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in network(1).state_dict().items()}


def has_them(module: nn.Module) -> bool:
    expected = weights()
    return all(torch.equal(value, expected[name]) for name, value in module.state_dict().items())


@pytest.fixture
def said(monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(weight_files, "announce", lines.append)
    return lines


@pytest.mark.parametrize("key", [None, "state_dict", "model", "model_state_dict", "net"])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "net.", "module._orig_mod.", "model.net."])
def test_prefixes_and_what_a_state_dict_is_inside_of(tmp_path, said, key, prefix):
    path, module = tmp_path / "a.pth", network()
    held = weights(prefix)
    torch.save(held if key is None else {key: held, "epoch": 3, "optimizer": {"lr": 0.1}}, path)
    load_weights(module, path)
    assert has_them(module)
    assert said == ([f"{path}: the prefix {prefix!r} of 9 names was left out"] if prefix else [])


@pytest.mark.parametrize("ending", [".pth", ".pt", ".th", ".ckpt", ".bin", ".safetensors"])
def test_every_ending(tmp_path, said, ending):
    path, module = tmp_path / f"a{ending}", network()
    if ending == ".safetensors":
        save_file(weights("module."), path)
    else:
        torch.save(weights("module."), path)
    load_weights(module, path)
    assert has_them(module) and len(said) == 1


def test_a_checkpoint_of_lightning(tmp_path, said):
    path, module = tmp_path / "epoch=3.ckpt", network()
    parts = {"pytorch-lightning_version": "2.4.0", "epoch": 3, "optimizer_states": [], "hyper_parameters": {"lr": 0.1}}
    torch.save({"state_dict": weights("model."), **parts}, path)
    load_weights(module, path)
    assert has_them(module) and "the prefix 'model.' of 9 names" in said[0]


def test_a_prefix_that_the_network_has_itself_stays(tmp_path, said):
    module = nn.Module()
    module.net = network()
    torch.save(weights("module.net."), tmp_path / "a.pt")
    torch.save(weights("net."), tmp_path / "b.pt")
    for name in "ab":
        load_weights(module, tmp_path / f"{name}.pt")
        assert has_them(module.net)
    assert said == [f"{tmp_path}/a.pt: the prefix 'module.' of 9 names was left out"]


def test_weights_go_into_what_a_wrapper_is_around(tmp_path, said):
    for wrapped in (nn.DataParallel(network()), torch.compile(network(), backend="eager")):
        for prefix in ("", "module."):
            torch.save(weights(prefix), tmp_path / "a.pt")
            load_weights(wrapped, tmp_path / "a.pt")
        assert has_them(wrapped.module if isinstance(wrapped, nn.DataParallel) else wrapped._orig_mod)


def test_what_does_not_fit_is_summarised(tmp_path, said):
    module = nn.Sequential(*[nn.Linear(4, 4) for _ in range(400)])
    torch.save({f"module.blocks.{i}.weight": torch.zeros(2) for i in range(900)}, tmp_path / "a.pt")
    with pytest.raises(sm.SpanmatchError) as caught:
        load_weights(module, tmp_path / "a.pt")
    message = str(caught.value)
    assert "800 missing (0.weight, 0.bias, 1.weight, ...); 900 unexpected (" in message and len(message) < 400
    torch.save({**weights("model."), "2.weight": torch.zeros(5, 3)}, tmp_path / "b.pt")
    with pytest.raises(sm.SpanmatchError, match=r"the 9 names with the prefix 'model.' fit: save them without the oth"):
        load_weights(network(), tmp_path / "b.pt")
    torch.save({**weights("module."), "module.2.weight": torch.zeros(5, 3)}, tmp_path / "c.pt")
    with pytest.raises(sm.SpanmatchError, match=r"without the prefix 'module.' of all names: 1 of another shape \(2.w"):
        load_weights(network(), tmp_path / "c.pt")
    assert said == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"a": torch.zeros(1)}, "net": {"a": torch.zeros(1)}}, "several state dicts, as 'model' and 'net'"),
        (
            {"teacher": {"a": torch.zeros(1)}, "epoch": 3},
            "holds no state dict.* but teacher, epoch; save the network's",
        ),
        ([torch.zeros(1)], "holds a list; it must hold a state dict"),
        (
            {"state_dict": {}, "args": argparse.Namespace(lr=1)},
            r"it holds a argparse.Namespace\): reading it can run code",
        ),
        (network(), r"it holds a torch.nn.modules.container.Sequential.*weights_only=False\), and save the state dict"),
    ],
    ids=["several", "other", "list", "namespace", "pickled"],
)
def test_what_is_refused_says_what_to_do(tmp_path, content, message):
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(sm.SpanmatchError, match=message) as caught:
        load_weights(network(), tmp_path / "a.ckpt")
    assert len(str(caught.value)) < 600
