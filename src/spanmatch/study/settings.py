"""The settings of a study: a TOML file, checked on reading, every mistake named with its line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from .._files import Path_
from ..activations.from_names import is_code
from ..errors import BadArgument, among

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Eps = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[\w.+-]+$")]
DATA = ("digits", "cifar10", "cifar100", "folder", "text")
MAIN = "main"
"""The name of the only variant, where a study names none."""


class _Section(BaseModel):
    """A part of the settings: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _known_data(name: str) -> str:
    if name not in DATA and not is_code(name):
        raise ValueError(f"no data set of this name{among(name, DATA)}; or give file.py:function")
    return name


class DataSettings(_Section):
    """What is learned from."""

    name: Annotated[str, AfterValidator(_known_data)] = "digits"
    """One of ours, or file.py:function."""
    options: dict[str, Any] = {}
    """Arguments of that function."""
    path: str | None = None
    """An archive or a folder; for text a file, or a folder of them."""
    md5: str | None = None
    """Of an archive that is not the published one."""
    size: Positive | None = None
    """Pixels along each side that images are resized to."""
    held_out: Share = 0.2
    """Share of the examples kept for tests, where the data set does not say."""
    context: Positive = 64
    """Characters in an example of text."""
    max_examples: Positive | None = None
    """So many training examples at most, the first after a shuffle; and a quarter as many for tests."""
    labels: Literal["true", "random"] = "true"
    """Random labels are drawn once for each training example, the same for every seed."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.options and not is_code(self.name):
            raise ValueError(f"options: {self.name} takes none; they are arguments of a file.py:function")
        return self


class NetworkSettings(_Section):
    """What learns."""

    name: str = "vgg11"
    """One of ours (see docs/studies.md), or file.py:function."""
    options: dict[str, Any] = {}
    """Arguments of that function."""


class TrainingSettings(_Section):
    """How it learns."""

    epochs: Count = 20
    batch: Positive = 64
    optimiser: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    milestones: tuple[Share, ...] = (0.5, 0.75)
    """Of a step schedule, as shares of all epochs."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """What a step multiplies the learning rate by."""
    warmup: Annotated[float, Field(ge=0)] = 0.0
    """Epochs over which the learning rate rises from 0."""
    clip: Annotated[float, Field(gt=0)] | None = None
    """The largest norm of a gradient."""
    augment: tuple[Literal["flip", "crop"], ...] = ()
    start: str | None = None
    """A variant whose trained networks, of the same seed, are the start."""
    device: Annotated[str, Field(pattern=r"^(cpu|mps|cuda(:\d+)?)$")] = "cpu"
    threads: Positive = 1
    """Of each run. Sums in floating point depend on it, so it is fixed, not found out."""


class CompareSettings(_Section):
    """What is compared, and by what."""

    layers: tuple[str, ...] | None = None
    """Names or shell patterns; by default those that the network's maker names, else all."""
    split: Literal["test", "train", "all"] = "all"
    max_examples: Positive | None = None
    """So many examples at most, the first after a shuffle."""
    batch: Positive = 256
    eps: Annotated[tuple[Eps, ...], Field(min_length=1)] = (0.15, 0.2, 0.25, 0.3, 0.5)
    centred: bool = False
    positions: Positive | None = None
    """Sample so many positions of each example of a convolution."""
    pool: Literal["mean"] | Positive | None = None
    folds: Positive = 8
    simple_eps: tuple[Eps, ...] = ()
    simple_layers: tuple[str, ...] | None = None
    sparse: tuple[str, ...] = ()
    bins: Annotated[int, Field(ge=2)] | None = None
    clusters: bool = True
    evidence: bool | None = None
    top: Count = 9
    """For every neuron, so many inputs that excite it most; 0 for none."""
    measures: tuple[str, ...] = ("debiased cka", "procrustes")
    """Those followed over epochs and put beside the matches in tables; see `sm.measures()`."""
    epochs: tuple[Count, ...] = ()
    """Follow training: at each of these epochs, compare every network with itself at the end, and seeds with seeds."""
    matrix: bool = False
    """Put all layers against all, within networks and between."""
    across: tuple[tuple[str, str], ...] = ()
    """Pairs of variants to be compared layer by layer, at every seed."""
    alignment: bool = False
    """How far the first layer's weights share eigenvectors with the data (Maennel et al., 2020)."""
    transplants: Eps | None = None
    """Transplant the match at this eps from the second seed into the first, at every layer."""


class Variant(_Section):
    """One kind of network of the study, complete: the study's settings with the variant's own on top."""

    name: Name = MAIN
    data: DataSettings = DataSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()


class Settings(_Section):
    """A study: what is trained, from which seeds, what is compared, and where the results go."""

    name: Name
    about: str = ""
    seeds: Annotated[tuple[Count, ...], Field(min_length=2)] = (0, 1, 2, 3, 4)
    output: str | None = None
    """Folder of the results; by default one of the study's name."""
    compare: CompareSettings = CompareSettings()
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [variant.name for variant in self.variants]
        if len(set(names)) < len(names):
            raise ValueError(f"variants: {', '.join(names)}: give each a name of its own")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: {', '.join(map(str, self.seeds))}: give each once")
        for pair in self.compare.across:
            for name in pair:
                if name not in names:
                    raise ValueError(f"compare.across: no variant {name!r}; there is {', '.join(names)}")
        for i, variant in enumerate(self.variants):
            start = variant.training.start
            if start is not None and start not in names[:i]:
                raise ValueError(f"training.start: no variant {start!r} stands before {variant.name!r}")
            late = [epoch for epoch in self.compare.epochs if epoch > variant.training.epochs]
            if late:
                raise ValueError(f"compare.epochs: {late[0]} is after the last of {variant.training.epochs}")
        return self

    def variant(self, name: str) -> Variant:
        """Return the variant of a name."""
        return next(variant for variant in self.variants if variant.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings, defaults included, as plain Python values."""
        values: dict[str, Any] = self.model_dump(mode="json")
        return values


def read_settings(path: Path_) -> Settings:
    """Return the settings in a TOML file.

    Raises BadArgument if the file is missing, is not TOML, or has an unknown key, a wrong type or a value that is not
    possible, each named with its line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        given = tomllib.loads(text)
    except OSError as error:
        raise BadArgument(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadArgument(f"{path}: not TOML: {error}") from error
    try:
        return Settings.model_validate_json(json.dumps(_completed(given), default=str))
    except ValidationError as error:
        # What stands in a section of the study is wrong in every variant; and a list of wrong ones counts as short.
        mistakes = [found for found in error.errors() if found["type"] != "too_short" or found["loc"] != ("variants",)]
        listed = dict.fromkeys(_described(found, text) for found in mistakes)
        raise BadArgument("\n".join([f"{path}:", *listed])) from error


def _completed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with every variant complete: the study's sections below its own."""
    sections = {name: given[name] for name in ("data", "network", "training") if name in given}
    rest = {name: value for name, value in given.items() if name not in sections}
    own = given.get("variants", [{}])
    if isinstance(own, list) and all(isinstance(variant, dict) for variant in own):
        rest["variants"] = [_over(sections, variant) for variant in own]
    return rest


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {k: _over(below[k], v) for k, v in above.items() if isinstance(below.get(k), dict) and isinstance(v, dict)}
    return {**below, **above, **both}


def _described(found: Any, text: str) -> str:
    """Return one mistake in words, with its line."""
    keys = [key for key in found["loc"] if isinstance(key, str)]
    number = next((key for key in found["loc"] if isinstance(key, int)), None) if keys[:1] == ["variants"] else None
    line = _line_of(text, keys, number)
    if found["type"] == "extra_forbidden":
        known = _known(keys[:-1])
        close = get_close_matches(keys[-1], known, n=1) or known
        said = f"unknown key; there is {', '.join(close)}"
    else:
        said = f"{found['msg'].removeprefix('Value error, ')}"
        said += f"; given: {found['input']!r}" if not isinstance(found["input"], dict) and keys else ""
    where = ".".join(keys[1:] if number is not None else keys)
    return f"  line {line}: {where}: {said}" if line else f"  {where}: {said}".replace("  : ", "  ")


def _known(keys: Sequence[str]) -> list[str]:
    """Return the keys of a section."""
    model: Any = Variant if keys[:1] == ["variants"] else Settings
    for key in keys[1:] if keys[:1] == ["variants"] else keys:
        model = model.model_fields[key].annotation
    own = list(model.model_fields)
    return [*own, "data", "network", "training"] if model is Settings else own


def _line_of(text: str, keys: Sequence[str], number: int | None) -> int | None:
    """Return the line that sets a key: in the variant of a number, if it does, or in the study's own sections.

    tomllib does not say where a value stood; headers and keys at the start of a line do.
    """
    inner = list(keys[1:]) if keys[:1] == ["variants"] else list(keys)
    found: dict[bool, int] = {}
    table, variants = [], -1
    for i, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([\w.\"'-]+)\s*\]+", line)
        if header:
            table = [part.strip("\"'") for part in header[1].split(".")]
            variants += line.strip().startswith("[[") and table == ["variants"]
            here = table
        else:
            key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
            if not key:
                continue
            here = [*table, *(part.strip("\"'") for part in key[1].split("."))]
        own = here[:1] == ["variants"]
        path = here[1:] if own else here
        if path and path == inner[: len(path)] and (not own or variants == number):
            found[own] = i
    return found.get(True, found.get(False))
