"""Zarr: missing, cut and huge chunks, and codecs that unpickle, are refused."""

from __future__ import annotations

import json

import zarr
from activations.stored_files import (
    X,
    refused,
    to_zarr,
)


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
