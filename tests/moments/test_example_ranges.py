"""Which examples are in moments, and which ids examples can have."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import NAMES

import spanmatch as sm
from spanmatch.moments.example_ranges import NONE, count_in, ranges_of, union

X, Y = layers.random()


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
    in_folds = np.bincount(oracles.fold_of(np.array([0, largest, 7]), 5))
    assert [part.n_examples for part in moments.pair(*NAMES).folds] == in_folds[in_folds > 0].tolist()


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
