"""Texts as tokens, so that the rows of models with different tokenizers correspond.

With one tokenizer, rows are its tokens. With several, a row is a place in the text at which every
tokenizer ends a token, and of each model the token that ends there: at that place all have read the
same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SpanmatchError
from .outputs import Batch, Runner, are_texts
from .transformers import TokenizedTexts, TransformersRunner

UNLIMITED = 1 << 30
"""Tokens; what tokenizers without a limit say is more."""
NO_CHARACTER = -1
"""Where a token ends that stands for no character."""


@dataclass
class Tokens:
    """The tokens of some texts, by text."""

    ids: list[list[int]]
    ends: list[list[int]]
    """How many characters each token ends after, or NO_CHARACTER; empty without offsets."""


def inputs_of_runners(batch: Batch, runners: Sequence[Runner], *, rows_are_tokens: bool) -> Sequence[Batch]:
    """Return what each network is called with for a batch: the batch, or, of texts, their tokens.

    Parameters
    ----------
    batch
        A batch of any kind.
    runners
        The networks that it goes through.
    rows_are_tokens
        Whether rows are tokens, so that those of different tokenizers have to correspond.

    Raises
    ------
    SpanmatchError
        If a network takes no texts, or rows cannot be made to correspond.
    """
    if not are_texts(batch):
        return [batch] * len(runners)
    models, texts = [_takes_texts(runner) for runner in runners], list(batch)
    if len({model.tokenizer_rules for model in models}) == 1:
        return [_inputs_of_one_tokenizer(models, texts)] * len(models)
    if rows_are_tokens:
        return _inputs_at_shared_ends(models, texts)
    tokens_by_model = [_tokenize(model, texts, UNLIMITED) for model in models]
    for model, tokens in zip(models, tokens_by_model, strict=True):
        _check_fits(model, tokens)
    return [_padded(tokens, _all_rows(tokens), "tokens") for tokens in tokens_by_model]


def _takes_texts(runner: Runner) -> TransformersRunner:
    """Return a runner that takes texts.  Raises SpanmatchError if it is of another kind."""
    if not isinstance(runner, TransformersRunner):
        raise SpanmatchError(f"network {runner.name!r} takes no texts; give batches of what it is called with")
    return runner


def _inputs_of_one_tokenizer(models: Sequence[TransformersRunner], texts: list[str]) -> TokenizedTexts:
    """Return the tokens of models with the same tokenizer, at most as many as all of them take."""
    max_tokens = min(model.max_tokens for model in models)
    tokens = _tokenize(models[0], texts, max_tokens)
    row_tokens = "tokens" if max_tokens >= UNLIMITED else f"tokens, at most {max_tokens} of a text"
    return _padded(tokens, _all_rows(tokens), row_tokens)


def _inputs_at_shared_ends(models: Sequence[TransformersRunner], texts: list[str]) -> list[TokenizedTexts]:
    """Return each model's tokens; rows are those that end where every tokenizer ends one."""
    for model in models:
        if not model.has_offsets:
            raise SpanmatchError(
                f"network {model.name!r}: its tokenizer does not tell which characters a token is of, so that rows of "
                "different tokenizers cannot be made to correspond; give pool='mean' or 'last'"
            )
    tokens_by_model = [_tokenize(model, texts, model.max_tokens) for model in models]
    shared_ends = [
        sorted(set.intersection(*map(set, ends_by_model)) - {NO_CHARACTER})
        for ends_by_model in zip(*(tokens.ends for tokens in tokens_by_model), strict=True)
    ]
    if not any(shared_ends):
        names = " and ".join(repr(model.name) for model in models)
        raise SpanmatchError(
            f"the tokenizers of {names} end no token at the same character of {texts[0][:40]!r}; give pool='mean'"
        )
    inputs = []
    for tokens in tokens_by_model:
        is_row = [np.isin(ends, shared) for ends, shared in zip(tokens.ends, shared_ends, strict=True)]
        inputs.append(_padded(tokens, is_row, "ends of tokens that all tokenizers share"))
    return inputs


def _tokenize(model: TransformersRunner, texts: list[str], max_tokens: int) -> Tokens:
    """Return the tokens of texts, of which each must have some."""
    tokenizer, is_limited = model.tokenizer, max_tokens < UNLIMITED
    try:
        encoding = tokenizer(
            texts,
            truncation=is_limited,
            max_length=max_tokens if is_limited else None,
            return_offsets_mapping=model.has_offsets,
            return_attention_mask=False,
            padding=False,
            verbose=False,
        )
    except Exception as error:  # whatever a tokenizer of another kind raises
        raise SpanmatchError(
            f"network {model.name!r}: its tokenizer, a {type(tokenizer).__name__}, cannot tokenize these texts "
            f"({error}); give batches of tokens"
        ) from error
    empty = next((i for i, ids in enumerate(encoding["input_ids"]) if not len(ids)), None)
    if empty is not None:
        raise SpanmatchError(
            f"network {model.name!r}: text {empty} of a batch, {texts[empty][:40]!r}, has no tokens; leave it out"
        )
    return Tokens(encoding["input_ids"], [_ends(spans) for spans in encoding.get("offset_mapping", [])])


def _ends(spans: Sequence[tuple[int, int]]) -> list[int]:
    """Return where tokens end: NO_CHARACTER if without any, or with a part of one alone."""
    ends, later_start = [], sys.maxsize
    for start, stop in reversed(spans):
        ends.append(stop if start < stop <= later_start else NO_CHARACTER)
        if start < stop:
            later_start = min(later_start, start)
    return ends[::-1]


def _all_rows(tokens: Tokens) -> list[NDArray[np.bool_]]:
    """Return, by text, that every token is a row."""
    return [np.ones(len(ids), bool) for ids in tokens.ids]


def _check_fits(model: TransformersRunner, tokens: Tokens) -> None:
    """Raise SpanmatchError if a text has more tokens than a model takes."""
    lengths = [len(ids) for ids in tokens.ids]
    if max(lengths) > model.max_tokens:
        raise SpanmatchError(
            f"network {model.name!r}: text {int(np.argmax(lengths))} of a batch has {max(lengths)} tokens, over the "
            f"model's {model.max_tokens}; cut texts before, so that all networks read the same"
        )


def _padded(tokens: Tokens, is_row: Sequence[NDArray[np.bool_]], row_tokens: str) -> TokenizedTexts:
    """Return tokens side by side, padded at the end, and which of them are rows."""
    import torch

    shape = len(tokens.ids), max(map(len, tokens.ids))
    input_ids, attention_mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    row_mask = np.zeros(shape, bool)
    for i, (ids, rows) in enumerate(zip(tokens.ids, is_row, strict=True)):
        input_ids[i, : len(ids)] = ids
        attention_mask[i, : len(ids)] = 1
        row_mask[i, : len(ids)] = rows
    inputs = {"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(attention_mask)}
    return TokenizedTexts(inputs, torch.from_numpy(row_mask), row_tokens)
