"""Every format: what is read is what was written; damaged files are refused, and named."""

from __future__ import annotations

import contextlib
import zipfile

import numpy as np
import oracles
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from activations.stored_files import (
    ANYWHERE,
    KINDS,
    SEVERAL,
    WIDTH,
    X,
    Y,
    refused,
    to_npy,
    to_npz,
    to_safetensors,
    to_tensor_shards,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spanmatch as sm
from spanmatch.activations import from_files
from spanmatch.activations.stored import StoredActivations, StoredArray, formats
from spanmatch.activations.stored.arrays import Format
from spanmatch.activations.stored.formats import suffixed
from spanmatch.activations.stored.shards import open_shards


@pytest.mark.parametrize("store", KINDS)
@pytest.mark.parametrize("at_once", [100, 1 << 22])
def test_what_is_read_is_what_was_written(tmp_path, monkeypatch, store, at_once):
    monkeypatch.setattr(from_files, "VALUES_AT_ONCE", at_once)
    files = {
        "a": store(tmp_path / "a", {"relu1": X, "block.relu2": Y}),
        "b": store(tmp_path / "b", {"relu1": Y[:, :9], "block.relu2": X}),
    }
    moments = sm.compare(files, clusters=False, evidence=False).moments
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


def open_csv(path, stack, rows_by):
    values = np.loadtxt(path, delimiter=",", ndmin=2)
    return [StoredArray("activations", values.shape, values.dtype, lambda start, stop: values[start:stop])]


def test_a_format_is_one_function_and_one_line_of_the_table(tmp_path, monkeypatch):
    """As a module for it would be: files, folders of shards and messages follow from the line."""
    added = Format("a .csv file", suffixed(".csv"), open_csv)
    monkeypatch.setattr(formats, "FORMATS", (added, *formats.FORMATS))
    np.savetxt(tmp_path / "a.csv", X, delimiter=",")
    (tmp_path / "shards").mkdir()
    for i, part in enumerate(np.split(X, [120])):
        np.savetxt(tmp_path / "shards" / f"l-{i}-of-2.csv", part, delimiter=",")
    for name, layer in (("a.csv", "activations"), ("shards", "l")):
        with StoredActivations(tmp_path / name) as stored:
            np.testing.assert_allclose(stored.read(layer, 100, 200), X[100:200], rtol=1e-6)
    (tmp_path / "cut.csv").write_text("1,2\n3")
    with pytest.raises(sm.SpanmatchError, match=r"cut\.csv: cut short, or not a \.csv file"):
        StoredActivations(tmp_path / "cut.csv")


def test_a_folder_of_shards_closes_its_files(tmp_path):
    folder = to_tensor_shards(tmp_path / "a", {"relu1": X})
    closed = []
    with contextlib.ExitStack() as stack:
        (array,) = open_shards(folder, stack, None, formats.FORMATS, closing_to(closed))
        array.read(0, 300)
        assert len(closed) == 3 + 2  # each for its shape; then all but the last
    assert len(closed) == 3 + 3


def closing_to(closed):
    def open_file(path, stack, rows_by):
        stack.callback(closed.append, path)
        return formats.open_arrays(path, stack, rows_by)

    return open_file
