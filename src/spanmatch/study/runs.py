"""The networks of a study: what each is trained from, and where its weights are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import ValidationError
from torch import nn

from ..activations.code_names import is_code
from ..errors import SpanmatchError, among
from .datasets import Data, reader
from .given_networks import NOW, default_layers, given_networks
from .networks import located, maker
from .settings import CompareSettings, Settings, Variant
from .train import Run

if TYPE_CHECKING:
    from ..schema import RunEpochRecord

DECODED = "data"
"""In the folder of a study's results: the folder of decoded images."""


class TrainedNetwork(Protocol):
    """A trained network, as the steps of a study use it: trained by the study, or before it."""

    @property
    def short_name(self) -> str:
        """Its name among the networks of its variant."""

    @property
    def seed(self) -> int | None:
        """The seed that it was trained from, None if it is trained already."""

    @property
    def reason(self) -> str | None:
        """Why it has no accuracy, None if it has one."""

    @property
    def made_from(self) -> str:
        """Everything that its weights depend on, as JSON."""

    def network(self, data: Data, epoch: int | None = None) -> nn.Module:
        """Return the network in evaluation mode, after an epoch whose weights were kept, by default the last."""

    def untrained(self, data: Data) -> nn.Module | None:
        """Return the network before training, None if that is not known."""

    def history(self) -> list[RunEpochRecord]:
        """Return the loss and accuracy after each epoch."""


@dataclass(frozen=True)
class TrainedVariant:
    """A variant of a study with its data and its networks: one for each seed, or those that are trained already."""

    name: str
    data: Data
    runs: Sequence[TrainedNetwork]
    architecture: str
    """What its networks are, in a few words."""
    default_layers: tuple[str, ...] | None
    """The names or patterns of the layers that are compared if the settings name none, None for all layers."""
    last_epoch: int
    intervals_over: Literal["seeds", "networks"]
    """What its networks differ in: seeds, or, if they are trained already, whatever it may be."""

    @property
    def made_from(self) -> list[object]:
        """Everything that the weights of each network depend on."""
        return [json.loads(run.made_from) for run in self.runs]

    def networks(self, epoch: int | None = None) -> dict[str, nn.Module]:
        """Return the networks by name, after an epoch whose weights were kept, by default the last."""
        return {run.short_name: run.network(self.data, epoch) for run in self.runs}

    def layers(self, settings: CompareSettings) -> tuple[str, ...] | None:
        """Return the names or patterns of the layers to compare, None for all layers."""
        return settings.layers or self.default_layers

    def followed_epochs(self, settings: CompareSettings) -> list[int]:
        """Return the epochs after which the networks are compared: those of the settings, and the last."""
        return sorted({*settings.epochs, self.last_epoch})


def variants_of(settings: Settings, place: Path, folder: Path) -> dict[str, TrainedVariant]:
    """Return the variants of a study by name, with their data and networks, trained or not.

    Parameters
    ----------
    settings : Settings
        The study's settings.
    place : Path
        The folder of the study's results, where weights are kept.
    folder : Path
        The folder that paths of data and files of code are taken from.
    """
    read = reader(folder, place / DECODED)
    if settings.networks:
        return {v.name: _given_variant(settings, v.name, read(v.data), place, folder) for v in settings.variants}
    variants: dict[str, TrainedVariant] = {}
    runs_of: dict[str, list[Run]] = {}
    for variant in settings.variants:
        data = read(variant.data)
        start = runs_of.get(variant.training.start or "")
        kept_epochs = tuple(sorted({*settings.compare.epochs, variant.training.epochs}))
        settings_of_run = variant.model_dump(
            mode="json", exclude={"data": {"path", "md5", "standardise"}}
        )  # the digest says more
        about = settings_of_run | {"digest": data.digest} | _code(variant, folder)
        runs = []
        for i, seed in enumerate(settings.seeds):
            made_from = about | {"seed": seed}
            if start is not None:
                made_from["from"] = json.loads(start[i].made_from)
            runs.append(
                Run(
                    located(variant, folder),
                    seed,
                    place / "runs" / variant.name / f"seed{seed}",
                    kept_epochs,
                    json.dumps(made_from),
                    None if start is None else start[i].weights(),
                )
            )
        runs_of[variant.name] = runs
        variants[variant.name] = TrainedVariant(
            variant.name,
            data,
            runs,
            Path(variant.network.name).name,
            maker(located(variant, folder).network).layers,
            variant.training.epochs,
            "seeds",
        )
    return variants


def _given_variant(settings: Settings, name: str, data: Data, place: Path, folder: Path) -> TrainedVariant:
    """Return a variant whose networks are trained already."""
    networks = given_networks(settings.of_variant(name), data, place / "runs" / name, folder)
    return TrainedVariant(
        name,
        data,
        networks,
        ", ".join(dict.fromkeys(given.architecture for given in networks)),
        default_layers(networks),
        NOW,
        "networks",
    )


def networks_of(
    place: Path, settings: Mapping[str, object], name: str | None, epoch: int | None, folder: Path
) -> dict[str, nn.Module]:
    """Return the trained networks of a variant of a study, by seed; see `Study.networks`."""
    try:
        checked = Settings.model_validate_json(json.dumps(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SpanmatchError(
            f"{place / 'study.json'}: settings.{'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error
    names = [variant.name for variant in checked.variants]
    if name is None:
        name = names[0]
    if name not in names:
        raise SpanmatchError(f"no variant {name!r}{among(name, names)}")
    return variants_of(checked, place, folder)[name].networks(epoch)


def _code(variant: Variant, folder: Path) -> dict[str, str]:
    """Return the digest of the file that a network of the user's own is from."""
    if not is_code(variant.network.name):
        return {}
    file = folder / variant.network.name.rpartition(":")[0]
    return {"code": hashlib.sha256(file.read_bytes()).hexdigest()[:16]}
