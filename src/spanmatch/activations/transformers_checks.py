"""What a folder of transformers says, checked before anything of it is loaded.

The folder may be anyone's. Nothing in it is run, no file outside it is read, and what its
configuration asks for is bounded by the weights that are there: a file of a few bytes cannot ask
for a model that takes hours or fills memory.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from .._values import Json
from ..errors import SpanmatchError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG, TOKENIZER = "config.json", "tokenizer_config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
BLOCK_COUNTS = re.compile(r"(^|_)(n_|num_)?layers?$")
"""Settings that count blocks, as num_hidden_layers or n_layer: each has tensors of its own."""
PART_COUNTS = re.compile(r"(^|_)((num|n)_.*(experts|blocks|groups|stages|labels|heads?)|depths?|blocks|experts)$")
"""Settings that count other parts: each is a tensor or a slice of one."""
PARAMETERS_PER_NUMBER = 8
"""How many parameters one stored number may stand for: several in weights that are quantised, and
of a model that lacks some weights the message is to say which."""
COMPUTED_BYTES = 1 << 30
"""Buffers that are computed and not stored may take so much, or as much as the weights."""


@dataclass(frozen=True)
class FolderWeights:
    """The weights in a folder, as the headers of its files say."""

    folder: Path
    shapes: Mapping[str, tuple[int, ...]]
    """The shape of each tensor."""

    @property
    def count(self) -> int:
        """How many numbers the tensors hold together."""
        return sum(map(math.prod, self.shapes.values()))

    @property
    def largest_dimension(self) -> int:
        """The largest dimension of any tensor."""
        return max((size for shape in self.shapes.values() for size in shape), default=0)


def checked_folder(folder: Path) -> FolderWeights:
    """Return what the weights in a folder are, having checked its configuration and its files.

    Raises SpanmatchError if a file leads out of the folder, if the model is code of its own, if
    there are no weights in safetensors, or if the configuration counts more parts than the weights
    can be of.
    """
    for file in folder.iterdir():
        if file.is_symlink() and not _inside(folder, file):
            raise SpanmatchError(f"{folder}: {file.name!r} is a link out of the folder, to {file.resolve()}")
    config = _settings(folder / CONFIG)
    check_code(folder / CONFIG, config, "model")
    if "transformers_weights" in config:
        raise SpanmatchError(
            f"{folder / CONFIG}: transformers_weights names a file of its own; weights are read from {WEIGHTS} or the "
            f"files of {INDEX}"
        )
    weights = FolderWeights(folder, _shapes(folder))
    _check_counts(weights, config)
    return weights


def check_tokenizer(folder: Path) -> None:
    """Raise SpanmatchError if the folder's tokenizer is code of its own."""
    if (folder / TOKENIZER).is_file():
        check_code(folder / TOKENIZER, _settings(folder / TOKENIZER), "tokenizer")


def check_code(file: Path, settings: Mapping[str, Json], what: str) -> None:
    """Raise SpanmatchError if settings name code in the folder, which would have to be run."""
    if "auto_map" in settings:
        raise SpanmatchError(
            f"{file.parent}: its {what} is code of its own ({settings['auto_map']}, in {file.name}), which is not run; "
            f"load it yourself and give the {what}"
        )


def check_model(weights: FolderWeights, model: PreTrainedModel) -> None:
    """Check a model on PyTorch's device meta, without memory, against the weights for it.

    Raises SpanmatchError if its parameters are many more than the weights, or buffers that are
    computed are huge.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters > PARAMETERS_PER_NUMBER * weights.count:
        name, value = max(_numbers(model.config.to_dict()), key=lambda setting: setting[1])
        raise SpanmatchError(
            f"{weights.folder / CONFIG}: asks for {parameters:,} parameters, but the weights hold {weights.count:,} "
            f"numbers; the largest setting is {name}, {value:,}"
        )
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in model.buffers())
    if buffers > max(COMPUTED_BYTES, 4 * weights.count):
        raise SpanmatchError(
            f"{weights.folder / CONFIG}: asks for {buffers:,} bytes that are computed and not stored, as for "
            "max_position_embeddings; this is more than all its weights"
        )


def _check_counts(weights: FolderWeights, config: Mapping[str, Json]) -> None:
    """Raise SpanmatchError if a configuration counts more parts than there are tensors for."""
    tensors = len(weights.shapes)
    for name, value in _numbers(config):
        is_blocks, is_parts = BLOCK_COUNTS.search(name), PART_COUNTS.search(name)
        if (is_blocks and value > tensors) or (is_parts and value > max(tensors, weights.largest_dimension)):
            raise SpanmatchError(
                f"{weights.folder / CONFIG}: {name} is {value:,}, but the weights are {tensors:,} tensors with "
                f"dimensions up to {weights.largest_dimension:,}"
            )


def _numbers(settings: Json, name: str = "") -> Iterator[tuple[str, int | float]]:
    """Yield every number in settings, at any depth, by the name of its setting."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            yield from _numbers(value, str(key))
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _numbers(value, name)
    elif isinstance(settings, int | float) and not isinstance(settings, bool):
        yield name, settings


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors, from headers of the files that would be read."""
    names = [WEIGHTS] if (folder / WEIGHTS).is_file() else _indexed_files(folder)
    shapes: dict[str, tuple[int, ...]] = {}
    for name in names:
        try:
            with safe_open(folder / name, framework="numpy") as file:
                shapes |= {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise SpanmatchError(f"{folder / name}: cut short, or not a safetensors file ({error})") from error
    return shapes


def _indexed_files(folder: Path) -> list[str]:
    """Return the files that an index names, each in the folder itself."""
    path = folder / INDEX
    if not path.is_file():
        raise SpanmatchError(f"{folder}: not a model of transformers that can be read: there is no {WEIGHTS} in it")
    file_of_tensor = _settings(path).get("weight_map")
    if not isinstance(file_of_tensor, dict) or not file_of_tensor:
        raise SpanmatchError(f"{path}: weight_map: missing, or names no files")
    for tensor, name in file_of_tensor.items():
        if not isinstance(name, str) or Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise SpanmatchError(
                f"{path}: weight_map[{tensor!r}]: {name!r} should be the name of a .safetensors file in the folder"
            )
    return sorted(set(file_of_tensor.values()))


def _inside(folder: Path, file: Path) -> bool:
    """Tell whether a link stays in its folder, or leads into the blobs of the Hub's cache."""
    target, folder = file.resolve(), folder.resolve()
    if folder in target.parents:
        return True
    return folder.parent.name == "snapshots" and target.parent == folder.parent.parent / "blobs"


def _settings(path: Path) -> dict[str, Json]:
    """Return what a file of settings holds: an object."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpanmatchError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SpanmatchError(f"{path}: cut short, or not JSON ({error})") from error
    if not isinstance(settings, dict):
        raise SpanmatchError(f"{path}: holds no settings")
    return settings
