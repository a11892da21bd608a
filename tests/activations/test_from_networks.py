"""The pass over batches: of any kind and size, through several networks."""

from __future__ import annotations

import doctest

import numpy as np
import oracles
import pytest
import torch
from activations.small_networks import as_rows, conv_net, images
from torch import nn

import spanmatch as sm
from spanmatch.activations import from_files, from_networks


def test_folds_and_null_keep_positions_of_one_example_together():
    a, x = conv_net(0), images(16)
    moments = sm.capture({"a": a, "b": a}, [x], layers="0", folds=4)
    rows = as_rows(a[0](x)).reshape(16, 16, 5)
    pair = moments.pair("a:0", "b:0")
    for fold, part in enumerate(pair.folds):
        chosen = rows[oracles.fold_of(np.arange(16), 4) == fold].reshape(-1, 5)
        np.testing.assert_allclose(part.xx, oracles.co_moments(chosen, chosen), atol=1e-8)
    others = rows[oracles.partners(np.arange(16))].reshape(-1, 5)  # the same position of another example
    np.testing.assert_allclose(pair.null.xy, oracles.co_moments(rows.reshape(-1, 5), others), atol=1e-8)


def test_kinds_of_batches():
    network, x = nn.Sequential(nn.Linear(4, 3)).double(), torch.randn(600, 4, dtype=torch.float64)
    networks = {"a": network, "b": network}
    expected = sm.capture(networks, [x]).pair("a:0", "b:0")
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.zeros(600)), batch_size=50)
    for batches in (x, x.numpy(), [(x, None)], [[x[:100]], [x[100:]]], ({"input": x},), iter(x.split(1)), loader):
        pair = sm.capture(networks, batches).pair("a:0", "b:0")
        np.testing.assert_allclose(pair.xx, expected.xx, rtol=1e-10)
        assert pair.null.rows == 600


@pytest.mark.parametrize("count", [20, 21, 22])
def test_small_batches_are_put_together_and_none_is_left_alone_or_out(count, monkeypatch):
    monkeypatch.setattr(from_networks, "ROWS_TOGETHER", 10)
    updates = []
    monkeypatch.setattr(sm.Moments, "describe", lambda self, how, **_: updates.append(self.rows.get("a:0", 0)))
    # In float64: in float32 an example's outputs depend on the other examples of its batch, by rounding.
    network, x = nn.Sequential(nn.Linear(4, 3)).double(), torch.randn(count, 4, dtype=torch.float64)
    pair = sm.capture({"a": network, "b": network}, x.split(1)).pair("a:0", "b:0")
    exact = network(x).detach().numpy()
    np.testing.assert_allclose(pair.xx, oracles.co_moments(exact, exact), atol=1e-9)
    assert pair.rows == pair.null.rows == count
    assert len(updates) > 1
    assert min(np.diff([0, *updates])) > 1


def test_three_networks_and_layers_by_network():
    nets = {name: conv_net(seed) for seed, name in enumerate("abc")}
    moments = sm.capture(nets, [images()], layers="0")
    assert moments.pairs == [("a:0", "b:0"), ("a:0", "c:0"), ("b:0", "c:0")]
    two = {"a": nets["a"], "b": nets["b"]}
    chosen = sm.capture(two, [images()], layers={"a": "0", "b": "1"}, pairs=[("a:0", "b:1")])
    assert chosen.pairs == [("a:0", "b:1")]


def test_progress_is_silent_without_a_terminal(capsys):
    sm.capture({"a": conv_net(), "b": conv_net()}, [images()])
    assert capsys.readouterr() == ("", "")


def test_bad_networks_and_batches():
    good = nn.Sequential(nn.Linear(4, 3))
    other = nn.Sequential()
    other.add_module("different", nn.Linear(4, 3))
    for networks, batches, message in (
        ({}, [images()], "at least one"),
        ({"a": 3}, [images()], "network 'a' is of type int"),
        ({"a:b": good}, [images()], "without a colon"),
        ({"a": good, "b": other}, [torch.zeros(2, 4)], "no layer has the same name in two networks"),
        ({"a": good, "b": good}, [], "no batches"),
        (
            {"a": good, "b": good},
            [{"wrong": torch.zeros(2, 4), "other": torch.zeros(2, 4)}],
            "takes input; the batch has wrong",
        ),
        ({"a": good, "b": good}, ["text"], "network 'a' takes no texts"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture(networks, batches)
    for options, message in (
        ({"units": "pixel"}, "units='pixel'"),
        ({"positions": 0}, "positions=0"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**64}, "seed=18446744073709551616: give"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture({"a": good, "b": good}, [torch.zeros(2, 4)], **options)


def test_a_checkpoint_does_not_depend_on_the_memory_allowed(tmp_path):
    networks, x = {"a": conv_net(0), "b": conv_net(1)}, images()
    path = tmp_path / "m.safetensors"
    sm.capture(networks, x.split(10), checkpoint=path)
    assert sm.capture(networks, x.split(10), checkpoint=path, max_memory_gb=1).rows["a:4"] == 20


@pytest.mark.parametrize("module", [from_networks, from_files])
def test_examples_in_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted >= 4 and not result.failed
