"""Folders of shards that do not fit together are refused."""

from __future__ import annotations

import numpy as np
from activations.stored_files import (
    X,
    Y,
    refused,
    to_folders,
    to_named_shards,
    to_tensor_shards,
)
from safetensors.numpy import save_file


def test_shards_that_do_not_make_a_whole(tmp_path):
    good = to_folders(tmp_path / "good", {"relu1": X})
    for name, change, message in (
        ("gap", lambda f: (f / "relu1" / "part01.npy").unlink(), "gap: shard 1 of layer 'relu1' is missing"),
        ("width", lambda f: np.save(f / "relu1" / "part01.npy", X[:10, :5]), r"part01\.npy: rows of shape \(5,\), but"),
        ("cut", lambda f: (f / "relu1" / "part02.npy").write_bytes(b"\x93NUMPY"), r"part02\.npy: cut short"),
        (
            "twice",
            lambda f: np.save(f / "relu1" / "part1.npy", X[:10]),
            "two shards of layer 'relu1' have the number 1",
        ),
        ("odd", lambda f: np.save(f / "relu1" / "last.npy", X[:10]), r"'last\.npy' of layer 'relu1' has no number"),
        ("short", lambda f: np.save(f / "relu1" / "part02.npy", X[:10]), "array 'relu1' has 300 and 140 rows"),
    ):
        folder = to_folders(tmp_path / name, {"relu1": X})
        change(folder)
        refused(folder, good, message)
    named = to_named_shards(tmp_path / "named", {"relu1": X})
    (named / "relu1-00003-of-00003.npy").unlink()
    refused(named, good, "named: shard 3 of layer 'relu1' is missing")
    tensors = to_tensor_shards(tmp_path / "tensors", {"relu1": X, "other": Y})
    save_file({"relu1": X[:10]}, tensors / "1.safetensors")
    refused(tensors, good, r"1\.safetensors: array 'other' is in some shards and not in others")
    (tmp_path / "nothing").mkdir()
    refused(tmp_path / "nothing", good, "nothing: holds no arrays")
