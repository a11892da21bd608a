"""Programs of torch.export: their layers are those of the network that they were exported from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import spanmatch as sm


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(4 * 16, 5)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def test_a_program_has_the_layers_of_the_network_it_was_made_from(tmp_path):
    torch.manual_seed(0)
    net, x = Small().eval(), torch.randn(30, 1, 6, 6)
    program = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.export.save(program, tmp_path / "net.pt2")
    loaded = torch.export.load(tmp_path / "net.pt2")
    for either in (program, loaded):
        moments = sm.capture({"net": net, "program": either}, [x[:20], x[20:]])
        names = ["features.2", "head"]
        assert moments.pairs == [(f"net:{name}", f"program:{name}") for name in names]
        for one, other in moments.pairs:
            pair = moments.pair(one, other)
            np.testing.assert_allclose(pair.yy, pair.xx, rtol=1e-5, atol=1e-5)
            assert pair.rows == (480 if "features" in one else 30)
    module = sm.capture(
        {"net": net, "program": program}, [x], layers="features"
    )  # of several operations: the last counts
    pair = module.pair("net:features", "program:features")
    np.testing.assert_allclose(pair.yy, pair.xx, rtol=1e-5, atol=1e-5)
    with pytest.raises(sm.SpanmatchError, match=r"'heat' matches nothing .* there is head"):
        sm.capture({"a": program, "b": program}, [x], layers="heat")


def test_a_program_s_file_is_not_read(tmp_path):
    (tmp_path / "a.pt2").write_bytes(b"")
    with pytest.raises(sm.SpanmatchError, match=r"a\.pt2: reading a \.pt2 file can run code .*torch\.export\.load"):
        sm.capture({"a": tmp_path / "a.pt2", "b": tmp_path / "a.pt2"}, [torch.zeros(2, 6)])


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv1d(1, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.head(torch.relu(x.transpose(1, 2)).mean(1))


def test_functions_of_a_program_have_the_names_and_axes_of_the_network_s():
    torch.manual_seed(0)
    net, x = Functional().eval(), torch.randn(30, 1, 8)
    program = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    moments = sm.capture({"net": net, "program": program}, [x])
    assert [pair[0] for pair in moments.pairs] == ["net:/relu", "net:/relu#2", "net:head"]
    for one, other in moments.pairs:
        pair = moments.pair(one, other)
        np.testing.assert_allclose(pair.yy, pair.xx, rtol=1e-5, atol=1e-5)
    assert moments.layers["program:/relu"] == moments.layers["program:/relu#2"] == 4
    assert sm.layers(program, x)[1].kind == "relu"
