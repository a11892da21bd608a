"""Results of functions as layers: their names, the axes of their neurons, and what is compared by default."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import oracles
import pytest
import torch
import transformers
from activations.small_transformers import batch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import spanmatch as sm

X = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(3))
TOKENS = torch.randn(6, 5, 8, generator=torch.Generator().manual_seed(4))
SERIES = torch.randn(6, 1, 20, generator=torch.Generator().manual_seed(5))


class Block(nn.Module):
    """A residual block as those of ResNets for CIFAR: functions and an addition in place."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(into, out, 3, stride, 1), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1), nn.BatchNorm2d(out)
        self.added = out - into

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.added:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added // 2, self.added // 2))
        out += x
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1)
        self.layer1 = nn.Sequential(Block(4, 4, 1), Block(4, 8, 2))
        self.linear = nn.Linear(8, 5)

    def forward(self, x):
        x = self.layer1(F.relu(self.conv1(x)))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Attention(nn.Module):
    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.qkv, self.proj, self.fused = nn.Linear(8, 24), nn.Linear(8, 8), fused

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, 2, d // 2).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v) if self.fused else (q @ k.mT * 0.5).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(n, t, d))


class ConvNextBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, 1, 1), nn.LayerNorm(3)
        self.up, self.act, self.down = nn.Linear(3, 7), nn.GELU(), nn.Linear(7, 3)

    def forward(self, x):
        y = self.down(self.act(self.up(self.norm(self.conv(x).permute(0, 2, 3, 1)))))
        return x + y.permute(0, 3, 1, 2)


class Mixer(nn.Module):
    """Linear maps along the tokens, then along the features."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.tokens, self.features = nn.LayerNorm(8), nn.Linear(5, 5), nn.Linear(8, 8)

    def forward(self, x):
        x = x + self.tokens(self.norm(x).transpose(1, 2)).relu().transpose(1, 2)
        return F.gelu(self.features(x))


class Unet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 6, 3, 1, 1)
        self.up, self.out = nn.ConvTranspose2d(6, 4, 2, 2), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.relu(self.down2(F.max_pool2d(a, 2)))
        return self.out(torch.cat([F.interpolate(b, scale_factor=2)[:, :4], a], 1) + 0 * self.up(b).repeat(1, 2, 1, 1))


class Recurrent(nn.Module):
    """A recurrent network that has the examples first, or second within it."""

    def __init__(self, kind: type[nn.RNNBase], *, batch_first: bool) -> None:
        super().__init__()
        self.rnn = kind(8, 4, 2, batch_first=batch_first, bidirectional=True)
        self.batch_first = batch_first

    def forward(self, x):
        x = x if self.batch_first else x.transpose(0, 1)
        return self.rnn(x)[0].relu()[:, -1] if self.batch_first else self.rnn(x)[0].relu()[-1]


class Encoder(nn.Module):
    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=batch_first)
        self.encoder, self.batch_first = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), batch_first

    def forward(self, x):
        return self.encoder(x) if self.batch_first else self.encoder(x.transpose(0, 1)).transpose(0, 1)


class Einsum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.fc = nn.Parameter(torch.randn(8, 5)), nn.Linear(5, 2)

    def forward(self, x):
        return self.fc(F.relu(torch.einsum("ntc,cd->ntd", x, self.weight)))


def made(make, *args, **options):
    torch.manual_seed(0)
    return make(*args, **options).eval()


def listed(network, x):
    return {layer.name: layer for layer in sm.layers(network, x)}


def compared(network, x):
    return [layer.name for layer in sm.layers(network, x) if layer.is_compared]


DEFAULTS = {
    "residual": (ResNet, X, ["/relu", "layer1.0/relu", "layer1.0", "layer1.1/relu", "layer1.1", "linear"]),
    "U-net": (Unet, X, ["/relu", "/relu#2", "out"]),
    "mixer": (Mixer, TOKENS, ["/relu", "/gelu"]),
}


@pytest.mark.parametrize(("make", "x", "expected"), DEFAULTS.values(), ids=DEFAULTS)
def test_the_default_is_nonlinearities_blocks_and_the_output(make, x, expected):
    network = made(make)
    assert compared(network, x) == expected
    moments = sm.capture({"a": network, "b": made(make)}, [x[:4], x[4:]])
    assert list(moments.layers) == [f"{name}:{layer}" for name in "ab" for layer in expected]


def test_attention_and_feed_forward_of_pytorch_s_transformer():
    for batch_first in (True, False):
        layers = compared(made(Encoder, batch_first=batch_first), TOKENS)
        assert layers[:3] == ["encoder.layers.0.self_attn", "encoder.layers.0/relu", "encoder.layers.0"]


@singledispatch
def exact(network, x, layer):
    """Return a layer as rows x neurons, from the network written out."""
    raise NotImplementedError


@exact.register
def _(network: ResNet, x, layer):
    y = network.conv1(x).relu()
    first = network.layer1[0].bn1(network.layer1[0].conv1(y)).relu()
    values = {"/relu": y, "layer1.0/relu": first, "layer1.0": network.layer1[0](y)}
    return values[layer].movedim(1, -1).flatten(0, -2)


@exact.register
def _(network: Attention, x, layer):
    n, t, d = x.shape
    q, k, v = network.qkv(x).reshape(n, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
    attended = ((q @ k.mT * 0.5).softmax(-1) @ v).transpose(1, 2).reshape(n * t, d)
    return network.qkv(x).flatten(0, 1) if layer == "qkv" else attended


@exact.register
def _(network: ConvNextBlock, x, layer):
    y = network.norm(network.conv(x).permute(0, 2, 3, 1))
    return {"act": network.act(network.up(y)), "norm": y}[layer].flatten(0, -2)


@exact.register
def _(network: Mixer, x, layer):
    return network.tokens(network.norm(x).transpose(1, 2)).relu().flatten(0, 1)


@exact.register
def _(network: Recurrent, x, layer):
    output, state = network.rnn(x if network.batch_first else x.transpose(0, 1))
    if layer == "rnn/last":
        state = state[0] if isinstance(state, tuple) else state
        return torch.cat([state[-2], state[-1]], 1)
    output = output.relu() if layer == "/relu" else output
    return (output if network.batch_first else output.transpose(0, 1)).flatten(0, 1)


@exact.register
def _(network: Encoder, x, layer):
    block, values = network.encoder.layers[0], x if network.batch_first else x.transpose(0, 1)
    inner = block.linear1(block.norm1(values + block.self_attn(values, values, values)[0])).relu()
    y = inner if layer.endswith("relu") else block(values)
    return (y if network.batch_first else y.transpose(0, 1)).flatten(0, 1)


CASES = [
    (ResNet, {}, X, "/relu"),
    (ResNet, {}, X, "layer1.0/relu"),
    (ResNet, {}, X, "layer1.0"),
    (Attention, {"fused": True}, TOKENS, "/scaled_dot_product_attention"),
    (Attention, {"fused": False}, TOKENS, "/matmul#2"),
    (Attention, {"fused": False}, TOKENS, "qkv"),
    (ConvNextBlock, {}, X, "act"),
    (ConvNextBlock, {}, X, "norm"),
    (Mixer, {}, TOKENS, "/relu"),
    *(
        (Recurrent, {"kind": kind, "batch_first": first}, TOKENS, layer)
        for kind in (nn.LSTM, nn.GRU)
        for first in (True, False)
        for layer in ("rnn", "rnn/last", "/relu")
    ),
    *(
        (Encoder, {"batch_first": first}, TOKENS, layer)
        for first in (True, False)
        for layer in ("encoder.layers.0", "encoder.layers.0/relu")
    ),
]


@pytest.mark.parametrize(("make", "options", "x", "layer"), CASES)
def test_the_neurons_are_on_the_axis_that_they_are_known_to_be_on(make, options, x, layer):
    network = made(make, **options)
    moments = sm.capture({"a": network, "b": network}, [x[:4], x[4:]], layers=layer)
    with torch.no_grad():
        expected = exact(network, x, layer).double().numpy()
    pair = moments.pair(f"a:{layer}", f"b:{layer}")
    assert pair.rows == len(expected)
    np.testing.assert_allclose(pair.x_mean, expected.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(pair.xx, oracles.co_moments(expected, expected), rtol=1e-4, atol=1e-5)


def test_a_relu_after_a_one_dimensional_convolution_has_its_channels():
    network = nn.Sequential(nn.Conv1d(1, 7, 3), nn.BatchNorm1d(7), nn.ReLU(), nn.MaxPool1d(3), nn.Dropout(), nn.GELU())
    assert {layer.neurons for layer in sm.layers(network, SERIES)} == {7}


def test_a_last_batch_of_one_example_has_the_axes_of_the_others():
    network = made(Recurrent, nn.LSTM, batch_first=False)
    networks = {"a": network, "b": network}
    pairs = [
        sm.capture(networks, batches, layers="rnn").pair("a:rnn", "b:rnn")
        for batches in ([TOKENS], [TOKENS[:5], TOKENS[5:]])
    ]
    assert pairs[0].rows == pairs[1].rows == 30
    np.testing.assert_allclose(pairs[1].xx, pairs[0].xx, rtol=1e-5, atol=1e-6)


def test_axes_that_are_not_known_are_refused_with_both_readings():
    network = made(Einsum)
    with pytest.warns(sm.SpanmatchWarning, match=r"not compared: /relu, of which it is not known"):
        assert list(sm.capture({"a": network}, [TOKENS]).layers) == ["a:fc"]
    message = r"it is not known .* shape \(6, 5, 5\): 5 neurons at 5 positions, or 5 neurons at 5 positions; "
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.capture({"a": network}, [TOKENS], layers="/relu")
    moments = sm.capture({"a": network, "b": network}, [TOKENS], layers="/relu", channels="last")
    rows = F.relu(torch.einsum("ntc,cd->ntd", TOKENS, network.weight)).flatten(0, 1).detach().double().numpy()
    np.testing.assert_allclose(moments.pair("a:/relu", "b:/relu").xx, oracles.co_moments(rows, rows), rtol=1e-4)
    assert listed(network, TOKENS)["/relu"].neurons is None


def test_patterns_choose_functions_and_single_calls():
    network = made(Unet)
    for patterns, expected in (("*relu*", ["/relu", "/relu#2"]), ("/relu#2", ["/relu#2"]), ("/relu#1", ["/relu"])):
        assert [name[2:] for name in sm.capture({"a": network}, [X], layers=patterns).layers] == expected
    with pytest.raises(sm.SpanmatchError, match=r"'/gelu' matches nothing in network 'a'; there is .*/relu"):
        sm.capture({"a": network}, [X], layers="/gelu")


def test_modules_and_functions_have_the_same_values_and_a_module_s_own_functions_are_not_listed():
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.act = nn.Linear(8, 4), nn.ReLU()

        def forward(self, x):
            return F.relu(self.fc(x)) + self.act(self.fc(x))

    layers = listed(made(Own), TOKENS)
    assert list(layers) == ["fc", "/relu", "fc#2", "act", "/add"]
    pair = sm.capture({"a": made(Own)}, [TOKENS], layers="*", pairs=[("a:/relu", "a:act")]).pair("a:/relu", "a:act")
    np.testing.assert_array_equal(pair.xx, pair.xy)


def test_two_dimensional_results_of_other_numbers_of_rows_are_left_out():
    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.fc(x.reshape(-1, 8)).relu().reshape(x.shape).mean(1))

    network = made(Windows)
    assert compared(network, TOKENS) == ["head"]
    with pytest.raises(sm.SpanmatchError, match=r"output of shape \(30, 8\) for 6 examples"):
        sm.capture({"a": network}, [TOKENS], layers="/relu")


def test_layers_without_a_batch_are_the_modules_of_the_network():
    layers = sm.layers(made(ResNet))
    assert [layer.name for layer in layers][:3] == ["conv1", "layer1", "layer1.0"]
    assert "Block" in repr(layers) and layers.to_frame().shape[1] == 5
    with pytest.raises(sm.SpanmatchError, match="give a batch"):
        sm.layers("net.onnx")


def test_encoder_decoders_of_transformers_run_as_networks_do():
    config = transformers.T5Config(
        d_model=8, d_ff=12, d_kv=4, num_layers=2, num_heads=2, vocab_size=64, decoder_start_token_id=0
    )
    torch.manual_seed(0)
    model = transformers.T5Model(config).eval()
    tokens = batch("bert")["input_ids"] % 64
    mask = torch.ones_like(tokens)
    mask[0, 5:] = 0
    inputs = {"input_ids": tokens, "attention_mask": mask, "decoder_input_ids": tokens[:, :4]}
    moments = sm.capture({"a": model, "b": model}, [inputs], layers=["encoder.block.1", "decoder.block.1"])
    assert moments.rows == {
        f"{name}:{layer}": rows
        for name in "ab"
        for layer, rows in (("encoder.block.1", int(mask.sum())), ("decoder.block.1", 4 * len(tokens)))
    }
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).encoder_hidden_states[1]
    rows = sm.capture({"a": model, "b": model}, [inputs], layers="encoder.block.0").pair(
        "a:encoder.block.0", "b:encoder.block.0"
    )
    expected = states[mask.bool()].double().numpy()
    np.testing.assert_allclose(rows.xx, oracles.co_moments(expected, expected), rtol=1e-4, atol=1e-5)


def test_functions_can_be_replaced_by_a_transplant():
    a, b = made(ResNet), made(ResNet)
    labels = torch.arange(6) % 5
    moments = sm.capture({"a": a, "b": b}, [X], layers=["/relu"])
    pair = moments.pair("a:/relu", "b:/relu")
    result = sm.transplant({"a": a, "b": b}, [(X, labels)], pair, sm.maximum_match(pair, 0.5))
    outcomes = {outcome.condition: outcome for outcome in result.outcomes}
    np.testing.assert_allclose(outcomes["transplant"].losses, outcomes["untouched"].losses, rtol=1e-4)
    assert not np.allclose(outcomes["ablation"].losses, outcomes["untouched"].losses, rtol=1e-2)
