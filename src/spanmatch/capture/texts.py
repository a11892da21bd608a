"""Texts as tokens, so that the rows of models with different tokenizers correspond.

With one tokenizer, rows are its tokens. With several, a row is a place in the text at which every tokenizer ends a
token, and of each model the token that ends there: at that place all have read the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from .outputs import Runner
from .transformer import Encoded, Transformer


def encoded(batch: Any, runners: Sequence[Runner], *, aligned: bool) -> list[Any]:
    """Return what each network is called with for a batch: the batch, or, of texts, their tokens.

    Args: aligned, whether rows are tokens, so that those of different tokenizers have to correspond.
    Raises SpanmatchError if a network takes no texts, or rows cannot be made to correspond.
    """
    if not (isinstance(batch, list | tuple) and batch and isinstance(batch[0], str)):
        return [batch] * len(runners)
    models = [_takes_texts(each) for each in runners]
    texts = list(batch)
    if len({model.rules for model in models}) == 1:
        length = min(model.length for model in models)
        tokens = [_tokens(model, texts, length) for model in models]
        return [_padded(own, [np.ones(len(ids), bool) for ids in own["input_ids"]], length) for own in tokens]
    if not aligned:
        tokens = [_tokens(model, texts, None) for model in models]
        for model, own in zip(models, tokens, strict=True):
            _check_fits(model, own)
        return [_padded(own, [np.ones(len(ids), bool) for ids in own["input_ids"]], None) for own in tokens]
    for model in models:
        if not model.tokenizer.is_fast:
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
    kept = [[_ending_at(ends, own) for ends, own in zip(each["ends"], common, strict=True)] for each in tokens]
    which = "ends of tokens that all tokenizers share"
    return [_padded(own, rows, model.length, which) for own, rows, model in zip(tokens, kept, models, strict=True)]


def _takes_texts(runner: Runner) -> Transformer:
    if not isinstance(runner, Transformer):
        raise SpanmatchError(f"network {runner.name!r} takes no texts; give batches of what it is called with")
    return runner


def _tokens(model: Transformer, texts: list[str], length: int | None) -> dict[str, Any]:
    """Return ids of tokens, text by text, and where in it each ends; -1 for those that stand for no character."""
    tokenizer = model.tokenizer
    cut = length is not None and length < 1 << 30
    found = tokenizer(
        texts,
        truncation=cut,
        max_length=length if cut else None,
        return_offsets_mapping=tokenizer.is_fast,
        return_attention_mask=False,
        padding=False,
        verbose=False,
    )
    empty = next((i for i, ids in enumerate(found["input_ids"]) if not len(ids)), None)
    if empty is not None:
        raise SpanmatchError(f"network {model.name!r}: text {empty} of a batch, {texts[empty][:40]!r}, has no tokens")
    return {"input_ids": found["input_ids"], "ends": [_ends(spans) for spans in found.get("offset_mapping", [])]}


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


def _ending_at(ends: Sequence[int], common: Sequence[int]) -> NDArray[np.bool_]:
    """Mark the tokens that end at these places."""
    return np.isin(ends, common)


def _padded(tokens: dict[str, Any], rows: Sequence[NDArray[np.bool_]], length: int | None, which: str = "") -> Encoded:
    """Return tokens side by side, padded at the end, and which of them are rows."""
    import torch

    ids = tokens["input_ids"]
    longest = max(map(len, ids))
    shape = (len(ids), longest)
    inputs, mask, kept = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
    for i, (own, chosen) in enumerate(zip(ids, rows, strict=True)):
        inputs[i, : len(own)], mask[i, : len(own)], kept[i, : len(own)] = own, 1, chosen
    which = which or ("tokens" if length is None or length >= 1 << 30 else f"tokens, at most {length} of a text")
    return Encoded(
        {"input_ids": torch.from_numpy(inputs), "attention_mask": torch.from_numpy(mask)}, torch.from_numpy(kept), which
    )
