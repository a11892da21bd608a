"""The sample of capture: complete outputs of feature maps, means over the tokens that a mask keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import spanmatch as sm
from spanmatch.activations import capture_stored


class Convolutions(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        return self.head(torch.relu(self.conv(images)).mean((2, 3)))


class Tokens(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(11, 6)
        self.linear = nn.Linear(6, 5)

    def forward(self, tokens, attention_mask=None):
        return self.linear(self.embedding(tokens))


def images(n=60):
    return torch.randn(n, 2, 5, 4, generator=torch.Generator().manual_seed(0))


def nets():
    return {"a": Convolutions(0), "b": Convolutions(1)}


def outputs_of(network, batch):
    with torch.no_grad():
        return network.conv(batch).numpy()


def sample(moments, layer="conv"):
    return moments.pair(f"a:{layer}", f"b:{layer}").sample


@pytest.mark.parametrize("positions", [None, 3])
def test_feature_maps_are_flattened_completely_also_if_positions_are_sampled(positions):
    moments = sm.capture(nets(), images().split(7), layers=["conv", "head"], positions=positions, sample=20)
    outputs = outputs_of(nets()["a"], images())
    kept = sample(moments)
    assert moments.rows["a:conv"] == 60 * (positions or 20)
    # Positions come first, so that an example's rows of neurons stand one after another.
    flat = outputs.reshape(60, 4, -1).swapaxes(1, 2).reshape(60, -1)[kept.example_ids]
    np.testing.assert_allclose(kept.X, flat, rtol=1e-5, atol=1e-6)
    assert (kept.x.neurons, kept.x.rows_per_example, len(kept), kept.n_examples) == (4, 20, 20, 60)
    np.testing.assert_array_equal(sample(moments, "head").example_ids, kept.example_ids)


@pytest.mark.parametrize("positions", [None, 3])
def test_batches_change_no_bit(positions):
    def kept(sizes):
        batches = images().split(sizes)
        return sample(sm.capture(nets(), batches, layers="conv", positions=positions, sample=20))

    one, other = kept([60]), kept([1, 9, 30, 20])
    np.testing.assert_array_equal(one.example_ids, other.example_ids)
    np.testing.assert_allclose(
        one.X, other.X, rtol=1e-5, atol=1e-6
    )  # convolutions of other batch sizes round otherwise


def test_means_over_positions_are_of_all_positions():
    moments = sm.capture(nets(), images(), layers="conv", positions=3, sample_rows="mean")
    means = outputs_of(nets()["a"], images()).mean((2, 3))
    np.testing.assert_allclose(sample(moments).X, means, rtol=1e-5, atol=1e-6)


def test_positions_have_no_last_one():
    with pytest.raises(sm.SpanmatchError, match="layer 'a:conv': positions have no last one; use sample_rows='mean'"):
        sm.capture(nets(), images(), layers="conv", sample_rows="last")


@pytest.mark.parametrize(("pool", "shape"), [("mean", 4), (2, 16)])
def test_pooled_outputs_are_sampled_as_they_are_pooled(pool, shape):
    assert sample(sm.capture(nets(), images(), layers="conv", pool=pool)).X.shape == (60, shape)


@pytest.mark.parametrize(("reduction", "expected"), [(None, "mean"), ("mean", "mean"), ("last", "last")])
def test_tokens_are_those_that_the_mask_keeps(reduction, expected):
    tokens = torch.randint(0, 11, (30, 7), generator=torch.Generator().manual_seed(0))
    lengths = torch.arange(30) % 6 + 1
    mask = (torch.arange(7) < lengths[:, None]).long()
    batches = [{"tokens": tokens[i : i + 8], "attention_mask": mask[i : i + 8]} for i in range(0, 30, 8)]
    networks = {"a": Tokens(0), "b": Tokens(1)}
    kept = sample(sm.capture(networks, batches, layers="linear", sample_rows=reduction), "linear")
    with torch.no_grad():
        output = networks["a"](tokens).numpy()
    rows = [output[i, : lengths[i]] for i in range(30)]
    made = [row.mean(axis=0) if expected == "mean" else row[-1] for row in rows]
    np.testing.assert_allclose(kept.X, made, rtol=1e-5, atol=1e-6)
    assert kept.x.reduction == expected


def test_tokens_of_one_length_can_be_flattened_and_others_are_refused():
    tokens = torch.randint(0, 11, (30, 7), generator=torch.Generator().manual_seed(0))
    networks = {"a": Tokens(0), "b": Tokens(1)}
    flat = sample(sm.capture(networks, tokens, layers="linear", sample_rows="flat"), "linear")
    assert flat.X.shape == (30, 35)
    mask = torch.ones(30, 7, dtype=torch.long)
    mask[3, 4:] = 0
    batches = [{"tokens": tokens, "attention_mask": mask}]
    moments = sm.capture(networks, batches, layers="linear", sample_rows="flat")
    with pytest.raises(sm.SpanmatchError, match="examples have different numbers of rows"):
        sample(moments, "linear")


def test_an_interrupted_pass_keeps_the_same_sample(tmp_path):
    batches = images().split(6)
    whole = sm.capture(nets(), batches, layers="conv", positions=3, sample=20)

    def interrupted():
        yield from batches[:5]
        raise KeyboardInterrupt

    options = {"layers": "conv", "positions": 3, "sample": 20, "checkpoint": tmp_path / "c", "checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        sm.capture(nets(), interrupted(), **options)
    resumed = sm.capture(nets(), batches, **options)
    np.testing.assert_array_equal(sample(resumed).X, sample(whole).X)
    np.testing.assert_array_equal(sample(resumed).example_ids, sample(whole).example_ids)


def test_a_sample_that_was_not_asked_for_is_left_out_if_it_takes_too_much_memory():
    options = {"layers": "conv", "max_memory_gb": 1e-4, "folds": 2}
    moments = sm.capture(nets(), images(), **options)
    assert not moments.keeps_sample
    with pytest.raises(sm.SpanmatchError, match=r"the sample of 1,000 examples at 2 layers would take 0\.00064 GB"):
        sample(moments)
    assert moments.pair("a:conv", "b:conv").rows == 1200
    with pytest.raises(sm.SpanmatchError, match="would take"):
        sm.capture(nets(), images(), sample=1000, **options)


def test_the_seed_of_capture_decides_the_sample():
    kept = [sample(sm.capture(nets(), images(), layers="conv", sample=10, seed=s)).example_ids for s in (0, 0, 5)]
    np.testing.assert_array_equal(kept[0], kept[1])
    assert not np.array_equal(kept[0], kept[2])


@pytest.mark.parametrize("positions", [None, 3])
def test_stored_feature_maps_are_sampled_alike(tmp_path, positions):
    arrays = {name: outputs_of(network, images()) for name, network in nets().items()}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    options = {"positions": positions, "sample": 20}
    stored = capture_stored({name: {"conv": array} for name, array in arrays.items()}, **options)
    captured = sm.capture(nets(), images(), layers="conv", **options)
    np.testing.assert_array_equal(sample(stored).X, sample(captured).X)
    np.testing.assert_array_equal(sample(stored).example_ids, sample(captured).example_ids)


def test_without_a_mask_every_example_of_a_pair_of_arrays_with_tokens_is_one_example():
    r = np.random.default_rng(0)
    X, Y = r.standard_normal((2, 40, 6, 5))
    moments = capture_stored({"a": {"l": X}, "b": {"l": Y}})
    np.testing.assert_allclose(sample(moments, "l").X, X.mean(axis=1), rtol=1e-5, atol=1e-6)
