"""Flipped bits are found where the format has a checksum, as docs/sources.md says."""

from __future__ import annotations

import numcodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from activations.stored_files import (
    X,
    refused,
    to_npy,
    to_npz,
    to_safetensors,
    to_zarr,
)

from spanmatch.activations.stored import StoredActivations


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
    """Change one bit of a number, or in the middle of a compressed file; return the file."""
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
    good, bad = (UNCHECKED[kind](tmp_path / name, {"relu1": X}) for name in ("good", "bad"))
    flipped(bad, X)
    layer = "relu1" if kind in (".safetensors", "Zarr") else "activations"
    with StoredActivations(good) as intact, StoredActivations(bad) as damaged:
        assert np.sum(intact.read(layer, 0, 300) != damaged.read(layer, 0, 300)) == 1


def test_the_index_of_a_shard_has_a_checksum(tmp_path):
    good, bad = (to_zarr(tmp_path / name, {"relu1": X}, shards=(140, 6)) for name in ("good", "bad"))
    file = max((f for f in bad.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    content = bytearray(file.read_bytes())
    content[-20] ^= 1  # it stands at the end
    file.write_bytes(bytes(content))
    refused(bad, good, r"bad\.zarr: (array 'relu1' is )?cut short")
