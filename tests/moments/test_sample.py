"""The sample of rows: the same examples and bits for any order and partition, or a refusal that says why."""

from __future__ import annotations

import pickle

import layers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import NAMES, moments_of

import spanmatch as sm
from spanmatch.activations.from_files import capture_stored
from spanmatch.moments.moments import Moments

REDUCTIONS = ("flat", "mean", "last")


def data(n_examples: int, rows_each: int, seed: int = 0, p: int = 5, q: int = 3):
    """Rows of examples whose ids have gaps, and the example of each row."""
    r = np.random.default_rng(seed)
    ids = np.repeat(np.sort(r.choice(10 * n_examples, n_examples, replace=False)), rows_each)
    return r.standard_normal((len(ids), p)), r.standard_normal((len(ids), q)), ids


def expected(X, ids, chosen, reduction):
    """The rows of some examples by the plain definition."""
    make = {
        "flat": lambda rows: rows.astype(np.float32).ravel(),
        "mean": lambda rows: rows.mean(axis=0),
        "last": lambda rows: rows[-1],
    }[reduction]
    return np.array([make(X[ids == example]) for example in chosen], dtype=np.float32)


def assert_bits(one: sm.Pair, other: sm.Pair) -> None:
    np.testing.assert_array_equal(one.sample.example_ids, other.sample.example_ids)
    for mine, theirs in ((one.sample.X, other.sample.X), (one.sample.Y, other.sample.Y)):
        assert mine.dtype == np.float32
        np.testing.assert_array_equal(mine.view(np.int32), theirs.view(np.int32))


def test_all_examples_are_kept_if_there_are_few():
    X, Y = layers.random(n=300)
    sample = sm.pair(X, Y).sample
    np.testing.assert_array_equal(sample.X, X.astype(np.float32))
    np.testing.assert_array_equal(sample.Y, Y.astype(np.float32))
    np.testing.assert_array_equal(sample.example_ids, np.arange(300))
    assert (len(sample), sample.n_examples) == (300, 300)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_rows_are_those_of_the_examples(reduction):
    X, Y, ids = data(200, 4)
    pair = moments_of(X, Y, example_ids=ids, sample=50, sample_rows=reduction).pair(*NAMES)
    assert (len(pair.sample), pair.sample.n_examples) == (50, 200)
    assert np.isin(pair.sample.example_ids, ids).all()
    for rows, array in ((pair.sample.X, X), (pair.sample.Y, Y)):
        np.testing.assert_allclose(rows, expected(array, ids, pair.sample.example_ids, reduction), rtol=1e-6)
    np.testing.assert_array_equal(pair.swapped.sample.X, pair.sample.Y)
    assert pair.sample.x.rows_per_example == (4 if reduction == "flat" else 1)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 3),
    st.integers(1, 40),
    st.integers(0, 1000),
    st.sampled_from(REDUCTIONS),
    st.data(),
)
def test_any_partition_and_order_keeps_the_same_examples_and_bits(n, rows_each, size, seed, reduction, draw):
    X, Y, ids = data(n, rows_each, seed)
    options = {"sample": size, "sample_rows": reduction, "null": False}
    whole = moments_of(X, Y, example_ids=ids, **options).pair(*NAMES)
    examples = np.random.default_rng(seed).permutation(np.unique(ids))
    cuts = draw.draw(st.lists(st.integers(0, n), max_size=5))
    parts = []
    for chosen in np.split(examples, sorted(cuts)):
        if len(chosen):
            rows = np.concatenate([np.flatnonzero(ids == example) for example in chosen])
            parts.append(moments_of(X[rows], Y[rows], example_ids=ids[rows], **options))
    added = sm.Moments(**options)
    for k in draw.draw(st.permutations(range(len(parts)))):
        added += parts[k]
    grouped = parts[-1]
    for part in parts[-2::-1]:
        grouped = part + grouped
    streamed = sm.Moments(**options)
    for example in examples:
        rows = ids == example
        streamed.update({NAMES[0]: X[rows], NAMES[1]: Y[rows]}, ids[rows])
    for other in (added, grouped, streamed):
        assert_bits(other.pair(*NAMES), whole)
        assert other.pair(*NAMES).sample.n_examples == n


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(0, 1000), st.lists(st.integers(0, 90), max_size=6))
def test_an_example_in_pieces_is_one_example(n, seed, cuts):
    X, Y, ids = data(n, 3, seed)
    options = {"sample": 10, "sample_rows": "mean", "null": False}
    whole = moments_of(X, Y, example_ids=ids, **options).pair(*NAMES)
    order = np.random.default_rng(seed).permutation(len(ids))
    pieces = moments_of(X[order], Y[order], [cut for cut in cuts if cut < len(ids)], ids[order], **options)
    halves = [
        moments_of(X[rows], Y[rows], example_ids=ids[rows], **options) for rows in np.split(order, [len(ids) // 2])
    ]
    for other in (pieces, halves[0] + halves[1], halves[1] + halves[0]):
        assert_bits(other.pair(*NAMES), whole)


def test_the_sample_is_random_also_of_sorted_data():
    counts = np.zeros(40)
    for seed in range(400):
        pair = moments_of(*np.ones((2, 40, 1)) * np.arange(40)[:, None], sample=10, seed=seed, null=False).pair(*NAMES)
        counts[pair.sample.example_ids] += 1
    # Each example is in a quarter of the samples: 100 of 400, with a standard deviation of 8.7.
    assert np.abs(counts - 100).max() < 4 * 8.7
    assert np.corrcoef(counts, np.arange(40))[0, 1] ** 2 < 0.25


def test_the_seed_decides_the_sample():
    X, Y = layers.random(n=300)
    samples = [moments_of(X, Y, sample=20, seed=seed).pair(*NAMES).sample.example_ids for seed in (0, 0, 1)]
    np.testing.assert_array_equal(samples[0], samples[1])
    assert not np.array_equal(samples[0], samples[2])


def test_a_pair_keeps_its_sample_while_more_rows_come():
    X, Y = layers.random(n=300)
    moments = moments_of(X[:150], Y[:150], sample=20)
    before = moments.pair(*NAMES)
    ids, rows = before.sample.example_ids.copy(), before.sample.X.copy()
    late = moments.pair(*NAMES)  # whose sample is read only after more rows came
    moments.update({NAMES[0]: X[150:], NAMES[1]: Y[150:]})
    np.testing.assert_array_equal(before.sample.X, rows)
    np.testing.assert_array_equal(late.sample.example_ids, ids)
    np.testing.assert_array_equal(late.sample.X, rows)
    assert (moments.pair(*NAMES).sample.example_ids >= 150).any()
    with pytest.raises(ValueError, match="read-only"):
        before.sample.X[0] = 0


def test_pairs_of_a_layer_share_its_rows():
    X, Y = layers.random(n=100)
    moments = sm.Moments(pairs="all")
    moments.update({"a:l": X, "b:l": Y, "c:l": X + 1})
    assert moments.pair("a:l", "b:l").sample.x is moments.pair("a:l", "c:l").sample.x
    assert moments.pair("b:l", "a:l").sample.y is moments.pair("a:l", "c:l").sample.x


def test_files_and_loading_keep_every_bit(tmp_path):
    X, Y, ids = data(100, 2)
    for reduction in REDUCTIONS:
        moments = moments_of(X, Y, example_ids=ids, sample=30, sample_rows=reduction)
        moments.save(tmp_path / "m.safetensors")
        loaded = sm.Moments.load(tmp_path / "m.safetensors")
        assert_bits(loaded.pair(*NAMES), moments.pair(*NAMES))
        assert loaded.keeps_sample
        more = np.random.default_rng(1).standard_normal((6, 5))
        for one in (moments, loaded):
            one.update({NAMES[0]: more, NAMES[1]: more[:, :3]}, np.repeat([5000, 5001, 5002], 2))
        assert_bits(loaded.pair(*NAMES), moments.pair(*NAMES))


def test_without_a_sample_the_reason_is_said(tmp_path):
    X, Y = layers.random()
    moments = moments_of(X, Y, sample=0)
    assert not moments.keeps_sample
    moments.save(tmp_path / "m.safetensors")
    for one in (moments, sm.Moments.load(tmp_path / "m.safetensors"), moments + moments):
        with pytest.raises(sm.SpanmatchError, match="no sample of rows was kept; make the moments with sample=1000"):
            _ = one.pair(*NAMES).sample
    pair = sm.pair(X, Y)
    for part in (pair.folds[0], pair.null):
        with pytest.raises(sm.SpanmatchError, match="a fold and a null pairing have no sample"):
            _ = part.sample


def test_rows_that_cannot_be_flattened_are_refused_in_any_order():
    X, Y = layers.random(n=9)
    ids = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3])
    order = np.arange(9)
    for rows in (order, order[::-1]):
        for cuts in ((), (4,), (6,) if rows[0] == 0 else (3,)):
            moments = moments_of(X[rows], Y[rows], cuts, ids[rows], sample=2, null=False)
            with pytest.raises(sm.SpanmatchError, match="examples have different numbers of rows"):
                _ = moments.pair(*NAMES).sample
    assert len(moments_of(X, Y, (), ids, sample_rows="mean").pair(*NAMES).sample) == 4


@pytest.mark.parametrize("reduction", ["flat", "last"])
def test_an_example_that_comes_twice_with_other_rows_is_refused(reduction):
    X, Y = layers.random(n=20)
    ids = np.arange(10)
    options = {"sample_rows": reduction, "null": False}
    twice = moments_of(X, Y, (10,), np.concatenate([ids, ids]), **options)
    merged = moments_of(X[:10], Y[:10], **options) + moments_of(X[10:], Y[10:], **options)
    for moments in (twice, merged):
        with pytest.raises(sm.SpanmatchError, match="example 0 came in several batches; give all rows of an example"):
            _ = moments.pair(*NAMES).sample
    again = moments_of(X[:10], Y[:10], **options) + moments_of(X[:10], Y[:10], **options)
    np.testing.assert_array_equal(again.pair(*NAMES).sample.X, X[:10].astype(np.float32))


def test_only_kept_examples_decide_whether_the_sample_is_refused():
    X, Y = layers.random(n=300)
    kept = moments_of(X, Y, sample=20).pair(*NAMES).sample.example_ids
    other = np.setdiff1d(np.arange(300), kept)[:5]
    first = moments_of(X[other] + 1, Y[other], example_ids=other, sample=20, null=False)
    rest = moments_of(X, Y, example_ids=np.arange(300), sample=20, null=False)
    for total in (first + rest, rest + first):
        np.testing.assert_array_equal(total.pair(*NAMES).sample.example_ids, kept)


@pytest.mark.parametrize(("scale", "reason"), [(1e39, "not finite in float32"), (1e-35, "underflow float32")])
def test_what_float32_cannot_hold_is_refused(scale, reason):
    X, Y = layers.random(n=40)
    with pytest.raises(sm.SpanmatchError, match=reason):
        _ = sm.pair(X * scale, Y).sample


def test_a_sample_over_the_limit_of_memory_is_refused_before_anything_is_added():
    X, Y = layers.random(n=400, p=10, q=10)
    ids = np.arange(400) // 100
    moments = sm.Moments(sample=10_000, max_memory_gb=0.01, folds=1)
    # 2 layers x 10,000 examples x 100 rows x 10 neurons x 4 bytes
    with pytest.raises(
        sm.SpanmatchError, match=r"sample of 10,000 examples at 2 layers would take 0\.08 GB"
    ) as refusal:
        moments.update({"a:l": X, "b:l": Y}, ids)
    assert "sample_rows='mean'" in str(refusal.value)
    assert not moments.layers
    fits = int(str(refusal.value).partition("sample=")[2].split()[0])
    moments = sm.Moments(sample=fits, max_memory_gb=0.01, folds=1)
    moments.update({"a:l": X, "b:l": Y}, ids)
    assert len(moments.pair("a:l", "b:l").sample) == 4


def test_samples_of_other_options_are_not_added():
    X, Y = layers.random(n=40)
    for options in ({"sample": 7}, {"seed": 3}, {"sample_rows": "mean"}):
        with pytest.raises(sm.SpanmatchError, match=f"moments with {next(iter(options))}="):
            _ = moments_of(X, Y) + moments_of(X, Y, **options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sample": -1}, "sample=-1: give the number of examples"),
        ({"sample": 1.5}, "sample=1.5"),
        ({"sample_rows": "max"}, "sample_rows='max': give 'flat', 'mean' or 'last'"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, reason):
    with pytest.raises(sm.SpanmatchError, match=reason):
        sm.Moments(**options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_array_libraries_give_the_same_bits(reduction):
    xp = pytest.importorskip("array_api_strict")
    X, Y, ids = data(60, 3)
    X, Y = X.astype(np.float32), Y.astype(np.float32)
    options = {"sample": 20, "sample_rows": reduction}
    expected_pair = moments_of(X, Y, example_ids=ids, **options).pair(*NAMES)
    moments = sm.Moments(**options)
    for rows in np.split(np.arange(len(ids)), [30, 90]):
        moments.update({NAMES[0]: xp.asarray(X[rows]), NAMES[1]: xp.asarray(Y[rows])}, ids[rows])
    assert_bits(moments.pair(*NAMES), expected_pair)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_engines_of_pytorch_give_the_same_bits(reduction):
    torch = pytest.importorskip("torch")
    from spanmatch.moments.backends import TorchEngine
    from spanmatch.moments.folds import Plan
    from spanmatch.moments.sample_buffers import SampleBuffer, hashes_of

    X, _, ids = data(60, 3)
    X = X.astype(np.float32)
    options = {"sample": 20, "sample_rows": reduction}
    buffer = SampleBuffer("a:l", 20, 0, reduction, X.shape[1])
    engine = TorchEngine(torch.device("cpu"))
    for rows in np.split(np.arange(len(ids)), [30, 90]):
        groups = Plan(ids[rows], 1).groups
        buffer.add(engine, torch.from_numpy(X[rows]), groups, hashes_of(groups[2], 0), in_pieces=False)
    sample = moments_of(X, X, example_ids=ids, **options).pair(*NAMES).sample
    np.testing.assert_array_equal(buffer.state().sample.rows, sample.X)
    np.testing.assert_array_equal(buffer.state().sample.example_ids, sample.example_ids)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reading_the_sample_leaves_what_is_on_a_device_as_it_is(reduction):
    """Ids are sorted on the host when the sample is read, and rows on the device are not."""
    torch = pytest.importorskip("torch")
    from spanmatch.moments.backends import TorchEngine
    from spanmatch.moments.folds import Plan
    from spanmatch.moments.sample_buffers import SampleBuffer, hashes_of

    X, _, ids = data(90, 1)
    X, ids = X.astype(np.float32), np.random.default_rng(1).permutation(ids)
    buffer, read = SampleBuffer("a:l", 20, 0, reduction, X.shape[1]), []
    for rows in np.split(np.arange(90), [30, 60]):
        groups = Plan(ids[rows], 1).groups
        device_rows = torch.from_numpy(X[rows])
        buffer.add(TorchEngine(torch.device("cpu")), device_rows, groups, hashes_of(groups[2], 0), in_pieces=False)
        read += [buffer.state().on_host().sample, buffer.state().sample]
    for sample in read:
        np.testing.assert_array_equal(
            sample.rows, X[np.argsort(ids)][np.searchsorted(np.sort(ids), sample.example_ids)]
        )
    expected = moments_of(X, X, example_ids=ids, sample=20, sample_rows=reduction).pair(*NAMES).sample
    np.testing.assert_array_equal(read[-1].rows, expected.X)


def test_complete_examples_of_the_same_ids_are_not_pieces_of_one():
    """Two captures that number their examples from 0 are of different examples, whatever order they are added in."""
    r = np.random.default_rng(0)
    captures = [
        capture_stored({"a": {"l": tokens}, "b": {"l": tokens + 1}}, sample_rows="mean")
        for tokens in r.standard_normal((2, 20, 6, 4))  # 20 sequences of 6 tokens
    ]
    layers_of_both = ("a:l", "b:l")
    for one, other in (captures, captures[::-1]):
        with pytest.raises(sm.SpanmatchError, match="example 0 came in several batches"):
            _ = (one + other).pair(*layers_of_both).sample
    assert_bits((captures[0] + captures[0]).pair(*layers_of_both), captures[0].pair(*layers_of_both))
    pieces = sm.Moments(sample_rows="mean")
    pieces.update({name: r.standard_normal((20, 4)) for name in layers_of_both}, np.arange(20))
    with pytest.raises(sm.SpanmatchError, match="example 0 came in several batches"):
        _ = (captures[0] + pieces).pair(*layers_of_both).sample


def test_a_pair_with_a_sample_can_be_sent_to_another_process():
    pair = sm.pair(*layers.random(n=300))
    assert_bits(pickle.loads(pickle.dumps(pair)), pair)


def test_the_sample_cannot_be_written_to():
    X, Y = layers.random(n=300)
    sample = sm.pair(X, Y).sample
    for array in (sample.X, sample.Y, sample.example_ids):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


def test_dask_keeps_the_same_sample():
    da = pytest.importorskip("dask.array")
    X, Y, ids = data(120, 1)
    arrays = {name: da.from_array(array, chunks=(17, -1)) for name, array in zip(NAMES, (X, Y), strict=True)}
    moments = Moments.from_dask(arrays, ids, sample=40)
    assert_bits(moments.pair(*NAMES), moments_of(X, Y, example_ids=ids, sample=40).pair(*NAMES))
