"""Training goes on as if nobody had looked."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from tracking.tracked_networks import PROBE, conv_net, train_epoch

import spanmatch as sm


class Remembering(nn.Module):
    """A layer that keeps things from its forward pass: a table, a new buffer, a count, a replaced buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(7))
        self.table = None
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(1))

    def forward(self, x):
        if self.table is None:
            self.table = torch.linspace(1, 2, 7)
            self.register_buffer("positions", torch.arange(7.0))
        self.calls += 1
        self.last = x.mean().reshape(1)
        return x * (self.weight * self.table + self.positions)


class Merging(nn.Linear):
    """A layer that merges a low-rank part into its weight in evaluation mode, as LoRA does."""

    def __init__(self) -> None:
        super().__init__(7, 7)
        self.low_rank, self.is_merged = nn.Parameter(torch.full((7, 7), 0.5)), False

    def train(self, mode=True):
        super().train(mode)
        if mode == self.is_merged:
            self.weight.data += -self.low_rank.data if mode else self.low_rank.data
            self.is_merged = not mode
        return self


class Failing(nn.Module):
    def forward(self, x):
        torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
        raise RuntimeError("out of luck")


def state_of(network):
    """Return everything that training depends on, by name."""
    buffers, parameters = dict(network.named_buffers()), dict(network.named_parameters())
    modules = list(network.modules())
    numpy_kind, numpy_state, *numpy_rest = np.random.get_state()  # noqa: NPY002
    return {
        "modes": [module.training for module in modules],
        "attributes": [sorted(vars(module)) for module in modules],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in modules],
        "tensors": {name: tensor.clone() for name, tensor in network.state_dict().items()},
        "identities": {name: id(tensor) for name, tensor in (buffers | parameters).items()},
        "untouched": {name: tensor._version for name, tensor in buffers.items() if "running" in name},
        "gradients": {name: tensor.grad.clone() for name, tensor in parameters.items() if tensor.grad is not None},
        "needs gradients": [tensor.requires_grad for tensor in parameters.values()],
        "python": random.getstate(),
        "numpy": [numpy_kind, numpy_state.tolist(), numpy_rest],
        "torch": torch.get_rng_state(),
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, torch.backends.cudnn.enabled),
        "process": (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()),
    }


def assert_same(before, after):
    assert before.keys() == after.keys()
    for name, value in before.items():
        if name in ("tensors", "gradients", "torch"):
            torch.testing.assert_close(value, after[name], rtol=0, atol=0)
        else:
            assert value == after[name], name


def network_in_training():
    """Return a network in the middle of a training step, with modes, gradients and hooks of its own."""
    network = conv_net()
    network.append(Remembering())
    network.append(nn.Linear(7, 3))
    network[1].eval()  # frozen, inside a network that is trained
    network[0].weight.requires_grad_(False)
    network.register_forward_hook(lambda *_: None)
    network(PROBE).sum().backward()
    return network


def test_a_step_leaves_the_training_state():
    network = network_in_training()
    tracker = sm.Tracker(network, PROBE, against="previous")
    for epoch in range(3):
        before = state_of(network)
        tracker.step(epoch)
        assert_same(before, state_of(network))
    assert network.training and not network[1].training


def test_construction_leaves_the_training_state_of_both_networks():
    network, reference = network_in_training(), network_in_training()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(PROBE), 30, shuffle=True)
    before, reference_before = state_of(network), state_of(reference)
    sm.Tracker(network, loader, against=reference)
    assert_same(before, state_of(network))
    assert_same(reference_before, state_of(reference))


def test_a_failing_network_leaves_the_training_state():
    network = nn.Sequential(network_in_training(), Failing())
    tracker = sm.Tracker(network, PROBE, layers="0.2")
    before = state_of(network)
    with pytest.raises(sm.SpanmatchError, match=r"network 'current' failed .* out of luck") as failure:
        tracker.step(0)
    assert_same(before, state_of(network))  # while the exception is still alive
    assert isinstance(failure.value.__cause__, RuntimeError)


@pytest.mark.parametrize("against", ["first", "previous"])
def test_weights_are_bitwise_those_of_training_without_a_tracker(against):
    networks = {}
    for is_tracked in (False, True):
        random.seed(0), np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002
        network = conv_net()
        tracker = sm.Tracker(network, PROBE, against=against)
        for epoch in range(3):
            if is_tracked:
                tracker.step(epoch)
            train_epoch(network, epoch)
        networks[is_tracked] = network.state_dict()
    for name, tensor in networks[False].items():
        assert torch.equal(tensor, networks[True][name]), name


def test_what_a_first_pass_keeps_can_be_trained_with():
    network = nn.Sequential(nn.Linear(4, 7), Remembering())
    sm.Tracker(network, torch.randn(20, 4)).step(0)
    assert network[1].table is None and not hasattr(network[1], "positions") and network[1].calls == 0
    network(torch.randn(5, 4)).sum().backward()  # a table from a pass without gradients would raise here
    assert network[1].weight.grad is not None and network[1].calls == 1


def test_modules_that_do_more_than_set_a_flag_change_back():
    network = nn.Sequential(Merging(), Merging(), nn.ReLU())
    network[1].eval()
    weights = [layer.weight.detach().clone() for layer in network[:2]]
    sm.Tracker(network, torch.randn(20, 7), layers="2").step(0)
    assert [(layer.training, layer.is_merged) for layer in network[:2]] == [(True, False), (False, True)]
    for layer, weight in zip(network, weights, strict=False):
        torch.testing.assert_close(layer.weight.detach(), weight)


def test_a_step_between_forward_and_backward():
    network = conv_net()
    other = copy.deepcopy(network)
    tracker = sm.Tracker(network, PROBE)
    torch.manual_seed(0)
    loss = network(PROBE).square().sum()
    tracker.step(0)
    loss.backward()
    torch.manual_seed(0)
    other(PROBE).square().sum().backward()
    torch.testing.assert_close(state_of(network)["gradients"], state_of(other)["gradients"], rtol=0, atol=0)


def test_autocast_changes_nothing_and_keeps_nothing():
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    probe = torch.randn(60, 4)
    tracker = sm.Tracker(network, probe, against="previous")
    tracker.step(0)
    with torch.autocast("cpu", torch.bfloat16):
        step = tracker.step(1)
        assert torch.is_autocast_enabled("cpu")
        network(probe).float().sum().backward()  # a weight cast without gradients would leave none
    assert step.layers["2"].values["cka"] == pytest.approx(1, abs=1e-12)
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_parameters_without_a_shape_are_refused():
    network = nn.Sequential(nn.LazyLinear(3), nn.ReLU())
    with pytest.raises(sm.SpanmatchError, match=r"parameter '0.weight' has no shape yet; run the network"):
        sm.Tracker(network, torch.randn(20, 4))


def test_wrapped_and_compiled_networks_are_tracked_under_the_names_inside():
    network = conv_net()
    wrapped = nn.DataParallel(network)
    assert list(sm.Tracker(wrapped, PROBE, layers="2").step(0).layers) == ["2"]
