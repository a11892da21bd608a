"""Models of transformers: the same names of layers in all of them.

    hidden.0      the embeddings
    hidden.i      what block i gives, i = 1 ... L, as `output_hidden_states` has them
    mlp.i         the neurons of block i's MLP after the activation, i = 0 ... L - 1: what its last
                  projection takes
    attention.i   what block i's attention adds to the residual stream, i = 0 ... L - 1: what its
                  output projection gives

Where these are is read off the model's structure, not its name: the blocks are the module list as
long as the configuration says; in a block, the output projection is the last linear map inside its
attention, the MLP's the last one outside. Every module can be named by its path, too.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from ..errors import BadArgument, SpanmatchError, missing_extra
from .inputs import arguments, failures_named
from .layer_choice import LayerChoice, parts_of
from .layouts import MASKED_TOKENS
from .outputs import Batch, BatchActivations
from .patterns import matching
from .torch import CallRecorder, TorchRunner, digest_of_weights, first_tensor, hooked
from .torch_calls import Calls
from .transformers_checks import check_model, check_tokenizer, checked_folder
from .wrappers import eager, inside_wrappers

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from .layouts import Array
    from .torch_calls import Hook

HIDDEN, MLP, ATTENTION = "hidden", "mlp", "attention"
ATTENTION_NAMES = ("attention", "attn", "self_attn", "self_attention", "selfattention")


@dataclass(frozen=True)
class TokenizedTexts:
    """A batch of texts as one model's tokens."""

    inputs: dict[str, torch.Tensor]
    """What the model is called with."""
    row_mask: torch.Tensor
    """(texts, tokens), which tokens are rows."""
    row_tokens: str
    """Those, in words."""


class TransformersRunner:
    """A model with hooks on what is asked for, which record while it runs, and only then."""

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | Path | None,
        patterns: Sequence[str] | None,
        hooks: list[Hook],
        input_name: str | None,
    ) -> None:
        """Put hooks on the modules, and into the list of those that are to be removed."""
        self.name, self.model, self._tokenizer, self.input_name = name, model, tokenizer, input_name
        self.activations: BatchActivations | None = None
        self.mask: Array | None = None
        self.row_tokens = MASKED_TOKENS
        self._calls = Calls(model, hooks)
        patterns = patterns or [f"{HIDDEN}.*"]
        places = _named_places(name, model)
        hidden_layers = [f"{HIDDEN}.{i}" for i in range(1 + _block_count(name, model))]
        choice = LayerChoice(name, parts_of(self._calls.modules), patterns, others=[*hidden_layers, *places])
        self._recorder = CallRecorder(name, choice)
        self._named = matching(patterns, choice.others)
        self.hidden_layers = [layer for layer in self._named if layer in hidden_layers]
        for layer in set(self._named) & set(places):
            if layer.startswith(f"{MLP}."):
                hooks.append(places[layer].register_forward_pre_hook(self._input_hook(layer)))
            else:
                hooks.append(places[layer].register_forward_hook(self._output_hook(layer)))
        in_base = set(model.base_model.modules())
        # Heads, as that over a vocabulary, cost much: they run only where something in them is asked for.
        asked_for = matching(patterns, self._calls.modules)
        needs_head = any(self._calls.modules[path] not in in_base for path in asked_for)
        self.called = model if needs_head else model.base_model

    @property
    def layers(self) -> list[str]:
        """The names of the layers; those of modules and functions are known once the model has run."""
        return [*self._named, *self._recorder.choice.layers]

    @property
    def kinds(self) -> Mapping[str, str]:
        """What each layer is the result of."""
        return {layer: layer.partition(".")[0] for layer in self._named} | dict(self._recorder.choice.kinds)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
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
    def has_offsets(self) -> bool:
        """Whether the tokenizer tells which characters its tokens are of."""
        return bool(getattr(self.tokenizer, "is_fast", False))

    @cached_property
    def tokenizer_rules(self) -> str:
        """What tells the tokenizer from others: how it splits texts, not where it truncates."""
        if not self.has_offsets:
            if not hasattr(self.tokenizer, "get_vocab"):
                raise SpanmatchError(
                    f"network {self.name!r}: a {type(self.tokenizer).__name__} is no tokenizer of transformers"
                )
            return f"{type(self.tokenizer).__name__} {sorted(self.tokenizer.get_vocab().items())}"
        rules = json.loads(self.tokenizer.backend_tokenizer.to_str())
        return json.dumps({**rules, "truncation": None, "padding": None}, sort_keys=True)

    @property
    def max_tokens(self) -> int:
        """How many tokens the model takes at most."""
        positions = getattr(self.model.config, "max_position_embeddings", None) or sys.maxsize
        return int(min(getattr(self.tokenizer, "model_max_length", sys.maxsize), positions))

    def run(self, batch: Batch, activations: BatchActivations) -> None:
        """Call the model with tokens, texts' tokens or pixels, and record its layers."""
        import torch

        inputs, input_name = (batch.inputs, None) if isinstance(batch, TokenizedTexts) else (batch, self.input_name)
        args, kwargs, self.mask = arguments(self.name, self.called, inputs, input_name)
        self.row_tokens = MASKED_TOKENS
        if isinstance(batch, TokenizedTexts):
            self.mask, self.row_tokens = batch.row_mask, batch.row_tokens
        self.activations = activations
        try:
            with failures_named(self.name, inputs), eager(), torch.no_grad():
                kwargs.update(output_hidden_states=bool(self.hidden_layers), return_dict=True)
                count = len(activations.example_ids)
                with self._recorder.recording_to(activations, self.mask, self.row_tokens) as take:
                    result = self._calls.run(args, kwargs, count, take, called=self.called, **self._recorder.needs)
            for layer in self.hidden_layers:
                self._record(layer, result.hidden_states[int(layer.rpartition(".")[2])])
            activations.reorder([f"{self.name}:{layer}" for layer in self.layers])
        finally:
            self.activations = None

    def fingerprint(self) -> str:
        """Return a digest of the weights."""
        return digest_of_weights(self.model)

    def _record(self, layer: str, tensor: torch.Tensor) -> None:
        """Record a named place, whose rows are tokens, while the model runs."""
        if self.activations is not None:
            self.activations.record(
                f"{self.name}:{layer}", tensor, channels_first=False, mask=self.mask, masked_tokens=self.row_tokens
            )

    def _input_hook(self, layer: str) -> Callable[[nn.Module, object], None]:
        """Return a hook that records what a module takes."""
        return lambda _, inputs: self._record(layer, first_tensor(layer, inputs))

    def _output_hook(self, layer: str) -> Callable[[nn.Module, object, object], None]:
        """Return a hook that records what a module gives."""
        return lambda _, __, output: self._record(layer, first_tensor(layer, output))


def is_model(network: object) -> TypeGuard[PreTrainedModel]:
    """Tell a model of transformers, without importing it."""
    transformers = sys.modules.get("transformers")
    return transformers is not None and isinstance(network, transformers.PreTrainedModel)


def _is_row_of_blocks(model: PreTrainedModel) -> bool:
    """Tell models whose hidden states all have the same tokens from those with stages, and encoder-decoders."""
    has_stages = any(hasattr(model.config, name) for name in ("depths", "hidden_sizes", "num_encoder_blocks"))
    return hasattr(model.config, "num_hidden_layers") and not model.config.is_encoder_decoder and not has_stages


def is_folder(path: Path) -> bool:
    """Tell a folder with a model of transformers."""
    return (path / "config.json").is_file()


@contextlib.contextmanager
def model_runner(
    name: str, network: object, patterns: Sequence[str] | None, input_name: str | None = None
) -> Iterator[TransformersRunner | TorchRunner]:
    """Give a runner of a model, or (model, tokenizer); its hooks are taken off at the end.

    Models that are no row of blocks, as those with an encoder and a decoder, and convolutional
    ones, run as other PyTorch networks do.  Raises SpanmatchError if it is no model of transformers.
    """
    model, tokenizer = network if isinstance(network, tuple) and len(network) == 2 else (network, None)
    model = inside_wrappers(model)
    if not is_model(model):
        raise SpanmatchError(
            f"network {name!r}: a tuple that begins with a {type(model).__name__}; give (model of transformers, "
            "tokenizer)"
        )
    with hooked(model) as hooks:
        if not _is_row_of_blocks(model):
            yield TorchRunner(name, model, patterns, hooks, input_name)
        else:
            yield TransformersRunner(name, model, tokenizer, patterns, hooks, input_name)


@contextlib.contextmanager
def folder_runner(
    name: str, folder: Path, patterns: Sequence[str] | None, input_name: str | None = None
) -> Iterator[TransformersRunner | TorchRunner]:
    """Give a runner of the model in a folder, of which no code is run.

    Raises BadArgument if there is no model in it; SpanmatchError if it is damaged or incomplete:
    weights that are missing would be random.
    """
    with model_runner(name, (_load_model(folder), folder), patterns, input_name) as runner:
        yield runner


def _load_model(folder: Path) -> PreTrainedModel:
    """Return the model in a folder, checked before, on the GPU if there is one."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise missing_extra("transformers", "transformers", str(folder)) from error
    if not is_folder(folder):
        raise BadArgument(f"{folder}: no network; there is no config.json in it, and it is no file of one")
    with _loading(folder, "a model of transformers"):
        weights = checked_folder(folder)
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model_class = _class_of(config)
        with torch.device("meta"):
            check_model(weights, model_class(config))
        model, report = model_class.from_pretrained(
            folder, config=config, local_files_only=True, use_safetensors=True, dtype="auto", output_loading_info=True
        )
        missing = sorted(report["missing_keys"])
        if missing:
            raise SpanmatchError(
                f"{folder}: {len(missing)} weights are missing, as {missing[0]}; they would be random; save the "
                "model with all of its weights"
            )
    return model.to("cuda") if torch.cuda.is_available() else model


def _class_of(config: PretrainedConfig) -> type[PreTrainedModel]:
    """Return the class of model that a configuration names, or that of its kind without a head."""
    import transformers

    class_name = config.architectures[0] if config.architectures else ""
    model_class = getattr(transformers, class_name, None)
    if isinstance(model_class, type) and issubclass(model_class, transformers.PreTrainedModel):
        return model_class
    headless: type[PreTrainedModel] = transformers.AutoModel._model_mapping[type(config)]
    return headless


@contextlib.contextmanager
def _loading(folder: Path, what: str) -> Iterator[None]:
    """Turn whatever loading raises into one message, and silence its progress bars."""
    from transformers.utils import logging

    shows_progress, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except SpanmatchError:
        raise
    except Exception as error:  # whatever a damaged folder makes the library raise
        raise SpanmatchError(f"{folder}: not {what} that can be loaded ({error})") from error
    finally:
        logging.set_verbosity(verbosity)
        if shows_progress:
            logging.enable_progress_bar()


def _named_places(name: str, model: PreTrainedModel) -> dict[str, nn.Module]:
    """Return the modules that take the neurons of MLPs, "mlp.i", and end attention, "attention.i".

    Raises SpanmatchError if the model has no list of its blocks.
    """
    from torch import nn

    count = _block_count(name, model)
    lists = [module for module in model.base_model.modules() if isinstance(module, nn.ModuleList)]
    blocks = next((modules for modules in lists if len(modules) == count and _are_blocks(modules)), ())
    mlps: dict[str, nn.Module] = {}
    attentions: dict[str, nn.Module] = {}
    for i, block in enumerate(blocks):
        in_attention, elsewhere = _linear_maps(block)
        if elsewhere:
            mlps[f"{MLP}.{i}"] = elsewhere[-1]
        if in_attention:
            attentions[f"{ATTENTION}.{i}"] = in_attention[-1]
    return mlps | attentions


def _are_blocks(modules: nn.ModuleList) -> bool:
    """Tell a list of blocks: there is attention in each."""
    return all(_linear_maps(block)[0] for block in modules)


def _linear_maps(block: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return the linear maps in a block's attention and elsewhere, but for cross-attention."""
    in_attention: list[nn.Module] = []
    elsewhere: list[nn.Module] = []
    for path, module in block.named_modules():
        if _is_linear(module) and "cross" not in path.lower():
            is_inside = path.split(".")[0].lower() in ATTENTION_NAMES
            linear_maps = in_attention if is_inside else elsewhere
            linear_maps.append(module)
    return in_attention, elsewhere


def _block_count(name: str, model: PreTrainedModel) -> int:
    """Return how many blocks a model has, as its configuration says."""
    count = getattr(model.config, "num_hidden_layers", None)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        setting = getattr(model.config, "attribute_map", {}).get("num_hidden_layers", "num_hidden_layers")
        raise SpanmatchError(
            f"network {name!r}: {type(model).__name__} has {count!r} blocks ({setting} of its configuration); give a "
            "model with one or more, or wrap it in a torch.nn.Module"
        )
    return count


def _is_linear(module: nn.Module) -> bool:
    """Tell linear maps, of PyTorch and of transformers."""
    from torch import nn

    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"  # GPT-2's name for a linear map
