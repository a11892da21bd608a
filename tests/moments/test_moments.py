"""Moments: exact, additive, indifferent to how the rows arrive."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import spanmatch as sm
from spanmatch.moments.example_ranges import NONE, count_in, ranges_of, union
from spanmatch.moments.folds import ROWS_AT_ONCE, plans

METHODS = ["gram", "qr"]
NAMES = ("a:l", "b:l")


def moments_of(X, Y, cuts=(), example_ids=None, **options):
    moments = sm.Moments(**options)
    for rows in np.split(np.arange(len(X)), sorted(cuts)):
        if len(rows):
            moments.update({"a:l": X[rows], "b:l": Y[rows]}, None if example_ids is None else example_ids[rows])
    return moments


def assert_same(left: sm.Pair, right: sm.Pair, rtol: float = 1e-10, scale: sm.Pair | None = None) -> None:
    """Compare pairs, relative to the spread of each neuron in `scale` (all rows, where these are a fold)."""
    scale = scale or right
    assert left.rows == right.rows
    for name in ("x_mean", "y_mean"):
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), rtol=rtol, atol=1e-12)
    # Relative to the spread of each neuron, or, for one that is constant, to the rounding of its mean.
    x, y = (
        np.sqrt(np.clip(np.diag(own), 0, None)) + 1e-9 * np.sqrt(scale.rows) * np.abs(mean) + 1e-300
        for own, mean in ((scale.xx, scale.x_mean), (scale.yy, scale.y_mean))
    )
    for name, u, v in (("xx", x, x), ("xy", x, y), ("yy", y, y)):
        wrong = np.abs(getattr(left, name) - getattr(right, name)) / np.outer(u, v)
        assert wrong.max() < rtol, name


@pytest.mark.parametrize("method", METHODS)
def test_pair_holds_the_definitions(method):
    X, Y = layers.correlated()
    pair = sm.pair(X, Y, method=method)
    assert pair.rows == 500
    assert pair.neurons == (40, 33)
    np.testing.assert_allclose(pair.x_mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(pair.y_mean, Y.mean(axis=0), rtol=1e-12)
    for mine, A, B in ((pair.xx, X, X), (pair.xy, X, Y), (pair.yy, Y, Y)):
        np.testing.assert_allclose(mine, oracles.co_moments(A, B), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(pair.energy("x"), (X**2).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(pair.energy("y", centred=True), (Y - Y.mean(axis=0)).var(axis=0) * 500, rtol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_folds_hold_their_examples_and_the_null_is_of_the_next_by_hash(method):
    X, Y = layers.random(n=120)
    examples = np.repeat(np.arange(40), 3)
    pair = sm.pair(X, Y, example_ids=examples, folds=5, method=method)
    assert len(pair.folds) == 5
    for fold, part in enumerate(pair.folds):
        rows = examples % 5 == fold
        assert part.rows == rows.sum()
        np.testing.assert_allclose(part.xy, oracles.co_moments(X[rows], Y[rows]), atol=1e-10)
        np.testing.assert_allclose(part.yy, oracles.co_moments(Y[rows], Y[rows]), atol=1e-10)
    others = oracles.partners(examples)
    assert (examples[others] != examples).all() and (np.arange(120) % 3 == others % 3).all()
    np.testing.assert_allclose(pair.null.xy, oracles.co_moments(X, Y[others]), atol=1e-10)
    np.testing.assert_allclose(pair.null.xx, pair.xx)
    assert pair.null.rows == 120


def test_null_never_pairs_an_example_with_itself_even_if_lengths_differ():
    r = np.random.default_rng(0)
    examples = r.permutation(np.repeat(np.arange(9), [1, 5, 2, 7, 3, 3, 4, 1, 6]))
    marks = np.eye(9)[examples]
    pair = sm.pair(marks, marks, example_ids=examples, folds=1)
    together = pair.null.xy + pair.rows * np.outer(pair.x_mean, pair.y_mean)
    np.testing.assert_allclose(np.diag(together), 0, atol=1e-9)
    np.testing.assert_allclose(together.sum(axis=0), marks.sum(axis=0))  # a permutation of the rows
    np.testing.assert_allclose(together.sum(axis=1), marks.sum(axis=0))


def test_the_null_goes_by_ids_and_not_by_arrival():
    X, Y = layers.random(n=90)
    examples = np.repeat(np.arange(30) * 7, 3)
    order = np.random.default_rng(0).permutation(30)
    moved = (3 * order[:, None] + np.arange(3)).ravel()
    there, here = (sm.pair(X[rows], Y[rows], example_ids=examples[rows]).null.xy for rows in (np.arange(90), moved))
    np.testing.assert_allclose(here, there, atol=1e-11)
    marks = np.eye(30)
    pair = sm.pair(marks, marks, folds=1)
    partner = np.argmax(pair.null.xy, axis=1)
    np.testing.assert_array_equal(partner, oracles.partners(np.arange(30)))
    assert np.count_nonzero(abs(partner - np.arange(30)) == 1) < 6  # in the order of ids it would be 29


def test_an_example_of_many_rows_is_added_in_parts():
    X, Y = layers.random(n=5000, p=3, q=2)
    examples = np.repeat([4, 9, 1, 6, 2, 8], [7, 2500, 1000, 900, 590, 3])
    made = plans({"x": 5000}, examples, {}, 4)["x"]
    assert max(len(piece.rows) for piece in made.pieces) < 2 * ROWS_AT_ONCE
    for piece in made.pieces:
        own = examples[piece.rows]
        assert set(own % 4) == {piece.fold}
        if len(piece.lengths) == 1:
            assert len(set(own)) == 1 and piece.lengths[0] == np.count_nonzero(examples == own[0])
        else:
            assert piece.lengths.tolist() == [np.count_nonzero(examples == e) for e in np.unique(own)]
            assert len(own) == piece.lengths.sum()
    assert sorted(np.concatenate([piece.rows for piece in made.pieces])) == list(range(5000))
    pair = sm.pair(X, Y, example_ids=examples)
    assert pair.partner_similarity == pytest.approx(
        max(oracles.partner_similarity(Z, examples, [np.arange(5000)]) for Z in (X, Y)), rel=1e-9
    )


@pytest.mark.parametrize("method", [*METHODS, "single"])
@pytest.mark.parametrize("lengths", [[1], [4], [1, 3, 6]])
def test_partner_similarity_is_that_of_the_examples_of_a_batch(tmp_path, method, lengths):
    r = np.random.default_rng(1)
    examples = np.repeat(np.arange(60), np.resize(lengths, 60))
    cause = np.repeat(r.standard_normal((6, 5)), 10, axis=0)[examples]  # ten examples of a batch in a row are alike
    X = 100 + cause + r.standard_normal(cause.shape)
    Y = X @ r.standard_normal((5, 4)) + r.standard_normal((len(X), 4))
    batches = [np.flatnonzero((examples >= a) & (examples < a + 10)) for a in range(0, 60, 10)]
    batches[2:4] = [np.concatenate(batches[2:4])]
    batches = [r.permutation(rows) for rows in batches]
    expected = max(oracles.partner_similarity(Z, examples, batches) for Z in (X, Y))
    assert expected > 0.2
    parts = []
    for rows in batches:
        parts.append(sm.Moments(method=method))
        parts[-1].update({"a:l": X[rows], "b:l": Y[rows]}, examples[rows])
    merged = parts[3] + parts[1] + (parts[4] + parts[0]) + parts[2]
    streamed = sm.Moments(method=method)
    for rows in batches:
        streamed.update({"a:l": X[rows], "b:l": Y[rows]}, examples[rows])
    streamed.save(tmp_path / "m.safetensors")
    rel = 1e-5 if method == "single" else 1e-9
    for moments in (merged, streamed, sm.Moments.load(tmp_path / "m.safetensors")):
        for pair in (moments.pair("a:l", "b:l"), moments.pair("b:l", "a:l"), moments.pair("a:l", "b:l").swapped):
            assert pair.partner_similarity == pytest.approx(expected, rel=rel)
    assert np.isnan(sm.pair(X, Y, null=False).partner_similarity)
    assert np.isnan(sm.pair(0 * X, 0 * Y).partner_similarity)


def test_folds_and_splits_count_their_examples(tmp_path):
    X, Y = layers.random(n=120)
    examples = np.repeat(np.arange(40) + 3, 3)
    expected = [sum(e % 7 == fold for e in range(3, 43)) for fold in range(7)]
    halves = [moments_of(X[s], Y[s], example_ids=examples[s], folds=7) for s in (slice(0, 48), slice(48, 120))]
    merged = halves[0] + halves[1]
    merged.save(tmp_path / "m.safetensors")
    whole = moments_of(X, Y, cuts=[30, 60], example_ids=examples, folds=7)
    for moments in (whole, merged, sm.Moments.load(tmp_path / "m.safetensors")):
        for pair in (moments.pair(*NAMES), moments.pair(*NAMES[::-1]), moments.pair(*NAMES).swapped):
            assert [part.n_examples for part in pair.folds] == expected
            assert pair.n_examples == pair.null.n_examples == 40
            assert [(rest.n_examples, part.n_examples) for rest, part in pair.splits()] == [
                (40 - n, n) for n in expected
            ]
            assert [part.n_examples for _, part in pair.splits(2)] == [sum(expected[::2]), sum(expected[1::2])]
    assert [part.rows for part in whole.pair(*NAMES).folds] == [3 * n for n in expected]


def test_batches_of_one_example_leave_no_null_and_say_so():
    X, Y = layers.random(n=20)
    moments = moments_of(X, Y, cuts=[10], example_ids=np.repeat([0, 1], 10))
    with pytest.raises(sm.SpanmatchError, match="20 of 20 rows have no partner"):
        _ = moments.pair(*NAMES).null
    with pytest.raises(sm.SpanmatchError, match="null=True"):
        _ = sm.pair(X, Y, null=False).null
    assert sm.pair(X, Y, folds=1).folds == ()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=6), st.integers(0, 1000), st.sampled_from(METHODS))
def test_partitions_and_merge_orders_change_nothing(cuts, seed, method):
    r = np.random.default_rng(seed)
    X, Y = layers.correlated(n=90, p=5, q=4, seed=seed)
    X += 100 * r.standard_normal(5)
    examples = np.arange(90) // 2
    whole = moments_of(X, Y, example_ids=examples, null=False, method=method)
    parts = [
        moments_of(X[rows], Y[rows], example_ids=examples[rows], null=False, method=method)
        for rows in np.split(np.arange(90), sorted(cuts))
        if len(rows)
    ]
    order = r.permutation(len(parts))
    added = sm.Moments(null=False, method=method)
    for k in order:
        added += parts[k]
    grouped = parts[order[0]]
    for k in order[1:]:
        grouped = parts[k] + grouped
    streamed = moments_of(X, Y, cuts=cuts, example_ids=examples, null=False, method=method)
    for other in (added, grouped, streamed):
        assert_same(other.pair(*NAMES), whole.pair(*NAMES))
        for mine, theirs in zip(other.pair(*NAMES).folds, whole.pair(*NAMES).folds, strict=True):
            assert_same(mine, theirs, scale=whole.pair(*NAMES))


@pytest.mark.parametrize("method", METHODS)
def test_merging_keeps_the_null(method):
    X, Y = layers.random(n=60)
    halves = [moments_of(X[s], Y[s] + 50, method=method) for s in (slice(0, 24), slice(24, 60))]
    rolled = np.vstack([Y[s][oracles.partners(np.arange(s.stop - s.start))] for s in (slice(0, 24), slice(24, 60))])
    for merged in (halves[0] + halves[1], halves[1] + halves[0]):
        np.testing.assert_allclose(merged.pair(*NAMES).null.xy, oracles.co_moments(X, rolled), atol=1e-9)


def test_empty_is_the_identity_and_inputs_stay_as_they_were():
    X, Y = layers.random()
    moments = moments_of(X, Y)
    before = moments.pair(*NAMES)
    kept = before.xx.copy()
    for total in (sm.Moments() + moments, moments + sm.Moments()):
        np.testing.assert_array_equal(total.pair(*NAMES).xx, before.xx)
        assert total.rows == moments.rows
    _ = moments + moments
    moments.update({"a:l": X + 3, "b:l": Y})
    np.testing.assert_array_equal(before.xx, kept)
    np.testing.assert_array_equal(before.folds[0].xx, moments_of(X, Y).pair(*NAMES).folds[0].xx)
    assert moments.pair(*NAMES).rows == 600
    assert not sm.Moments().layers


@pytest.mark.parametrize("method", METHODS)
def test_means_a_million_times_the_spread_cost_no_digits(method):
    r = np.random.default_rng(3)
    X, Y = r.standard_normal((4000, 6)), r.standard_normal((4000, 5))
    Y[:, :3] += X[:, :3]
    far = 1e6 * r.uniform(0.5, 2, 6)
    pair = moments_of(X + far, Y - 3e6, cuts=[7, 500, 3000], method=method).pair(*NAMES)
    exact = oracles.co_moments(X + far, Y - 3e6)
    scale = np.sqrt(np.outer(np.diag(oracles.co_moments(X, X)), np.diag(oracles.co_moments(Y, Y))))
    assert (np.abs(pair.xy - exact) / scale).max() < 1e-9
    naive = (X + far).T @ (Y - 3e6) - 4000 * np.outer((X + far).mean(axis=0), (Y - 3e6).mean(axis=0))
    assert (np.abs(naive - exact) / scale).max() > 1e-5  # what it would be without the shift


def test_batches_far_apart_are_summed_soundly():
    r = np.random.default_rng(4)
    X = r.standard_normal((3000, 4)) + 1e5 * (np.arange(3000) >= 1500)[:, None]
    pair = moments_of(X, X[:, ::-1].copy(), cuts=[1500]).pair(*NAMES)
    np.testing.assert_allclose(pair.xx, oracles.co_moments(X, X), rtol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_columns_that_differ_by_1e8_in_scale(method):
    X, Y = layers.correlated()
    scales = np.logspace(-8, 8, 40)
    scaled = sm.pair(X * scales, Y, method=method)
    plain = sm.pair(X, Y, method=method)
    np.testing.assert_allclose(scaled.xy, plain.xy * scales[:, None], rtol=1e-9, atol=0)
    profiles = [sm.match_profile(pair) for pair in (scaled, plain)]
    np.testing.assert_allclose(profiles[0].x_levels, profiles[1].x_levels, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint8", "bool"])
def test_numpy_types(dtype):
    X = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 9, (80, 3)).astype(dtype)
    pair = sm.pair(X, X[:, :2])
    np.testing.assert_allclose(pair.xx, oracles.co_moments(X, X), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32])
def test_torch_types(dtype):
    values = torch.from_numpy(np.random.default_rng(0).integers(-9, 9, (80, 3))).to(dtype)
    if dtype.is_floating_point:
        values.requires_grad_()
    pair = sm.pair(values, values[:, :2])
    exact = values.detach().double().numpy()
    np.testing.assert_allclose(pair.xx, oracles.co_moments(exact, exact), rtol=1e-12, atol=1e-10)


def test_fortran_order_and_strides_are_taken_as_they_come():
    X, Y = layers.random(n=100)
    plain = sm.pair(X, Y)
    assert_same(sm.pair(np.asfortranarray(X), np.repeat(Y, 2, axis=0)[::2]), plain)


def test_matching_all_and_listed_pairs():
    X, Y = layers.random()
    batch = {"a:one": X, "a:two": Y, "b:one": Y, "b:two": X, "c:one": X}
    kept = {}
    for name, pairs in (("matching", "matching"), ("all", "all"), ("listed", [("a:two", "b:one")])):
        moments = sm.Moments(pairs=pairs)
        moments.update(batch)
        kept[name] = moments.pairs
    assert kept["matching"] == [("a:one", "b:one"), ("a:one", "c:one"), ("a:two", "b:two"), ("b:one", "c:one")]
    assert len(kept["all"]) == 10
    assert kept["listed"] == [("a:two", "b:one")]


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_can_be_asked_for_in_either_order(method):
    X, Y = layers.correlated()
    moments = moments_of(X, Y, method=method)
    there, back = moments.pair("a:l", "b:l"), moments.pair("b:l", "a:l")
    np.testing.assert_allclose(back.xy, there.xy.T, atol=1e-9)
    np.testing.assert_allclose(back.null.xy, there.null.xy.T, atol=1e-9)
    np.testing.assert_allclose(sm.match_profile(back).y_levels, sm.match_profile(there).x_levels, atol=1e-10)


def test_layers_with_different_rows_take_examples_by_layer():
    r = np.random.default_rng(0)
    wide, narrow = r.standard_normal((60, 3)), r.standard_normal((20, 4))
    moments = sm.Moments()
    batch = {"a:conv": wide, "b:conv": wide + 1, "a:fc": narrow, "b:fc": narrow}
    examples = {layer: np.arange(len(array)) * 20 // len(array) for layer, array in batch.items()}
    moments.update(batch, examples)
    assert moments.rows == {"a:conv": 60, "b:conv": 60, "a:fc": 20, "b:fc": 20}
    np.testing.assert_allclose(
        moments.pair("a:conv", "b:conv").null.xy,
        oracles.co_moments(wide, wide[oracles.partners(examples["a:conv"])]),
        atol=1e-10,
    )


def test_what_is_kept_does_not_grow_with_rows():
    moments = sm.Moments()
    X, Y = layers.random(n=64)
    sizes = []
    for _ in range(3):
        moments.update({"a:l": X, "b:l": Y})
        sizes.append(sum(array.nbytes for array in moments._sums.total().arrays.values()))
    assert len(set(sizes)) == 1
    assert sizes[0] == moments.nbytes == 8 * (8 * (25**2 + 32**2 + 25 * 32) + 25 * 32 + 9 * (25 + 32) + 2 * 3)


def test_repr_says_what_it_holds():
    assert "2 layers, 1 pairs, 300 rows" in repr(moments_of(*layers.random()))
    assert repr(sm.pair(*layers.random())) == "<Pair of x (24) and y (31): 300 rows by gram, with 8 folds and a null>"


X, Y = layers.random()
BAD = {
    "rows that do not correspond": ({"a:l": X, "b:l": Y[:-1]}, "'a:l' and 'b:l': 300 and 299 rows"),
    "nan": ({"a:l": np.where(np.arange(24) == 7, np.nan, X), "b:l": Y}, "'a:l': nan in neuron 7, row 0"),
    "one dimension": ({"a:l": X[0], "b:l": Y}, r"'a:l': shape \(24,\)"),
    "four dimensions": ({"a:l": np.zeros((2, 3, 4, 5)), "b:l": Y}, "positions as rows and channels as neurons"),
    "no rows": ({"a:l": X[:0], "b:l": Y[:0]}, r"'a:l': shape \(0, 24\) is empty"),
    "no neurons": ({"a:l": X[:, :0], "b:l": Y}, "is empty"),
    "complex": ({"a:l": X + 0j, "b:l": Y}, "'a:l': activations of type complex128"),
    "complex tensors": ({"a:l": torch.zeros(3, 2, dtype=torch.cfloat), "b:l": Y}, "'a:l': complex"),
    "objects": ({"a:l": X.astype(object), "b:l": Y}, "'a:l': activations of type object"),
    "texts": ({"a:l": [["a", "b"]], "b:l": Y}, "'a:l': activations of type <U1"),
    "ragged": ({"a:l": [[1, 2], [3]], "b:l": Y}, "'a:l': not an array"),
    "nothing": ({}, "no layers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_batches_are_refused_whole(case):
    batch, message = BAD[case]
    moments = moments_of(X, Y)
    for start in (sm.Moments(), moments):
        before = repr(start)
        with pytest.raises(sm.SpanmatchError, match=message):
            start.update(batch)
        assert repr(start) == before
    np.testing.assert_array_equal(moments.pair(*NAMES).xx, moments_of(X, Y).pair(*NAMES).xx)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])
def test_the_first_value_that_is_not_finite_is_named(value, make):
    bad = X.copy()
    bad[250, 3] = bad[299, 1] = value
    with pytest.raises(sm.SpanmatchError, match=f"layer 'y': {value} in neuron 3, row 250"):
        sm.pair(make(X), make(bad))


def test_squares_that_overflow_are_refused():
    huge = X.copy()
    huge[:, 2] *= 1e200
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(sm.SpanmatchError, match="neuron 2 overflow"):
        sm.pair(huge, Y)


def test_layers_that_change_are_refused():
    moments = moments_of(X, Y)
    for batch, message in (
        ({"a:l": X[:, 1:], "b:l": Y}, "'a:l': 23 neurons, but 24 before"),
        ({"a:l": X}, "'b:l' is missing"),
        ({"a:l": X, "b:l": Y, "c:l": Y}, "'c:l' was not there before"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            moments.update(batch)


def test_moments_that_do_not_fit_are_not_added():
    moments = moments_of(X, Y)
    for other, message in (
        (moments_of(X[:, 1:], Y), "23 neurons, but 24 before"),
        (moments_of(X, Y, folds=4), "folds=8 and folds=4"),
        (moments_of(X, Y, null=False), "null=True and null=False"),
        (moments_of(X, Y, method="qr"), "method='gram' and method='qr'"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            _ = moments + other
    stranger = sm.Moments()
    stranger.update({"a:m": X, "b:m": Y})
    with pytest.raises(sm.SpanmatchError, match="different"):
        _ = moments + stranger
    with pytest.raises(TypeError):
        _ = moments + 1


def test_options_and_names_that_make_no_sense():
    for options, message in (
        ({"folds": 0}, "folds=0"),
        ({"folds": 2.5}, "folds=2.5"),
        ({"method": "svd"}, "method='svd'"),
        ({"pairs": "some"}, "pairs='some'"),
        ({"pairs": [("a", "a")]}, "two different layers"),
        ({"pairs": [1]}, "list of pairs"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.Moments(**options)
    moments = moments_of(X, Y)
    with pytest.raises(sm.SpanmatchError, match="no layer 'a:m'; there is 'a:l'"):
        moments.pair("a:m", "b:l")
    with pytest.raises(sm.SpanmatchError, match="pairs ask for layer 'q'"):
        sm.Moments(pairs=[("p", "q")]).update({"p": X})
    lonely = sm.Moments()
    lonely.update({"x": X, "y": Y})
    with pytest.raises(sm.SpanmatchError, match=r"no moments were kept between 'x' and 'y'.*pairs='all'"):
        lonely.pair("x", "y")


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (np.arange(299), "299 examples for 300 rows"),
        (np.linspace(0, 1, 300), "whole number"),
        (np.zeros((300, 1), dtype=int), "whole number"),
        ({"a:l": np.arange(300)}, "'b:l': example_ids has none for it"),
        ({"a:l": np.arange(300), "b:l": np.arange(300)[::-1]}, "not of the same examples"),
    ],
)
def test_examples_that_do_not_fit(examples, message):
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.Moments().update({"a:l": X, "b:l": Y}, examples)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0, -3, 5], r"layer 'a:l': example -3; ids of examples are whole numbers from 0 to 2\^63 - 2"),
        (np.array([1, 2**63, 4], dtype=np.uint64), "layer 'a:l': example 9223372036854775808;"),
        (np.array([1, 2**64 - 1, 4], dtype=np.uint64), "layer 'a:l': example 18446744073709551615;"),
        (np.array([1, 2, 2**63 - 1]), "layer 'a:l': example 9223372036854775807;"),
        (np.array([1, 2, 3, -1], dtype=np.int8)[1:], "layer 'a:l': example -1;"),
    ],
)
def test_ids_that_would_wrap_or_meet_a_sentinel_are_refused(ids, message):
    moments = sm.Moments(top=2)
    with pytest.raises(sm.SpanmatchError, match=message):
        moments.update({"a:l": X[:3], "b:l": Y[:3]}, ids)
    with pytest.raises(sm.SpanmatchError, match=message):
        moments.update({"a:l": X[:3], "b:l": Y[:3]}, {"a:l": ids, "b:l": ids})
    with pytest.raises(sm.SpanmatchError, match="ids of examples are whole numbers from 0"):
        moments.describe(example_ids=ids)
    assert not moments.layers and not len(moments.example_ids)


@pytest.mark.parametrize("kind", [np.uint64, np.int64])
def test_the_largest_id_is_an_id(tmp_path, kind):
    largest = 2**63 - 2
    moments = sm.Moments(top=2, folds=5)
    moments.update({"a:l": X[:3], "b:l": Y[:3]}, np.array([largest, 0, 7], dtype=kind))
    moments.save(tmp_path / "m.safetensors")
    moments = sm.Moments.load(tmp_path / "m.safetensors")
    assert moments.example_ids.tolist() == [[0, 1], [7, 8], [largest, largest + 1]]
    assert largest in moments.top("a:l").examples
    assert [part.n_examples for part in moments.pair(*NAMES).folds] == [1, 1, 1]  # 0, 2^63 - 2, 7


def test_moments_that_would_be_too_large_are_refused_before_they_start():
    X, Y = layers.random(p=100, q=100)
    moments = sm.Moments(max_memory_gb=0.001)
    with pytest.raises(
        sm.SpanmatchError, match=r"2 layers and 1 pairs would take 0\.00205 GB, over the limit of 0\.001"
    ):
        moments.update({"a:l": X, "b:l": Y})
    assert not moments.layers
    moments.update({"a:l": X[:, :9], "b:l": Y[:, :9]})
    assert 0 < moments.nbytes < 1e6


def test_the_memory_of_large_moments_is_said_before_they_start(monkeypatch):
    said = []
    monkeypatch.setattr("spanmatch.moments.memory_limit.announce", said.append)
    X, Y = layers.random()
    sm.pair(X, Y)
    assert said == []  # small ones need no word
    monkeypatch.setattr("spanmatch.moments.memory_limit.ANNOUNCED", 1e4)
    moments = moments_of(X, Y)
    assert said == [f"moments of 2 layers and 1 pairs: {moments.nbytes / 1e9:.2g} GB, however many rows"]


def test_moments_know_which_examples_are_in_them(tmp_path):
    X, Y = layers.random(n=60)
    moments = sm.Moments()
    assert moments.example_ids.shape == (0, 2)
    moments.update({"a:l": X, "b:l": Y}, np.arange(60) // 2 + 100)
    moments.update({"a:l": X[:4], "b:l": Y[:4]}, [7, 3, 4, 7])
    assert moments.example_ids.tolist() == [[3, 5], [7, 8], [100, 130]]
    other = sm.Moments()
    other.update({"a:l": X[:3], "b:l": Y[:3]}, [5, 6, 130])
    other.describe(example_ids=[8])
    assert (moments + other).example_ids.tolist() == [[3, 9], [100, 131]]
    (moments + other).save(tmp_path / "m.safetensors")
    assert sm.Moments.load(tmp_path / "m.safetensors").example_ids.tolist() == [[3, 9], [100, 131]]


@given(st.lists(st.sets(st.integers(-20, 20), max_size=12), max_size=5))
def test_ranges_are_sets(sets):
    found = NONE
    for numbers in sets:
        found = union(found, ranges_of(sorted(numbers)))
    whole = set().union(*sets)
    assert [n for start, stop in found.tolist() for n in range(start, stop)] == sorted(whole)
    assert (np.diff(found.ravel()) > 0).all()
    every = np.arange(-25, 25)
    assert count_in(found, every) == len(whole)
    assert [count_in(found, np.array([n])) for n in every] == [int(n in whole) for n in every]
