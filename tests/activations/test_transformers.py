"""Models of transformers, tiny and random: what each name stands for, by the models' own formulas."""

from __future__ import annotations

import importlib
import json
import re
import resource
import time

import numpy as np
import oracles
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE, WordPiece

import spanmatch as sm
from spanmatch.activations.transformers_checks import check_model, checked_folder

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 60}
TEXTS = ["the cat sat on the mat", "a café, naïve 日本", "the dog ate food", "on a mat the dog sat and sat"]
IDS = torch.randint(3, 60, (5, 9), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(9) < torch.tensor([9, 5, 9, 1, 7])[:, None]


def bert():
    return transformers.BertForMaskedLM(transformers.BertConfig(**SMALL))


def gpt2():
    config = transformers.GPT2Config(
        n_embd=16, n_layer=2, n_head=2, n_inner=24, vocab_size=60, bos_token_id=0, eos_token_id=0
    )
    return transformers.GPT2LMHeadModel(config)


def llama():
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL))


def vit():
    return transformers.ViTForImageClassification(
        transformers.ViTConfig(**{k: v for k, v in SMALL.items() if k != "vocab_size"}, image_size=8, patch_size=4)
    )


MODELS = {"bert": bert, "gpt2": gpt2, "llama": llama, "vit": vit}


def make(kind, seed=0):
    torch.manual_seed(seed)
    model = MODELS[kind]().eval()
    for parameter in model.parameters():  # biases and norms too, so that none is where it started
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def batch(kind):
    if kind == "vit":
        return {"pixel_values": torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))}
    return {"input_ids": IDS, "attention_mask": MASK.long()}


def kept(kind, values):
    """Return the rows that count, of (examples, tokens, neurons)."""
    values = values.detach().double().numpy()
    return values.reshape(-1, values.shape[-1]) if kind == "vit" else values[MASK.numpy()]


def neurons_by_formula(kind, model, i):
    """Return what the MLP of block i holds after its activation, from the block's own input to it."""
    seen = {}
    base = model.base_model
    block = {
        "bert": lambda: base.encoder.layer[i],
        "gpt2": lambda: base.h[i],
        "llama": lambda: base.layers[i],
        "vit": lambda: base.layers[i],
    }[kind]()
    mlp = block.intermediate if kind == "bert" else block.mlp
    hook = mlp.register_forward_hook(lambda m, inputs, output: seen.update(into=inputs[0], out=output))
    with torch.no_grad():
        model(**batch(kind))
    hook.remove()
    x = seen["into"]
    if kind == "bert":
        return torch.nn.functional.gelu(x @ mlp.dense.weight.T + mlp.dense.bias)
    if kind == "gpt2":
        return torch.nn.functional.gelu(x @ mlp.c_fc.weight + mlp.c_fc.bias, approximate="tanh")
    if kind == "llama":
        return torch.nn.functional.silu(x @ mlp.gate_proj.weight.T) * (x @ mlp.up_proj.weight.T)
    return torch.nn.functional.gelu(x @ mlp.fc1.weight.T + mlp.fc1.bias)


@pytest.mark.parametrize("kind", MODELS)
def test_names_stand_for_what_they_say(kind, tmp_path):
    model = make(kind)
    model.save_pretrained(tmp_path / kind)
    names = ["hidden.*", "mlp.*", "attention.*"]
    moments = sm.capture({"folder": tmp_path / kind, "object": model}, [batch(kind)], layers=names)
    wanted = [f"hidden.{i}" for i in range(3)] + [f"{part}.{i}" for part in ("mlp", "attention") for i in range(2)]
    assert [layer.removeprefix("object:") for layer in moments.layers if layer.startswith("object:")] == wanted
    with torch.no_grad():
        hidden = model(**batch(kind), output_hidden_states=True).hidden_states
    expected = {f"hidden.{i}": kept(kind, state) for i, state in enumerate(hidden)}
    expected |= {f"mlp.{i}": kept(kind, neurons_by_formula(kind, model, i)) for i in range(2)}
    for name, values in expected.items():
        for who in ("folder", "object"):
            pair = moments.pair(f"{who}:{name}", f"{'object' if who == 'folder' else 'folder'}:{name}")
            assert pair.rows == len(values)
            np.testing.assert_allclose(pair.xx, oracles.co_moments(values, values), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(pair.x_mean, values.mean(axis=0), atol=1e-5)
    assert moments.layers["object:mlp.0"] == 24 and moments.layers["object:attention.1"] == 16
    left = [
        h for module in model.modules() for h in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]
    assert not any(hook.__module__.startswith("spanmatch") for hook in left)


@pytest.mark.parametrize(
    ("kind", "path"), [("bert", "encoder.layer.1.attention.output.dense"), ("gpt2", "h.1.attn.c_proj")]
)
def test_attention_is_its_output_projection_and_paths_name_modules_too(kind, path):
    model = make(kind).base_model
    both = sm.capture(
        {"a": model, "b": model},
        [batch(kind)],
        layers={"a": "attention.1", "b": path},
        pairs=[("a:attention.1", f"b:{path}")],
    )
    pair = both.pair("a:attention.1", f"b:{path}")
    np.testing.assert_array_equal(pair.xx, pair.yy)
    assert pair.rows == int(MASK.sum())


def test_a_head_runs_only_where_it_is_asked_for(monkeypatch):
    model, calls = make("llama"), []
    model.lm_head.register_forward_hook(lambda *_: calls.append(1))
    sm.capture({"a": model, "b": model}, [batch("llama")])
    assert not calls
    assert sm.capture({"a": model, "b": model}, [batch("llama")], layers="lm_head").layers["a:lm_head"] == 60
    assert calls


@pytest.mark.parametrize("pool", ["mean", "last"])
def test_one_row_an_example(pool):
    model = make("gpt2")
    moments = sm.capture({"a": model, "b": make("gpt2", 1)}, [batch("gpt2")], layers="hidden.2", pool=pool)
    with torch.no_grad():
        states = model(**batch("gpt2"), output_hidden_states=True).hidden_states[2].double().numpy()
    lengths = MASK.sum(1).tolist()
    rows = [own[:n].mean(0) if pool == "mean" else own[n - 1] for own, n in zip(states, lengths, strict=True)]
    pair = moments.pair("a:hidden.2", "b:hidden.2")
    np.testing.assert_allclose(pair.x_mean, np.mean(rows, axis=0), atol=1e-5)
    np.testing.assert_allclose(pair.xx, oracles.co_moments(np.array(rows), np.array(rows)), rtol=1e-4, atol=1e-5)


def words(lower=True):
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=60, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, pad_token="[PAD]")


def pieces():
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=270, initial_alphabet=alphabet))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64)


def reader(tokenizer, kind="gpt2", seed=0, **config):
    torch.manual_seed(seed)
    small = {**SMALL, "vocab_size": len(tokenizer)}
    if kind == "bert":
        return transformers.BertModel(transformers.BertConfig(**small, **config)).eval()
    return transformers.GPT2Model(
        transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=len(tokenizer), **config)
    ).eval()


def last_tokens_by_text(tokenizer, text):
    """Return, for each place at which the tokens up to one decode to the text up to there, that token: by decoding."""
    found = tokenizer(text, return_offsets_mapping=True)
    spans = found["offset_mapping"]
    places = {}
    for token, (start, stop) in enumerate(spans):
        rest = [a for a, b in spans[token + 1 :] if b > a]
        if stop > start and all(a >= stop for a in rest):
            places[stop] = token
    return found["input_ids"], places


def test_rows_of_two_tokenizers_are_ends_that_both_share():
    one, two = words(), pieces()
    a, b = reader(one, "bert"), reader(two)
    moments = sm.capture({"a": (a, one), "b": (b, two)}, [TEXTS[:2], TEXTS[2:]], layers="hidden.1")
    rows = {"a": [], "b": []}
    for text in TEXTS:
        (ids_a, at_a), (ids_b, at_b) = last_tokens_by_text(one, text), last_tokens_by_text(two, text)
        shared = sorted(at_a.keys() & at_b.keys())
        assert shared  # as the texts end, all tokenizers do
        for name, model, ids, at in (("a", a, ids_a, at_a), ("b", b, ids_b, at_b)):
            with torch.no_grad():
                states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[1][0]
            rows[name] += [states[at[place]].double().numpy() for place in shared]
    pair = moments.pair("a:hidden.1", "b:hidden.1")
    A, B = np.array(rows["a"]), np.array(rows["b"])
    assert pair.rows == len(A) < sum(len(two(text)["input_ids"]) for text in TEXTS)
    np.testing.assert_allclose(pair.xy, oracles.co_moments(A, B), rtol=1e-3, atol=1e-4)
    assert "all tokenizers share" in moments.layout["a:hidden.1"]


def test_a_character_cut_in_two_ends_with_its_last_token():
    text, tokenizer = "日本", pieces()
    spans = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    ends = importlib.import_module("spanmatch.activations.tokens")._ends(spans)  # sm.capture is the function
    assert len(spans) > 2  # characters are of several tokens
    for token, end in enumerate(ends):
        if end >= 0:
            assert tokenizer.decode(tokenizer(text)["input_ids"][: token + 1]) == text[:end]
    assert max(ends) == 2


def test_one_tokenizer_gives_all_its_tokens_and_texts_are_cut_alike():
    tokenizer = words()
    again = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, model_max_length=64)
    a, b = reader(tokenizer, "bert"), reader(tokenizer, "bert", 1, max_position_embeddings=6)
    moments = sm.capture({"a": (a, tokenizer), "b": (b, again)}, TEXTS, layers="hidden.1")
    assert moments.rows["a:hidden.1"] == sum(min(6, len(tokenizer(text)["input_ids"])) for text in TEXTS)
    assert "at most 6 of a text" in moments.layout["a:hidden.1"]


def test_tokenizers_come_from_the_folder(tmp_path):
    one, two = words(), pieces()
    for name, tokenizer, kind in (("one", one, "bert"), ("two", two, "gpt2")):
        reader(tokenizer, kind).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    moments = sm.capture({"a": tmp_path / "one", "b": tmp_path / "two"}, TEXTS)
    same = sm.capture({"a": (reader(one, "bert"), one), "b": (reader(two), two)}, TEXTS)
    np.testing.assert_allclose(
        moments.pair("a:hidden.1", "b:hidden.1").xy, same.pair("a:hidden.1", "b:hidden.1").xy, atol=1e-6
    )


class Slow:
    """A tokenizer that does not say where its tokens are."""

    is_fast, model_max_length = False, 64

    def get_vocab(self):
        return {"a": 1}

    def __call__(self, texts, **_):
        return {"input_ids": [[1, 2] for _ in texts]}


def test_texts_that_cannot_be_lined_up_are_refused():
    one, two = words(), pieces()
    a, b = (reader(one, "bert"), one), (reader(two), two)
    plain = torch.nn.Sequential(torch.nn.Linear(2, 2))
    short = (reader(two, n_positions=5), two)
    for networks, texts, options, message in (
        ({"a": a, "b": (b[0], Slow())}, TEXTS, {}, "'b': its tokenizer does not tell which characters"),
        ({"a": a, "b": b[0]}, TEXTS, {}, r"'b': texts need its tokenizer; give \(model, tokenizer\)"),
        ({"a": a, "b": plain}, TEXTS, {"layers": {"a": "hidden.*", "b": "*"}, "pairs": "all"}, "'b' takes no texts"),
        ({"a": a, "b": short}, TEXTS, {"pool": "mean"}, "'b': text 1 of a batch has .* tokens, over the model's 5"),
        ({"a": (a[0], one), "b": b}, ["  ", " "], {}, "'[ab]'.*(has no tokens|end no token)"),
    ):
        with pytest.raises(sm.SpanmatchError, match=message):
            sm.capture(networks, texts, **options)


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
        ("gpt2", {"n_inner": 10**30}, "not a model of transformers that can be read whole"),
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


class Bare:
    """A tokenizer of a class that has no is_fast and no longest text, as some of transformers have not."""

    def get_vocab(self):
        return {"a": 1}

    def __call__(self, texts, **_):
        return {"input_ids": [[1, 2] for _ in texts]}


def test_a_tokenizer_without_is_fast_is_one_that_does_not_tell_characters():
    tokenizer = words()
    model = reader(tokenizer, "bert")
    moments = sm.capture({"a": (model, Bare()), "b": (model, Bare())}, TEXTS, layers="hidden.1")
    assert moments.rows["a:hidden.1"] == 2 * len(TEXTS)
    with pytest.raises(sm.SpanmatchError, match="'b': its tokenizer does not tell which characters"):
        sm.capture({"a": (model, tokenizer), "b": (model, Bare())}, TEXTS)
    with pytest.raises(sm.SpanmatchError, match="'b': a Linear is no tokenizer of transformers"):
        sm.capture({"a": (model, tokenizer), "b": (model, torch.nn.Linear(2, 2))}, TEXTS)

    class Broken(Bare):
        def __call__(self, texts, **_):
            raise KeyError("return_offsets_mapping")

    with pytest.raises(sm.SpanmatchError, match="'a': its tokenizer, a Broken, cannot cut these texts"):
        sm.capture({"a": (model, Broken()), "b": (model, Broken())}, TEXTS)


def test_pickled_weights_are_not_read(tmp_path):
    folder = tmp_path / "pickled"
    model = make("bert")
    model.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(sm.SpanmatchError, match="pickled: not a model"):
        sm.capture({"a": folder, "b": folder}, [batch("bert")])


def test_models_without_such_places():
    with pytest.raises(sm.SpanmatchError, match="has an encoder and a decoder"):
        t5 = transformers.T5Model(transformers.T5Config(d_model=8, d_ff=8, num_layers=1, num_heads=2, vocab_size=20))
        sm.capture({"a": t5, "b": t5}, [batch("bert")])
    with pytest.raises(sm.SpanmatchError, match=r"'mlp.9' matches nothing in network 'a'; there is .*mlp\.1"):
        sm.capture({"a": make("bert"), "b": make("bert")}, [batch("bert")], layers="mlp.9")
