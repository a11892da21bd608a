"""Batches and options that make no sense are refused, with nothing added."""

from __future__ import annotations

import layers
import numpy as np
import pytest
import torch
from streams import NAMES, moments_of

import spanmatch as sm

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
    moments = moments_of(X, Y, sample=0)
    assert said.pop() == f"moments of 2 layers and 1 pairs: {moments.nbytes / 1e9:.2g} GB, however many rows"
    moments_of(X, Y, sample=700)
    assert said[1:] == [f"sample of 700 examples at 2 layers: up to {700 * (24 + 31) * 4 / 1e9:.2g} GB"]
