"""Layouts: sampled positions, pooling, locations as neurons."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
import torch
from activations.small_networks import conv_net, images
from torch import nn

import spanmatch as sm
from spanmatch.activations.layouts import BatchRows, Layout
from spanmatch.activations.outputs import BatchActivations, joined_rows


def test_sampled_positions_are_the_same_in_both_networks_and_said():
    a, x = conv_net(0), images(30)
    moments = sm.capture({"a": a, "b": a}, [x[:10], x[10:]], layers=["0", "1"], positions=3, seed=5)
    pair = moments.pair("a:0", "b:0")
    assert pair.rows == 90
    np.testing.assert_allclose(pair.xy, pair.xx)  # the same rows in the same order
    assert pair.layout == "rows are examples x 3 of 16 positions, sampled with seed 5; channels are neurons"
    assert sm.match_profile(pair).provenance.layout == pair.layout
    again = sm.capture({"a": a, "b": a}, [x[:10], x[10:]], layers=["0", "1"], positions=3, seed=5)
    np.testing.assert_array_equal(again.pair("a:0", "b:0").xx, pair.xx)
    other = sm.capture({"a": a, "b": a}, [x[:10], x[10:]], layers=["0", "1"], positions=3, seed=6)
    assert np.abs(other.pair("a:0", "b:0").xx - pair.xx).max() > 1e-3
    everything = sm.capture({"a": a, "b": a}, [x], layers="0", positions=99)
    assert everything.pair("a:0", "b:0").rows == 480


def rows_seen(monkeypatch, network, batches, **options):
    """Return the rows of layer "0" that a capture adds, by example, in order of position."""
    seen = {}
    update = sm.Moments._update

    def recorded(self, rows, examples, outputs):
        for example, row in zip(examples["a:0"], rows["a:0"], strict=True):
            seen.setdefault(int(example), []).append(np.asarray(row).tobytes())
        update(self, rows, examples, outputs)

    with monkeypatch.context() as patch:
        patch.setattr(sm.Moments, "_update", recorded)
        sm.capture({"a": network, "b": network}, batches, layers="0", channels="first", positions=3, **options)
    return seen


def test_sampled_positions_are_a_function_of_seed_and_example_alone(monkeypatch, tmp_path):
    """The same bits for other batch sizes and orders, parts of the data, and a resumed pass."""

    class Shift(nn.Module):  # outputs that do not depend, in their last bits, on how many examples there are
        def forward(self, x):
            return torch.cat([x, 2 * x], dim=1)

    network, x, ids = nn.Sequential(Shift()), images(40), np.arange(40) * 5 + 2
    one = rows_seen(monkeypatch, network, [x], example_ids=ids, seed=3)
    assert sorted(one) == ids.tolist() and {len(rows) for rows in one.values()} == {3}
    for size in (1, 7, 16):
        assert rows_seen(monkeypatch, network, x.split(size), example_ids=ids, seed=3) == one
    order = np.random.default_rng(0).permutation(40)
    assert rows_seen(monkeypatch, network, x[order].split(8), example_ids=ids[order], seed=3) == one
    parts = [rows_seen(monkeypatch, network, x[r::2].split(5), example_ids=ids[r::2], seed=3) for r in (0, 1)]
    assert parts[0] | parts[1] == one
    again = {"example_ids": ids, "seed": 3, "checkpoint": tmp_path / "m.safetensors", "checkpoint_seconds": 0}
    first = rows_seen(monkeypatch, network, x[:24].split(8), **again)
    assert first | rows_seen(monkeypatch, network, x.split(8), **again) == one and len(first) == 24
    assert rows_seen(monkeypatch, network, [x], example_ids=ids, seed=4) != one
    assert rows_seen(monkeypatch, network, [x], example_ids=ids + 1, seed=3) != one


def test_measures_of_sampled_positions_do_not_depend_on_batches():
    a, b, x = conv_net(0), conv_net(1), images(60)
    values = [
        float(sm.cka(sm.capture({"a": a, "b": b}, x.split(size), layers="0", positions=3).pair("a:0", "b:0")))
        for size in (60, 20, 7)
    ]
    np.testing.assert_allclose(values, values[0], rtol=1e-5)


def test_layers_of_equally_many_positions_share_the_sample_and_others_do_not():
    """Two networks of other depth and width: where their sizes are equal, rows correspond."""
    x, ids = images(12).numpy(), np.arange(12) + 100
    layout = Layout(positions=4, seed=1)
    where = np.broadcast_to(np.arange(36.0).reshape(6, 6), (12, 1, 6, 6))
    rows, row_ids, *_ = layout.rows("a:l", np.concatenate([x, where], axis=1), ids, channels_first=True)
    other, other_ids, *_ = layout.rows(
        "b:m", np.concatenate([where, x, x], axis=1).reshape(12, 3, 36), ids, channels_first=True
    )
    np.testing.assert_array_equal(rows[:, 1], other[:, 0])
    np.testing.assert_array_equal(row_ids, other_ids)
    assert [len(set(rows[row_ids == example, 1])) for example in ids] == [4] * 12
    assert len({tuple(rows[row_ids == example, 1]) for example in ids}) == 12  # another sample for each example
    tensors, *_ = layout.rows("a:l", torch.tensor(where.copy()), ids, channels_first=True)
    np.testing.assert_array_equal(tensors[:, 0], rows[:, 1])


def test_each_location_can_be_a_neuron():
    a, x = conv_net(0), images()
    moments = sm.capture({"a": a, "b": a}, [x], layers="0", units="location")
    exact = a[0](x).detach().flatten(1).double().numpy()
    assert moments.layers["a:0"] == 80
    np.testing.assert_allclose(moments.pair("a:0", "b:0").xx, oracles.co_moments(exact, exact), atol=1e-8)


def test_pooling_is_a_mean_over_positions_or_tokens():

    r = np.random.default_rng(0)
    conv, tokens = r.standard_normal((6, 3, 5, 4)), r.standard_normal((6, 7, 3))
    mask = np.arange(7) < np.arange(1, 7)[:, None]
    for make in (np.asarray, torch.from_numpy):
        rows, examples, how, *_ = Layout(pool="mean").rows("l", make(conv), np.arange(2, 8), channels_first=True)
        np.testing.assert_allclose(np.asarray(rows), conv.mean(axis=(2, 3)))
        assert examples.tolist() == list(range(2, 8)) and "means" in how
        rows, *_ = Layout(pool="mean").rows("l", make(tokens), np.arange(6), channels_first=False)
        np.testing.assert_allclose(np.asarray(rows), tokens.mean(axis=1))
        rows, *_ = Layout(pool="mean").rows("l", make(tokens), np.arange(6), channels_first=False, mask=make(mask))
        np.testing.assert_allclose(np.asarray(rows), [tokens[i, : i + 1].mean(axis=0) for i in range(6)])
        rows, examples, *_ = Layout(pool=3).rows("l", make(conv), np.arange(6), channels_first=True)
        expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(conv), 3).flatten(2).swapaxes(1, 2)
        np.testing.assert_allclose(np.asarray(rows), expected.reshape(-1, 3))
        assert examples.tolist() == np.repeat(range(6), 9).tolist()
        with pytest.raises(sm.SpanmatchError, match="'l': 4 positions cannot be pooled to 5"):
            Layout(pool=5).rows("l", make(conv), np.arange(6), channels_first=True)
        with pytest.raises(sm.SpanmatchError, match="tokens have no grid"):
            Layout(pool=2).rows("l", make(tokens), np.arange(6), channels_first=False)
        with pytest.raises(sm.SpanmatchError, match="keeps no token of example 0"):
            Layout(pool="mean").rows(
                "l", make(tokens), np.arange(6), channels_first=False, mask=make(mask & (mask.sum(1) > 1)[:, None])
            )
    for options in ({"pool": 0}, {"pool": "max"}, {"pool": True}, {"pool": 2, "positions": 3}):
        with pytest.raises(sm.SpanmatchError, match="pool"):
            Layout(**options)


def test_what_layers_have_in_common_is_computed_once(monkeypatch):
    """The sample of positions, the tokens that a mask keeps, and the example of each row."""
    a, b, x = conv_net(0), conv_net(1), images(12)
    samples = []
    sample = Layout._sample
    monkeypatch.setattr(Layout, "_sample", lambda *args: samples.append(1) or sample(*args))
    sm.capture({"a": a, "b": b}, x.split(6), layers=["0", "1"], positions=3)
    assert len(samples) == 2  # batches
    r = np.random.default_rng(0)
    batch = BatchRows(Layout(), np.arange(5))
    mask = np.arange(7) < np.arange(1, 6)[:, None]
    for options, shape in (({"mask": mask, "channels_first": False}, (5, 7, 4)), ({"channels_first": True}, (5, 4, 7))):
        one, two = (batch.rows("l", r.standard_normal(shape), **options) for _ in range(2))
        assert one.example_ids is two.example_ids


def test_rows_of_several_batches_share_their_example_ids():
    """By which Moments tells that layers have the same folds and null partners."""
    batches = []
    for first in (0, 4):
        batch = BatchActivations(np.arange(first, first + 4), Layout())
        for layer in ("a:l", "b:l"):
            batch.record(layer, np.ones((4, 2, 3)), channels_first=True)
        batches.append(batch)
    rows, row_ids = joined_rows(batches)
    assert row_ids["a:l"] is row_ids["b:l"] and row_ids["a:l"].tolist() == np.repeat(range(8), 3).tolist()
    assert rows["a:l"].shape == (24, 2)
    alone, _ = joined_rows(batches[:1])
    assert alone["a:l"] is batches[0].rows["a:l"]  # not copied
