"""Wrapped and compiled networks: the names and numbers of the same network without its wrapper."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
import torch
import transformers
from activations.small_transformers import batch, make
from torch import nn
from torch.optim.swa_utils import AveragedModel

import spanmatch as sm
from spanmatch.activations.wrappers import modules_of, unwrapped

X = torch.randn(40, 4, generator=torch.Generator().manual_seed(5))
LAYERS = ["0", "1.0", "1.1"]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 3)))


def compiled(module: nn.Module) -> nn.Module:
    return torch.compile(module, backend="eager")


def in_place(module: nn.Module) -> nn.Module:
    module.compile(backend="eager")
    return module


def part(wrap, module: nn.Sequential) -> nn.Module:
    module[1] = wrap(module[1])
    return module


class Prepared(nn.Module):
    """As engines of Accelerate are around a network: it is their `module`, and they pass everything on."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)


WRAPPERS = {
    "compiled": compiled,
    "compiled in place": in_place,
    "compiled part": lambda module: part(compiled, module),
    "part compiled in place": lambda module: part(in_place, module),
    "parallel": nn.DataParallel,
    "parallel part": lambda module: part(nn.DataParallel, module),
    "compiled and parallel": lambda module: compiled(nn.DataParallel(module)),
    "averaged": AveragedModel,
    "prepared": Prepared,
    "prepared and compiled": lambda module: Prepared(compiled(module)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapped_network_has_the_names_and_numbers_of_the_network(wrap):
    plain, wrapped = network(), wrap(network())
    with torch.no_grad():
        wrapped(X[:4])  # compiled code exists before there are hooks
    flags = [module.training for module in wrapped.modules()]
    moments = sm.capture({"a": plain, "b": wrapped}, [X[:25], X[25:]], layers=LAYERS)
    assert list(moments.layers) == [f"{name}:{layer}" for name in "ab" for layer in LAYERS]
    for layer in LAYERS:
        pair = moments.pair(f"a:{layer}", f"b:{layer}")
        np.testing.assert_array_equal(pair.xx, pair.yy)
        np.testing.assert_array_equal(pair.xx, pair.xy)
    assert [module.training for module in wrapped.modules()] == flags
    assert not any(module._forward_hooks for module in wrapped.modules())
    with torch.no_grad():
        torch.testing.assert_close(wrapped(X), plain(X))


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(x).relu()


def test_code_is_compiled_again_after_the_pass():
    calls = []

    def backend(graph, _):
        calls.append(graph)
        return graph.forward

    module = Own()
    module.compile(backend=backend)
    sm.capture({"a": module}, [X])
    assert not calls
    module(X)
    assert calls


def test_distributed_data_parallel(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/ranks", rank=0, world_size=1)
    try:
        parallel = nn.parallel.DistributedDataParallel(network())
        assert unwrapped(parallel) is parallel.module
        moments = sm.capture({"a": network(), "b": parallel}, [X])
    finally:
        torch.distributed.destroy_process_group()
    pair = moments.pair("a:1.1", "b:1.1")
    np.testing.assert_array_equal(pair.xx, pair.yy)


class Normalised(nn.Module):
    """Only part is `module` too, but its forward is more than that of the part."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(10 * x)


def test_a_wrapper_that_computes_is_run():
    moments = sm.capture({"a": network(), "b": Normalised(network())}, [X, X], layers=LAYERS)
    expected = network()[0](10 * X).detach().double().numpy()
    assert moments.layers["b:1.1"] == 3
    pair = moments.pair("a:0", "b:0")
    np.testing.assert_allclose(pair.yy, 2 * oracles.co_moments(expected, expected), rtol=1e-5)


def test_models_of_transformers_in_wrappers_have_their_layers():
    model = make("gpt2")
    for wrapped in (compiled(make("gpt2")), nn.DataParallel(make("gpt2")), in_place(make("gpt2"))):
        moments = sm.capture({"a": model, "b": wrapped}, [batch("gpt2")], layers=["hidden.*", "mlp.*"])
        pair = moments.pair("a:hidden.2", "b:hidden.2")
        np.testing.assert_array_equal(pair.xx, pair.yy)
    assert isinstance(unwrapped(compiled(model)), transformers.PreTrainedModel)


def test_layers_of_wrapped_networks_can_be_transplanted():
    from spanmatch.interventions.places import place_of

    place = place_of({"a": compiled(network())}, "a:1.1")
    torch.testing.assert_close(place.output(X).tensor, network()(X))
    assert list(modules_of(nn.DataParallel(network()))) == ["", "0", "1", "1.0", "1.1"]
