"""Axes that are followed through functions: rows of networks of many styles, against the network written out."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional as F  # noqa: N812

import spanmatch as sm

RANDOM = torch.Generator().manual_seed(11)


def x(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=RANDOM)


class Written(nn.Module):
    """A network as a function of its input and some layers."""

    def __init__(self, function, **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self.function(self, x)


def checked(network: nn.Module, inputs: torch.Tensor, layer: str, rows: torch.Tensor, **options) -> None:
    moments = sm.capture({"a": network, "b": network}, [inputs[:3], inputs[3:]], layers=layer, **options)
    pair, expected = moments.pair(f"a:{layer}", f"b:{layer}"), rows.detach().double().numpy()
    assert (pair.rows, pair.neurons[0]) == expected.shape
    np.testing.assert_allclose(pair.x_mean, expected.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(pair.xx, oracles.co_moments(expected, expected), rtol=1e-3, atol=1e-5)


def made(function, **layers: nn.Module) -> Written:
    torch.manual_seed(0)
    return Written(function, **{name: layer() for name, layer in layers.items()}).eval()


def linear(into: int, out: int):
    return lambda: nn.Linear(into, out)


@pytest.mark.parametrize("n", [5, 7])  # as many as tokens, and not
def test_windows_of_a_tensor_are_not_those_of_an_image(n):
    network = made(lambda net, x: F.relu(net.up(x).unfold(1, 2, 1)), up=linear(3, 9))
    inputs = x(n, 5, 3)
    checked(network, inputs, "/relu", network(inputs).permute(0, 1, 3, 2).reshape(-1, 9))


def test_a_view_in_place_makes_the_axes_unknown():
    network = made(lambda net, x: torch.tanh(net.conv(x).unsqueeze(1).squeeze_(1)), conv=lambda: nn.Conv1d(3, 6, 1))
    with pytest.raises(sm.SpanmatchError, match="not known which axis"):
        sm.capture({"a": network}, [x(5, 3, 4)], layers="/tanh")


@pytest.mark.parametrize("n", [5, 7])
def test_states_that_are_stacked_have_the_examples_second(n):
    def loop(net, x):
        state, states = x.new_zeros(len(x), 4), []
        for k in range(5):
            state = net.cell(x[:, k], state)
            states.append(state)
        return F.relu(net.up(torch.stack(states))).mean(0)

    network, inputs = made(loop, cell=lambda: nn.GRUCell(3, 4), up=linear(4, 6)), x(n, 5, 3)
    state, states = inputs.new_zeros(n, 4), []
    for k in range(5):
        state = network.cell(inputs[:, k], state)
        states.append(network.up(state).relu())
    checked(network, inputs, "/relu", torch.stack(states, 1).flatten(0, 1))


@pytest.mark.parametrize("n", [5, 7])
def test_an_equation_says_where_the_examples_are(n):
    network = made(
        lambda net, x: F.relu(net.up(torch.einsum("ntd,de->tne", x, net.w.weight))).mean(0),
        w=linear(4, 3),
        up=linear(4, 6),
    )
    inputs = x(n, 5, 3)
    checked(network, inputs, "/relu", network.up(inputs @ network.w.weight).relu().flatten(0, 1))


def test_a_product_from_the_left_has_the_examples_second():
    network = made(lambda net, x: torch.relu(torch.mm(net.w.weight, x.t())).t(), w=linear(4, 4))
    inputs = x(6, 4)
    checked(network, inputs, "/relu", torch.relu(inputs @ network.w.weight.T))


def test_a_tensor_that_does_not_depend_on_examples_is_no_layer():
    network = made(
        lambda net, x: net.head(x + torch.tanh(net.pos(torch.arange(5.0)[:, None]))),
        pos=linear(1, 3),
        head=linear(3, 2),
    )
    for n in (6, 7):
        with pytest.warns(sm.SpanmatchWarning, match="not compared: /tanh"):
            assert list(sm.capture({"a": network}, [x(n, 5, 3)]).layers) == ["a:head"]


@pytest.mark.parametrize("n", [5, 7])
def test_a_recurrent_module_keeps_the_axis_of_the_examples_that_it_is_given(n):
    network = made(lambda net, x: net.rnn(x)[0].relu(), rnn=lambda: nn.LSTM(3, 4))  # takes examples for time steps
    inputs = x(n, 5, 3)
    moments = sm.capture({"a": network}, [inputs], layers="*")
    assert moments.rows == {"a:rnn": 5 * n, "a:/relu": 5 * n}  # and no last state, which is of tokens
    checked(network, torch.cat([inputs[:3]] * 2), "rnn", network.rnn(inputs[:3])[0].repeat(2, 1, 1).flatten(0, 1))


@pytest.mark.parametrize(
    ("function", "neurons"),
    [
        (lambda net, x: F.max_pool1d(net.up(x), 2), 3),
        (lambda net, x: F.interpolate(net.up(x), scale_factor=2), 12),
        (lambda net, x: F.glu(net.conv(x), 1), 4),
        (lambda net, x: net.conv(x) - net.conv(x).mean(1, keepdim=True), 8),
    ],
    ids=["pool of features", "interpolated features", "glu", "kept axis"],
)
def test_what_is_known_wins(function, neurons):
    network = made(function, up=linear(5, 6), conv=lambda: nn.Conv1d(4, 8, 1))
    assert sm.layers(network, x(6, 4, 5))[-1].neurons == neurons


def test_norms_of_another_axis_make_the_neurons_unknown():
    network = made(lambda net, x: F.gelu(net.norm(net.up(x))), up=linear(6, 6), norm=lambda: nn.BatchNorm1d(4))
    assert [layer.neurons for layer in sm.layers(network, x(5, 4, 6))] == [6, None, None]


def test_a_mask_counts_in_convolutions_over_tokens_too():
    network = made(
        lambda net, x: F.gelu(net.conv(net.embed(x).transpose(1, 2))),
        embed=lambda: nn.Embedding(9, 4),
        conv=lambda: nn.Conv1d(4, 6, 3, padding=1),
    )
    network.function = lambda net, input_ids: F.gelu(net.conv(net.embed(input_ids).transpose(1, 2)))
    ids = torch.randint(0, 9, (8, 7), generator=RANDOM)
    mask = (torch.arange(7) < torch.arange(1, 9)[:, None]).long()

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network

        def forward(self, input_ids, attention_mask=None):
            return self.inner(input_ids)

    moments = sm.capture({"a": Masked()}, [{"input_ids": ids, "attention_mask": mask}], layers="inner/gelu")
    assert moments.rows == {"a:inner/gelu": int(mask.sum())}


@pytest.mark.parametrize("make", ["convnext", "segformer", "swin"])
def test_models_of_transformers_with_stages_have_their_channels(make):
    torch.manual_seed(0)
    size = {"image_size": 32}
    model = {
        "convnext": lambda: transformers.ConvNextModel(
            transformers.ConvNextConfig(hidden_sizes=[4, 6, 10, 12], depths=[1] * 4, **size)
        ),
        "segformer": lambda: transformers.SegformerModel(
            transformers.SegformerConfig(
                hidden_sizes=[4, 6, 8, 12], depths=[1] * 4, num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=8
            )
        ),
        "swin": lambda: transformers.SwinModel(
            transformers.SwinConfig(embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=2, **size)
        ),
    }[make]().eval()
    with torch.no_grad():
        states = model(x(4, 3, 32, 32), output_hidden_states=True).hidden_states
    layers = {layer.name: layer for layer in sm.layers(model, {"pixel_values": x(4, 3, 32, 32)})}
    compared = [layer for layer in layers.values() if layer.is_compared]
    widths = {state.shape[1 if state.ndim == 4 else -1] for state in states}
    blocks = [layer for layer in compared if layer.kind in ("ConvNextLayer", "SegformerLayer", "SwinLayer")]
    assert blocks and {layer.neurons for layer in blocks} <= widths
    assert make != "convnext" or [layer.neurons for layer in blocks] == [4, 6, 10, 12]


def test_two_calls_of_tied_modules_in_a_program_are_two_layers():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.act = nn.Linear(4, 4), nn.ReLU()

        def forward(self, x):
            return self.act(self.fc(self.act(self.fc(x))))

    torch.manual_seed(0)
    network, inputs = Tied().eval(), x(12, 4)
    program = torch.export.export(network, (inputs,))
    moments = sm.capture({"a": network, "b": program}, [inputs])
    assert list(moments.layers) == ["a:act", "a:act#2", "b:act", "b:act#2"]
    for one, other in moments.pairs:
        np.testing.assert_allclose(moments.pair(one, other).xx, moments.pair(one, other).yy, rtol=1e-5)


def test_programs_of_networks_with_lists_of_blocks_run():
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return x + torch.relu(self.fc(x))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.b = nn.ModuleList([Block(), Block()])

        def forward(self, x):
            for block in self.b:
                x = block(x)
            return x

    network, inputs = Net().eval(), x(8, 4)
    moments = sm.capture({"a": network, "b": torch.export.export(network, (inputs,))}, [inputs])
    assert [layer for layer in moments.layers if layer.startswith("b:")] == [
        "b:b.0/relu",
        "b:b.0",
        "b:b.1/relu",
        "b:b.1",
    ]
    assert len(moments.pairs) == 4


def test_a_number_in_a_pattern_is_not_that_of_a_call():
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    assert list(sm.capture({"a": network}, [x(5, 3)], layers="*1").layers) == ["a:1"]


def test_values_set_after_a_call_are_those_of_the_output():
    def function(net, x):
        y = F.relu(net.fc(x))
        y[:, 0] = 7.0
        return y

    network = made(function, fc=linear(3, 4))
    moments = sm.capture({"a": network, "b": network}, [x(9, 3)])
    assert list(moments.layers)[:2] == ["a:/relu", "a:/output"]
    assert moments.pair("a:/output", "b:/output").x_mean[0] == 7


@pytest.mark.parametrize("lengths", [(3, 5), (5, 3)])
def test_calls_that_run_in_some_batches_only_are_an_error(lengths):
    def loop(net, x):
        state = x.new_zeros(len(x), 4)
        for k in range(x.shape[1]):
            state = F.relu(net.fc(x[:, k]) + state)
        return net.head(state)

    network = made(loop, fc=linear(3, 4), head=linear(4, 2))
    with pytest.raises(sm.SpanmatchError, match=r"ran in some batches and not in others"):
        sm.capture({"a": network}, [x(6, length, 3) for length in lengths])


class Cached(nn.Module):
    """Keeps a table for later, as positional encodings do."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.tables = nn.Linear(4, 4), {}

    def forward(self, x):
        table = self.tables.setdefault(x.shape[1], torch.arange(float(x.shape[1])))
        return F.relu(self.fc(x * table))


def test_a_network_that_keeps_tables_can_be_trained_afterwards():
    network = Cached()
    sm.capture({"a": network}, [x(8, 4)])
    network(x(3, 4).requires_grad_()).sum().backward()
    assert network.fc.weight.grad is not None


def test_a_network_may_need_gradients_inside():
    def score(net, x):
        with torch.enable_grad():
            y = x.clone().requires_grad_()
            return torch.relu(torch.autograd.grad(net.fc(y).square().sum(), y)[0])

    network = made(score, fc=linear(4, 4))
    assert list(sm.capture({"a": network}, [x(8, 4)]).layers) == ["a:/relu"]


def test_random_states_are_kept_of_networks_that_draw():
    network = made(lambda net, x: F.relu(F.dropout(net.fc(x), training=True)), fc=linear(4, 4))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    sm.capture({"a": network}, [x(8, 4)])
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_modules_are_named_where_they_are_the_network_and_run_inside_others():
    class Part(nn.Module):
        def forward(self, x):
            return x * 2

    inner = made(lambda net, x: F.relu(net.fc(net.part(x))), fc=linear(4, 4), part=lambda: torch.jit.script(Part()))
    assert list(sm.capture({"a": inner}, [x(8, 4)]).layers) == ["a:/relu"]
    with pytest.raises(sm.SpanmatchError, match=r"cannot be looked into; give the torch\.nn\.Module"):
        sm.capture({"a": torch.jit.script(Part())}, [x(8, 4)])
