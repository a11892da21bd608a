"""Models in the local cache of the Hugging Face Hub: read where they are, and never asked for on their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import transformers
from activations.small_transformers import TEXTS, reader, words
from huggingface_hub.errors import LocalEntryNotFoundError

import spanmatch as sm
from spanmatch.activations import from_names
from spanmatch.activations.hub import FILES

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put(cache: Path, name: str) -> Path:
    """Put a tiny model into a cache, with its files as links into blobs."""
    place = cache / f"models--{name.replace('/', '--')}"
    snapshot, blobs = place / "snapshots" / COMMIT, place / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    tokenizer = words()
    reader(tokenizer, n_positions=64).save_pretrained(place / "made")
    tokenizer.save_pretrained(place / "made")
    for i, file in enumerate(sorted((place / "made").iterdir())):
        shutil.move(file, blobs / str(i))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(i))
    return snapshot


def test_a_model_in_the_cache_is_run(cache):
    snapshot = put(cache, "someone/tiny")
    folder = from_names.network("hf:someone/tiny")
    assert folder == snapshot
    model = transformers.GPT2Model.from_pretrained(snapshot)
    moments = sm.capture({"a": folder, "b": (model, transformers.AutoTokenizer.from_pretrained(snapshot))}, [TEXTS])
    pair = moments.pair("a:hidden.2", "b:hidden.2")
    np.testing.assert_array_equal(pair.xx, pair.yy)


def test_what_is_not_in_the_cache_is_not_asked_for(cache, monkeypatch):
    def asked(*_, **__):
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr("socket.socket.connect", asked)
    message = (
        rf"hf:someone/tiny: not in the local cache, {cache}, or only in part; give --download, or run: hf download s"
    )
    with pytest.raises(sm.errors.BadArgument, match=message):
        from_names.network("hf:someone/tiny")
    snapshot = put(cache, "someone/tiny")
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(sm.errors.BadArgument, match=message):
        from_names.network("hf:someone/tiny")
    with pytest.raises(sm.errors.BadArgument, match="hf:a/b/c: no name of a model on the Hub"):
        from_names.network("hf:a/b/c")


def test_a_download_is_of_what_is_read_and_on_request_alone(cache, monkeypatch):
    asked = []

    def snapshot_download(name, *, local_files_only, allow_patterns):
        asked.append((name, local_files_only, allow_patterns))
        if local_files_only:
            raise LocalEntryNotFoundError("not there")
        return str(put(cache, name))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(sm.errors.BadArgument, match="--download"):
        from_names.network("hf:tiny")
    assert (from_names.network("hf:tiny", download=True) / "config.json").is_file()
    assert asked == [("tiny", True, list(FILES)), ("tiny", False, list(FILES))]

    def unreachable(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(sm.SpanmatchError, match=r"hf:tiny: cannot be downloaded \(ConnectionError: no network\)"):
        from_names.network("hf:tiny", download=True)
