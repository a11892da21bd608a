"""PyTorch modules: the right values, the right rows, and the network as it was."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
import torch
from activations.small_networks import as_rows, conv_net, images
from torch import nn

import spanmatch as sm


def test_channels_are_neurons_positions_are_rows_and_both_networks_see_the_same():
    a, b, x = conv_net(0), conv_net(1), images()
    moments = sm.capture({"a": a, "b": b}, [x[:7], x[7:]], layers=["0", "1", "4"])
    assert moments.layers == {"a:0": 5, "a:1": 5, "a:4": 7, "b:0": 5, "b:1": 5, "b:4": 7}
    pair = moments.pair("a:0", "b:0")
    assert pair.rows == 20 * 16
    np.testing.assert_allclose(pair.xy, oracles.co_moments(as_rows(a[0](x)), as_rows(b[0](x))), atol=1e-8)
    assert pair.layout == "rows are examples x 16 positions, channels are neurons"
    last = moments.pair("a:4", "b:4")
    assert last.rows == 20
    a.eval(), b.eval()
    np.testing.assert_allclose(last.xx, oracles.co_moments(*[a(x).detach().double().numpy()] * 2), atol=1e-8)


def test_values_are_taken_before_an_in_place_relu():
    plain, inplace = conv_net(0), conv_net(0, inplace=True)
    x = images()
    left = sm.capture({"a": plain, "b": plain}, [x], layers="0").pair("a:0", "b:0")
    right = sm.capture({"a": inplace, "b": inplace}, [x], layers="0").pair("a:0", "b:0")
    np.testing.assert_allclose(right.xx, left.xx, rtol=1e-12)
    linear = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True))
    inputs = torch.randn(9, 4)
    pair = sm.capture({"a": linear, "b": linear}, [inputs], layers="0").pair("a:0", "b:0")
    exact = linear[0](inputs).detach().double().numpy()
    np.testing.assert_allclose(pair.xx, oracles.co_moments(exact, exact), atol=1e-10)


def test_the_network_is_left_as_it_was():
    network = conv_net()
    network.train()
    network[2].eval()
    flags = [module.training for module in network.modules()]
    sm.capture({"a": network, "b": network}, [images()])
    assert [module.training for module in network.modules()] == flags
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


class Failing(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.layer, self.error, self.calls = nn.Linear(4, 4), error, 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 2:
            raise self.error
        return self.layer(x)


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_hooks_go_and_flags_come_back_when_something_fails(error):
    good, bad = nn.Sequential(nn.Linear(4, 4)), Failing(error)
    with pytest.raises((sm.SpanmatchError, KeyboardInterrupt)):
        sm.capture({"a": good, "b": bad}, [torch.zeros(3, 4)] * 4, pairs="all")
    for network in (good, bad):
        assert network.training
        assert not any(module._forward_hooks for module in network.modules())


def test_evaluation_mode_and_no_gradients_while_it_runs():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append((self.training, torch.is_grad_enabled()))
            return x

    network = nn.Sequential(Spy(), nn.Linear(4, 2))
    sm.capture({"a": network, "b": network}, [torch.randn(6, 4)])
    assert set(seen) == {(False, False)}


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.relu, self.second = nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)

    def forward(self, x):
        return self.relu(self.second(self.relu(self.first(x))))


def test_a_module_called_twice_gives_two_layers():
    network, x = Twice(), torch.randn(12, 4)
    moments = sm.capture({"a": network, "b": network}, [x], layers="relu")
    assert moments.layers == {"a:relu": 3, "a:relu#2": 2, "b:relu": 3, "b:relu#2": 2}
    exact = network(x).detach().double().numpy()
    np.testing.assert_allclose(moments.pair("a:relu#2", "b:relu#2").xx, oracles.co_moments(exact, exact), atol=1e-9)


class Sequence(nn.Module):
    """Tokens to features, with a mask that it takes or not."""

    def __init__(self):
        super().__init__()
        self.embed, self.act = nn.Embedding(11, 6), nn.GELU()

    def forward(self, input_ids, attention_mask=None):
        return self.act(self.embed(input_ids))


def test_tokens_are_rows_and_a_mask_drops_padding():
    network = Sequence()
    ids = torch.randint(0, 11, (8, 5))
    mask = (torch.arange(5) < torch.randint(1, 6, (8, 1))).long()
    batch = {"input_ids": ids, "attention_mask": mask, "labels": torch.zeros(8)}
    moments = sm.capture({"a": network, "b": network}, [batch, batch], layers=["embed", "act"])
    exact = network.embed(ids)[mask.bool()].detach().double().numpy()
    pair = moments.pair("a:embed", "b:embed")
    assert pair.rows == 2 * int(mask.sum())
    np.testing.assert_allclose(pair.xx, 2 * oracles.co_moments(exact, exact), atol=1e-9)
    assert pair.layout == "rows are tokens that the mask keeps"
    unmasked = sm.capture({"a": network, "b": network}, [{"input_ids": ids}])
    assert unmasked.pair("a:act", "b:act").rows == 40
    with pytest.raises(sm.SpanmatchError, match="mask of shape"):
        sm.capture({"a": network, "b": network}, [{"input_ids": ids, "attention_mask": mask[:, 1:]}])


def test_one_dimensional_convolutions_and_channels_last():
    network = nn.Sequential(nn.Conv1d(2, 5, 3), nn.ReLU(), nn.LayerNorm(6))
    x = torch.randn(9, 2, 8)
    networks = {"a": network, "b": network}
    with pytest.warns(sm.SpanmatchWarning, match="not compared: 2, of which it is not known"):  # a norm of positions
        moments = sm.capture(networks, [x], layers="*")
    assert moments.layers == {f"{name}:{layer}": 5 for name in "ab" for layer in "01"}
    assert sm.capture(networks, [x], channels="last", layers="1").layers["a:1"] == 6


def test_layers_that_match_nothing_list_what_there_is():
    network = digits_net()
    with pytest.raises(sm.SpanmatchError, match=r"'rleu1' matches nothing in network 'a'; there is relu1, relu"):
        sm.capture({"a": network}, [torch.zeros(2, 1, 8, 8)], layers=["conv1", "rleu1"])


def digits_net():
    from spanmatch.study.networks import cnn

    return cnn(1, 8, 10)


def test_outputs_that_are_not_activations():
    class Text(nn.Module):
        def forward(self, x):
            return "text"

    class Scalar(nn.Module):
        def forward(self, x):
            return x.sum(dim=1)

    for module, message in ((Text(), "'a:0' gives a str"), (Scalar(), r"'a:0': output of shape \(2,\)")):
        network = nn.Sequential(module)
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture({"a": network, "b": network}, [torch.zeros(2, 4)], layers="0")


def test_nan_activations_name_the_layer():
    network = nn.Sequential(nn.Linear(4, 3))
    with torch.no_grad():
        network[0].weight[1] = float("nan")
    with pytest.raises(sm.SpanmatchError, match="layer 'a:0': nan in neuron 1, row 0"):
        sm.capture({"a": network, "b": network}, [torch.zeros(2, 4)])


def test_lstm_outputs_and_dict_outputs():
    class Dict(nn.Module):
        def forward(self, x):
            return {"first": x[0], "second": None}

    network = nn.Sequential(nn.LSTM(4, 6, batch_first=True), Dict())
    moments = sm.capture({"a": network, "b": network}, [torch.randn(5, 3, 4)], layers="*")
    assert moments.layers["a:0"] == moments.layers["a:1"] == 6
    assert moments.rows["a:0"] == 15


def test_modules_that_do_more_than_set_a_flag_are_put_back():
    class Merged(nn.Linear):
        """As adapters do that add their weights to a layer's while it is evaluated."""

        is_merged = False

        def train(self, mode=True):
            if mode == self.is_merged:
                with torch.no_grad():
                    self.weight += -1 if mode else 1
                self.is_merged = not mode
            return super().train(mode)

    network = nn.Sequential(Merged(4, 3), nn.ReLU())
    before = network[0].weight.detach().clone()
    sm.capture({"a": network}, [torch.randn(6, 4)])
    torch.testing.assert_close(network[0].weight.detach(), before)
    assert network[0].training and not network[0].is_merged
