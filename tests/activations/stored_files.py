"""Stored activations to test with: a function for each format writes a file or a folder."""

from __future__ import annotations

import layers
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from safetensors.numpy import save_file

import spanmatch as sm

X, Y = (array.astype(np.float32) for array in layers.correlated(n=300))
WIDTH = X.shape[1]


def store(path, arrays):
    """Write arrays as the path's suffix says: a .npy file holds the one called "activations"."""
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
    elif path.suffix == ".safetensors":
        save_file(arrays, path)
    else:
        np.save(path, arrays["activations"])
    return path


def to_npy(path, stored):
    np.save(path.with_suffix(".npy"), stored["relu1"])
    return path.with_suffix(".npy")


def to_npz(path, stored):
    np.savez_compressed(path.with_suffix(".npz"), **stored)
    return path.with_suffix(".npz")


def to_safetensors(path, stored):
    save_file({k: np.ascontiguousarray(v) for k, v in stored.items()}, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def to_zarr(path, stored, **options):
    group = zarr.open_group(path.with_suffix(".zarr"), mode="w")
    for name, array in stored.items():
        group.create_array(name, data=array, chunks=(70, 3), **options)
    return path.with_suffix(".zarr")


def to_columns(path, stored):
    table = pa.table({f"n{i}": column for i, column in enumerate(stored["relu1"].T)})
    pq.write_table(table, path.with_suffix(".parquet"), row_group_size=110)
    return path.with_suffix(".parquet")


def to_lists(path, stored):
    lists = {k: pa.FixedSizeListArray.from_arrays(pa.array(v.ravel()), v.shape[1]) for k, v in stored.items()}
    pq.write_table(pa.table(lists), path.with_suffix(".parquet"), row_group_size=110)
    return path.with_suffix(".parquet")


def to_folders(path, stored):
    for name, array in stored.items():
        (path / name).mkdir(parents=True)
        for i, part in enumerate(np.split(array, [120, 130])):
            np.save(path / name / f"part{i:02}.npy", part)
    return path


def to_named_shards(path, stored):
    path.mkdir()
    for name, array in stored.items():
        for i, part in enumerate(np.split(array, [120, 130])):
            np.save(path / f"{name}-{i + 1:05}-of-00003.npy", part)
    return path


def to_tensor_shards(path, stored):
    path.mkdir()
    for i, rows in enumerate(np.split(np.arange(len(stored["relu1"])), [120, 130])):
        save_file({k: np.ascontiguousarray(v[rows]) for k, v in stored.items()}, path / f"{i}.safetensors")
    return path


def to_torch(path, stored):
    import torch

    torch.save({name: torch.from_numpy(np.array(array)) for name, array in stored.items()}, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


def to_hdf5(path, stored):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for name, array in stored.items():
            file.create_dataset(name, data=array, chunks=(min(70, len(array)), 3), fletcher32=True)
    return path.with_suffix(".h5")


def to_csv(path, stored):
    names = ",".join(f"n{i}" for i in range(stored["relu1"].shape[1]))
    rows = stored["relu1"].astype(np.float64)
    np.savetxt(path.with_suffix(".csv"), rows, delimiter=",", header=names, comments="", fmt="%.17g")
    return path.with_suffix(".csv")


SEVERAL = [to_npz, to_safetensors, to_zarr, to_lists, to_folders, to_named_shards, to_tensor_shards, to_torch, to_hdf5]
KINDS = [*SEVERAL, to_npy, to_columns, to_csv]
ANYWHERE = [kind for kind in KINDS if kind is not to_npz]


def refused(path, other, message):
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.compare({"a": other, "b": path}, clusters=False)
