"""Texts as tokens, so that the rows of models with different tokenizers correspond.

With one tokenizer, rows are its tokens. With several, a row is a place in the text at which every tokenizer ends a
token, and of each model the token that ends there: at that place all have read the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import SpanmatchError
from .outputs import Runner, are_texts
from .transformers import Encoded, Transformer

UNLIMITED = 1 << 30
"""Tokens; what tokenizers without a limit say is more."""


def encoded(batch: Any, runners: Sequence[Runner], *, aligned: bool) -> list[Any]:
    """Return what each network is called with for a batch: the batch, or, of texts, their tokens.

    Args: aligned, whether rows are tokens, so that those of different tokenizers have to correspond.
    Raises SpanmatchError if a network takes no texts, or rows cannot be made to correspond.
    """
    if not are_texts(batch):
        return [batch] * len(runners)
    models = [_takes_texts(each) for each in runners]
    texts = list(batch)
    if len({model.rules for model in models}) == 1:
        length = min(model.length for model in models)
        which = "tokens" if length >= UNLIMITED else f"tokens, at most {length} of a text"
        return [_padded(_tokens(model, texts, length), which) for model in models]
    if not aligned:
        tokens = [_tokens(model, texts, UNLIMITED) for model in models]
        for model, own in zip(models, tokens, strict=True):
            _check_fits(model, own)
        return [_padded(own, "tokens") for own in tokens]
    for model in models:
        if not model.tells_characters:
            raise SpanmatchError(
                f"network {model.name!r}: its tokenizer does not tell which characters a token is of, so that rows of "
                "different tokenizers cannot be made to correspond; give pool='mean' or 'last'"
            )
    tokens = [_tokens(model, texts, model.length) for model in models]
    common = [_common_ends(own) for own in zip(*(own["ends"] for own in tokens), strict=True)]
    if not any(map(len, common)):
        names = " and ".join(repr(model.name) for model in models)
        raise SpanmatchError(
            f"the tokenizers of {names} end no token at the same character of {texts[0][:40]!r}; give pool='mean'"
        )
    for own in tokens:
        own["rows"] = [np.isin(ends, shared) for ends, shared in zip(own["ends"], common, strict=True)]
    return [_padded(own, "ends of tokens that all tokenizers share") for own in tokens]


def _takes_texts(runner: Runner) -> Transformer:
    if not isinstance(runner, Transformer):
        raise SpanmatchError(f"network {runner.name!r} takes no texts; give batches of what it is called with")
    return runner


def _tokens(model: Transformer, texts: list[str], length: int) -> dict[str, Any]:
    """Return ids of tokens, text by text, where in it each ends, and which are rows: all of them.

    A token that stands for no character ends at -1.
    """
    tokenizer = model.tokenizer
    cut = length < UNLIMITED
    try:
        found = tokenizer(
            texts,
            truncation=cut,
            max_length=length if cut else None,
            return_offsets_mapping=model.tells_characters,
            return_attention_mask=False,
            padding=False,
            verbose=False,
        )
    except Exception as error:  # whatever a tokenizer of another kind raises
        raise SpanmatchError(
            f"network {model.name!r}: its tokenizer, a {type(tokenizer).__name__}, cannot cut these texts ({error})"
        ) from error
    empty = next((i for i, ids in enumerate(found["input_ids"]) if not len(ids)), None)
    if empty is not None:
        raise SpanmatchError(f"network {model.name!r}: text {empty} of a batch, {texts[empty][:40]!r}, has no tokens")
    return {
        "input_ids": found["input_ids"],
        "ends": [_ends(spans) for spans in found.get("offset_mapping", [])],
        "rows": [np.ones(len(ids), bool) for ids in found["input_ids"]],
    }


def _ends(spans: Sequence[tuple[int, int]]) -> list[int]:
    """Return where each token ends; -1 for those of no character, and where a later token has part of the last one."""
    ends, later = [], sys.maxsize
    for start, stop in reversed(spans):
        ends.append(stop if start < stop <= later else -1)
        later = min(later, start) if start < stop else later
    return ends[::-1]


def _check_fits(model: Transformer, tokens: dict[str, Any]) -> None:
    lengths = [len(ids) for ids in tokens["input_ids"]]
    if max(lengths) > model.length:
        raise SpanmatchError(
            f"network {model.name!r}: text {int(np.argmax(lengths))} of a batch has {max(lengths)} tokens, over the "
            f"model's {model.length}; cut texts before, so that all networks read the same"
        )


def _common_ends(ends: Sequence[Sequence[int]]) -> list[int]:
    shared = set(ends[0]).intersection(*ends[1:]) - {-1}
    return sorted(shared)


def _padded(tokens: dict[str, Any], which: str) -> Encoded:
    """Return tokens side by side, padded at the end, and which of them are rows."""
    import torch

    ids = tokens["input_ids"]
    longest = max(map(len, ids))
    shape = (len(ids), longest)
    inputs, mask, kept = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
    for i, (own, chosen) in enumerate(zip(ids, tokens["rows"], strict=True)):
        inputs[i, : len(own)], mask[i, : len(own)], kept[i, : len(own)] = own, 1, chosen
    return Encoded(
        {"input_ids": torch.from_numpy(inputs), "attention_mask": torch.from_numpy(mask)}, torch.from_numpy(kept), which
    )
