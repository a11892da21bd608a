"""The settings of a study: a TOML file, checked on reading, every mistake named with its line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .._files import Path_
from ..activations.code_names import is_code, parsed
from ..activations.weight_files import WEIGHTS
from ..errors import BadArgument, among

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Eps = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
NAME = r"^[\w.+-]+$"
Name = Annotated[str, Field(pattern=NAME)]
Keys = tuple[int | str, ...]
"""Where a setting stands: ("compare", "eps"), or ("variants", 1, "training", "lr")."""
DATA = ("digits", "cifar10", "cifar100", "folder", "text")
Precision = Literal["float32", "bf16"]
SHARED = ("data", "network", "training")
"""Sections that may stand in the study, for all variants, and in each variant."""
OF_TRAINING = ("seeds", "network", "training", "variants")
"""What says how networks are trained: a study of networks that are trained already has none of it."""
UNCHANGED = "unchanged"
"""The name of the settings themselves, among alternatives to them."""
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
    """The data set."""

    name: Annotated[str, AfterValidator(_known_data)] = "digits"
    """One of `DATA`, or file.py:function."""
    options: dict[str, object] = {}
    """Arguments of that function."""
    path: str | None = None
    """A folder of images, or an archive; for text a file, or a folder of files."""
    md5: str | None = None
    """The checksum of an archive that is not the published one."""
    size: Positive | None = None
    """Pixels along each side that images are resized to."""
    standardise: bool = True
    """Whether images have mean 0 and variance 1 in every channel; otherwise their pixels are from 0 to 1."""
    held_out: Share = 0.2
    """The share of the examples kept for tests, if the data set has none for tests."""
    context: Positive = 64
    """Characters in an example of text."""
    max_examples: Positive | None = None
    """The most training examples, the first after a shuffle; and a quarter as many for tests."""
    random_labels: Probability = 0.0
    """The share of the training examples whose label is drawn at random, once, the same for every seed."""
    shortcut: Probability | None = None
    """The share of the training images in which a pixel says the true class; by default there is no such pixel."""

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, object], info: ValidationInfo) -> dict[str, object]:
        name = info.data.get("name", "")  # missing if it is wrong itself
        if options and name and not is_code(name):
            raise ValueError(f"{name} takes none; they are arguments of a file.py:function")
        return options

    @field_validator("standardise")
    @classmethod
    def _check_standardise(cls, standardise: bool, info: ValidationInfo) -> bool:
        if not standardise and info.data.get("name") == "text":
            raise ValueError("text has no pixels; leave it out")
        return standardise

    @field_validator("shortcut")
    @classmethod
    def _check_shortcut(cls, shortcut: float | None, info: ValidationInfo) -> float | None:
        if shortcut is not None and info.data.get("name") == "text":
            raise ValueError("text has no pixels; leave it out")
        return shortcut


class NetworkSettings(_Section):
    """The architecture."""

    name: str = "vgg11"
    """The name of an architecture (see docs/studies.md), or file.py:function."""
    options: dict[str, object] = {}
    """Arguments of that function."""


class TrainingSettings(_Section):
    """The optimiser, its learning rate, and how long it trains."""

    epochs: Count = 20
    batch: Positive = 64
    optimiser: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    milestones: tuple[Share, ...] = (0.5, 0.75)
    """When a step schedule multiplies the learning rate, as shares of all epochs."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """What a step multiplies the learning rate by."""
    warmup: Annotated[float, Field(ge=0)] = 0.0
    """The epochs over which the learning rate rises from 0."""
    clip: Annotated[float, Field(gt=0)] | None = None
    """The largest norm of a gradient."""
    augment: tuple[Literal["flip", "crop"], ...] = ()
    noise: Annotated[float, Field(ge=0)] = 0.0
    """The standard deviation of Gaussian noise on the images of each training batch, which have variance 1."""
    start: str | None = None
    """A variant whose trained networks, of the same seed, training starts from."""
    start_layers: tuple[str, ...] = ()
    """Names or shell patterns of the layers that start from there, others from random weights; by default all."""
    device: Annotated[str, Field(pattern=r"^(cpu|mps|cuda(:\d+)?)$")] = "cpu"
    precision: Precision = "float32"
    """What networks compute in; with bf16 (bfloat16), weights and their updates stay float32."""
    threads: Positive = 1
    """Threads of each run. Sums in floating point depend on their number, so it is fixed, not found out."""


class Alternative(_Section):
    """Another way to make the rows of a layer, for all else the same."""

    name: Annotated[str, Field(min_length=1)]
    """How tables name it."""
    split: Literal["test", "train", "all"] | None = None
    max_examples: Positive | Literal["all"] | None = None
    centred: bool | None = None
    positions: Positive | Literal["all"] | None = None
    pool: Literal["mean"] | Positive | None = None
    units: Literal["channel", "location"] | None = None
    """What is not given stays as it is."""

    @model_validator(mode="after")
    def _check_changes(self) -> Self:
        if self.name == UNCHANGED:
            raise ValueError(f"{self.name!r} is the name of the settings themselves")
        if self.positions is not None and self.pool is not None:
            raise ValueError(f"{self.name}: give positions or pool, not both")
        if len(self.changes) == 0:
            raise ValueError(f"{self.name}: give what differs: {', '.join(list(type(self).model_fields)[1:])}")
        return self

    @property
    def changes(self) -> dict[str, object]:
        """What it changes in the settings of the comparison."""
        given = self.model_dump(exclude={"name"}, exclude_none=True)
        if "positions" in given or "pool" in given:  # each stands for a layout of its own
            given = {"positions": None, "pool": None} | given
        return {key: None if value == "all" and key != "split" else value for key, value in given.items()}


class CompareSettings(_Section):
    """What is compared, and by which measures."""

    layers: tuple[str, ...] | None = None
    """Names or shell patterns; by default those that the network's maker names, else all layers."""
    split: Literal["test", "train", "all"] = "all"
    """Which examples networks are compared over."""
    max_examples: Positive | None = None
    """The most examples, the first after a shuffle."""
    batch: Positive = 256
    eps: Annotated[tuple[Eps, ...], Field(min_length=1)] = (0.15, 0.2, 0.25, 0.3, 0.5)
    centred: bool = False
    positions: Positive | None = None
    """How many positions of each example of a convolution to sample; by default all."""
    pool: Literal["mean"] | Positive | None = None
    units: Literal["channel", "location"] = "channel"
    """What the neurons of a convolution are: channels, or channels at every position."""
    folds: Positive = 8
    sample: Count | None = None
    """How many examples to sample for measures and p-values that need rows, 0 for none; by default 1,000, or none if
    they take too much memory."""
    permutations: Count = 0
    """How many permutations of the sampled examples p-values and calibrated values are over; 0 for no such values. They
    take about half as long as all else that is computed of a pair of layers."""
    simple_eps: tuple[Eps, ...] = ()
    """Look for minimum and simple matches at these eps."""
    simple_layers: tuple[str, ...] | None = None
    """The layers in which to look for them; by default all."""
    sparse: tuple[str, ...] = ()
    bins: Annotated[int, Field(ge=2)] | None = None
    clusters: bool = True
    evidence: bool | None = None
    top: Count = 9
    """How many of the inputs that excite it most to keep for every neuron."""
    measures: tuple[str, ...] = ("debiased cka", "adjusted linear regression")
    """Measures that are tabulated beside the matches, and followed over epochs; see `sm.measures()`."""
    epochs: tuple[Count, ...] = ()
    """Follow training: at each of these epochs, compare every network with itself at the end, and seeds with seeds."""
    matrix: bool = False
    """Compare all layers with all, within networks and between."""
    across: tuple[tuple[str, str], ...] = ()
    """Pairs of variants to be compared layer by layer, at every seed."""
    alignment: bool = False
    """Measure how far the first layer's weights share eigenvectors with the data (Maennel et al., 2020)."""
    alternatives: tuple[Alternative, ...] = ()
    """Other ways to make the rows, each compared over all pairs of seeds."""
    transplants: tuple[Eps, ...] = ()
    """Transplant the match at each of these eps, at every layer, into each seed's network from the next seed's."""
    transplant_layers: tuple[str, ...] | None = None
    """Names or patterns of the layers to transplant; by default all that are compared."""
    transplant_examples: Positive | None = None
    """The most examples to fit a transplant on, and the most to test it on; by default `max_examples`."""

    @model_validator(mode="after")
    def _check_layouts(self) -> Self:
        for name, changed in (("", self), *((a.name, self.model_copy(update=a.changes)) for a in self.alternatives)):
            if changed.positions is not None and changed.pool is not None:
                raise ValueError(f"{name and name + ': '}give positions or pool, not both")
            if changed.units == "location" and (changed.positions is not None or changed.pool == "mean"):
                raise ValueError(
                    f"{name and name + ': '}with units = 'location' every position is a neuron: give no positions, and "
                    "a number for pool, if any"
                )
        return self

    @field_validator("alternatives")
    @classmethod
    def _check_alternatives(cls, alternatives: tuple[Alternative, ...]) -> tuple[Alternative, ...]:
        names = [alternative.name for alternative in alternatives]
        if len(set(names)) < len(names):
            raise ValueError("give each alternative a name of its own")
        return alternatives


class Variant(_Section):
    """One kind of network of the study, complete: the study's settings with the variant's own on top."""

    name: Name = MAIN
    data: DataSettings = DataSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()


def _is_of_weights(path: str) -> str:
    if Path(path).suffix not in WEIGHTS:
        raise ValueError(f"unknown file type {Path(path).suffix!r}; give one of {', '.join(WEIGHTS)}")
    return path


def _has_code(text: str) -> str:
    if not is_code(text):
        raise ValueError("give file.py:function, or file.py:function@weights")
    weights = parsed(text).weights
    if weights:
        _is_of_weights(weights)
    return text


class GivenNetworkSettings(_Section):
    """A network that is trained already: an architecture and the file of its weights, or code that makes it."""

    name: Name
    variant: Name = MAIN
    """The networks of one variant are compared with each other."""
    network: NetworkSettings | None = None
    """The architecture."""
    weights: Annotated[str, AfterValidator(_is_of_weights)] | None = None
    """The file of its weights, relative to the folder of the study's file."""
    code: Annotated[str, AfterValidator(_has_code)] | None = Field(None, alias="from")
    """Instead of both, file.py:function, or file.py:function@weights."""

    @property
    def mistake(self) -> tuple[str, str] | None:
        """The key that is to be changed, and why, if it is not said where the network comes from, or said twice."""
        if self.code is not None and (self.network is not None or self.weights is not None):
            return "from", "give either from, or network and weights"
        if self.code is None and self.network is None:
            return "name", "give network and weights, or from"
        if self.code is None and self.weights is None:
            return "network", "give weights too, the file of the trained weights"
        return None


class Settings(_Section):
    """A study: what is trained, from which seeds, what is compared, and where the results are written."""

    name: Name
    about: str = ""
    seeds: Annotated[tuple[Count, ...], Field(min_length=2)] = (0, 1, 2, 3, 4)
    output: str | None = None
    """The folder of the results; by default one of the study's name."""
    compare: CompareSettings = CompareSettings()
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]
    networks: Annotated[tuple[GivenNetworkSettings, ...], Field(min_length=2)] = ()
    """Networks that are trained already. If there are any, nothing is trained: of a variant, only name and data count,
    and seeds do not."""

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise _mistake(("seeds",), f"{', '.join(map(str, self.seeds))}: give each once")
        return self

    @model_validator(mode="after")
    def _check_variants(self) -> Self:
        names = [variant.name for variant in self.variants]
        for i, variant in enumerate(self.variants):
            if variant.name in names[:i]:
                raise _mistake(("variants", i, "name"), f"{', '.join(names)}: give each a name of its own")
            start = variant.training.start
            if start is not None and start not in names[:i]:
                raise _mistake(
                    ("variants", i, "training", "start"), f"no variant {start!r} stands before {variant.name!r}"
                )
            if variant.training.start_layers and start is None:
                raise _mistake(("variants", i, "training", "start_layers"), "give training.start too, a variant")
            if variant.training.noise > 0 and variant.data.name == "text":
                raise _mistake(
                    ("variants", i, "training", "noise"),
                    "noise is added to images, but the data are text",
                )
        return self

    @model_validator(mode="after")
    def _check_networks(self) -> Self:
        names = [network.name for network in self.networks]
        for i, network in enumerate(self.networks):
            if network.mistake is not None:
                key, message = network.mistake
                raise _mistake(("networks", i, key), message)
            if network.name in names[:i]:
                raise _mistake(("networks", i, "name"), f"{', '.join(names)}: give each a name of its own")
            if len(self.of_variant(network.variant)) < 2:
                raise _mistake(
                    ("networks", i, "variant"), f"{network.name!r} is alone in {network.variant!r}; give two or more"
                )
        if self.networks and self.compare.epochs:
            raise _mistake(("compare", "epochs"), "the networks are trained already: there is no training to follow")
        return self

    @model_validator(mode="after")
    def _check_compared(self) -> Self:
        names = [variant.name for variant in self.variants]
        for name in (name for pair in self.compare.across for name in pair):
            if name not in names:
                raise _mistake(("compare", "across"), f"no variant {name!r}; there is {', '.join(names)}")
        for pair in self.compare.across:
            x, y = (len(self.of_variant(name)) for name in pair)
            if x != y:
                raise _mistake(("compare", "across"), f"{pair[0]} has {x} networks and {pair[1]} {y}; give as many")
        last = min(variant.training.epochs for variant in self.variants)
        for epoch in self.compare.epochs:
            if epoch > last:
                raise _mistake(("compare", "epochs"), f"{epoch} is after the last of {last}")
        return self

    def variant(self, name: str) -> Variant:
        """Return the variant of a name."""
        return next(variant for variant in self.variants if variant.name == name)

    def of_variant(self, name: str) -> list[GivenNetworkSettings]:
        """Return the networks of a variant that are trained already."""
        return [network for network in self.networks if network.variant == name]

    def to_dict(self) -> dict[str, object]:
        """Return all settings that count, defaults included, as plain Python values."""
        values: dict[str, object] = (
            self.model_dump(
                mode="json",
                by_alias=True,
                exclude={"seeds": True, "variants": {"__all__": {"network": True, "training": True}}},
            )
            if self.networks
            else self.model_dump(mode="json", exclude={"networks"})
        )
        return values


LISTED: Mapping[str, type[BaseModel]] = {"variants": Variant, "networks": GivenNetworkSettings}
"""Lists of tables that a mistake may stand in."""


def _mistake(keys: Keys, message: str) -> PydanticCustomError:
    """Return the error of settings that do not fit together, at the setting that is to be changed."""
    return PydanticCustomError("settings", "{message}", {"message": message, "keys": keys})


def read_settings(path: Path_) -> Settings:
    """Return the settings in a TOML file.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Settings
        The settings, with every variant complete.

    Raises
    ------
    BadArgument
        If the file is missing, is not TOML, or has an unknown key, a wrong type or a value that is not possible: the
        mistakes are listed, each with its line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        raise BadArgument(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadArgument(f"{path}: not TOML: {error}") from error
    if lines := _of_training(values, text):
        raise BadArgument("\n".join([f"{path}:", *lines]))
    try:
        return Settings.model_validate_json(json.dumps(_completed(values), default=str))
    except ValidationError as error:
        mistakes = error.errors()
        # A mistake in a section of the study is in every variant.
        listed = dict.fromkeys(_described(mistake, text) for mistake in mistakes if not _follows(mistake, mistakes))
        raise BadArgument("\n".join([f"{path}:", *listed])) from error


def _of_training(values: Mapping[str, object], text: str) -> list[str]:
    """Return a line for each setting of training in a study of networks that are trained already."""
    if "networks" not in values:
        return []
    lines = []
    for key in (key for key in OF_TRAINING if key in values):
        section = values[key]
        inner = list(section)[:1] if isinstance(section, dict) else []
        line = _line_of(text, [key], None) or _line_of(text, [key, *inner], None)
        lines.append(f"  line {line}: {key}: does not go with [[networks]], which are trained already")
    return lines


def _follows(mistake: ErrorDetails, mistakes: Sequence[ErrorDetails]) -> bool:
    """Tell whether a list counts as too short only because of mistakes in it."""
    location = mistake["loc"]
    inner = (other["loc"] for other in mistakes if other is not mistake)
    return mistake["type"] == "too_short" and any(other[: len(location)] == location for other in inner)


def _completed(values: Mapping[str, object]) -> dict[str, object]:
    """Return the settings of a file with every variant complete: its own sections on top of those of the study."""
    sections = {name: values[name] for name in SHARED if name in values}
    rest = {name: value for name, value in values.items() if name not in sections}
    variants = values.get("variants", _named_by(values.get("networks")))
    if isinstance(variants, list) and all(isinstance(variant, dict) for variant in variants):
        rest["variants"] = [_merged(sections, variant) for variant in variants]
    return rest


def _named_by(networks: object) -> list[dict[str, str]]:
    """Return the variants that networks name, in their order; the only one has the default name."""
    given = [network for network in networks if isinstance(network, dict)] if isinstance(networks, list) else []
    names = dict.fromkeys(str(network.get("variant", MAIN)) for network in given)
    return [{"name": name} for name in names if re.match(NAME, name)] or [{"name": MAIN}]


def _merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Return nested settings, with those of `above` in the place of those of `below`."""
    merged = {**below, **above}
    for key, value in above.items():
        other = below.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            merged[key] = _merged(other, value)
    return merged


def _described(mistake: ErrorDetails, text: str) -> str:
    """Return one mistake in words, with its line."""
    location: Keys = mistake.get("ctx", {}).get("keys", mistake["loc"])
    table, number = location[0] if location else "", location[1] if len(location) > 1 else None
    in_table = table in LISTED and isinstance(number, int)
    model: type[BaseModel] = LISTED[str(table)] if in_table else Settings
    keys = _setting(model, [key for key in location[2 if in_table else 0 :] if isinstance(key, str)])
    line = _line_of(text, keys, (str(table), int(number)) if in_table and number is not None else None)
    name, message = ".".join(keys) or str(table), _message(mistake, model, keys)
    return f"  line {line}: {name}: {message}" if line else f"  {name}: {message}"


def _setting(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """Return the keys of a setting, from the location of a mistake in its value."""
    keys = []
    for key in location:
        keys.append(key)
        section = _section(model, key)
        if section is None:
            break
        model = section
    return keys


def _section(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Return the model of a section of settings, None for what is none."""
    field = model.model_fields.get(key)
    annotation = None if field is None else field.annotation
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _message(mistake: ErrorDetails, model: type[BaseModel], keys: Sequence[str]) -> str:
    """Return what is wrong, and what would be right or what was given."""
    if mistake["type"] == "extra_forbidden":
        known = _known_keys(model, keys[:-1])
        close = get_close_matches(keys[-1], known, n=1) or known
        return f"unknown key; there is {', '.join(close)}"
    message = mistake["msg"].removeprefix("Value error, ")
    return message if isinstance(mistake["input"], dict) else f"{message}; given: {mistake['input']!r}"


def _known_keys(model: type[BaseModel], keys: Sequence[str]) -> list[str]:
    """Return the keys of a section of the study, of a variant or of a network."""
    for key in keys:
        section = _section(model, key)
        assert section is not None
        model = section
    known = [field.alias or name for name, field in model.model_fields.items()]
    return [*known, *SHARED] if model is Settings else known


def _line_of(text: str, keys: Sequence[str], entry: tuple[str, int] | None) -> int | None:
    """Return the line of a setting of the study, or of an entry: the list it is in, "variants" or "networks", and its
    number.

    The sections of the study count for its variants; the last resort is the line at which the entry begins. tomllib
    does not say at which line a value stood; headers and keys at the start of a line do.
    """
    in_entry = in_study = start = None
    listed, number = entry or ("", -1)
    searches_study = entry is None or (listed == "variants" and len(keys) > 0 and keys[0] in SHARED)
    table, current = [], -1
    for i, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([\w.\"'-]+)\s*\]+", line)
        key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if header:
            table = _parts(header[1])
            current += line.strip().startswith("[[") and table == [listed]
            path = table
        elif key:
            path = [*table, *_parts(key[1])]
        else:
            continue
        if path[0] != listed:
            in_study = i if searches_study and path == list(keys[: len(path)]) else in_study
        elif current in (number, -1):  # -1 in a list of entries on one line
            start = start or i
            in_entry = i if path[1:] and path[1:] == list(keys[: len(path) - 1]) else in_entry
    return in_entry or in_study or start


def _parts(dotted: str) -> list[str]:
    """Return the parts of a dotted key."""
    return [part.strip("\"'") for part in dotted.split(".")]
