"""Reordering the neurons of PyTorch networks."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402

import spanmatch as sm  # noqa: E402


class Functional(nn.Module):
    """Convolutions and linear layers with functions between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 5, 3, padding=1, bias=False)
        self.fc1, self.fc2 = nn.Linear(5 * 16, 9), nn.Linear(9, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = torch.flatten(self.conv2(x).relu(), 1)
        return self.fc2(F.dropout(torch.tanh(self.fc1(x)), 0.5, self.training))


class MeanPooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 6, 3), nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean(dim=(2, 3)))


class Branched(nn.Module):
    """One layer read by two."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.left, self.right = nn.Linear(4, 6), nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x):
        h = self.first(x).relu()
        return self.left(h) + self.right(h)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = self.first(x).relu()
        return self.out(h + self.second(h))


def sequential(*modules: nn.Module) -> nn.Module:
    return nn.Sequential(*modules)


NETWORKS = {
    "perceptron": (lambda: sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 3)), (4,), {"0": 7}),
    "named by its activation": (lambda: sequential(nn.Linear(4, 7), nn.GELU(), nn.Linear(7, 3)), (4,), {"1": 7}),
    "batch normalisation": (
        lambda: sequential(nn.Linear(4, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3)),
        (4,),
        {"2": 7},
    ),
    "tokens": (lambda: sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 3)), (5, 4), {"0": 7}),
    "flattened tokens": (lambda: sequential(nn.Linear(4, 7), nn.Flatten(), nn.Linear(35, 3)), (5, 4), {"0": 7}),
    "sequence": (lambda: sequential(nn.Conv1d(2, 5, 3), nn.ELU(), nn.Conv1d(5, 4, 1)), (2, 9), {"0": 5}),
    "functional": (Functional, (1, 8, 8), {"conv1": 6, "conv2": 5, "fc1": 9}),
    "mean over space": (MeanPooled, (1, 6, 6), {"conv": 6}),
    "two readers": (Branched, (4,), {"first": 6}),
    "one block of a residual net": (
        lambda: sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.AdaptiveAvgPool2d(1)
        ),
        (1, 8, 8),
        {"2": 4},
    ),
}


def made(name: str) -> tuple[nn.Module, torch.Tensor, dict[str, int]]:
    make, shape, widths = NETWORKS[name]
    torch.manual_seed(0)
    network, inputs = make().double(), torch.randn(16, *shape, dtype=torch.float64)
    for module in network.modules():  # running means and variances that are not all alike
        if hasattr(module, "running_mean"):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network.eval(), inputs, widths


@pytest.mark.parametrize("name", NETWORKS)
def test_the_function_stays_and_the_neurons_move(name):
    network, inputs, widths = made(name)
    r = np.random.default_rng(0)
    orders = {layer: r.permutation(width) for layer, width in widths.items()}
    changed = sm.apply_permutation(network, orders)
    with torch.inference_mode():
        torch.testing.assert_close(changed(inputs), network(inputs), rtol=1e-12, atol=1e-12)
    pairs = [(f"before:{layer}", f"after:{layer}") for layer in widths]
    moments = sm.capture({"before": network, "after": changed}, inputs, layers=list(widths), pairs=pairs)
    for (x, y), order in zip(pairs, orders.values(), strict=True):
        np.testing.assert_allclose(moments.pair(x, y).y_mean, moments.pair(x, y).x_mean[order], atol=1e-12)
        assert not np.allclose(moments.pair(x, y).y_mean, moments.pair(x, y).x_mean)


def test_the_network_given_is_left_alone_and_so_is_its_mode():
    network = made("functional")[0]
    network.train()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    changed = sm.apply_permutation(network, {"conv1": np.arange(6)[::-1]})
    assert network.training and changed.training
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    assert not torch.equal(changed.conv1.weight, network.conv1.weight)
    assert changed.bn1.num_batches_tracked == network.bn1.num_batches_tracked


def test_two_seeds_are_lined_up_layer_by_layer():
    """What people who merge networks do: after it, each neuron's partner is the one of the same number."""
    network, inputs, _ = made("functional")
    r = np.random.default_rng(1)
    hidden = {"conv1": r.permutation(6), "conv2": r.permutation(5), "fc1": r.permutation(9)}
    other = sm.apply_permutation(network, hidden)
    moments = sm.capture({"a": network, "b": other}, inputs, layers=list(hidden))
    found = {layer: sm.one_to_one(moments.pair(f"a:{layer}", f"b:{layer}")).permutation() for layer in hidden}
    back = sm.apply_permutation(other, found)
    for mine, theirs in zip(network.state_dict().values(), back.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def grouped() -> nn.Module:
    return sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2))


def shared() -> nn.Module:
    first = nn.Linear(4, 4)
    return sequential(nn.Linear(4, 4), nn.ReLU(), first, nn.ReLU(), first)


def tied() -> nn.Module:
    network = sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    network[2].weight = network[0].weight
    return network


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(x) if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("make", "layer", "order", "message"),
    [
        (
            lambda: made("perceptron")[0],
            "0",
            [0, 1, 2],
            r"layer '0': \[0, 1, 2\] is not a permutation of its 7",
        ),
        (lambda: made("perceptron")[0], "0", [0, 0, 2, 3, 4, 5, 6], "is not a permutation"),
        (lambda: made("perceptron")[0], "0", np.eye(7), r"an array of shape \(7, 7\)"),
        (lambda: made("perceptron")[0], "2", [0, 1, 2], r"reaches output"),
        (lambda: made("perceptron")[0], "fc", [0], "layer 'fc' is not a module that the network calls"),
        (Residual, "first", list(range(6)), r"reaches add \(add\)"),
        (grouped, "0", [1, 0, 2, 3], "grouped convolution"),
        (shared, "0", [1, 0, 2, 3], "used in more than one place"),
        (tied, "0", [1, 0, 2, 3], "used in more than one place"),
        (Branching, "fc", [1, 0, 2, 3], "torch.fx cannot trace Branching"),
        (lambda: sequential(nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 2)), "0", [1, 0, 2, 3], "Softmax"),
        (lambda: sequential(nn.Conv2d(1, 2, 3), nn.Linear(2, 2)), "0", [1, 0], r"reaches _1 \(Linear\)"),
        (lambda: sequential(nn.Linear(4, 4), nn.MaxPool1d(2), nn.Linear(2, 2)), "0", [1, 0, 2, 3], "MaxPool1d"),
        (lambda: sequential(nn.ReLU(), nn.Linear(4, 2)), "0", [1, 0], "input is neither a Linear or Conv layer nor"),
        (
            lambda: sequential(nn.Conv1d(1, 4, 3), nn.Flatten(1, 2), nn.Flatten(0, 1), nn.Linear(4, 2)),
            "0",
            [1, 0, 2, 3],
            "Flatten",
        ),
        (
            lambda: sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 2)),
            "0",
            [1, 0, 2, 3],
            "not a module that the network calls|parametrised|neither a Linear",
        ),
    ],
)
def test_what_cannot_keep_its_function_is_refused(make, layer, order, message):
    network = make()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.apply_permutation(network, {layer: order})
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
