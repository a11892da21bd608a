"""Files of NumPy and of safetensors: number types, and files that cannot be used."""

from __future__ import annotations

import zipfile

import layers
import numpy as np
import pytest
from activations.stored_files import store

import spanmatch as sm


def test_bfloat16_files(tmp_path):
    import torch
    from safetensors.torch import save_file

    values = torch.randn(40, 3).to(torch.bfloat16)
    save_file({"l": values}, tmp_path / "a.safetensors")
    moments = sm.compare({"a": tmp_path / "a.safetensors", "b": {"l": values}}, evidence=False).moments
    pair = moments.pair("a:l", "b:l")
    np.testing.assert_allclose(pair.xy, pair.xx, rtol=1e-12)


def test_files_that_cannot_be_used(tmp_path):
    X, Y = layers.random(n=100)
    good = store(tmp_path / "good.npz", {"l": X})
    store(tmp_path / "other.npz", {"m": X})
    store(tmp_path / "shorter.npz", {"l": Y[:50]})
    store(tmp_path / "flat.npz", {"l": X[0]})
    store(tmp_path / "text.npz", {"l": np.full((100, 2), "a")})
    np.savez(tmp_path / "pickled.npz", l=np.array([[{}]], dtype=object))
    np.save(tmp_path / "pickled.npy", np.array([[{}]], dtype=object))
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:-30])
    store(tmp_path / "cut.npy", {"activations": X})
    content = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(content[:-30])
    (tmp_path / "cut.safetensors").write_bytes(b"12")
    (tmp_path / "a.mat").write_bytes(b"")
    for name, message in (
        ("missing.npz", r"missing\.npz: no such file"),
        ("a.mat", r"a\.mat: unknown file type '\.mat'; give a \.npy file, a \.npz file, a \.safetensors file"),
        ("cut.npz", r"cut\.npz: cut short, or not a \.npz"),
        ("cut.npy", r"cut\.npy: cut short, or not a \.npy"),
        ("cut.safetensors", r"cut\.safetensors: cut short"),
        ("pickled.npz", r"pickled\.npz: array 'l' holds pickled objects"),
        ("pickled.npy", r"pickled\.npy: array 'activations' holds pickled objects"),
        ("flat.npz", r"flat\.npz: array 'l' has shape \(24,\)"),
        ("text.npz", r"text\.npz: array 'l' holds <U1"),
        ("other.npz", "no layer has the same name"),
        ("shorter.npz", "array 'l' has 100 and 50 rows"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.compare({"a": good, "b": tmp_path / name})


def test_a_member_cut_inside_an_archive_is_refused(tmp_path):

    X, _ = layers.random(n=100)
    good = store(tmp_path / "good.npz", {"l": X})
    with zipfile.ZipFile(good) as archive:
        data = archive.read("l.npy")
    with zipfile.ZipFile(tmp_path / "cut.npz", "w") as archive:
        archive.writestr("l.npy", data[:-100])
    with pytest.raises(sm.SpanmatchError, match=r"cut\.npz: array 'l' is cut short"):
        sm.compare({"a": good, "b": tmp_path / "cut.npz"})
