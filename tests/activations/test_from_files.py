"""The pass over stored activations: moments are those of arrays; bad values are named."""

from __future__ import annotations

import layers
import numpy as np
import oracles
import pytest
from activations.stored_files import (
    KINDS,
    SEVERAL,
    X,
    refused,
    store,
    to_zarr,
)

import spanmatch as sm
from spanmatch.activations import from_files


@pytest.mark.parametrize("kind", [".npy", ".npz", ".safetensors"])
def test_files_give_what_arrays_give(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(from_files, "VALUES_AT_ONCE", 1000)
    X, Y = layers.correlated()
    files = {
        "a": store(tmp_path / f"a{kind}", {"activations": X}),
        "b": store(tmp_path / f"b{kind}", {"activations": Y}),
    }
    of_files = sm.compare(files, evidence=False)
    of_arrays = sm.compare({"a": {"activations": X}, "b": {"activations": Y}}, evidence=False)
    direct = sm.match_profile(sm.pair(X, Y))
    for comparison in (of_files, of_arrays):
        np.testing.assert_allclose(comparison.pairs[0].profile.x_levels, direct.x_levels, atol=1e-12)
        assert comparison.moments.pair("a:activations", "b:activations").null.rows == 500


def test_stored_convolutions_sequences_and_types(tmp_path):
    r = np.random.default_rng(0)
    conv = r.standard_normal((30, 4, 3, 3)).astype(np.float32)
    fortran = np.asfortranarray(r.integers(0, 9, (50, 3)))
    arrays = {"conv": conv, "tokens": r.standard_normal((10, 7, 5)), "fc": fortran}
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    comparison = sm.compare({"a": path, "b": path}, layers=["conv", "fc", "tok*"], evidence=False)
    widths = {"conv": 4, "tokens": 5, "fc": 3}
    assert comparison.moments.layers == {f"{name}:{layer}": width for name in "ab" for layer, width in widths.items()}
    assert comparison.moments.rows["a:conv"] == 270
    exact = np.moveaxis(conv, 1, -1).reshape(-1, 4)
    np.testing.assert_allclose(
        comparison.moments.pair("a:conv", "b:conv").xx, oracles.co_moments(exact, exact), atol=1e-9
    )
    np.testing.assert_allclose(
        comparison.moments.pair("a:fc", "b:fc").xx, oracles.co_moments(arrays["fc"], arrays["fc"]), atol=1e-9
    )


def test_names_that_differ_and_values_that_are_not_finite(tmp_path):
    a = to_zarr(tmp_path / "a", {"relu1": X})
    b = to_zarr(tmp_path / "b", {"relu_1": X})
    refused(
        b,
        a,
        r"no layer .* two of them \(.*a\.zarr: relu1; .*b\.zarr: relu_1\); nearest are 'relu1' and 'relu_1'",
    )
    bad = X.copy()
    bad[123, 4] = np.nan
    with pytest.raises(sm.SpanmatchError, match=r"'relu2' matches nothing in .*; there is relu1"):
        sm.compare({"a": a, "b": a}, layers="relu2")


@pytest.mark.parametrize("store", KINDS)
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_value_that_is_not_finite_is_named_by_file_array_and_row(tmp_path, monkeypatch, store, value):
    monkeypatch.setattr(from_files, "VALUES_AT_ONCE", 1000)
    bad = X.copy()
    bad[223, 4] = value
    name = "relu1" if store in SEVERAL else "activations"
    path = store(tmp_path / "bad", {"relu1": bad})
    with pytest.raises(sm.SpanmatchError) as caught:
        sm.compare({"a": store(tmp_path / "good", {"relu1": X}), "b": path}, clusters=False)
    assert str(caught.value).startswith(f"{path}: array {name!r}: {value} in row 223, neuron 4;")


def test_a_value_that_is_not_finite_in_a_feature_map_is_named_too(tmp_path):
    maps = np.random.default_rng(0).standard_normal((40, 3, 4, 5))
    np.save(tmp_path / "a.npy", maps)
    maps[31, 2, 3, 4] = np.nan
    np.save(tmp_path / "b.npy", maps)
    for options in ({}, {"bins": 3}, {"pool": "mean"}):
        with pytest.raises(sm.SpanmatchError, match=r"b\.npy: array 'activations': nan in row 31, neuron 2, 3, 4;"):
            sm.compare({"a": tmp_path / "a.npy", "b": tmp_path / "b.npy"}, clusters=False, **options)
