"""Transformers, tiny and random, with their tokenizers and batches."""

from __future__ import annotations

import torch
import transformers
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE, WordPiece

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
