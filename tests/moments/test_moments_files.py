"""Moments on disk: whole or refused."""

from __future__ import annotations

import json

import layers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import spanmatch as sm
from spanmatch._files import read_tensors, write_text

NAMES = ("a:l", "b:l")


def some_moments(**options):
    X, Y = layers.correlated(n=80, p=5, q=4)
    moments = sm.Moments(**options)
    moments.update({"a:l": X, "b:l": Y})
    moments.describe({"a:l": "rows are examples"})
    return moments


@pytest.mark.parametrize("method", ["gram", "qr"])
def test_what_is_loaded_is_what_was_saved(tmp_path, method):
    moments = some_moments(method=method, folds=3)
    moments.save(tmp_path / "m.safetensors")
    again = sm.Moments.load(tmp_path / "m.safetensors")
    assert repr(again) == repr(moments)
    assert again.layout == {"a:l": "rows are examples"}
    mine, theirs = moments.pair(*NAMES), again.pair(*NAMES)
    np.testing.assert_array_equal(theirs.xy, mine.xy)
    np.testing.assert_array_equal(theirs.null.xy, mine.null.xy)
    np.testing.assert_array_equal(theirs.folds[2].xx, mine.folds[2].xx)
    again += moments
    X, Y = layers.correlated(n=80, p=5, q=4)
    again.update({"a:l": X, "b:l": Y})
    assert again.rows == {"a:l": 240, "b:l": 240}


def test_empty_moments_and_odd_names_can_be_saved(tmp_path):
    sm.Moments(pairs=[("x", "y")]).save(tmp_path / "empty.safetensors")
    again = sm.Moments.load(tmp_path / "empty.safetensors")
    X, Y = layers.random()
    again.update({"x": X, "y": Y})
    assert again.pairs == [("x", "y")]
    odd = sm.Moments()
    odd.update({'a:"<b>" / ü\n': X, 'b:"<b>" / ü\n': X})
    odd.save(tmp_path / "odd.safetensors")
    assert sm.Moments.load(tmp_path / "odd.safetensors").layers == odd.layers


def test_a_file_that_is_not_ours_is_refused_by_name(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(sm.SpanmatchError, match=r"m\.safetensors: no such file"):
        sm.Moments.load(path)
    path.write_text("hello")
    with pytest.raises(sm.SpanmatchError, match=r"m\.safetensors: cut short, or not a safetensors"):
        sm.Moments.load(path)
    save_file({"weight": np.zeros(3)}, path)
    with pytest.raises(sm.SpanmatchError, match=r"m\.safetensors: a safetensors file, but not of spanmatch"):
        sm.Moments.load(path)


def test_another_version_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    some_moments().save(path)
    arrays, about = read_tensors(path)
    save_file(arrays, path, about | {"version": "99"})
    with pytest.raises(sm.SpanmatchError, match="moments of version 99; this spanmatch reads version"):
        sm.Moments.load(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_that_was_cut_or_changed_is_refused_or_whole(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "m.safetensors"
    some_moments(folds=2).save(path)
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(sm.SpanmatchError, match="cut short"):
            sm.Moments.load(path)
        return
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, 1500))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(changed))
    try:
        sm.Moments.load(path)
    except sm.SpanmatchError as error:
        assert "m.safetensors" in str(error)


@pytest.mark.parametrize("change", ["missing", "shape", "type", "about", "rows", "not finite"])
def test_contents_that_do_not_fit_together_are_refused(tmp_path, change):
    path = tmp_path / "m.safetensors"
    some_moments().save(path)
    arrays, metadata = load_file(path), read_tensors(path)[1]
    if change == "missing":
        del arrays["gram 0"]
    elif change == "shape":
        arrays["cross 0 1"] = arrays["cross 0 1"][:, 1:].copy()
    elif change == "type":
        arrays["sum 0"] = arrays["sum 0"].astype(np.float32)
    elif change == "rows":
        arrays["rows 0"] = -arrays["rows 0"]
    elif change == "not finite":
        arrays["gram 1"][0, 0] = np.nan
    else:
        metadata["about"] = json.dumps({"layers": 3})
    save_file(arrays, path, metadata)
    with pytest.raises(sm.SpanmatchError, match=r"m\.safetensors: its contents do not fit together"):
        sm.Moments.load(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    some_moments().save(path)
    whole = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(sm.SpanmatchError) as caught:
        patched.setattr("pathlib.Path.open", full)
        some_moments().save(path)
    assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert path.read_bytes() == whole
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.open", interrupt)
    with pytest.raises(KeyboardInterrupt):
        some_moments().save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(sm.SpanmatchError, match=r"cannot write .*nowhere"):
        write_text(tmp_path / "nowhere" / "x.txt", "hello")
