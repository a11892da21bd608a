"""Models of Hugging Face's transformers: hidden states, MLP neurons and attention outputs under the same names in all.

    hidden.0         the embeddings; hidden.i, what block i gives, as `output_hidden_states` has them: i = 1 ... L
    mlp.i            the neurons of block i's MLP, after the activation: what its last projection takes, i = 0 ... L - 1
    attention.i      what block i's attention adds to the residual stream: what its output projection gives

Where these are is read off the model's structure, not its name: the blocks are the module list as long as the
configuration says; in a block, the output projection is the last linear map inside its attention, the MLP's the last
one outside. Every module can be named by its path, too.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadArgument, SpanmatchError, missing_extra
from .outputs import Outputs
from .patterns import chosen
from .torch import arguments, channels_first, digest_of_weights, first_tensor, hooked
from .transformers_folder import check_model, check_tokenizer, checked_folder

if TYPE_CHECKING:
    from torch import nn

HIDDEN, MLP, ATTENTION = "hidden", "mlp", "attention"
ATTENTIONS = ("attention", "attn", "self_attn", "self_attention", "selfattention")


@dataclass
class Encoded:
    """Texts as one model's tokens."""

    inputs: dict[str, Any]
    rows: Any
    """(texts, tokens), which tokens are rows."""
    which: str
    """Those, in words."""


class Transformer:
    """A model with hooks on what is asked for, which record while it runs, and only then."""

    def __init__(self, name: str, model: Any, tokenizer: Any, patterns: Sequence[str] | None, hooks: list[Any]) -> None:
        """Put hooks on the modules, and into the list of those that are to be removed."""
        self.name, self.model, self._tokenizer = name, model, tokenizer
        places = {**_places(name, model), **{path: module for path, module in model.named_modules() if path}}
        hidden = [f"{HIDDEN}.{i}" for i in range(1 + _blocks(name, model))]
        known = [*hidden, *places]
        self.layers = chosen(patterns or [f"{HIDDEN}.*"], known, f"network {name!r}")
        self.hidden = [layer for layer in hidden if layer in self.layers]
        self.outputs: Outputs | None = None
        self.mask: Any = None
        self.which = ""
        hooked = {layer: places[layer] for layer in self.layers if layer in places}
        base = model.base_model
        inside = set(base.modules())
        # Heads, as that over a vocabulary, cost much: they run only where something in them is asked for.
        self.called = base if all(module in inside for module in hooked.values()) else model
        for layer, module in hooked.items():
            if layer.startswith(f"{MLP}."):
                taken = self._taken(layer)
                hooks.append(module.register_forward_pre_hook(taken))
            else:
                given = self._given(layer)
                hooks.append(module.register_forward_hook(given))

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer: as given, or that of the folder that the model came from."""
        if self._tokenizer is None:
            raise SpanmatchError(
                f"network {self.name!r}: texts need its tokenizer; give (model, tokenizer), or batches of tokens"
            )
        if isinstance(self._tokenizer, Path):
            from transformers import AutoTokenizer

            folder = self._tokenizer
            with _loading(folder, "a tokenizer of transformers"):
                check_tokenizer(folder)
                return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return self._tokenizer

    @property
    def tells_characters(self) -> bool:
        """Whether the tokenizer says which characters its tokens are of; some classes of transformers do not ask."""
        return bool(getattr(self.tokenizer, "is_fast", False))

    @cached_property
    def rules(self) -> str:
        """What tells the tokenizer from others: how it cuts a text, but not to what length."""
        if not self.tells_characters:
            if not hasattr(self.tokenizer, "get_vocab"):
                raise SpanmatchError(f"network {self.name!r}: a {type(self.tokenizer).__name__} is no tokenizer")
            return f"{type(self.tokenizer).__name__} {sorted(self.tokenizer.get_vocab().items())}"
        rules = json.loads(self.tokenizer.backend_tokenizer.to_str())
        return json.dumps({**rules, "truncation": None, "padding": None}, sort_keys=True)

    @property
    def length(self) -> int:
        """How many tokens the model takes at most."""
        positions = getattr(self.model.config, "max_position_embeddings", None) or sys.maxsize
        return int(min(getattr(self.tokenizer, "model_max_length", sys.maxsize), positions))

    def run(self, batch: Any, outputs: Outputs) -> None:
        """Call the model with tokens, texts' tokens or pixels, and record its layers."""
        import torch

        rows, self.which = None, ""
        if isinstance(batch, Encoded):
            batch, rows, self.which = batch.inputs, batch.rows, batch.which
        args, kwargs, self.mask = arguments(self.name, self.called, batch)
        self.mask = self.mask if rows is None else rows
        self.outputs = outputs
        try:
            with torch.inference_mode():
                given = self.called(*args, **kwargs, output_hidden_states=bool(self.hidden), return_dict=True)
            for layer in self.hidden:
                self._record(layer, given.hidden_states[int(layer.rpartition(".")[2])], first=False)
            outputs.arrange([f"{self.name}:{layer}" for layer in self.layers])
        finally:
            self.outputs = None

    def made_from(self) -> str:
        """Return a digest of the weights."""
        return digest_of_weights(self.model)

    def _record(self, layer: str, tensor: Any, *, first: bool) -> None:
        if self.outputs is not None:
            mask = None if first else self.mask
            self.outputs.record(f"{self.name}:{layer}", tensor, channels_first=first, mask=mask, which=self.which)

    def _taken(self, layer: str) -> Any:
        return lambda module, inputs: self._record(layer, first_tensor(layer, inputs), first=False)

    def _given(self, layer: str) -> Any:
        def record(module: nn.Module, _: Any, output: Any) -> None:
            tensor = first_tensor(layer, output)
            self._record(layer, tensor, first=channels_first(module, tensor))

        return record


def is_model(network: Any) -> bool:
    """Tell a model of transformers, without importing it."""
    transformers = sys.modules.get("transformers")
    return transformers is not None and isinstance(network, transformers.PreTrainedModel)


def is_folder(path: Path) -> bool:
    """Tell a folder with a model of transformers."""
    return (path / "config.json").is_file()


@contextlib.contextmanager
def from_model(name: str, network: Any, patterns: Sequence[str] | None) -> Iterator[Transformer]:
    """Give a model, or a model and its tokenizer, with hooks; take them off at the end, however it ends."""
    model, tokenizer = network if isinstance(network, tuple) and len(network) == 2 else (network, None)
    if not is_model(model):
        raise SpanmatchError(f"network {name!r}: a {type(model).__name__}; give (model of transformers, tokenizer)")
    if model.config.is_encoder_decoder:
        raise SpanmatchError(
            f"network {name!r}: {type(model).__name__} has an encoder and a decoder; give one of them, as "
            "model.get_encoder()"
        )
    with hooked(model) as hooks:
        yield Transformer(name, model, tokenizer, patterns, hooks)


@contextlib.contextmanager
def from_folder(name: str, folder: Path, patterns: Sequence[str] | None) -> Iterator[Transformer]:
    """Give the model in a folder, with hooks.

    Its weights are safetensors, and no code in the folder is run.
    Raises SpanmatchError if it cannot be read whole: weights that are missing would be random.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise missing_extra("transformers", "transformers", str(folder)) from error
    if not is_folder(folder):
        raise BadArgument(f"{folder}: no network; there is no config.json in it, and it is no file of one")
    with _loading(folder, "a model of transformers"):
        stored = checked_folder(folder)
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        network = _class_of(config)
        with torch.device("meta"):
            check_model(stored, network(config))
        model, found = network.from_pretrained(
            folder, config=config, local_files_only=True, use_safetensors=True, dtype="auto", output_loading_info=True
        )
        missing = sorted(found["missing_keys"])
        if missing:
            raise SpanmatchError(f"{folder}: {len(missing)} weights are missing, as {missing[0]}; they would be random")

    if torch.cuda.is_available():
        model.to("cuda")
    with from_model(name, (model, folder), patterns) as runner:
        yield runner


def _class_of(config: Any) -> Any:
    """Return the class of model that a configuration names; without a name, the one of its kind without a head."""
    import transformers

    named = getattr(transformers, (config.architectures or [""])[0], None)
    if isinstance(named, type) and issubclass(named, transformers.PreTrainedModel):
        return named
    return transformers.AutoModel._model_mapping[type(config)]


@contextlib.contextmanager
def _loading(folder: Path, what: str) -> Iterator[None]:
    """Turn whatever loading raises into one message, and keep its progress bars and reports to itself."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except SpanmatchError:
        raise
    except Exception as error:  # whatever a damaged folder makes the library raise
        raise SpanmatchError(f"{folder}: not {what} that can be read whole ({error})") from error
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _places(name: str, model: Any) -> dict[str, nn.Module]:
    """Return the modules whose input is an MLP's neurons, and whose output an attention's, by name."""
    from torch import nn

    count = _blocks(name, model)
    lists = [m for m in model.base_model.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    if not lists:
        raise SpanmatchError(f"network {name!r}: no list of {count} blocks is found in {type(model).__name__}")
    found: dict[str, nn.Module] = {}
    for i, block in enumerate(lists[0]):
        linear = {path: m for path, m in block.named_modules() if _is_linear(m) and "cross" not in path.lower()}
        inside = {path: m for path, m in linear.items() if path.split(".")[0].lower() in ATTENTIONS}
        outside = [m for path, m in linear.items() if path not in inside]
        if inside:
            found[f"{ATTENTION}.{i}"] = list(inside.values())[-1]
        if outside:
            found[f"{MLP}.{i}"] = outside[-1]
    return {layer: found[layer] for kind in (MLP, ATTENTION) for layer in found if layer.startswith(f"{kind}.")}


def _blocks(name: str, model: Any) -> int:
    """Return how many blocks a model has."""
    count = getattr(model.config, "num_hidden_layers", None)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        setting = getattr(model.config, "attribute_map", {}).get("num_hidden_layers", "num_hidden_layers")
        raise SpanmatchError(
            f"network {name!r}: {type(model).__name__} has {count!r} blocks ({setting} of its configuration); give a "
            "model with one or more, or as a plain module"
        )
    return count


def _is_linear(module: nn.Module) -> bool:
    from torch import nn

    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"  # GPT-2's name for a linear map
