"""Stored activations: what is read is what was written, in chunks; what cannot be read whole is refused, and named."""

from __future__ import annotations

import json
import zipfile

import layers
import numcodecs
import numpy as np
import oracles
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import spanmatch as sm
from spanmatch.activations import from_files
from spanmatch.activations.stored import StoredActivations

X, Y = (array.astype(np.float32) for array in layers.correlated(n=300))
WIDTH = X.shape[1]


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


SEVERAL = [to_npz, to_safetensors, to_zarr, to_lists, to_folders, to_named_shards, to_tensor_shards]
KINDS = [*SEVERAL, to_npy, to_columns]
ANYWHERE = [kind for kind in KINDS if kind is not to_npz]


@pytest.mark.parametrize("store", KINDS)
@pytest.mark.parametrize("at_once", [100, 1 << 22])
def test_what_is_read_is_what_was_written(tmp_path, monkeypatch, store, at_once):
    monkeypatch.setattr(from_files, "VALUES_AT_ONCE", at_once)
    files = {
        "a": store(tmp_path / "a", {"relu1": X, "block.relu2": Y}),
        "b": store(tmp_path / "b", {"relu1": Y[:, :9], "block.relu2": X}),
    }
    moments = sm.compare(files, clusters=False).moments
    names = ["relu1", "block.relu2"] if store in SEVERAL else ["activations"]
    assert moments.layers.keys() == {f"{n}:{layer}" for n in "ab" for layer in names}
    pair = moments.pair(f"a:{names[0]}", f"b:{names[0]}")
    np.testing.assert_allclose(pair.xy, oracles.co_moments(X, Y[:, :9]), rtol=1e-9, atol=1e-6)
    assert pair.rows == pair.null.rows == 300
    assert sum(fold.rows for fold in pair.folds) == 300


@pytest.mark.parametrize("store", ANYWHERE)
def test_rows_can_be_read_anywhere(tmp_path, store):
    path = store(tmp_path / "a", {"relu1": X, "other": Y})
    name = "relu1" if store in SEVERAL else "activations"
    with StoredActivations(path) as stored:
        for start, stop in ((250, 300), (0, 1), (119, 131), (100, 260), (5, 5 + 115)):
            np.testing.assert_array_equal(stored.read(name, start, stop), X[start:stop])


def test_long_arrays_are_never_whole_in_memory(tmp_path):
    import tracemalloc

    big = np.zeros((60_000, 64), dtype=np.float32)
    big[:] = np.arange(60_000, dtype=np.float32)[:, None] % 7 + np.arange(64)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("l", data=big, chunks=(2000, 64))
    pq.write_table(
        pa.table({str(i): column for i, column in enumerate(big.T)}), tmp_path / "a.parquet", row_group_size=5000
    )
    for path, name in ((tmp_path / "a.zarr", "l"), (tmp_path / "a.parquet", "activations")):
        with StoredActivations(path) as stored:
            tracemalloc.start()
            total = sum(stored.read(name, i, i + 1000).sum(dtype=float) for i in range(0, 60_000, 1000))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert total == big.sum(dtype=float)
        assert peak < big.nbytes / 3


def refused(path, other, message):
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.compare({"a": other, "b": path}, clusters=False)


def test_zarr_that_cannot_be_read_whole(tmp_path):
    good = to_zarr(tmp_path / "good", {"relu1": X})
    gone = to_zarr(tmp_path / "gone", {"relu1": X})
    (gone / "relu1" / "c" / "2" / "1").unlink()
    refused(gone, good, r"gone\.zarr: array 'relu1': \d+ of \d+ chunks are missing, and Zarr would read them as 0")
    cut = to_zarr(tmp_path / "cut", {"relu1": X}, compressors=None)
    chunk = cut / "relu1" / "c" / "2" / "1"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    refused(cut, good, r"cut\.zarr: array 'relu1' is cut short or damaged")
    claims = to_zarr(tmp_path / "claims", {"relu1": X})
    about = claims / "relu1" / "zarr.json"
    about.write_text(about.read_text().replace("300", str(2**60)))
    refused(claims, good, r"claims\.zarr: array 'relu1': .* chunks are missing")
    wide = to_zarr(tmp_path / "wide", {"relu1": X})
    about = wide / "relu1" / "zarr.json"
    text = json.loads(about.read_text())
    text["chunk_grid"]["configuration"]["chunk_shape"] = [2**40, 3]
    about.write_text(json.dumps(text))
    refused(wide, good, r"wide\.zarr: array 'relu1' has chunks of .* over 1 GB each")
    (good / "zarr.json").write_text("{")
    refused(good, gone, r"zarr: (cut short|array)")


def test_a_codec_that_unpickles_is_refused(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).create_array("l", data=X, chunks=(300, 24))
    about = tmp_path / "a.zarr" / "l" / ".zarray"
    text = json.loads(about.read_text())
    about.write_text(json.dumps({**text, "filters": [{"id": "pickle", "protocol": 5}]}))
    refused(tmp_path / "a.zarr", tmp_path / "a.zarr", "array 'l' is stored with pickle|cut short")


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


def test_parquet_that_holds_something_else(tmp_path):
    good = to_columns(tmp_path / "good", {"relu1": X})

    def table(name, **columns):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        return tmp_path / f"{name}.parquet"

    numbers = X[:, 0]
    for path, message in (
        (table("text", a=numbers, b=["x"] * 300), r"text\.parquet: column 'b' is of type string"),
        (table("ragged", a=[[1.0]] * 299 + [[1.0, 2.0]]), r"ragged\.parquet: column 'a' is of type list"),
        (table("holes", a=numbers, b=pa.array([1.0] * 299 + [None])), "column 'b' has missing values"),
        (table("fewer", **{f"n{i}": column[:200] for i, column in enumerate(X.T)}), "has 300 and 200 rows"),
    ):
        refused(path, good, message)
    (tmp_path / "cut.parquet").write_bytes(good.read_bytes()[:-100])
    refused(tmp_path / "cut.parquet", good, r"cut\.parquet: cut short, or not a \.parquet file")


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


def to_checked_pages(path, stored, **options):
    """Parquet with a checksum of every page, which its writers leave out unless asked."""
    table = pa.table({f"n{i}": column for i, column in enumerate(stored["relu1"].T)})
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True} | options
    pq.write_table(table, path.with_suffix(".parquet"), **options)
    return path.with_suffix(".parquet")


def to_stored_npz(path, stored):
    np.savez(path.with_suffix(".npz"), **stored)
    return path.with_suffix(".npz")


def to_zarr_2(path, stored):
    group = zarr.open_group(path.with_suffix(".zarr"), mode="w", zarr_format=2)
    group.create_array("relu1", data=stored["relu1"], chunks=(70, 3), compressors=None, filters=[numcodecs.CRC32()])
    return path.with_suffix(".zarr")


def zarr_by(**codecs):
    return lambda path, stored: to_zarr(path, stored, **codecs)


CHECKED = {
    ".npz": to_stored_npz,
    ".npz, compressed": to_npz,
    "Parquet with page checksums": to_checked_pages,
    "Zarr with crc32c": zarr_by(compressors=[zarr.codecs.Crc32cCodec()]),
    "Zarr with zstd and its checksum": zarr_by(compressors=[zarr.codecs.ZstdCodec(checksum=True)]),
    "Zarr with gzip": zarr_by(compressors=[zarr.codecs.GzipCodec()]),
    "Zarr in shards, with crc32c": zarr_by(shards=(140, 6), compressors=[zarr.codecs.Crc32cCodec()]),
    "Zarr 2 with crc32": to_zarr_2,
}
UNCHECKED = {
    ".npy": to_npy,
    ".safetensors": to_safetensors,
    "Parquet": lambda path, stored: to_checked_pages(path, stored, write_page_checksum=False),
    "Zarr": zarr_by(compressors=None),
}


def flipped(path, values):
    """Change one bit of a number in a file, and return the file; of compressed ones, of what is in its middle."""
    place = values[150, 3:4].tobytes() if path.is_file() else values[140:141, 3:4].tobytes()
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file() and f.suffix != ".json")
    file = next((f for f in files if place in f.read_bytes()), max(files, key=lambda f: f.stat().st_size))
    content = bytearray(file.read_bytes())
    at = content.find(place)
    content[at if at >= 0 else len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    return file


@pytest.mark.parametrize("kind", CHECKED)
def test_a_flipped_bit_is_found_where_the_format_has_a_checksum(tmp_path, kind):
    good, bad = (CHECKED[kind](tmp_path / name, {"relu1": X}) for name in ("good", "bad"))
    flipped(bad, X)
    name = "activations" if "Parquet" in kind else "relu1"
    refused(bad, good, rf"bad\.\w+: array '{name}' is cut short or damaged")


@pytest.mark.parametrize("kind", UNCHECKED)
def test_a_flipped_bit_is_not_found_where_the_format_has_none(tmp_path, kind):
    """As docs/sources.md says: a test of the test above, and of that page."""
    good, bad = (UNCHECKED[kind](tmp_path / name, {"relu1": X}) for name in ("good", "bad"))
    flipped(bad, X)
    layer = "relu1" if kind in (".safetensors", "Zarr") else "activations"
    with StoredActivations(good) as whole, StoredActivations(bad) as other:
        assert np.sum(whole.read(layer, 0, 300) != other.read(layer, 0, 300)) == 1


def test_the_index_of_a_shard_has_a_checksum(tmp_path):
    good, bad = (to_zarr(tmp_path / name, {"relu1": X}, shards=(140, 6)) for name in ("good", "bad"))
    file = max((f for f in bad.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    content = bytearray(file.read_bytes())
    content[-20] ^= 1  # it stands at the end
    file.write_bytes(bytes(content))
    refused(bad, good, r"bad\.zarr: (array 'relu1' is )?cut short")


def claims_many_rows(path):
    """Make a file's header say 2^60 rows."""
    if path.suffix == ".npy":
        data = path.read_bytes()
        long = f"({2**60}, {WIDTH}), }}".encode()
        short = f"(300, {WIDTH}), }}".encode()
        path.write_bytes(data.replace(short + b" " * (len(long) - len(short)), long))
    elif path.suffix == ".npz":
        data = np.lib.format.magic(1, 0)
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**60}, {WIDTH}), }}".ljust(117) + "\n"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("relu1.npy", data + len(text).to_bytes(2, "little") + text.encode() + bytes(2400))
    else:
        length = int.from_bytes(path.read_bytes()[:8], "little")
        body = path.read_bytes()[8 : 8 + length].replace(f"[300,{WIDTH}]".encode(), f"[{2**60},{WIDTH}]".encode())
        path.write_bytes(len(body).to_bytes(8, "little") + body + path.read_bytes()[8 + length :])
    return path


@pytest.mark.parametrize("store", [to_npy, to_npz, to_safetensors])
def test_a_header_that_claims_2_to_the_60_rows_is_refused(tmp_path, store):
    good = store(tmp_path / "good", {"relu1": X})
    bad = claims_many_rows(store(tmp_path / "bad", {"relu1": X}))
    assert bad.read_bytes() != good.read_bytes()
    refused(bad, good, "bad.*cut short")


def target(tmp_path, store):
    """Return a stored network, and the file of it that is to be damaged."""
    path = store(tmp_path, {"relu1": X[:40], "other": Y[:40]})
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    return path, files


@pytest.mark.parametrize("store", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_an_error_that_names_them_or_the_numbers_in_them(tmp_path_factory, store, data):
    folder = tmp_path_factory.mktemp("fuzz")
    good, _ = target(folder / "good", store)
    bad, files = target(folder / "bad", store)
    file = data.draw(st.sampled_from(files))
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, max(0, len(content) - 1))) :]
    else:
        for _ in range(data.draw(st.integers(1, 6))):
            # Headers are where damage is dangerous: half of the places are in the first 200 bytes or the last.
            near = data.draw(st.sampled_from(["start", "end", "anywhere"]))
            place = data.draw(st.integers(0, min(200, len(content)) - 1 if near != "anywhere" else len(content) - 1))
            content[-1 - place if near == "end" else place] = data.draw(st.integers(0, 255))
    file.write_bytes(bytes(content))
    try:
        sm.compare({"a": good, "b": bad}, clusters=False, evidence=False)
    except sm.SpanmatchError as error:
        assert str(error)
