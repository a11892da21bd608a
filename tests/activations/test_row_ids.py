"""Rows with ids are joined by them; what does not correspond is refused, and never compared silently."""

from __future__ import annotations

import layers
import numpy as np
import pandas as pd
import pytest

import spanmatch as sm

X, Y = layers.correlated(n=300)
NAMES = np.array([f"image {i}" for i in range(300)])
ORDER = np.random.default_rng(1).permutation(300)
QUICK = {"clusters": False, "evidence": False}


def levels(*sources, **options):
    networks = dict(zip("ab", sources, strict=True))
    return sm.compare(networks, **QUICK, **options).pairs[0].profile.x_levels


def expected():
    return sm.match_profile(sm.pair(X, Y)).x_levels


def test_two_frames_with_the_same_index_in_another_order_give_the_same_result():
    a, b = pd.DataFrame(X, index=NAMES), pd.DataFrame(Y, index=NAMES)
    np.testing.assert_array_equal(levels(a, b.iloc[ORDER]), levels(a, b))
    np.testing.assert_allclose(levels(a, b), expected(), atol=1e-12)
    in_order, shuffled = sm.pair(a, b), sm.pair(a, b.iloc[ORDER])
    np.testing.assert_array_equal(shuffled.xy, in_order.xy)
    assert sm.jackknife(shuffled, sm.debiased_cka).low == sm.jackknife(in_order, sm.debiased_cka).low


def test_a_default_index_is_no_ids_unless_the_other_is_a_permutation_of_it(recwarn):
    a, b = pd.DataFrame(X), pd.DataFrame(Y)
    np.testing.assert_allclose(levels(a, b.sample(frac=1, random_state=0)), expected(), atol=1e-12)
    np.testing.assert_allclose(levels(b.sample(frac=1, random_state=0), a), levels(b, a), atol=1e-9)
    assert not recwarn
    with pytest.warns(sm.SpanmatchWarning, match=r"rows of b have ids \(the index\), those of a have none"):
        np.testing.assert_allclose(levels(a, b.set_axis(NAMES)), expected(), atol=1e-12)


def test_ids_that_are_missing_are_counted_on_each_side_and_the_first_three_named():
    a = pd.DataFrame(X[:290], index=NAMES[:290])
    b = pd.DataFrame(Y[4:], index=NAMES[4:])
    message = (
        r"4 of the 290 ids of a:activations are missing in b:activations \('image 0', 'image 1', 'image 2', \.\.\.\), "
        r"and 10 of the 296 ids of b:activations are missing in a:activations \('image 290', 'image 291', 'image 292'"
    )
    with pytest.raises(sm.SpanmatchError, match=message):
        levels(a, b)


def test_rows_with_one_id_are_rows_of_one_example(monkeypatch):
    ids = np.arange(300) // 3
    a, b = pd.DataFrame(X, index=ids), pd.DataFrame(Y, index=ids)
    pair = sm.pair(a, b)
    direct = sm.pair(X, Y, example_ids=ids)
    assert pair.n_examples == 100
    np.testing.assert_allclose([f.xy for f in pair.folds], [f.xy for f in direct.folds], atol=1e-9)
    monkeypatch.setattr("spanmatch.activations.from_files.VALUES_AT_ONCE", 700)  # parts never cut an example
    moments = sm.compare({"a": a, "b": b}, **QUICK).moments
    in_parts = moments.pair("a:activations", "b:activations")
    assert in_parts.n_examples == 100
    np.testing.assert_allclose([f.xy for f in in_parts.folds], [f.xy for f in direct.folds], atol=1e-9)


def test_ambiguous_ids_are_refused():
    ids = np.arange(300) // 3
    a, b = pd.DataFrame(X, index=ids), pd.DataFrame(Y, index=ids)
    with pytest.raises(sm.SpanmatchError, match=r"100 ids occur several times \(0, 1, 2, \.\.\.\), and not in"):
        levels(a, b.iloc[ORDER])
    with pytest.raises(sm.SpanmatchError, match="do not follow one another"):
        levels(a.iloc[ORDER], b.iloc[ORDER])
    a.index = pd.Index([None, *NAMES[1:]])
    with pytest.raises(sm.SpanmatchError, match="the index has 1 missing ids, the first in row 0"):
        levels(a, b.set_axis(NAMES))


def test_layers_of_one_network_are_joined_too():
    a = {"one": pd.DataFrame(X, index=NAMES), "two": pd.DataFrame(Y, index=NAMES).iloc[ORDER]}
    b = {"one": Y, "two": X, "ids": NAMES}
    comparison = sm.compare({"a": a, "b": b}, **QUICK)
    np.testing.assert_allclose(comparison["one"].profile.x_levels, expected(), atol=1e-12)
    np.testing.assert_allclose(comparison["two"].profile.y_levels, expected(), atol=1e-9)


def test_a_column_that_is_named_as_ids_are_must_be_named():
    a = pd.DataFrame(X).assign(id=NAMES)
    b = pd.DataFrame(Y).assign(id=NAMES).iloc[ORDER]
    np.testing.assert_allclose(levels(a, b, rows_by="id"), expected(), atol=1e-12)
    with pytest.raises(sm.SpanmatchError, match=r"column 'id' is of type (str|object).*name the column of the ids"):
        levels(a, b)
    numbered = [frame.assign(id=range(300)) for frame in (pd.DataFrame(X), pd.DataFrame(Y))]
    with pytest.raises(sm.SpanmatchError, match=r"column 'id': ids, or a neuron\? give rows_by='id'"):
        levels(*numbered)
    with pytest.raises(sm.SpanmatchError, match="activations: no column 'name' of row ids; there is '0', '1'"):
        levels(a, b, rows_by="name")


def test_a_checkpoint_of_another_order_is_refused(tmp_path):
    a, b = pd.DataFrame(X, index=NAMES), pd.DataFrame(Y, index=NAMES)
    levels(a, b, checkpoint=tmp_path / "moments")
    with pytest.raises(sm.SpanmatchError, match="made from other networks or layers"):
        levels(a, b.iloc[ORDER], checkpoint=tmp_path / "moments")


def test_results_at_chance_ask_whether_rows_are_in_the_same_order():
    for options in ({}, {"evidence": False}):
        with pytest.warns(sm.SpanmatchWarning, match=r"are the rows of both in the same order\?"):
            sm.compare(X, Y[ORDER], clusters=False, **options)


def test_results_above_chance_ask_nothing(recwarn):
    sm.compare(X, Y, clusters=False)
    assert not recwarn


def test_workers_do_not_reorder_rows(tmp_path):
    for name, array, order in (("a", X, np.arange(300)), ("b", Y, ORDER)):
        pd.DataFrame(array[order], index=NAMES[order]).rename(columns=str).to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(sm.SpanmatchError, match="workers read rows as they are stored, but these are in different"):
        levels(tmp_path / "a.parquet", tmp_path / "b.parquet", scheduler=1)
