"""Folders of transformers: nothing in them is run; their weights bound what they ask for."""

from __future__ import annotations

import json
import re
import resource
import time

import pytest
import torch
import transformers
from activations.small_transformers import IDS, TEXTS, batch, make, reader, words

import spanmatch as sm
from spanmatch.activations.transformers_checks import check_model, checked_folder


def test_folders_that_cannot_be_used(tmp_path):
    good = tmp_path / "good"
    make("bert").save_pretrained(good)
    data = [batch("bert")]

    def broken(name, change):
        folder = tmp_path / name
        make("bert").save_pretrained(folder)
        change(folder)
        return folder

    def settings(folder, **changes):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def without_a_weight(folder):
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        del weights["bert.encoder.layer.1.output.dense.weight"]
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    cut = (good / "model.safetensors").read_bytes()[:-100]
    for name, change, message in (
        ("cut", lambda f: (f / "model.safetensors").write_bytes(cut), r"cut/model\.safetensors: cut short"),
        ("json", lambda f: (f / "config.json").write_text("{"), r"json/config\.json: cut short, or not JSON"),
        ("none", lambda f: (f / "model.safetensors").unlink(), "none: not a model"),
        ("code", lambda f: settings(f, auto_map={"AutoModel": "own.Model"}), "code: its model is code of its own"),
        ("missing", without_a_weight, r"missing: 1 weights are missing, as .*layer\.1\.output\.dense\.weight"),
        ("wide", lambda f: settings(f, intermediate_size=25), "wide: not a model"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture({"a": good, "b": broken(name, change)}, data)


def changed(folder, kind="gpt2", **settings):
    """Return a folder with a model whose configuration says something else."""
    make(kind).save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return folder


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("gpt2", {"n_layer": 0}, r"'a': GPT2LMHeadModel has 0 blocks \(n_layer of its configuration\)"),
        ("llama", {"num_hidden_layers": -1}, "'a': LlamaForCausalLM has -1 blocks"),
        ("gpt2", {"n_layer": 100_000}, r"config\.json: n_layer is 100,000, but the weights are 28 tensors"),
        ("llama", {"num_hidden_layers": 10**12}, r"config\.json: num_hidden_layers is 1,000,000,000,000, but"),
        ("bert", {"num_labels": 10**9}, r"config\.json: num_labels is 1,000,000,000, but the weights are"),
        (
            "gpt2",
            {"n_embd": 160_000},
            r"config\.json: asks for 2.* parameters, but .* largest setting is n_embd, 160,000",
        ),
        ("gpt2", {"n_positions": 10**9}, "largest setting is n_positions, 1,000,000,000"),
        ("llama", {"vocab_size": 10**9}, "largest setting is vocab_size, 1,000,000,000"),
        ("gpt2", {"n_inner": 10**30}, "not a model of transformers that can be loaded"),
        ("gpt2", {"transformers_weights": "../x.safetensors"}, "transformers_weights names a file of its own"),
        ("bert", {"architectures": ["pipeline"]}, "asks: 2 weights are missing"),
    ],
)
def test_what_a_configuration_asks_for_is_bounded_by_its_weights(tmp_path, kind, settings, message):
    folder = changed(tmp_path / "asks", kind, **settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with pytest.raises(sm.SpanmatchError, match=message):
        sm.capture({"a": folder, "b": folder}, [batch(kind)])
    assert time.perf_counter() - start < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


def test_buffers_that_are_not_stored_are_bounded_too(tmp_path):
    """Of a class that computes a square of positions; on the device meta it takes no memory."""
    stored = checked_folder(changed(tmp_path / "asks"))
    with torch.device("meta"):
        model = make_nothing()
        check_model(stored, model)
        model.register_buffer("mask", torch.ones(10**5, 10**5), persistent=False)
    with pytest.raises(
        sm.SpanmatchError, match=r"config\.json: asks for 40,0.* bytes that are computed and not stored"
    ):
        check_model(stored, model)


def make_nothing():
    model = torch.nn.Linear(2, 2)
    model.config = transformers.GPT2Config()
    return model


def in_shards(folder):
    """Return a folder with a model in several files."""
    make("gpt2").save_pretrained(folder, max_shard_size="20KB")
    return folder


def test_weights_in_several_files_are_read(tmp_path):
    folder = in_shards(tmp_path / "shards")
    assert len(list(folder.glob("*.safetensors"))) > 1
    sm.capture({"a": folder, "b": make("gpt2")}, [batch("gpt2")])


@pytest.mark.parametrize(
    "name", ["../elsewhere/x.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..", "x.bin", 3]
)
def test_an_index_that_leads_out_of_its_folder_is_not_followed(tmp_path, name):
    folder, elsewhere = in_shards(tmp_path / "shards"), in_shards(tmp_path / "elsewhere")
    (elsewhere / "model-00001-of-00002.safetensors").rename(elsewhere / "x.safetensors")
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    tensor = next(iter(index["weight_map"]))
    index["weight_map"][tensor] = name
    path.write_text(json.dumps(index))
    with pytest.raises(
        sm.SpanmatchError, match=rf"index\.json: weight_map\['{re.escape(tensor)}'\]: .*{re.escape(str(name))}"
    ):
        sm.capture({"a": folder, "b": folder}, [batch("gpt2")])


@pytest.mark.parametrize("index", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "{", "[" * 10**5])
def test_an_index_that_names_nothing_is_refused(tmp_path, index):
    folder = in_shards(tmp_path / "shards")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(
        sm.SpanmatchError, match=r"index\.json: (holds no settings|weight_map: missing|cut short, or not JSON)"
    ):
        sm.capture({"a": folder, "b": folder}, [batch("gpt2")])


def test_links_out_of_a_folder_are_not_followed(tmp_path):
    folder = changed(tmp_path / "links")
    (folder / "model.safetensors").rename(tmp_path / "model.safetensors")
    (folder / "model.safetensors").symlink_to("../model.safetensors")
    with pytest.raises(sm.SpanmatchError, match=r"links: 'model\.safetensors' is a link out of the folder, to"):
        sm.capture({"a": folder, "b": folder}, [batch("gpt2")])


def test_the_cache_of_the_hub_is_read(tmp_path):
    """Its folders are of links into the blobs beside them."""
    folder = tmp_path / "models--a--b" / "snapshots" / "0123"
    changed(folder)
    (tmp_path / "models--a--b" / "blobs").mkdir()
    for file in list(folder.iterdir()):
        file.rename(tmp_path / "models--a--b" / "blobs" / file.name)
        file.symlink_to(f"../../blobs/{file.name}")
    sm.capture({"a": folder, "b": make("gpt2")}, [batch("gpt2")])


def test_a_tokenizer_that_is_code_is_refused_with_its_reason(tmp_path):
    tokenizer = words()
    reader(tokenizer, "bert").save_pretrained(tmp_path / "own")
    tokenizer.save_pretrained(tmp_path / "own")
    path = tmp_path / "own" / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": {"AutoTokenizer": ["own.Own", None]}}))
    (tmp_path / "own" / "own.py").write_text("raise SystemExit('this code was run')")
    with pytest.raises(sm.SpanmatchError, match=r"own: its tokenizer is code of its own .*tokenizer_config\.json"):
        sm.capture({"a": tmp_path / "own", "b": tmp_path / "own"}, TEXTS)
    sm.capture({"a": tmp_path / "own", "b": tmp_path / "own"}, [{"input_ids": IDS % 5}])  # tokens need no tokenizer


def test_pickled_weights_are_not_read(tmp_path):
    folder = tmp_path / "pickled"
    model = make("bert")
    model.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(sm.SpanmatchError, match="pickled: not a model"):
        sm.capture({"a": folder, "b": folder}, [batch("bert")])
