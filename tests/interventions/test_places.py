"""What a transplant replaces: the right neurons, in whatever a module gives, and nothing that is not used."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import spanmatch as sm

LABELS = torch.arange(40) % 3


def losses(networks, inputs, layer, *, units="channel", eps=0.5):
    """Return the losses of A untouched, with its layer predicted from B's, and ablated."""
    moments = sm.capture(networks, [inputs], layers=layer, units=units)
    pair = moments.pair(f"a:{layer}", f"b:{layer}")
    result = sm.transplant(networks, [(inputs, LABELS)], pair, sm.maximum_match(pair, eps))
    return [result[condition].losses for condition in ("untouched", "transplant", "ablation")]


class ChannelsLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(2, 3, 1), nn.Linear(12, 3)

    def forward(self, x):
        return self.head(F.gelu(self.conv(x).permute(0, 2, 3, 1)).flatten(1))


class ChannelsFirst(ChannelsLast):
    """The same function."""

    def forward(self, x):
        return self.head(F.gelu(self.conv(x)).permute(0, 2, 3, 1).flatten(1))


@pytest.mark.parametrize("units", ["channel", "location"])
def test_neurons_are_the_same_wherever_the_channels_are(units):
    inputs = torch.randn(40, 2, 2, 2)
    untouched, transplanted, ablated = losses({"a": ChannelsLast(), "b": ChannelsFirst()}, inputs, "/gelu", units=units)
    np.testing.assert_allclose(transplanted, untouched, rtol=1e-3, atol=1e-4)
    assert np.abs(ablated - untouched).max() > 0.01


class Giving(nn.Module):
    """A module that gives its result inside something else."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.fc, self.kind = nn.Linear(4, 4), kind

    def forward(self, x):
        y = self.fc(x)
        return {"tuple": (y, x), "list": [y, x], "nested": ((y, x), None), "dict": {"y": y, "x": x}}[self.kind]


class Taking(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.part, self.head, self.kind = Giving(kind), nn.Linear(4, 3), kind

    def forward(self, x):
        given = self.part(x)
        y = given["y"] if self.kind == "dict" else given[0][0] if self.kind == "nested" else given[0]
        return self.head(F.gelu(x + y))


@pytest.mark.parametrize("kind", ["tuple", "list", "nested", "dict"])
def test_the_rest_of_what_a_module_gives_stays(kind):
    network = Taking(kind)
    untouched, transplanted, ablated = losses({"a": network, "b": network}, torch.randn(40, 4), "part")
    np.testing.assert_allclose(transplanted, untouched, rtol=1e-3, atol=1e-4)
    assert np.abs(ablated - untouched).max() > 0.01


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        y = self.fc(x)
        y.relu_()  # the result itself is not used
        return self.head(y)


def test_what_works_in_place_is_replaced_in_place():
    network = InPlace()
    untouched, transplanted, ablated = losses({"a": network, "b": network}, torch.randn(40, 4), "/relu")
    np.testing.assert_allclose(transplanted, untouched, rtol=1e-3, atol=1e-4)
    assert np.abs(ablated - untouched).max() > 0.01


class Last(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.head = nn.GRU(4, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.rnn(x)[1][-1])


def test_a_last_state_that_cannot_be_replaced_is_refused():
    network = Last()
    with pytest.raises(sm.SpanmatchError, match="'a:rnn/last': a last state cannot be replaced"):
        losses({"a": network, "b": network}, torch.randn(40, 5, 4), "rnn/last")


def test_a_layer_that_was_captured_along_other_axes_is_refused():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(2, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    networks, inputs = {"a": network, "b": network}, torch.randn(40, 2, 4)
    pair = sm.capture(networks, [inputs], layers="1", channels="last").pair("a:1", "b:1")
    with pytest.raises(sm.SpanmatchError, match=":1': rows are tokens, which is not how its axes follow"):
        sm.transplant(networks, [(inputs, LABELS)], pair, sm.maximum_match(pair, 0.5))
