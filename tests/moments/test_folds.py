"""Folds, the null pairing and the pieces in which a batch is added."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest
from streams import METHODS, NAMES, moments_of

import spanmatch as sm
from spanmatch.moments.folds import ROWS_AT_ONCE, folds_of, plans


@pytest.mark.parametrize("folds", [1, 2, 5, 8, 40])
def test_folds_are_blocks_of_examples_that_take_turns(folds):
    ids = np.concatenate([np.arange(20_000), [2**40, 2**40 + 63, 2**62]])
    found = folds_of(ids, folds)
    np.testing.assert_array_equal(found, oracles.fold_of(ids, folds))
    for count in (4 * folds, 100 * folds, 20_000):
        sizes = np.bincount(found[:count], minlength=folds)
        assert sizes.max() <= 2 * count / folds and sizes.min() >= 0.5 * count / folds
    if folds == 8:  # Neighbours stay together, the more the later they come.
        assert np.mean(found[1:1000] == found[:999]) > 0.8


def test_ids_far_from_0_and_at_regular_distances_fill_all_folds():
    for ids in (50_000 + np.arange(100), 512 * np.arange(60), 8 * np.arange(60), 10**12 + 3 * np.arange(100)):
        assert np.bincount(folds_of(ids, 8), minlength=8).min() >= 1


@pytest.mark.parametrize("method", METHODS)
def test_folds_hold_their_examples_and_the_null_is_of_the_next_by_hash(method):
    X, Y = layers.random(n=120)
    examples = np.repeat(np.arange(40), 3)
    pair = sm.pair(X, Y, example_ids=examples, folds=5, method=method)
    assert len(pair.folds) == 5
    for fold, part in enumerate(pair.folds):
        rows = oracles.fold_of(examples, 5) == fold
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
        assert set(oracles.fold_of(own, 4)) == {piece.fold}
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
    expected = np.bincount(oracles.fold_of(np.arange(3, 43), 7)).tolist()
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
