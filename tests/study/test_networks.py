"""Architectures: as in the papers, and those of the user."""

from __future__ import annotations

import pytest
import torch

import spanmatch as sm
from spanmatch.study.datasets import Data, read_data
from spanmatch.study.networks import DEPTHS, MAKERS, VGG, make_network
from spanmatch.study.settings import (
    DataSettings,
    NetworkSettings,
)
from studies import noise


def made(name: str, data: Data | None = None, **options) -> torch.nn.Module:
    return make_network(NetworkSettings(name=name, options=options), data or noise(), 0)


def test_networks_have_the_layers_that_their_names_say():
    def count(network: torch.nn.Module) -> int:
        return sum(isinstance(m, torch.nn.Conv2d | torch.nn.Linear) for m in network.modules())

    def parameters(network: torch.nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    for depth in VGG:  # convolutions, and three fully connected in the original, two here
        assert count(made(f"vgg{depth}")) == count(made(f"vgg{depth}-bn")) == depth - 1
    for depth in DEPTHS:
        assert count(made(f"resnet{depth}")) == count(made(f"plain{depth}")) == depth
        assert parameters(made(f"resnet{depth}")) == parameters(made(f"plain{depth}"))
    # He et al. report 0.27 and 0.85 million for the two.
    assert round(parameters(made("resnet20")) / 1e6, 2) == 0.27
    assert round(parameters(made("resnet56")) / 1e6, 2) == 0.85


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "transformer"])
def test_every_network_gives_logits_and_its_layers_are_there(name):
    data = noise()
    network = made(name, data, **({} if name == "mlp" else {"width": 0.125}))
    moments = sm.capture({"a": network}, [data.prepared(data.train)], layers=MAKERS[name].layers, null=False)
    assert list(moments.layers.values())[-1] == 10
    with torch.no_grad():
        assert network(data.prepared(data.train)).shape == (4, 10)


def test_tiny10_has_the_ten_layers_of_its_paper():
    data, network = noise(32), made("tiny10").eval()
    x, shapes = data.prepared(data.train), {}
    with torch.no_grad():
        for name, module in network.named_children():
            x = module(x)
            shapes[name] = tuple(x.shape[1:])
    expected = [(16, 32, 32)] * 2 + [(32, 16, 16)] * 3 + [(64, 8, 8), (64, 6, 6), (64, 6, 6)]
    assert [shapes[f"relu{i}"] for i in range(1, 9)] == expected
    assert shapes["pool"] == (64, 1, 1) and shapes["fc"] == (10,)
    kernels = [module.kernel_size for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert kernels == [(3, 3)] * 7 + [(1, 1)]
    layers = sm.capture({"a": network}, [data.prepared(data.train)], layers=MAKERS["tiny10"].layers, null=False).layers
    assert list(layers) == [f"a:{name}" for name in (*(f"relu{i}" for i in range(1, 9)), "pool", "fc")]
    assert list(layers.values()) == [16, 16, 32, 32, 32, 64, 64, 64, 64, 10]
    assert made("tiny10", noise(16), width=0.5).fc.in_features == 32
    with pytest.raises(sm.SpanmatchError, match=r"15 x 15 is too small; set data\.size = 16"):
        made("tiny10", noise(15))


def test_a_residual_block_adds_what_it_was_given():
    data = noise(8)
    residual, plain = made("resnet20", data), made("plain20", data)
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    for network, expected in ((residual, x), (plain, torch.zeros_like(x))):
        block = network.block1_1
        torch.nn.init.zeros_(block.norm2.weight)
        torch.testing.assert_close(block(x), torch.relu(expected))


def test_a_transformer_does_not_look_ahead():
    data = read_data(DataSettings(name="text", context=16, max_examples=8))
    network = made("transformer", data, blocks=2, width=16, heads=2).eval()
    changed = data.train.clone()
    changed[:, 10] = (changed[:, 10] + 1) % len(data.classes)
    with torch.no_grad():
        a, b = network(data.train), network(changed)
    torch.testing.assert_close(a[:, :10], b[:, :10])
    assert (a[:, 10:] - b[:, 10:]).abs().amax(dim=(0, 2)).min() > 1e-5


def test_wrong_networks_are_refused(tmp_path):
    file = tmp_path / "nets.py"
    file.write_text(
        "import torch\n"
        "def small(channels, classes): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(classes))\n"
        "def none(): return 3\n"
        "def other(vocabulary): return None\n"
    )
    assert isinstance(made(f"{file}:small"), torch.nn.Module)
    for name, options, message in (
        ("vgg12", {}, "no 'vgg12'; there is 'vgg1"),
        ("vgg11", {"widht": 2}, "network.options: vgg11 has no 'widht'; there is 'width'"),
        ("vgg11", {"width": "wide"}, "vgg11 with .*width: wide failed"),
        (f"{file}:none", {}, "gives a int; it must give a torch.nn.Module"),
        (f"{file}:gone", {}, "has no function 'gone'"),
        (f"{file}:other", {}, "takes vocabulary, which noise does not have"),
        ("transformer", {}, "takes context, which noise does not have"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            made(name, **options)
    with pytest.raises(sm.SpanmatchError, match=r"8 x 8 is too small; set data\.size = 32"):
        made("vgg11", noise(8))
