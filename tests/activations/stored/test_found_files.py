"""Stored activations as people find them: one layer in another format, with and without ids."""

from __future__ import annotations

import layers
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
import torch

import spanmatch as sm
from spanmatch.activations import from_files
from spanmatch.activations.stored import StoredActivations

X, Y = layers.correlated(n=300)
NAMES = np.array([f"image {i}" for i in range(300)])
ORDER = np.random.default_rng(1).permutation(300)
QUICK = {"clusters": False, "evidence": False}


def levels(a, b, **options):
    return sm.compare(a, b, **QUICK, **options).pairs[0].profile.x_levels


EXPECTED = sm.match_profile(sm.pair(X, Y)).x_levels


def to_pt(path, array, ids):
    torch.save({"activations": torch.tensor(array), "ids": torch.tensor([int(i.split()[1]) for i in ids])}, path)


def to_csv(path, array, ids):
    pd.DataFrame(array, index=ids).to_csv(path)


def to_tsv(path, array, ids):
    pd.DataFrame(array).assign(ids=ids).to_csv(path, sep="\t", index=False)


def to_pandas_parquet(path, array, ids):
    pd.DataFrame(array, index=ids).rename(columns=str).to_parquet(path)


def to_list_parquet(path, array, ids):
    pq.write_table(pa.table({"activations": array.tolist(), "ids": ids}), path, row_group_size=70)


def to_npz(path, array, ids):
    np.savez(path, activations=array, ids=ids)


def to_hdf5(path, array, ids):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("activations", data=array, chunks=(64, 3))
        file["ids"] = ids.astype(object)


def to_shards(path, array, ids):
    path.mkdir()
    for number, part in enumerate(np.split(array, [120, 130])):
        np.save(path / f"x_{number + 8}.npy", part)  # x_8, x_9, x_10: not the order of their names
    np.save(path / "ids.npy", ids)


KINDS = {
    ".pt": to_pt,
    ".csv": to_csv,
    ".tsv": to_tsv,
    ".parquet": to_pandas_parquet,
    "-lists.parquet": to_list_parquet,
    ".npz": to_npz,
    ".h5": to_hdf5,
    "-shards": to_shards,
}


@pytest.mark.filterwarnings("ignore::spanmatch.SpanmatchWarning")
@pytest.mark.parametrize("suffix", KINDS)
def test_every_format_gives_what_arrays_give_in_whatever_order_its_rows_are(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(from_files, "VALUES_AT_ONCE", 1000)
    a, b, shuffled = (tmp_path / f"{name}{suffix}" for name in ("a", "b", "c"))
    KINDS[suffix](a, X, NAMES)
    KINDS[suffix](b, Y, NAMES)
    KINDS[suffix](shuffled, Y[ORDER], NAMES[ORDER])
    np.testing.assert_allclose(levels(a, b), EXPECTED, atol=1e-9)
    np.testing.assert_array_equal(levels(a, shuffled), levels(a, b))
    pair = sm.pair(a, shuffled)
    np.testing.assert_allclose(sm.match_profile(pair).x_levels, EXPECTED, atol=1e-9)


@pytest.mark.parametrize("suffix", [".pt", ".csv", "-lists.parquet", ".h5"])
def test_rows_can_be_read_anywhere(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    KINDS[suffix](path, np.tile(X, (8, 1)), np.tile(NAMES, 8))
    with StoredActivations(path) as stored:
        for start, stop in ((2350, 2400), (0, 1), (1019, 1031), (100, 260)):
            np.testing.assert_allclose(
                stored.read("activations", start, stop), np.tile(X, (8, 1))[start:stop], rtol=1e-15
            )


def test_arrays_tables_and_sparse_matrices_in_memory():
    sparse = np.where(np.abs(X) > 1, X, 0), np.where(np.abs(Y) > 1, Y, 0)
    expected = sm.match_profile(sm.pair(*sparse)).x_levels
    np.testing.assert_allclose(levels(*map(scipy.sparse.csr_matrix, sparse)), expected, atol=1e-9)
    np.testing.assert_allclose(levels(scipy.sparse.coo_array(sparse[0]), sparse[1]), expected, atol=1e-9)
    for make in (
        np.asarray,
        torch.tensor,
        pd.DataFrame,
        lambda array: pa.table({f"n{i}": column for i, column in enumerate(array.T)}),
        lambda array: pa.table({"activations": array.tolist()}),
        lambda array: pd.DataFrame({"activations": list(array)}),
        lambda array: pd.DataFrame(array).convert_dtypes(),
    ):
        np.testing.assert_allclose(levels(make(X), make(Y)), EXPECTED, atol=1e-9)
        of_dict = sm.compare({"a": make(X), "b": make(Y)}, **QUICK)
        np.testing.assert_allclose(of_dict.pairs[0].profile.x_levels, EXPECTED, atol=1e-9)
        np.testing.assert_allclose(sm.match_profile(sm.pair(make(X), make(Y))).x_levels, EXPECTED, atol=1e-9)


def test_a_sparse_file_is_read_as_dense_rows(tmp_path):
    scipy.sparse.save_npz(tmp_path / "a.npz", scipy.sparse.csc_matrix(X))
    scipy.sparse.save_npz(tmp_path / "b.npz", scipy.sparse.coo_matrix(Y))
    np.testing.assert_allclose(levels(tmp_path / "a.npz", tmp_path / "b.npz"), EXPECTED, atol=1e-9)
    parts = dict(np.load(tmp_path / "a.npz"))
    parts["indices"] = parts["indices"] + 10_000
    np.savez(tmp_path / "bad.npz", **parts)
    with pytest.raises(sm.SpanmatchError, match=r"bad\.npz"):
        levels(tmp_path / "bad.npz", tmp_path / "b.npz")


def test_numbered_shards_are_joined_and_that_is_said(tmp_path):
    to_shards(tmp_path / "a", X, NAMES)
    with pytest.warns(sm.SpanmatchWarning, match=r"x_8\.npy to x_10\.npy are joined.* layer 'x' of 300 rows"):
        stored = StoredActivations(tmp_path / "a")
    with stored:
        assert stored.shapes == {"x": X.shape}
        np.testing.assert_array_equal(stored.read("x", 100, 200), X[100:200])
    (tmp_path / "a" / "x_9.npy").unlink()
    with pytest.raises(sm.SpanmatchError, match="shard 9 of layer 'x' is missing"):
        StoredActivations(tmp_path / "a")


def test_numbers_after_a_word_for_layers_count_layers(tmp_path, recwarn):
    for number in range(3):
        np.save(tmp_path / f"layer_{number}.npy", X)
    with StoredActivations(tmp_path) as stored:
        assert list(stored.shapes) == ["layer_0", "layer_1", "layer_2"]
    assert not recwarn


def test_pytorch_files(tmp_path):
    bfloat = torch.tensor(X).to(torch.bfloat16)
    torch.save({"encoder": {"relu1": torch.tensor(X, requires_grad=True)}, "half": bfloat}, tmp_path / "a.pth")
    torch.save(torch.tensor(X), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with StoredActivations(tmp_path / "a.pth") as stored:
        assert list(stored.shapes) == ["encoder.relu1", "half"]
        np.testing.assert_array_equal(stored.read("encoder.relu1", 5, 9), X[5:9])
        np.testing.assert_array_equal(stored.read("half", 5, 9), bfloat[5:9].float().numpy())
    with StoredActivations(tmp_path / "old.pt") as stored:
        np.testing.assert_array_equal(stored.read("activations", 5, 9), X[5:9])
    torch.save(torch.nn.Linear(3, 4), tmp_path / "module.pt")
    torch.save({"epoch": 3, "relu1": torch.tensor(X)}, tmp_path / "epoch.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "a.pth").read_bytes()[:3000])
    for name, message in (
        ("module", r"module\.pt: not a file of tensors alone"),
        ("epoch", r"epoch\.pt: entry 'epoch' is a int; store a tensor, or a dict of tensors by layer"),
        ("cut", r"cut\.pt: not a file of tensors alone, or cut short"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            StoredActivations(tmp_path / f"{name}.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3,x\n", r"rows 0 to 1: could not convert string 'x'"),
        ("a,b\n1,2\n3,\n", r"rows 0 to 1: could not convert string ''"),
        ("a,b\n1,2\n3\n", "rows 0 to 1: .*store a number for every neuron"),
        ("a,name\n1,cat\n3,dog\n", r"column 'name' holds 'cat'; store a column of numbers"),
        ("id,b\n1,2\n3,4\n", r"column 'id': ids, or a neuron\? give rows_by='id'"),
        ("a,b\n1,2\n\n3,4\n", "an empty line after row 0"),
        ("a,b\n", "2 names of columns"),
        ("", r"a\.csv: "),
    ],
)
def test_csv_files_that_cannot_be_read(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(sm.SpanmatchError, match=message) as caught, StoredActivations(tmp_path / "a.csv") as stored:
        stored.read("activations", 0, 2)
    assert str(caught.value).startswith(f"{tmp_path / 'a.csv'}: ")


@pytest.mark.parametrize("header", ["a,b\n", "0,1\n", "", '\ufeff"a","b"\n'])
def test_csv_files_with_and_without_names_of_columns(tmp_path, header):
    (tmp_path / "a.csv").write_text(header + "1.5,2\r\n-3e2,4\n\n")
    with StoredActivations(tmp_path / "a.csv") as stored:
        np.testing.assert_array_equal(stored.read("activations", 0, 2), [[1.5, 2], [-300, 4]])


def test_a_csv_is_never_read_at_once(tmp_path):
    import tracemalloc

    big = np.tile(np.arange(64.0) + 1, (20_000, 1))
    np.savetxt(tmp_path / "a.csv", big, delimiter=",", fmt="%d")
    with StoredActivations(tmp_path / "a.csv") as stored:
        tracemalloc.start()
        total = sum(stored.read("activations", i, i + 500).sum() for i in range(0, 20_000, 500))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert total == big.sum()
    assert peak < big.nbytes / 3


def test_hdf5_files_that_would_give_other_numbers_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "holes.h5", "w") as file:
        file.create_dataset("block/relu1", shape=X.shape, dtype="f8", chunks=(50, 12))[:150] = X[:150]
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset("relu1", shape=X.shape, dtype="f8", external=[(str(tmp_path / "other"), 0, X.nbytes)])
    (tmp_path / "text.h5").write_text("no HDF5")
    for name, message in (
        ("holes", r"holes\.h5: array 'block/relu1': .* chunks were never written"),
        ("outside", r"outside\.h5: array 'relu1' has its values in other files"),
        ("text", r"text\.h5: cut short, or not an HDF5 file"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            StoredActivations(tmp_path / f"{name}.h5")


def test_what_cannot_be_compared_says_what_can():
    for arguments, message in (
        ((torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)), "networks: Linear; give {name: network} with the batches"),
        ((X, None), r"sm\.compare\(A, B\): B is NoneType; give two arrays"),
        (({"l": X}, {"l": Y}), r'give sm\.compare\(A, B\) of two arrays, or sm\.compare\({"a": {layer: array}'),
        ((X, Y[:200]), "array 'activations' has 300 and 200 rows"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.compare(*arguments)
    with pytest.raises(sm.SpanmatchError, match="rows_by: it is for stored activations"):
        sm.compare({"a": torch.nn.Linear(2, 2)}, [X], rows_by="id")
