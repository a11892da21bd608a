"""Texts as tokens: rows of models with different tokenizers correspond."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
import torch
import transformers
from activations.small_transformers import TEXTS, pieces, reader, words

import spanmatch as sm
from spanmatch.activations.tokens import _ends


def last_tokens_by_text(tokenizer, text):
    """Return the token that ends at each character with which some token ends, and the ids."""
    encoding = tokenizer(text, return_offsets_mapping=True)
    spans = encoding["offset_mapping"]
    places = {}
    for token, (start, stop) in enumerate(spans):
        rest = [a for a, b in spans[token + 1 :] if b > a]
        if stop > start and all(a >= stop for a in rest):
            places[stop] = token
    return encoding["input_ids"], places


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
    ends = _ends(spans)
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


class Bare:
    """A tokenizer without is_fast and model_max_length, as some of transformers are."""

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

    with pytest.raises(sm.SpanmatchError, match="'a': its tokenizer, a Broken, cannot tokenize these texts"):
        sm.capture({"a": (model, Broken()), "b": (model, Broken())}, TEXTS)
